"""Who may do what: the page's answer is what the row policy and the generated functions really do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gongzhi.kernel import audit, directory, lending
from gongzhi.kernel.act import Absent, Conflict, Done, Invalid, act
from gongzhi.kernel.context import Actor, acting, actor_of, actors_of
from gongzhi.kernel.models import Account, Register
from tests.kernel.people import People

Make = Callable[..., Done]


@pytest.fixture(scope="module")
def everyone(crew: People) -> list[int]:
    """Accounts of every role, one with two posts, one that stands in for another, one that is closed, one without a post."""
    made = [a.account for a in (crew.operator, crew.handler, crew.other, crew.manager, crew.centre, crew.far_centre,
                                crew.admin, crew.grid)]  # fmt: skip
    two = directory.add_account(crew.admin, "two-posts", "两岗")
    directory.add_post(crew.admin, two, crew.agencies["b"], "handler", crew.places["city"])
    directory.add_post(crew.admin, two, crew.agencies["centre"], "grid", crew.places["far"])
    stand_in = directory.add_account(crew.admin, "stand-in", "代班")
    directory.add_post(crew.admin, stand_in, crew.agencies["a"], "handler", crew.places["city"])
    day = timezone.localdate()
    lending.lend(crew.admin, crew.centre.post, stand_in, day, day + timedelta(days=3))
    closed = directory.add_account(crew.admin, "closed", "停用")
    directory.add_post(crew.admin, closed, crew.agencies["a"], "handler", crew.places["city"])
    directory.close_account(crew.admin, closed)
    idle = directory.add_account(crew.admin, "idle", "无岗")
    return [*made, two, stand_in, closed, idle]


@pytest.fixture(scope="module")
def records(crew: People) -> list[Any]:
    from gongzhi.kernel.context import portal_actor
    from tests.kernel.conftest import category

    made = []
    for place in ("township", "far", "city", "county"):
        for steps in range(3):
            done = act(portal_actor(), "request", "file", form={"detail": "路灯不亮", "place": crew.places[place]})
            if steps:
                form = {"agency": crew.agencies["ab"[steps - 1]], "category": category()}
                done = act(crew.operator, "request", "assign", record=done.record, version=done.version, form=form)
            made.append(done.record)
    return made


def really_sees(account: int, record: Any) -> dict[int, bool]:
    """What the row policy returns for each post of the account."""
    seen = {}
    for held in actors_of(account):
        with acting(held):
            seen[held.post] = Register.objects.filter(pk=record).exists()
    return seen


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(who=st.integers(0, 11), what=st.integers(0, 11))
def test_the_answer_is_the_row_policys(
    crew: People, everyone: list[int], records: list[Any], who: int, what: int
) -> None:
    account, record = everyone[who], records[what]
    line = audit.look(crew.admin, f"record {record}")
    found = audit.seers(crew.admin, line, record, account=account)
    assert {seer.post: seer.sees for seer in found} == really_sees(account, record)
    with acting(crew.admin):
        held = Register.objects.select_related("agency", "place").get(pk=record)
    for seer in found:
        assert seer.sees == (seer.by_area or seer.by_agency)
        assert len(seer.why(held)) == (seer.by_area + seer.by_agency or 1)
    listed = {seer.account for seer in audit.seers(crew.admin, line, record)}
    assert (account in listed) == any(really_sees(account, record).values())


def test_counts_add_up_to_the_names(crew: People, everyone: list[int], records: list[Any]) -> None:
    for record in records:
        line = audit.look(crew.admin, f"record {record}")
        for group in audit.groups(crew.admin, line, record):
            names = audit.seers(crew.admin, line, record, agency=group.agency, role=group.role)
            assert len({seer.account for seer in names}) == group.people


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(who=st.integers(0, 11), what=st.integers(0, 11), nth=st.integers(0, 30))
def test_a_refused_action_is_refused_by_its_function_too(
    crew: People, everyone: list[int], records: list[Any], who: int, what: int, nth: int
) -> None:
    """An action that the page calls impossible does not happen, and leaves nothing."""
    record = records[what]
    line = audit.look(crew.admin, f"record {record}")
    with acting(crew.admin):
        held = Register.objects.select_related("agency", "place").get(pk=record)
        rows = [
            (s, v)
            for s in audit.seers(crew.admin, line, record, account=everyone[who])
            for v in audit.verdicts(s, held)
        ]
    refused = [(seer, verdict) for seer, verdict in rows if verdict.why_not]
    if not refused:
        return
    seer, verdict = refused[nth % len(refused)]
    with pytest.raises((Absent, Conflict, Invalid)):
        act(actor_of(seer.post), "request", verdict.code, record=record, version=held.version,
            form={"agency": crew.agencies["a"], "reason": "x", "note": "x", "other": "x"})  # fmt: skip
    with acting(crew.admin):
        assert Register.objects.get(pk=record).entries == held.entries


def test_the_look_is_a_line_before_anything_is_answered(crew: People, request_in: Make) -> None:
    record, other = request_in("filed").record, request_in("filed").record
    assert audit.seers(crew.admin, uuid4(), record) == []
    line = audit.look(crew.admin, f"record {record}")
    told = directory.changes(crew.admin)[0]
    assert (told.title, told.said) == ("查看权限", {"about": f"record {record}"})
    assert audit.look(crew.admin, f"record {record}") == line  # within ten minutes it is the same look
    assert directory.changes(crew.admin)[0].at == told.at
    assert audit.seers(crew.admin, line, record) != []
    assert audit.seers(crew.admin, line, other) == []  # a line for another record answers nothing


def test_a_line_that_is_rolled_back_answers_nothing(crew: People, request_in: Make) -> None:
    record = request_in("filed").record
    kept: list[Any] = []
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        line = audit.look(crew.admin, f"record {record}")
        kept += audit.seers(crew.admin, line, record)
        raise ZeroDivisionError
    assert kept == []


def test_only_an_administrator_asks_and_only_of_what_the_own_post_sees(crew: People, request_in: Make) -> None:
    record = request_in("filed").record
    line = audit.look(crew.admin, f"record {record}")
    for stranger in (crew.operator, crew.manager, crew.handler):
        with pytest.raises(Absent):
            audit.look(stranger, f"record {record}")
        assert audit.seers(stranger, line, record) == []
    account = directory.add_account(crew.admin, "far-admin", "远管理员")
    far: Actor = actor_of(directory.add_post(crew.admin, account, crew.agencies["centre"], "admin", crew.places["far"]))
    line = audit.look(far, f"record {record}")
    assert audit.seers(far, line, record) == []
    with acting(crew.admin), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM register WHERE service = 'directory'")
        assert cursor.fetchone() == (0,)


def test_what_a_person_may_do_is_the_procedures_table(crew: People) -> None:
    from gongzhi.kernel.service import services

    [(held, rows)] = audit.may_by_service(crew.handler.account)
    assert held.post == crew.handler.post
    said = {service.code: titles for service, titles in rows}
    for code, service in services().items():
        wanted = [str(a.title) for a in service.procedure if any(r.code == "handler" for r in a.by)]
        assert said.get(code, []) == wanted
    with acting(crew.admin):
        closed = Account.objects.filter(active=False).first()
    if closed:
        assert audit.may_by_service(closed.pk) == []
