"""What a city says of itself: read without Django, its faults named, its levels, calendar and money followed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from importlib import resources
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings
from django.utils import timezone, translation

from gongzhi.kernel import money, workdays
from gongzhi.kernel.city import read_city
from gongzhi.kernel.fields import MoneyField
from gongzhi.kernel.install.citypack import other_city
from gongzhi.kernel.pack import PackError, load_pack

HUAIAN = resources.files("gongzhi.cities") / "huaian"
TABLE = "day,works\n2026-07-04,no\n2026-07-06,no\n2026-07-11,yes\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with resources.as_file(HUAIAN) as path:
        return Path(shutil.copytree(path, tmp_path / "pack"))


def changed(folder: Path, old: str, new: str) -> str:
    path = folder / "city.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return str(folder)


def test_a_city_is_read_without_django() -> None:
    code = "import sys; from gongzhi.kernel.city import read_city; read_city('huaian'); print('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('language = "zh-hans"', 'language = "la"', "la"),
        ('time_zone = "Asia/Shanghai"', 'time_zone = "Asia/Nowhere"', "Asia/Nowhere"),
        ('currency = "CNY"', 'currency = "yuan"', "yuan"),
        ('currency = "CNY"', "", "currency"),
        ("closes = 17:30:00", 'closes = "evening"', "evening"),
        ('holidays = "china"', 'holidays = "US-XX"', "US-XX"),
        ('holidays = "china"', 'holidays = "none.csv"', "none.csv"),
        ('code = "county"', 'code = "city"', "levels"),
        ('unknown = "law-petition"', 'unknown = "nothing"', "nothing"),
    ],
)
def test_a_fault_in_city_toml_is_named(folder: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(PackError, match=told):
        load_pack(changed(folder, old, new))


def test_a_name_that_is_no_pack_is_refused() -> None:
    for name in ("nowhere", "../huaian", "huaian/../huaian"):
        with pytest.raises(PackError):
            read_city(name)


def test_levels_have_their_parts_at_every_depth(tmp_path: Path) -> None:
    text = (HUAIAN / "city.toml").read_text(encoding="utf-8")
    head, tail = text[: text.index("[[levels]]")], text[text.index("[calendar]") :]
    for depth in range(2, 7):
        folder = tmp_path / str(depth)
        folder.mkdir()
        rows = "".join(f'[[levels]]\ncode = "l{number}"\ntitle = "L{number}"\n' for number in range(depth))
        (folder / "city.toml").write_text(head + rows + tail, encoding="utf-8")
        city = read_city(str(folder))
        assert (city.top, city.area, city.chosen, city.finest) == ("l0", "l1", f"l{min(2, depth - 1)}", f"l{depth - 1}")
        assert city.above("l0") == "" == city.below(f"l{depth - 1}")
        assert city.above("l1") == "l0"
    for depth in (1, 7):
        folder = tmp_path / str(depth)
        folder.mkdir()
        rows = "".join(f'[[levels]]\ncode = "l{number}"\ntitle = "L"\n' for number in range(depth))
        (folder / "city.toml").write_text(head + rows + tail, encoding="utf-8")
        with pytest.raises(PackError, match="levels"):
            read_city(str(folder))


@pytest.fixture
def american(folder: Path) -> Iterator[None]:
    changed(folder, 'holidays = "china"', 'holidays = "US-MA"')
    changed(folder, "closes = 17:30:00", "closes = 16:00:00")
    changed(folder, 'currency = "CNY"', 'currency = "USD"')
    with override_settings(CITY=str(folder)):
        yield


def test_another_country_has_other_holidays_and_hours(american: None) -> None:
    assert workdays.is_workday(date(2026, 10, 1))
    assert not workdays.is_workday(date(2026, 4, 20)), "Patriots' Day, in this part of the country only"
    assert not workdays.is_workday(date(2027, 7, 5)), "Independence Day, a Sunday, is kept on the Monday"
    assert not workdays.provisional(date(2040, 1, 2))
    end = workdays.due(timezone.make_aware(datetime(2027, 7, 2, 9)), 1)
    assert timezone.localtime(end) == timezone.make_aware(datetime(2027, 7, 6, 16))


def test_a_table_of_the_pack_can_say_which_days_are_free(folder: Path) -> None:
    (folder / "days.csv").write_text(TABLE, encoding="utf-8")
    with override_settings(CITY=changed(folder, 'holidays = "china"', 'holidays = "days.csv"')):
        assert not workdays.is_workday(date(2026, 7, 6))
        assert workdays.is_workday(date(2026, 7, 11)), "a Saturday that is worked"
        assert workdays.is_workday(date(2026, 10, 1)), "the table knows that year and does not name the day"
        assert workdays.provisional(date(2027, 7, 5))
        assert not workdays.is_workday(date(2027, 10, 1)), (
            "a feast of fixed date, in a year that the table does not know"
        )


def test_money_is_read_and_shown_in_the_citys_currency(american: None) -> None:
    read = MoneyField().clean
    assert (
        read("$1,280.00")
        == read("1280")
        == read("USD 1,280.00")
        == read("US$1280.0")
        == read("＄１，２８０．００")
        == 128000
    )
    with translation.override("en"):
        assert money.shown(128000) == "$1,280.00"
    with translation.override("zh-hans"):
        assert money.shown(128000) == "US$1,280.00"
    assert money.plain(128050) == "1280.50"
    for wrong in ("¥1,280.00", "12.345", "much", "-3"):
        with pytest.raises(ValidationError):
            read(wrong)


def test_a_currency_without_hundredths_has_none(folder: Path) -> None:
    with override_settings(CITY=changed(folder, 'currency = "CNY"', 'currency = "JPY"')):
        assert MoneyField().clean("¥1,280") == 1280
        assert money.plain(1280) == "1280"
        with pytest.raises(ValidationError):
            MoneyField().clean("12.5")


def test_money_of_the_first_city_reads_as_before() -> None:
    for text in ("¥1,280.00", "￥1280", "1280.0", "１２８０", "1，280.00"):
        assert MoneyField().clean(text) == 128000
    with translation.override("zh-hans"):
        assert money.shown(128000) == "¥1,280.00"


def test_a_database_remembers_its_city_through_a_change_of_code(database: str, folder: Path) -> None:
    from django.db import connections

    def run(statement: str) -> list[tuple[object, ...]]:
        with connections["owner"].cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    assert other_city(run, load_pack("huaian")) == ""
    for name in ("places.csv", "names.csv", "agencies.csv", "accounts.csv"):
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").replace("3208", "9908"), encoding="utf-8")
    said = other_city(run, load_pack(str(folder)))
    assert "淮安市" in said
    assert "Nothing was changed." in said
    top = run("SELECT id FROM place WHERE parent_id IS NULL")[0][0]
    with connections["owner"].cursor() as cursor:
        cursor.execute("INSERT INTO place_name (place_id, name, code) VALUES (%s, '新名', '9908')", [top])
    assert other_city(run, load_pack(str(folder))) == ""
