"""Delegation: a post lent for a leave acts for the other person, says so, and ends by itself."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from gongzhi.kernel import directory, lending
from gongzhi.kernel.act import Conflict, Done, act
from gongzhi.kernel.context import Actor, NoPost, acting, actor_of, actors_of
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Post, Register
from gongzhi.kernel.refusals import Absent, Invalid
from tests.kernel.people import People

Make = Callable[..., Done]


def today(days: int = 0) -> date:
    return timezone.localdate() + timedelta(days=days)


@pytest.fixture(scope="module")
def colleague(crew: People) -> Actor:
    """A second handler of the first agency."""
    account = directory.add_account(crew.admin, "colleague", "乙")
    return actor_of(directory.add_post(crew.admin, account, crew.agencies["a"], "handler", crew.places["city"]))


@pytest.fixture
def lent(crew: People, colleague: Actor) -> Iterator[Actor]:
    """The colleague, acting for the handler from today to tomorrow."""
    post = lending.lend(crew.handler, crew.handler.post, colleague.account, today(), today(1), "两件诉求周五前答复。")
    yield actor_of(post)
    if any(one.post == post and one.state == "running" for one in lending.lendings(crew.handler)):
        lending.end(crew.handler, post)


def test_the_delegate_acts_for_the_other_person_and_every_line_says_so(
    crew: People, lent: Actor, request_in: Make
) -> None:
    assert (lent.role, lent.agency, lent.own) == (crew.handler.role, crew.handler.agency, crew.handler.own)
    assert lent.named == "乙 代 t-handler"
    made = request_in("assigned")
    done = act(lent, "request", "accept", record=made.record, version=made.version)
    with acting(crew.handler):
        newest = timeline(Register.objects.get(pk=made.record), crew.handler)[0]
        assert newest.who == "乙 代 t-handler"
        assert [entry.record_id for entry in lending.done_for(crew.handler)] == [made.record]
    with pytest.raises(Conflict, match="乙 代 t-handler"):
        act(crew.handler, "request", "accept", record=made.record, version=made.version)
    assert done.stage == "working"


def test_the_own_post_comes_first_and_the_lent_one_can_be_chosen(lent: Actor, colleague: Actor) -> None:
    assert [actor.post for actor in actors_of(colleague.account)] == [colleague.post, lent.post]


def test_it_is_listed_for_both_and_for_the_administrator_and_for_nobody_else(
    crew: People, lent: Actor, colleague: Actor
) -> None:
    for reader in (crew.handler, colleague, crew.admin):
        listed = lending.lendings(reader)[0]
        assert (listed.post, listed.lender_name, listed.delegate_name) == (lent.post, "t-handler", "乙")
        assert listed.note == "两件诉求周五前答复。"
        assert (listed.since, listed.last, listed.state) == (today(), today(1), "running")
    assert lending.lendings(crew.other) == []
    with acting(crew.admin), connection.cursor() as cursor:
        with pytest.raises(Exception, match="permission denied"):
            cursor.execute("SELECT note FROM lending")
    line = directory.changes(crew.admin)[0]
    assert (line.title, line.who) == ("委托代理", "t-handler")
    assert "周五" not in str(line.said)


def test_it_ends_by_itself_and_with_the_post_it_stands_for(crew: People, colleague: Actor, owner: Any) -> None:
    made = actor_of(
        directory.add_post(crew.admin, crew.other.account, crew.agencies["a"], "handler", crew.places["city"])
    )
    post = lending.lend(made, made.post, colleague.account, today(), today(3))
    assert actor_of(post).behalf == "t-other"
    Post.objects.using("owner").filter(pk=post).update(since=today(-3), until=today())
    with pytest.raises(NoPost):
        actor_of(post)
    Post.objects.using("owner").filter(pk=post).update(until=today(2))
    assert actor_of(post).behalf == "t-other"
    directory.end_post(crew.admin, made.post)
    with pytest.raises(NoPost):
        actor_of(post)


def test_a_delegation_that_has_not_begun_gives_nothing_yet(crew: People, colleague: Actor) -> None:
    post = lending.lend(crew.handler, crew.handler.post, colleague.account, today(2), today(4))
    with pytest.raises(NoPost):
        actor_of(post)
    assert lending.lendings(crew.handler)[0].state == "coming"
    lending.end(crew.handler, post)
    assert lending.lendings(crew.handler)[0].state == "back"
    with pytest.raises(Absent):
        lending.end(crew.handler, post)


@pytest.mark.parametrize("by", ["handler", "delegate", "admin"])
def test_the_lender_the_delegate_and_an_administrator_end_it_at_once(
    crew: People, colleague: Actor, lent: Actor, by: str
) -> None:
    for stranger in (crew.other, crew.operator):
        with pytest.raises(Absent):
            lending.end(stranger, lent.post)
    lending.end({"handler": crew.handler, "delegate": lent, "admin": crew.admin}[by], lent.post)
    with pytest.raises(NoPost):
        actor_of(lent.post)
    with pytest.raises(NoPost), acting(lent):
        pass
    with pytest.raises(Absent):
        act(lent, "request", "accept", record=None, version=1)


def test_no_chain_and_a_delegate_lends_nothing_on(crew: People, lent: Actor, colleague: Actor) -> None:
    for actor, post in ((lent, lent.post), (lent, colleague.post), (colleague, lent.post)):
        with pytest.raises(Invalid, match="代理的岗位不能再转给别人"):
            lending.lend(actor, post, crew.handler.account, today(), today())


def test_what_does_not_fit_is_told_beside_its_field(crew: People, colleague: Actor) -> None:
    def refused(**given: Any) -> dict[str, list[str]]:
        wanted = {"actor": crew.handler, "post": crew.handler.post, "to": colleague.account, "since": today(),
                  "last": today(1), "note": "", **given}  # fmt: skip
        with pytest.raises(Invalid) as invalid:
            lending.lend(**wanted)
        return invalid.value.errors

    assert "早于今天" in refused(since=today(-1))["since"][0]
    assert "早于开始" in refused(last=today(-1))["last"][0]
    assert "最长一年" in refused(last=today(400))["last"][0]
    assert "有岗位的同事" in refused(to=10**9)["to"][0]
    assert "本人" in refused(to=crew.handler.account)["to"][0]
    assert "本单位" in refused(to=crew.other.account)["to"][0]
    assert "不超过" in refused(note="字" * 2001)["note"][0]
    post = lending.lend(crew.handler, crew.handler.post, colleague.account, today(), today(5))
    assert "已经由乙代理" in refused(since=today(5), last=today(9))["since"][0]
    lending.end(crew.handler, post)
    again = lending.lend(crew.handler, crew.handler.post, colleague.account, today(), today(5))
    lending.end(crew.handler, again)


def test_an_administrator_lends_for_others_but_never_the_own_post_nor_to_the_own_account(crew: People) -> None:
    post = lending.lend(crew.admin, crew.handler.post, crew.other.account, today(), today())
    assert actor_of(post).named == "t-other 代 t-handler"
    lending.end(crew.admin, post)
    with pytest.raises(Invalid, match="另一位管理员"):
        lending.lend(crew.admin, crew.admin.post, crew.other.account, today(), today())
    with pytest.raises(Invalid, match="指定自己"):
        lending.lend(crew.admin, crew.handler.post, crew.admin.account, today(), today())
    for stranger in (crew.other, crew.manager):
        with pytest.raises(Absent):
            lending.lend(stranger, crew.handler.post, crew.other.account, today(), today())
    second = directory.add_account(crew.admin, "admin-second", "二号管理员")
    other = actor_of(directory.add_post(crew.admin, second, crew.agencies["dispatch"], "admin", crew.places["city"]))
    lent = lending.lend(other, crew.admin.post, crew.other.account, today(), today())
    assert actor_of(lent).role == "admin"
    lending.end(other, lent)


def test_the_database_refuses_what_the_pages_would(crew: People, colleague: Actor, lent: Actor) -> None:
    """The same rules, asked of the function directly: the own administrator's post, a chain, another agency, overlap."""

    def lend(actor: Actor, post: int, to: int, since: date, until: date) -> Any:
        from gongzhi.kernel.act import execute

        sql = (
            "SELECT kernel.lend_post(%s::bigint, gen_random_uuid(), now(), '{}', %s::bigint, %s::bigint, %s::date, "
            "%s::date, '', ''::bytea)"
        )
        return execute(sql, [actor.post, post, to, since, until])[0]

    for given in (
        (crew.admin, crew.admin.post, crew.operator.account, today(), today(1)),
        (crew.admin, crew.other.post, crew.admin.account, today(), today(1)),
        (lent, colleague.post, crew.handler.account, today(), today(1)),
        (crew.handler, lent.post, crew.operator.account, today(), today(1)),
        (crew.handler, crew.handler.post, crew.other.account, today(), today(1)),
        (crew.handler, crew.handler.post, colleague.account, today(), today(1)),
        (colleague, crew.handler.post, crew.other.account, today(), today(1)),
        (crew.other, crew.other.post, crew.other.account, today(), today(1)),
        (crew.handler, crew.handler.post, colleague.account, today(-1), today(0)),
    ):
        assert lend(*given) is None, given


def test_an_administrator_who_ends_the_own_post_leaves_a_line(crew: People) -> None:
    account = directory.add_account(crew.admin, "leaving", "离任管理员")
    leaving = actor_of(directory.add_post(crew.admin, account, crew.agencies["dispatch"], "admin", crew.places["city"]))
    directory.end_post(leaving, leaving.post)
    assert directory.changes(crew.admin)[0].who == "离任管理员"
