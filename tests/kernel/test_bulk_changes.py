"""The same action on many records at once: what act() writes, what act() refuses, and each row for itself."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone

from gongzhi.kernel import atlas
from gongzhi.kernel.act import Absent, Conflict, Done, Invalid, KeyReused, Told, act
from gongzhi.kernel.bulk_changes import Change, change_many
from gongzhi.kernel.context import ContextError, acting, loader_actor
from gongzhi.kernel.keys import open_words, unwrap
from gongzhi.kernel.models import DeadlineKept, Entry, Register
from tests.kernel.conftest import category
from tests.kernel.people import People
from tests.kernel.test_bulk import FRESH, dump

FILED = timezone.now() - timedelta(days=40)


@pytest.fixture
def admin(server: Any, database: str) -> str:
    return str(server.url(database))


def filed(crew: People, count: int, mark: str) -> list[Done]:
    form = {"detail": "路灯不亮，请尽快维修", "place": crew.places["township"], "asker_name": "周女士"}
    return [
        act(crew.operator, "request", "file", form=form, key=f"{mark}:{n}", at=FILED, loader=loader_actor())
        for n in range(count)
    ]


def life(crew: People) -> list[tuple[Any, str, dict[str, Any], Told | None]]:
    """The steps of a request, those that look at the record among them."""
    assign = {"agency": crew.agencies["a"], "category": category(), "note": "请尽快处理"}
    return [
        (crew.operator, "assign", assign, None),
        (crew.handler, "accept", {}, Told(FILED + timedelta(days=9))),
        (crew.handler, "note", {"note": "已联系"}, None),
        (crew.handler, "pause", {"reason": "等候配件"}, None),
        (crew.handler, "resume", {}, None),
        (crew.handler, "answer", {"answer": "已经修好"}, None),
    ]


def test_a_history_is_what_act_writes(crew: People, admin: str) -> None:
    many, alone, loader = filed(crew, 3, "many"), filed(crew, 1, "alone")[0], loader_actor()
    for number, (actor, action, form, told) in enumerate(life(crew), start=1):
        at = FILED + timedelta(days=number, minutes=7)
        made = change_many("request", action, [
            Change(actor, one.record, one.version, f"many:{n}:{number}", at, form, told) for n, one in enumerate(many)
        ], loader=loader)  # fmt: skip
        alone = act(
            actor, "request", action, record=alone.record, version=alone.version, form=form, key=f"alone:0:{number}",
            at=at, loader=loader, told=told,
        )  # fmt: skip
        for before, after in zip(many, made, strict=True):
            assert isinstance(after, Done), (action, after)
            assert (after.record, after.number, after.repeated) == (before.record, before.number, False)
            assert (after.version, after.stage) == (alone.version, alone.stage)
        many = [one for one in made if isinstance(one, Done)]
    for one in many:
        same(admin, alone, one)
    with acting(loader):
        kept = [
            list(DeadlineKept.objects.filter(record=one.record).order_by("id").values_list("stage", "due_at", "met_at"))
            for one in (alone, *many)
        ]
    assert [stage for stage, *_ in kept[0]] == ["filed", "assigned", "working"]
    assert kept == kept[:1] * 4


def same(admin: str, one: Done, other: Done) -> None:
    left, right = dump(admin, one.record, "request"), dump(admin, other.record, "request")
    keys = [unwrap(held["record_key"][0]["wrapped"]) for held in (left, right)]
    for table, rows in left.items():
        pairs = [sorted(given, key=lambda row: row.get("seq", 0)) for given in (rows, right[table])]
        for a, b in zip(*pairs, strict=True):
            for name in a:
                if name not in FRESH:
                    assert a[name] == b[name], (table, name)
                else:
                    assert (a[name] is None) == (b[name] is None), (table, name)
            if a.get("sealed"):
                said = [
                    open_words(key, r["record_id"], r["id"], r["sealed"]) for key, r in zip(keys, (a, b), strict=True)
                ]
                assert [{n: w["new"] for n, w in words.items()} for words in said[:1]] == [
                    {n: w["new"] for n, w in words.items()} for words in said[1:]
                ]


def test_each_row_is_told_for_itself_and_the_others_are_done(crew: People) -> None:
    at, loader = FILED + timedelta(days=1), loader_actor()
    done = filed(crew, 6, "mixed")
    good = {"agency": crew.agencies["a"], "category": category()}
    given = [
        Change(crew.operator, done[0].record, 1, "mixed:0:a", at, good),
        Change(crew.operator, done[1].record, 7, "mixed:1:a", at, good),
        Change(crew.handler, done[2].record, 1, "mixed:2:a", at, good),
        Change(crew.operator, done[3].record, 1, "mixed:3:a", at, {**good, "category": "none"}),
        Change(crew.operator, done[4].record, 1, "mixed:4", at, good),
        Change(crew.operator, done[5].record, 1, "mixed:5:a", at, good),
    ]
    made = change_many("request", "assign", given, loader=loader)
    assert [type(one) for one in made] == [Done, Conflict, Absent, Invalid, KeyReused, Done]
    assert isinstance(made[3], Invalid)
    assert set(made[3].errors) == {"category"}
    again = change_many("request", "assign", [given[0], given[5]], loader=loader)
    assert [isinstance(one, Done) and one.repeated for one in again] == [True, True]
    with acting(loader):
        assert Entry.objects.filter(record=done[0].record).count() == 2
        assert set(Register.objects.filter(pk__in=[done[n].record for n in (1, 2, 3, 4)]).values_list("version")) == {
            (1,)
        }


def test_a_batch_that_the_database_refuses_is_done_row_by_row(crew: People) -> None:
    """An agency that the database does not know stops its own row alone."""
    at, loader = FILED + timedelta(days=1), loader_actor()
    done = filed(crew, 2, "fallen")
    form = {"agency": crew.agencies["a"], "category": category()}
    with mock.patch.dict(atlas.atlas().agencies, {99_999_999: ("agency", "", "")}):
        good, bad = change_many(
            "request", "assign",
            [
                Change(crew.operator, done[0].record, 1, "fallen:0:a", at, form),
                Change(crew.operator, done[1].record, 1, "fallen:1:a", at, form | {"agency": 99_999_999}),
            ],
            loader=loader,
        )  # fmt: skip
    assert isinstance(good, Done)
    assert isinstance(bad, Invalid)


def test_it_makes_no_records_and_stays_outside_transactions(crew: People) -> None:
    with pytest.raises(ValueError, match="file"):
        change_many("request", "file", [], loader=loader_actor())
    with acting(crew.operator), pytest.raises(ContextError):
        change_many("request", "assign", [], loader=loader_actor())
    assert not connection.in_atomic_block
