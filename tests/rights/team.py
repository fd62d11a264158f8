"""A service of care and its team: run by ``test_with_care.py``, where the test-only desk is there."""

import html
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from gongzhi.kernel import care, directory, lending
from gongzhi.kernel.act import Absent, Invalid, act, execute
from gongzhi.kernel.context import Actor, acting, actor_of, clock_actor, following
from gongzhi.kernel.generate import function
from gongzhi.kernel.keys import open_words, unwrap
from gongzhi.kernel.models import Entry, Notice, RecordKey, Register
from gongzhi.kernel.search import find_keys
from gongzhi.kernel.worker import tick
from gongzhi.web.who import unread_of
from tests.rights.world import Subject, World, viewer
from tests.services.lab import at_desk, owner_rows

OUTSIDE, INSIDE = ("handler", "city", "a", False), ("handler", "city", "a", True)


@pytest.fixture
def visit(made: World) -> Subject:
    """The record of care that agency a owes."""
    return next(s for s in made.subjects if s.service.code == "visit" and s.agency == made.people.agencies["a"])


def sees(actor: Actor, visit: Subject) -> bool:
    with acting(actor):
        return Register.objects.filter(pk=visit.held.record).exists()


def test_the_policy_is_a_restrictive_one(made: World) -> None:
    held = owner_rows(
        "SELECT c.relname, p.polpermissive, p.polcmd FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE p.polname = 'care'"
    )
    assert sorted(held) == [("notice", False, "r"), ("register", False, "r")]


def test_the_team_alone_sees_it_and_only_what_its_posts_reach(made: World, visit: Subject) -> None:
    assert sees(viewer(made, INSIDE).actor, visit)
    for kind in (
        OUTSIDE,
        ("manager", "city", "dispatch", False),
        ("admin", "city", "dispatch", False),
        ("handler", "city", "b", True),
    ):
        assert not sees(viewer(made, kind).actor, visit), kind
    assert not sees(made.people.admin, visit)
    assert sees(clock_actor(), visit)  # deadlines run for care too


def test_an_administrator_names_and_ends_and_both_are_written_down(made: World, visit: Subject) -> None:
    admin, who = made.people.admin, viewer(made, ("grid", "city", "b", False)).actor
    assert not sees(who, visit)
    member = care.name_member(admin, who.post, "visit")
    assert sees(who, visit)
    with acting(admin):
        assert care.teams([who.post])[who.post] == [(member, visit.service)]
    with pytest.raises(Invalid):
        care.name_member(admin, who.post, "visit")
    care.end_member(admin, member)
    assert not sees(who, visit)
    with acting(admin):
        assert care.teams([who.post]) == {}
    told = [(str(line.title), line.said) for line in directory.changes(admin, 2)]
    assert told == [("退出关怀团队", {"member": member}), ("加入关怀团队", {"post": who.post, "service": "visit"})]
    with pytest.raises(Absent):
        care.end_member(admin, member)


def test_who_may_not_name(made: World) -> None:
    people, who = made.people, viewer(made, OUTSIDE).actor
    for actor in (people.manager, people.operator, who):
        with pytest.raises(Absent):
            care.name_member(actor, who.post, "visit")
    far = actor_of(directory.add_post(
        people.admin, directory.add_account(people.admin, "far-care-admin", "远管"), people.agencies["centre"], "admin", people.places["far"]))  # fmt: skip
    with pytest.raises(Absent):
        care.name_member(far, who.post, "visit")
    with pytest.raises(Absent):
        care.name_member(people.admin, people.admin.post, "visit")
    own = directory.add_post(people.admin, people.admin.account, people.agencies["a"], "handler", people.places["city"])
    with pytest.raises(Absent):
        care.name_member(people.admin, own, "visit")  # another post of the own account
    with pytest.raises(Absent):
        care.name_member(people.admin, clock_actor().post, "visit")
    with pytest.raises(Invalid):
        care.name_member(people.admin, who.post, "request")


def test_functions_of_the_release_before_change_nothing_of_care(made: World, visit: Subject) -> None:
    """An old web process during an upgrade calls the rule without teams: for care it holds for the follow-up code alone."""
    member = viewer(made, INSIDE).actor
    other = next(s for s in made.subjects if not s.service.care and made.sees(member, s))
    role = connection.settings_dict["USER"].removesuffix("_app") + "_kernel"
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute(f'SET LOCAL ROLE "{role}"')
        for subject, proven, allowed in (
            (visit, None, False),
            (visit, visit, True),
            (visit, other, False),
            (other, None, True),
        ):
            cursor.execute(
                "SELECT coalesce(kernel.allowed(g.place_path, g.agency_id, g.id, a.low, a.high, a.own, %s), false) "
                "FROM public.register g, kernel.reach(%s) a WHERE g.id = %s",
                [proven.held.record if proven else None, member.post, subject.held.record],
            )
            assert cursor.fetchone() == (allowed,), (subject.number, proven)


def test_a_delegate_is_of_no_team_that_did_not_name_the_delegate(made: World, visit: Subject) -> None:
    member, stand_in = viewer(made, INSIDE).actor, viewer(made, ("handler", "county", "a", False)).actor
    day = timezone.localdate()
    lent = actor_of(lending.lend(made.people.admin, member.post, stand_in.account, day, day + timedelta(days=1)))
    assert lent.own == member.own
    assert not sees(lent, visit)


