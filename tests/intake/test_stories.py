"""The city's invented matters: a clerk may edit the table, and a slip is told."""

import shutil
from importlib import resources
from pathlib import Path
from random import Random

import pytest

from gongzhi.intake.routing import propose
from gongzhi.intake.stories import FILE, load_stories
from gongzhi.kernel.pack import PackError, load_pack
from gongzhi.kernel.service import service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample city that a test may spoil."""
    with resources.as_file(resources.files("gongzhi.cities") / "huaian") as path:
        return Path(shutil.copytree(path, tmp_path / "city"))


def test_every_matter_has_its_nature_its_answers_and_agencies_that_are_not_the_right_one() -> None:
    pack, stories = load_pack("huaian"), load_stories("huaian")
    natures = service("request").fact("nature").titles()  # type: ignore[attr-defined]
    for story in stories.all:
        assert story.nature in natures
        assert story.detail
        assert story.answer
        assert len(story.answer) in (1, len(story.detail)), f"the answers of {story.category} fit no variant"
        assert pack.categories[story.category].agency not in {agency for agency, _ in story.refused}


def test_matters_come_from_nearly_every_head_of_the_taxonomy() -> None:
    pack = load_pack("huaian")
    heads = {pack.categories[story.category].parent for story in load_stories("huaian").all}
    assert len(heads) >= 13


def test_the_router_finds_the_right_agency_for_most_of_the_citys_own_matters() -> None:
    pack, stories, right, told = load_pack("huaian"), load_stories("huaian"), 0, 0
    for story in stories.all:
        for text in story.detail:
            spoken = text.format_map(stories.slots(Random(1), "新城社区"))
            found = propose(spoken)
            told += 1
            right += bool(found) and found[0].agency_code == pack.categories[story.category].agency
    assert right / told > 0.7


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('category = "build-lamp"', 'category = "build-lmap"', r"第 1 个 .*build-lmap"),
        ('where = "urban"', 'where = "town"', "where"),
        ("{estate}门口到", "{estat}门口到", "estat"),
        ('[["gd",', '[["nobody",', "build-lamp"),
        ("estates =", "estate =", "estates"),
        ("[[story]]", "[[story", "TOML"),
        ("decline = ", "declined = ", "decline"),
    ],
)
def test_a_slip_is_told(folder: Path, old: str, new: str, told: str) -> None:
    path = folder / FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text[:200] + text[200:].replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PackError, match=told):
        load_stories(str(folder))


def test_a_city_without_matters_is_told(folder: Path) -> None:
    (folder / FILE).unlink()
    with pytest.raises(PackError, match=FILE):
        load_stories(str(folder))
