"""The smallest pack of the documentation is a city, and a home remembers which one it is."""

import re
from pathlib import Path

import pytest

from gongzhi.kernel.pack import load_pack
from tests.architecture.test_shape import ROOT
from tests.cli.test_commands import gongzhi, home

__all__ = ["home"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack that docs/a-second-city.md writes down, file by file."""
    folder = tmp_path_factory.mktemp("smallport")
    text = (ROOT / "docs" / "a-second-city.md").read_text(encoding="utf-8")
    files = re.findall(r"```\w+\n# file: (\S+)\n(.*?)```", text, flags=re.DOTALL)
    assert len(files) == 7
    for name, content in files:
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_the_documented_pack_is_whole(pack: Path) -> None:
    city = load_pack(str(pack)).city
    assert [level.code for level in city.levels] == ["town", "ward"]
    assert (city.area, city.chosen, city.finest) == ("ward", "ward", "ward")


@pytest.mark.long
def test_a_home_remembers_its_city_and_refuses_another(home: Path, pack: Path) -> None:
    made = gongzhi(home, "init", "--city", str(pack))
    assert made.returncode == 0, made.stderr
    assert gongzhi(home, "check").returncode == 0, "without being told which city it is"
    for arguments in (("init", "--city", "testville"), ("init", "--city", "huaian")):
        refused = gongzhi(home, *arguments)
        assert refused.returncode == 2
        assert "Smallport" in refused.stderr
        assert "Nothing was changed." in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    assert gongzhi(home, "upgrade").returncode == 0