def test_the_page_names_a_team_and_says_who_is_of_it(made: World) -> None:
    browser, who = at_desk(made.people.admin), viewer(made, ("centre", "city", "b", False))
    asked = html.unescape(browser.get(f"/work/posts?do=name_care&of={who.actor.post}").content.decode())
    assert "居家照护" in asked
    done = browser.post("/work/posts", {"do": "name_care", "of": who.actor.post, "service": "visit"})
    assert done.status_code == 302, done.content.decode()[-3000:]
    shown = html.unescape(browser.get(f"/work/posts?q={who}").content.decode())
    assert "居家照护团队" in shown
    with acting(made.people.admin):
        [[(member, _)]] = care.teams([who.actor.post]).values()
    assert browser.post("/work/posts", {"do": "end_care", "of": member}).status_code == 302
    assert "居家照护团队" not in browser.get(f"/work/posts?q={who}").content.decode()


def test_it_is_not_exported(made: World, visit: Subject) -> None:
    member = at_desk(viewer(made, INSIDE).actor)
    for kind in ("csv", "xlsx"):
        answer = member.get(f"/work/s/visit/export/{kind}")
        assert answer.status_code == 403
        assert "不导出" in answer.content.decode()
    assert "/export/" not in member.get("/work/s/visit/").content.decode()


def test_it_is_tied_to_nothing_else(made: World, visit: Subject) -> None:
    actor = viewer(made, INSIDE).actor
    other = next(s for s in made.subjects if not s.service.care and made.sees(actor, s))
    for one, two in ((visit, other), (other, visit)):
        with pytest.raises(Invalid, match="关怀"):
            act(actor, one.service.code, "link", record=one.held.record, form={"other": two.number, "note": ""})
        made_function = function(one.service, one.service.action("link"))
        given = {"post": actor.post, "record": one.held.record, "entry": two.held.record, "at": timezone.now(), "body": "{}",
                 "other": two.held.record, "version": 1}  # fmt: skip
        assert execute(made_function.call, [given.get(name) for name, _ in made_function.parameters])[0] == "absent"


def test_a_notice_of_it_is_no_line_more_for_the_others_of_the_agency(made: World, visit: Subject) -> None:
    outside, inside = viewer(made, OUTSIDE).actor, viewer(made, INSIDE).actor
    tick()

    def told(actor: Actor) -> tuple[int, int]:
        with acting(actor):
            return Notice.objects.filter(agency=actor.agency).count(), unread_of(actor)

    before = told(outside), told(inside)
    act(inside, "visit", "task", record=visit.held.record, form={"task": "送药", "task_days": 1})
    assert tick()["entries"]
    assert told(outside) == before[0]
    assert told(inside)[0] == before[1][0] + 1


def test_search_and_counts_of_steps_do_not_tell(made: World, visit: Subject) -> None:
    outside, inside = viewer(made, OUTSIDE).actor, viewer(made, INSIDE).actor
    word = next(text for text in visit.telling if text.startswith("zq") and text in visit.title)
    assert find_keys(outside, word, 5) == []
    assert find_keys(inside, word, 5) == [visit.held.record]
    city = viewer(made, ("manager", "city", "dispatch", False)).actor
    member = viewer(made, ("manager", "city", "dispatch", True)).actor
    ask = "SELECT coalesce(sum(done), 0) FROM kernel.kept(%s::bigint, %s::timestamptz, NULL, NULL)"
    since = timezone.now() - timedelta(days=1)
    before = execute(ask, [city.post, since])[0], execute(ask, [member.post, since])[0]
    with acting(inside):
        version = Register.objects.get(pk=visit.held.record).version
    act(inside, "visit", "begin", record=visit.held.record, version=version)
    assert execute(ask, [city.post, since])[0] == before[0]
    assert execute(ask, [member.post, since])[0] == before[1] + 1


def test_the_clock_the_follower_and_nobody_else_are_let_past_the_team(made: World, visit: Subject) -> None:
    with following(visit.number, visit.held.follow) as record:
        assert record is not None
        assert record.pk == visit.held.record
    with pytest.raises((Absent, psycopg.errors.InsufficientPrivilege)):
        act(viewer(made, OUTSIDE).actor, "visit", "note", record=visit.held.record, form={"note": "x"})


def test_who_could_see_it_is_not_told_to_an_administrator_outside(made: World, visit: Subject) -> None:
    assert at_desk(made.people.admin).get(f"/work/rights/r/{visit.number}").status_code == 404


def test_its_words_are_for_no_public_count(made: World, visit: Subject) -> None:
    from gongzhi.web.portal import solved

    counted: Any = solved._counted_services()
    assert visit.service not in counted


def test_an_act_that_says_a_position_alone_seals_it_as_a_word(made: World, visit: Subject) -> None:
    """A position may be somebody's door: it is sealed with the record's key, which the act must have asked for."""
    actor, label = viewer(made, INSIDE).actor, {"record": visit.held.record}
    with acting(actor):
        row = Register.objects.get(pk=visit.held.record)
    if row.stage_code == "asked":
        act(actor, "visit", "begin", version=row.version, **label)
    with acting(actor):
        version = Register.objects.get(pk=visit.held.record).version
    act(actor, "visit", "locate", version=version, form={"point": "119.123456,33.654321"}, **label)
    with acting(actor):
        row = Register.objects.get(pk=visit.held.record)
        entry = Entry.objects.filter(record=row, action="locate").get()
        key = unwrap(RecordKey.objects.get(record=row).wrapped)
    assert (row.lon, row.lat) == (119.123456, 33.654321)
    assert "119.12" not in entry.body
    assert open_words(key, row.pk, entry.pk, entry.sealed)["point"]["new"] == "119.123456,33.654321"
