"""Cells as clerks write them."""

from datetime import date, datetime, time

import pytest
from django.utils import timezone
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from gongzhi.intake.mapping import BadCell, Column, MappingError, builtin, load, moment, parse, read, tidy, whole
from gongzhi.kernel.fields import FlagChoice

FULL_WIDTH = {ord(plain): ord(plain) + 0xFEE0 for plain in "0123456789-/.:,"}  # U+FF01 … U+FF5E


@pytest.mark.parametrize(
    "written",
    ["2026-11-23", "2026/11/23", "2026.11.23", "2026年11月23日", "20261123", "2026-11-23".translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789-"}), "2026/11/23 ",
     46349, 46349.0, "46349", datetime(2026, 11, 23), date(2026, 11, 23)],
)  # fmt: skip
def test_a_day_is_understood_however_it_is_written(written: object) -> None:
    assert timezone.localtime(moment(written)).date() == date(2026, 11, 23)


@pytest.mark.parametrize(
    "written",
    ["2026-11-23 14:05", "2026年11月23日 14时05分", "2026/11/23 14:05:00", "20261123 140500", "2026-11-23T14:05"],
)
def test_a_time_of_day_is_kept(written: str) -> None:
    assert timezone.localtime(moment(written)).time() == time(14, 5)


@pytest.mark.parametrize(
    "written",
    ["2026-02-30", "2026年2月30日", "20260230", "2026-13-01", "明天", "12/31/2026", "2026-11-23 25:00", "3", 3, 0.5],
)
def test_what_is_no_day_of_the_calendar_is_refused_with_its_text(written: object) -> None:
    with pytest.raises(BadCell, match="日"):
        moment(written)


@given(
    st.dates(date(1990, 1, 1), date(2090, 12, 31)),
    st.sampled_from(["{0:%Y-%m-%d}", "{0.year}年{0.month}月{0.day}日", "{0:%Y%m%d}"]),
)
def test_every_day_survives_writing_and_reading(day: date, form: str) -> None:
    assert timezone.localtime(moment(form.format(day).translate(FULL_WIDTH))).date() == day


@given(st.integers(-(10**12), 10**12))
def test_whole_numbers_are_read_in_full_width_and_with_separators(number: int) -> None:
    assert whole(f"{number:,}".translate(FULL_WIDTH)) == number


@pytest.mark.parametrize("text", ["", "1.5", "十", "1e3", "--1", "9" * 40])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(BadCell):
        whole(text)


@given(st.text())
def test_tidy_leaves_no_control_character(text: str) -> None:
    assert not {letter for letter in tidy(text) if letter < " "} - {"\n", "\t"}


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_true_or_false_of_a_spreadsheet_is_the_same_in_every_language(language: str) -> None:
    with override(language):
        assert (tidy(True), tidy(False)) == ("TRUE", "FALSE")  # as the same sheet saved as CSV has it
        answer = Column("已回访", "called", values={"TRUE": "yes", "FALSE": "no"})
        assert (read(answer, True, {}), read(answer, "FALSE", {})) == ("yes", "no")
        assert FlagChoice().clean(tidy(True)) is True
        assert FlagChoice().clean(tidy(False)) is False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("service = ", "写法不对"), ("service='request'", "缺少"), ("[columns.a]\nfield='x'", "缺少 service"),
        ("service='request'\n[columns.a]\ntype='money'", "type 只能是"),
        ("service='request'\nkey=['b']\n[columns.a]\nfield='x'", "“b”"),
        ("service='request'\n[columns.a]\nfield='x'\n[columns.b]\nfield='x'", "两列"),
        ("service='request'\n[columns.a]\nfeld='x'", "feld"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_used_says_why(text: str, told: str) -> None:
    with pytest.raises(MappingError, match=told):
        parse(text, "试")


def test_the_mappings_that_come_with_the_platform_can_be_read() -> None:
    assert "hotline" in builtin()
    for name in builtin():
        assert load(name).required
    with pytest.raises(MappingError, match="hotline"):
        load("没有这个")


@pytest.mark.parametrize("text", ["=1+1", "+86 139", "-5", "@x", "'=1", "'n Boot", "''", "plain", "a'b", ""])
def test_what_an_export_made_safe_is_read_as_it_was(text: str) -> None:
    from gongzhi.kernel.export import plain, safe

    assert plain(safe(text)) == text
    assert not safe(text).startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize(
    ("cell", "said"),
    [("1,280.50", "1280.50"), ("￥１２．５", "12.5"), (86.5, "86.5"), ("十二", None), ("1.2.3", None), ("1e9", None)],
)
def test_numbers_with_decimals(cell: object, said: str | None) -> None:
    column = Column("金额", "amount", "decimal")
    if said is None:
        with pytest.raises(BadCell, match="不是数字"):
            read(column, cell, {})
    else:
        assert read(column, cell, {}) == said


def test_an_agency_is_known_by_code_and_name() -> None:
    column = Column("责任单位", "agency", "agency")
    assert read(column, "市住建局", {}, {"市住建局": 7}) == 7
    with pytest.raises(BadCell, match="没有单位“不存在局”"):
        read(column, "不存在局", {}, {"市住建局": 7})
