"""The city pack: Huai'an is whole, and a clerk's slip in a table is named with its file and line."""

import csv
import shutil
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from gongzhi.kernel.pack import Pack, PackError, load_pack
from gongzhi.kernel.roles import ROLES, STAFF

LABELS = ("城乡建设", "劳动和社会保障", "教育文体", "商贸旅游", "环境保护", "卫生计生", "交通运输")


@pytest.fixture(scope="module")
def huaian() -> Pack:
    """The sample city."""
    return load_pack("huaian")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample city that a test may spoil."""
    with resources.as_file(resources.files("gongzhi.cities") / "huaian") as path:
        return Path(shutil.copytree(path, tmp_path / "我的 城市"))


def change(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence in a file, which must have it."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_tree_has_seven_counties_and_the_zone_113_townships_and_1601_villages(huaian: Pack) -> None:
    levels = Counter(place.level for place in huaian.places)
    assert levels["city"] == 1
    assert levels["county"] == 8
    assert levels["township"] == 113
    assert levels["village"] == 1601
    assert levels["grid"] > 0
    assert "320871" in {place.code for place in huaian.places if place.level == "county"}


def test_every_place_hangs_below_one_of_the_level_above(huaian: Pack) -> None:
    levels = {place.code: place.level for place in huaian.places}
    above = {"county": "city", "township": "county", "village": "township", "grid": "village"}
    for place in huaian.places:
        assert (place.parent is None) == (place.level == "city")
        assert place.parent is None or levels[place.parent] == above[place.level]


def test_old_names_have_the_day_on_which_they_ended(huaian: Pack) -> None:
    places = {place.code: place for place in huaian.places}
    ended = {name.name: name.until for name in places["320803"].names}
    assert ended["淮安区"] is None
    assert ended["楚州区"] is not None
    assert ended["楚州区"].year == 2012
    merged = {name.name for name in places["320812"].names}
    assert merged == {"清江浦区", "清河区", "清浦区"}


def test_counties_open_on_the_map_within_the_citys_bounds(huaian: Pack) -> None:
    for place in huaian.places:
        if place.level in ("city", "county"):
            assert place.lon is not None
            assert place.lat is not None
            assert 118.1 < place.lon < 119.7
            assert 32.7 < place.lat < 34.2


def test_forty_agencies_one_that_dispatches_and_a_centre_for_every_county(huaian: Pack) -> None:
    assert len(huaian.agencies) == 40
    kinds = Counter(agency.kind for agency in huaian.agencies)
    assert kinds["dispatch"] == 1
    counties = {place.code for place in huaian.places if place.level == "county"}
    assert {agency.place for agency in huaian.agencies if agency.kind == "centre"} == counties


def test_each_role_of_the_staff_has_a_sample_account_and_somebody_holds_two_posts(huaian: Pack) -> None:
    assert {post.role for account in huaian.accounts for post in account.posts} == {role.code for role in STAFF}
    assert any(len(account.posts) == 2 for account in huaian.accounts)
    assert {post.role for account in huaian.accounts for post in account.posts} <= ROLES.keys()


def test_every_agency_that_a_category_names_has_somebody_to_answer(huaian: Pack) -> None:
    answering = {post.agency for account in huaian.accounts for post in account.posts if post.role == "handler"}
    assert {kind.agency for kind in huaian.taxonomy} <= answering


def test_the_taxonomy_has_fifteen_heads_among_them_the_seven_that_messages_are_labelled_with(huaian: Pack) -> None:
    heads = [kind for kind in huaian.taxonomy if kind.parent is None]
    assert len(heads) == 15
    assert set(LABELS) <= {head.title for head in heads}
    leaves = [kind for kind in huaian.taxonomy if kind.parent]
    assert 80 <= len(leaves) <= 120
    assert all(kind.words for kind in leaves), "a category without words can never be proposed"
    assert len({kind.title for kind in huaian.taxonomy}) == len(huaian.taxonomy), "two categories would look the same"


def test_a_pack_in_any_folder_is_read_also_when_a_spreadsheet_saved_it(folder: Path) -> None:
    table = folder / "agencies.csv"
    table.write_text(table.read_text(encoding="utf-8"), encoding="utf-8-sig")  # spreadsheets put a mark in front
    assert len(load_pack(str(folder)).agencies) == 40


def test_an_unknown_city_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="nowhere"):
        load_pack("nowhere")
    with pytest.raises(PackError, match=r"city\.toml"):
        load_pack(str(tmp_path))


@pytest.mark.parametrize(
    ("table", "old", "new", "told"),
    [
        ("places.csv", ",county,", ",province,", "places.csv 第 3 行"),
        ("places.csv", "119.02", "东经119", "places.csv 第 2 行"),
        ("places.csv", "320803001,320803,", "320803001,320899,", "淮城街道"),
        ("names.csv", "2012-01-01", "2012年", "names.csv"),
        ("agencies.csv", "dispatch", "hotline", "agencies.csv 第 2 行"),
        ("agencies.csv", "dispatch", "agency", "dispatch"),
        ("accounts.csv", "operator,3208", "operator,9999", "operator"),
        ("taxonomy.csv", "build,cgj", "build,nobody", "taxonomy.csv"),
        ("taxonomy.csv", "物业管理,build", "物业管理,bilud", "物业管理"),
        ("city.toml", "centre =", "center =", "centre"),
        ("names.csv", "320803,", "329999,", "names.csv"),
        ("accounts.csv", "operator,3208", "oprator,3208", "oprator"),
    ],
)
def test_a_slip_in_a_table_is_told_with_the_place_where_it_is(
    folder: Path, table: str, old: str, new: str, told: str
) -> None:
    change(folder / table, old, new)
    with pytest.raises(PackError, match=told):
        load_pack(str(folder))


def test_a_row_twice_is_told(folder: Path) -> None:
    with (folder / "agencies.csv").open("a", encoding="utf-8") as file:
        file.write("zjj,又一个住建局,住建,agency,3208\n")
    with pytest.raises(PackError, match="重复"):
        load_pack(str(folder))


def test_a_missing_column_or_table_is_told(folder: Path) -> None:
    rows = list(csv.reader((folder / "agencies.csv").read_text(encoding="utf-8").splitlines()))
    (folder / "agencies.csv").write_text("\n".join(",".join(row[:3]) for row in rows), encoding="utf-8")
    with pytest.raises(PackError, match=r"agencies\.csv"):
        load_pack(str(folder))
    (folder / "places.csv").unlink()
    with pytest.raises(PackError, match=r"places\.csv"):
        load_pack(str(folder))


def test_a_table_in_another_encoding_is_told_and_not_guessed(folder: Path) -> None:
    table = folder / "agencies.csv"
    table.write_bytes(table.read_text(encoding="utf-8").encode("gb18030"))
    with pytest.raises(PackError, match="UTF-8"):
        load_pack(str(folder))
