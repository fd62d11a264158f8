"""Passwords: which are accepted, one's own changed, and links that hold once and for half an hour."""

from typing import Any

import pytest
from django.utils import timezone

from gongzhi.kernel import directory, passwords
from gongzhi.kernel.context import Actor, actor_of
from gongzhi.kernel.models import PasswordLink
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.signin import SignInRefused, sign_in
from tests.kernel.people import People

_serial = iter(range(1000))


@pytest.fixture
def person(crew: People) -> Actor:
    account = directory.add_account(crew.admin, f"forgetful-{next(_serial)}", "健忘人", "first-password")
    return actor_of(directory.add_post(crew.admin, account, crew.agencies["a"], "handler", crew.places["city"]))


def login_of(person: Actor) -> str:
    from gongzhi.kernel.context import acting
    from gongzhi.kernel.models import Account

    with acting(person):
        return Account.objects.get(pk=person.account).login


@pytest.mark.parametrize(
    "password", ["", "short", "a" * 201, "1234567890", "password123", "aaaaaaaaaaaa", "forgetful1"]
)
def test_what_is_easily_guessed_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as invalid:
        passwords.checked(password, "forgetful")
    assert list(invalid.value.errors) == ["password"]


@pytest.mark.parametrize("password", ["correct horse", "健康西路的路灯三天不亮", "x" * 197 + "yz!"])
def test_ten_characters_of_any_script_are_enough(password: str) -> None:
    assert passwords.checked(password, "forgetful").startswith("$argon2id$")


def test_one_changes_the_own_password_with_the_old_one(person: Actor) -> None:
    for old, new in (
        ("wrong-password", "second-password"),
        ("first-password", "first-password"),
        ("first-password", "x"),
    ):
        with pytest.raises(Invalid):
            passwords.change_own(person, old, new)
    passwords.change_own(person, "first-password", "second-password")
    assert actor_of(person.post).epoch == person.epoch + 1
    login = login_of(person)
    assert sign_in(login, "second-password", "here") == person.account
    with pytest.raises(SignInRefused):
        sign_in(login, "first-password", "here")


def test_a_link_sets_the_password_once(crew: People, person: Actor) -> None:
    secret = passwords.make_link(crew.admin, person.account)
    opened = passwords.open_link(secret)
    assert opened is not None
    assert (opened.account, opened.name) == (person.account, "健忘人")
    with pytest.raises(Invalid):
        passwords.use_link(secret, "short")
    passwords.use_link(secret, "second-password")
    assert actor_of(person.post).epoch == person.epoch + 1
    assert sign_in(opened.login, "second-password", "here") == person.account
    assert passwords.open_link(secret) is None
    with pytest.raises(Absent):
        passwords.use_link(secret, "third-password")
    titles = [line.title for line in directory.changes(crew.admin, 2)]
    assert titles == ["用链接设置密码", "发出密码链接"]


def test_a_link_opens_a_locked_account(crew: People, person: Actor) -> None:
    login = login_of(person)
    for _try in range(5):
        with pytest.raises(SignInRefused):
            sign_in(login, "wrong", "there")
    passwords.use_link(passwords.make_link(crew.admin, person.account), "second-password")
    assert sign_in(login, "second-password", "there") == person.account


def test_a_link_ends_after_half_an_hour_and_with_the_next_one(crew: People, person: Actor, owner: Any) -> None:
    first = passwords.make_link(crew.admin, person.account)
    second = passwords.make_link(crew.admin, person.account)
    assert passwords.open_link(first) is None
    link = PasswordLink.objects.using("owner").filter(account_id=person.account).latest("id")
    assert 29 * 60 < (link.expires_at - link.made_at).total_seconds() <= 30 * 60
    PasswordLink.objects.using("owner").filter(pk=link.pk).update(expires_at=timezone.now())
    assert passwords.open_link(second) is None
    with pytest.raises(Absent):
        passwords.use_link(second, "second-password")
    with owner.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM password_link WHERE encode(hash, 'escape') LIKE %s", [f"%{second}%"])
        assert cursor.fetchone() == (0,)


def test_only_an_administrator_makes_links_and_not_for_a_closed_account(crew: People, person: Actor) -> None:
    for stranger in (crew.handler, crew.operator, person):
        with pytest.raises(Absent):
            passwords.make_link(stranger, person.account)
    held = passwords.make_link(crew.admin, person.account)
    directory.close_account(crew.admin, person.account)
    assert passwords.open_link(held) is None
    with pytest.raises(Absent):
        passwords.make_link(crew.admin, person.account)
    with pytest.raises(Absent):
        passwords.use_link(held, "second-password")


def test_who_asks_by_login_learns_nothing_and_not_without_end(person: Actor) -> None:
    login = login_of(person)
    asked = passwords.ask_link(f" {login.upper()} ", "from-a")
    assert asked is not None
    assert asked[0] == person.account
    assert passwords.open_link(asked[1]) is not None
    assert passwords.ask_link("nobody-at-all", "from-a") is None
    assert passwords.ask_link("portal", "from-a") is None
    assert [passwords.ask_link(login, f"from-{n}") is None for n in range(3)] == [False, False, True]
    assert [passwords.ask_link(f"nobody-{n}", "from-b") for n in range(25)] == [None] * 25
