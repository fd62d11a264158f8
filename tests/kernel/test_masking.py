"""Numbers that tell of a person are masked wherever words are read, and come back where the words are worked on."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from gongzhi.kernel.act import Done, act
from gongzhi.kernel.city import PackError, read_city
from gongzhi.kernel.context import acting, following
from gongzhi.kernel.history import timeline
from gongzhi.kernel.looked import looked
from gongzhi.kernel.masking import Ambiguous, MaskedLines, masked, restored, unmasked
from gongzhi.kernel.models import Register, Task
from gongzhi.kernel.parties import ask_words, reading
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify
from gongzhi.kernel.service import service
from tests.kernel.people import People

Make = Callable[..., Done]
PHONE, OTHER, IDENTITY, MAIL = "13912345679", "13912345678", "320802199001011234", "zhou.yi@example.org"
NAME = "张三"
TOLD = f"请打 {PHONE}，身份证 {IDENTITY}，或写信到 {MAIL}。"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("请打13912345679。", "请打139****5679。"),
        ("139-1234-5679 或 139 1234 5679", "139****5679 或 139****5679"),
        ("１３９１２３４５６７９", "139****5679"),
        ("打+8613912345679或008613912345679", "打861****5679或008****5679"),
        ("身份证32080219900101123X", "身份证320****123X"),
        ("身份证320802199001011234，", "身份证320****1234，"),
        ("写到zhou.yi+a@mail.example.org吧", "写到z****@mail.example.org吧"),
        ("编号SQ2026000001，2026-11-23 14:05", "编号SQ2026000001，2026-11-23 14:05"),
        ("座机0517-83912345，或(0517)83912345、（0517）8391 2345", "座机051****2345，或051****2345、051****2345"),
        ("０５１７－８３９１２３４５，051783912345，0517—8391234", "051****2345，051****2345，051****1234"),
        ("+86 517 83912345，0086-0517-83912345，010-65123456转8012", "865****2345，008****2345，010****3456转8012"),
        (
            "01-2026-0517，0517-19912345，0260-83912345，0517号，025-1号",
            "01-2026-0517，0517-19912345，0260-83912345，0517号，025-1号",
        ),
        ("工单 202613912345679001 号", "工单 202613912345679001 号"),
        ("320802199013011234", "320802199013011234"),
        ("", ""),
        ("@", "@"),
    ],
)
def test_what_is_masked_and_what_is_not(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


@given(
    st.lists(
        st.sampled_from([PHONE, OTHER, IDENTITY, MAIL, "路灯不亮，", " 第 3 栋 ", "139****5670", "0", "，"]), max_size=8
    )
)
def test_what_was_masked_is_put_back_into_what_was_not_touched(parts: list[str]) -> None:
    text = "".join(parts)
    assert restored(masked(text), text) == text
    assert restored(text, text) == text


_AREAS = ["010", "021", "025", "0517", "0898", "0951"]


@given(st.sampled_from(_AREAS), st.integers(2_000_000, 89_999_999).filter(lambda n: str(n)[0] in "2345678"),
       st.sampled_from(["{}-{}", "{} {}", "({}){}", "（{}）{}", "{}{}", "{}—{}", "{}--{}", "（{}） {}"]), st.sampled_from(["", "请打", "：", "，"]))  # fmt: skip
def test_a_landline_is_masked_however_it_is_written(area: str, number: int, way: str, before: str) -> None:
    shown = masked(f"{before}{way.format(area, number)}。")
    assert shown == f"{before}{area[:3]}****{number % 10_000:04}。"


_WHOLE = st.integers(0, 10**9)


@given(
    st.one_of(
        st.dates().map(str), st.dates().map("{:%Y%m%d}".format), st.datetimes().map("{:%m-%d %H:%M}".format),
        st.datetimes().map("{:%Y-%m-%d %H:%M:%S}".format),
        st.integers(0, 999_999).map("SQ2026{:06}".format), st.integers(0, 999_999).map("XC2026{:06}".format),
        _WHOLE.map("{:,} 元".format), _WHOLE.map(lambda n: f"{n / 100:.2f} 元"), st.integers(0, 10**13).map("{} 分".format),
        st.tuples(st.integers(1, 999), st.integers(1, 99), st.integers(100, 3999)).map("{0[0]}号{0[1]}幢{0[2]}室".format),
        st.tuples(st.integers(1, 999), st.integers(1, 99), st.integers(100, 3999)).map("{0[0]}-{0[1]}-{0[2]}".format),
        st.tuples(st.floats(73, 135), st.floats(18, 53)).map("{0[0]:.6f},{0[1]:.6f}".format),
        st.integers(10**8, 10**9 - 1).map("苏H{}".format),
    ), st.sampled_from(["", "编号", " ", "（"]), st.sampled_from(["", "，", " ", "）"]),
)  # fmt: skip
def test_days_numbers_of_records_amounts_houses_and_places_are_no_landlines(text: str, before: str, after: str) -> None:
    """Those of eleven digits that look like a mobile number are left out: such an amount is masked, and may be."""
    if not re.search(r"1[3-9]\d{9}|\d{17}", text):
        assert masked(before + text + after) == before + text + after


def test_an_edited_text_gets_its_numbers_back() -> None:
    held = f"先打 {PHONE}，再打 13900005679"
    assert restored("先打 139****5679，再打 139****5679，最后上门", held) == f"{held}，最后上门"
    assert restored("不用打了", held) == "不用打了"
    assert restored("只打 138****0000", held) == "只打 138****0000"
    with pytest.raises(Ambiguous):
        restored("只打 139****5679", held)
    assert restored("打 139****5679 或 139****5679", f"打 {PHONE}") == f"打 {PHONE} 或 {PHONE}"


ONE, TWO, SHOWN = PHONE, "13900005679", "139****5679"


@pytest.mark.parametrize(
    "edited",
    [
        "李 {m}，张 {m}",
        "找 李 {m}，张 {m}",
        "{m}",
        "张{m}，李{m}",
        "先张 {m}，再李 {m}",
        "张 {m}，李 {m}，王 {m}",
        "打 {m}",
        "{m} {m}",
        "张 {m}",
    ],
)
def test_two_numbers_with_one_mask_are_never_swapped(edited: str) -> None:
    """Where it cannot be told which one a mask stands for, nothing is guessed."""
    with pytest.raises(Ambiguous):
        restored(edited.format(m=SHOWN), f"张 {ONE}，李 {TWO}")


@pytest.mark.parametrize(
    "edited",
    ["张 {a}，李 {b}。请回电", "请回电：张 {a}，李 {b}", "李 {b}", "张 {a}，王 {b}", "张 {a}，问过李 {b}", "先找李 {b}",
     "张 {a}，也给王 13700000000，李 {b}", "张 {a}。", "不打了"],
)  # fmt: skip
def test_numbers_with_one_mask_come_back_where_their_part_was_not_touched(edited: str) -> None:
    held = f"张 {ONE}，李 {TWO}"
    assert restored(edited.format(a=SHOWN, b=SHOWN), held) == edited.format(a=ONE, b=TWO)


def test_a_mask_that_begins_with_another_and_stars_that_were_typed() -> None:
    held = "写到 zhou@qq.com 或 zeng@qq.com.cn"
    assert restored(f"{masked(held)}。", held) == f"{held}。"
    assert restored("只写 z****@qq.com.cn", held) == "只写 zeng@qq.com.cn"
    typed = f"有人写 {SHOWN}，我的是 {ONE}"
    assert restored(f"{masked(typed)}。", typed) == f"{typed}。"
    assert restored(f"我的是 {SHOWN}", typed) == f"我的是 {ONE}"
    with pytest.raises(Ambiguous):
        restored(SHOWN, typed)


_PIECES = st.lists(st.sampled_from(["张 ", "李 ", "，", " ", "ONE", "TWO"]), max_size=7)


@given(_PIECES, _PIECES, st.integers(0, 7), st.integers(0, 7))
def test_whatever_is_cut_out_and_put_in_no_number_comes_back_where_another_stood(
    kept: list[str], added: list[str], begin: int, end: int
) -> None:
    """One stretch of pieces gives way to words: what comes back is what was there, or a refusal."""
    numbers = {"ONE": f"{ONE} ", "TWO": f"{TWO} "}
    begin, end = sorted((begin, end))
    put = [piece for piece in added if piece not in numbers]
    meant, held = [*kept[:begin], *put, *kept[end:]], "".join(numbers.get(piece, piece) for piece in kept)
    text = "".join(f"{SHOWN} " if piece in numbers else piece for piece in meant)
    try:
        back = restored(text, held)
    except Ambiguous:
        return
    assert back == "".join(numbers.get(piece, piece) for piece in meant)


def test_a_citys_patterns_are_tried_when_the_pack_is_read(tmp_path: Any) -> None:
    from gongzhi.kernel.city import pack_folder

    whole = (pack_folder(settings.CITY) / "city.toml").read_text(encoding="utf-8")
    for number, wrong in enumerate(("'('", "3", "'x?'")):
        folder = tmp_path / str(number)
        folder.mkdir()
        text = re.sub(r"(?m)^\[masked\]$", f"[masked]\nwrong = {wrong}", whole)
        (folder / "city.toml").write_text(text, encoding="utf-8")
        with pytest.raises(PackError, match=r"masked\.wrong"):
            read_city(str(folder))


@pytest.fixture
def matter(crew: People, request_in: Make) -> Done:
    """A matter whose texts name a phone, an identity card and an address, everywhere where words go."""
    made = request_in("working", detail=TOLD, title=f"找 {PHONE}", address=f"3 栋，{PHONE}", asker_name="周一")
    act(crew.handler, "request", "note", record=made.record, form={"note": TOLD})
    act(crew.handler, "request", "task", record=made.record, form={"task": f"打 {PHONE}", "task_days": 3})
    return made


def test_every_reading_is_masked_and_the_columns_keep_what_was_typed(crew: People, matter: Done) -> None:
    with acting(crew.handler):
        row = Register.objects.get(pk=matter.record)
        read = [row.title, row.facts.detail, row.facts.address, *Task.objects.values_list("title", flat=True)]
        read += [
            str(service("request").values(row.facts)),
            str(list(service("request").model._default_manager.values())),
        ]
        read += [text for line in timeline(row, crew.handler) for _label, text in line.words]
        assert not [text for text in read if any(secret in text for secret in (PHONE, IDENTITY, MAIL))]
        assert row.facts.detail == "请打 139****5679，身份证 320****1234，或写信到 z****@example.org。"
        with unmasked():
            assert Register.objects.get(pk=matter.record).facts.detail == TOLD
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT detail FROM request WHERE record_id = %s", [matter.record])
        assert cursor.fetchone() == (TOLD,)
    with following(matter.number, matter.follow) as record:
        assert record is not None
        assert record.facts.detail == TOLD
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert report.findings == []


def test_who_states_a_purpose_reads_the_texts_and_the_person_reads_of_it(crew: People, matter: Done) -> None:
    with pytest.raises(Invalid):
        ask_words(crew.handler, matter.record, "curiosity")
    for actor in (crew.other, crew.admin):
        with pytest.raises((Absent, Invalid)):
            ask_words(actor, matter.record, "contact")
    look = ask_words(crew.handler, matter.record, "contact", note="约时间")
    with reading(crew.handler, look) as record:
        assert record.facts.detail == TOLD
        assert TOLD in [text for line in timeline(record, crew.handler) for _label, text in line.words]
    with pytest.raises(Absent), reading(crew.manager, look):
        pass
    with acting(crew.handler):
        assert PHONE not in Register.objects.get(pk=matter.record).facts.detail
    assert [one.fields for one in looked(service("request"), matter.number, matter.follow)] == [["文字里的号码"]]


def test_a_look_that_is_rolled_back_shows_no_text(crew: People, matter: Done) -> None:
    from uuid import uuid4

    from django.db import connection, transaction

    look = uuid4()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT kernel.ask(%s, %s, %s, %s, now(), 'contact', 'words', '{}')",
                [crew.handler.post, matter.record, look, uuid4()],
            )
            assert cursor.fetchone() == (True,)
            cursor.execute("SELECT kernel.take_words(%s, %s)", [crew.handler.post, look])
            assert cursor.fetchone() == (None,)
        raise ZeroDivisionError
    with pytest.raises(Absent), reading(crew.handler, look):
        pass


def test_an_edit_that_shows_masks_loses_no_number(crew: People) -> None:
    held = f"找 {PHONE} 或 13900005679"
    form = {"address": f"健康西路 18 号 {PHONE}", "use": "home", "place": crew.places["township"], "remark": held}
    extra = {"safety_grade": "A", "graded_on": "2026-05-01"} if "safety_grade" in service("house").extras else {}
    made = act(crew.grid, "house", "enter", form={**form, **extra})

    def remark() -> str:
        with acting(crew.grid), unmasked():
            return str(service("house").model._default_manager.get(pk=made.record).remark)

    with acting(crew.grid):
        shown = service("house").model._default_manager.get(pk=made.record).remark
    assert shown == "找 139****5679 或 139****5679"
    done = act(
        crew.grid, "house", "correct", record=made.record, version=1, form={"remark": f"{shown}，先约", "floors": "6"}
    )
    assert remark() == f"{held}，先约"
    with pytest.raises(Invalid) as refused:
        act(
            crew.grid, "house", "correct", record=made.record, version=done.version, form={"remark": "只找 139****5679"}
        )
    assert list(refused.value.errors) == ["remark"]
    done = act(crew.grid, "house", "correct", record=made.record, version=done.version, form={"floors": "7"})
    assert remark() == f"{held}，先约"
    act(crew.grid, "house", "correct", record=made.record, version=done.version, form={"remark": "没有号码了"})
    assert remark() == "没有号码了"


def test_a_title_made_of_a_text_is_cut_through_no_number(crew: People, request_in: Make) -> None:
    made = request_in("filed", detail=f"{'路' * 34}{PHONE}不亮")
    with acting(crew.operator), unmasked():
        assert PHONE[:8] not in Register.objects.get(pk=made.record).title


def test_log_lines_have_no_numbers_and_no_rows() -> None:
    lines = MaskedLines("{levelname} {message}", style="{")
    try:
        raise ValueError(f"no row\nDETAIL:  Failing row contains (1, {TOLD}\n第二行 {NAME}).\nHINT:  Look.\n")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "x", 1, "%s", (f"tel {PHONE}",), (ValueError, error, error.__traceback__)
        )
    line = lines.format(record)
    assert "139****5679" in line
    assert "HINT:  Look." in line
    assert not [secret for secret in (PHONE, IDENTITY, MAIL, NAME, "身份证") if secret in line]
