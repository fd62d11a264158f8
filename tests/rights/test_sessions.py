"""Transactions, cursors, pools and scopes: nothing of one actor is left for the next, and a missing scope is none."""

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.utils import timezone
from psycopg_pool import ConnectionPool

from gongzhi.kernel.act import act
from gongzhi.kernel.context import ContextError, NoPost, acting, following
from gongzhi.kernel.models import Account, Post, Register
from tests.rights.probing import FAR, NEAR, address, pair, sql
from tests.rights.world import World, viewer
from tests.services.lab import Machine, at_desk

# --- transactions, cursors, pools -----------------------------------------------------------------------------------------


def test_a_cursor_left_open_ends_with_its_actor(made: World) -> None:
    """Rows that were not fetched yet are nobody's once the transaction is over, and not the next one's."""
    who, other = viewer(made, NEAR), viewer(made, FAR)
    with acting(who.actor):
        rows = Register.objects.order_by("pk").iterator(chunk_size=1)
        first = next(rows)
    assert made.allowed(who.actor, first.service_code, first.place_id, first.agency_id)
    with acting(other.actor), pytest.raises(Exception, match="cursor"):
        list(rows)
    held = "gz_held"
    with acting(who.actor), connection.cursor() as cursor:
        cursor.execute(f"DECLARE {held} CURSOR FOR SELECT number FROM register ORDER BY id")
    with acting(other.actor), pytest.raises(Exception, match=held), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"FETCH ALL FROM {held}")


def test_a_cursor_across_a_change_of_settings_reads_by_the_settings_of_the_moment(made: World) -> None:
    """Code that changes the settings by hand within one transaction gets the new actor's rows from the old cursor, no others."""
    who, other = viewer(made, NEAR), viewer(made, FAR)
    with acting(who.actor), connection.cursor() as cursor:
        cursor.execute(
            "DECLARE c NO SCROLL CURSOR FOR SELECT service, place_id, agency_id FROM register WHERE service <> ''"
        )
        cursor.execute("SELECT kernel.enter(%s)", [other.actor.post])
        cursor.execute("FETCH ALL FROM c")
        rows = cursor.fetchall()
        assert all(made.allowed(other.actor, *row) for row in rows)


def test_nothing_begins_within_another_transaction(made: World) -> None:
    """A savepoint that is released leaves its settings to the outer transaction: the rest of it would read as that actor."""
    who, _, hidden = pair(made)
    with transaction.atomic():
        with pytest.raises(ContextError), acting(who.actor):
            pass
        with pytest.raises(ContextError), following(hidden.number, hidden.held.follow):
            pass
        assert not Register.objects.exists()
    with transaction.atomic(), pytest.raises(ContextError):
        act(who.actor, "request", "file", form={"detail": "x"})
    with transaction.atomic():  # the reason: what PostgreSQL does
        with transaction.atomic():
            sql("SELECT kernel.enter(%s)", who.actor.post)
        assert sql("SELECT current_setting('gz.post', true)") == [(str(who.actor.post),)]
        transaction.set_rollback(True)
    assert not Register.objects.exists()


def test_a_savepoint_within_keeps_the_actor(made: World) -> None:
    who, mine, hidden = pair(made)
    with acting(who.actor):
        with pytest.raises(ProgrammingError), transaction.atomic():
            sql("SELECT no_such_column FROM register")
        assert Register.objects.filter(number=mine.number).exists()
        assert not Register.objects.filter(number=hidden.number).exists()


def test_a_pooled_connection_carries_nobodys_rights(made: World) -> None:
    """Whatever the last one did with it: committed, failed, or was cut off in the middle."""
    who = viewer(made, NEAR)
    with ConnectionPool(psycopg.conninfo.make_conninfo(**address()), min_size=1, max_size=1) as pool:
        for end in ("commit", "rollback", "error"):
            try:
                with pool.connection() as held:
                    held.execute("SELECT kernel.enter(%s)", [who.actor.post])
                    counted_rows = held.execute("SELECT count(*) FROM register").fetchone()
                    assert counted_rows
                    assert counted_rows[0] > 0
                    if end == "rollback":
                        held.rollback()
                    if end == "error":
                        held.execute("SELECT no_such_column FROM register")
            except psycopg.errors.UndefinedColumn:
                pass
            with pool.connection() as held:
                assert held.execute("SELECT count(*) FROM register").fetchone() == (0,), end
                assert held.execute("SELECT nullif(current_setting('gz.post', true), '')").fetchone() == (None,), end


# --- scope that falls back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{}, {"gz.low": ""}, {"gz.low": "0"}, {"gz.post": "1"}, {"gz.agency": ""}, {"gz.follow": ""}, {"gz.care": "visit house request"}],
)  # fmt: skip
def test_half_a_scope_is_no_scope(made: World, settings: dict[str, str]) -> None:
    """Peers read everything where a scope is missing; here nothing. Both ends are only set together, by a post."""
    with transaction.atomic():
        for name, value in settings.items():
            sql("SELECT set_config(%s, %s, true)", name, value)
        assert not Register.objects.exists()


def test_a_role_that_nobody_declared_sees_nothing(made: World) -> None:
    account = Account._default_manager.using("owner").create(login="v-odd", name="odd")
    city = made.people.places["city"]
    post = Post._default_manager.using("owner").create(
        account=account, agency_id=made.people.agencies["a"], role="retired", place_id=city, since=timezone.localdate()
    )
    with transaction.atomic():
        assert sql("SELECT low, high, own FROM kernel.enter(%s)", post.pk) == [(None, None, None)]
        assert not Register.objects.exists()


def test_a_post_that_ended_or_is_none_sees_nothing_and_the_rest_of_the_transaction_neither(made: World) -> None:
    who = viewer(made, NEAR)
    for post in (0, -1, 2**60):
        with transaction.atomic():
            assert sql("SELECT post FROM (SELECT 1 AS post FROM kernel.enter(%s)) s", post) == []
            assert not Register.objects.exists()
    owner_post = Post._default_manager.using("owner").filter(pk=who.actor.post)
    owner_post.update(until=timezone.localdate())
    try:
        with pytest.raises(NoPost), acting(who.actor):
            pass
        assert Machine(who.actor).get(f"/{made.subjects[0].service.code}").status_code in (401, 404)
    finally:
        owner_post.update(until=None)


def test_a_place_outside_ones_area_narrows_to_what_one_sees_and_widens_nothing(made: World) -> None:
    """The switcher and the filters take an id of any place; a foreign, an ended or a made-up one shows no more than before."""
    who, mine, hidden = pair(made)
    browser = at_desk(who.actor)
    session = browser.session
    for key in (made.people.places["far"], made.people.places["city"], 10**9, None):
        session["place"] = key
        session.save()
        page = browser.get(f"/work/s/{mine.service.code}/").content
        assert mine.number.encode() in page
        assert hidden.number.encode() not in page
    for asked in (
        "place=999999999",
        f"place={made.people.places['far']}",
        "place=x",
        "agency=999999",
        "stage=x",
        "nothing=1",
    ):
        assert hidden.number.encode() not in browser.get(f"/work/s/{mine.service.code}/?{asked}").content
        answer = Machine(who.actor).get(f"/{mine.service.code}?{asked}")
        assert hidden.number.encode() not in answer.content
        assert answer.status_code in (200, 422)
