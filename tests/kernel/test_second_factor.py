"""One-time codes: the RFC's own vectors, no code twice, lock-out, recovery codes, and a secret that nobody reads."""

import time
from typing import Any

import pytest
from django.db import connection

from gongzhi.kernel import directory, second_factor
from gongzhi.kernel.context import Actor, acting, actor_of
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.signin import SignInRefused
from tests.kernel.people import People

_serial = iter(range(1000))


@pytest.fixture
def person(crew: People) -> Actor:
    account = directory.add_account(crew.admin, f"coded-{next(_serial)}", "持码人")
    return actor_of(directory.add_post(crew.admin, account, crew.agencies["a"], "handler", crew.places["city"]))


@pytest.fixture
def enrolled(person: Actor) -> tuple[Actor, bytes, list[str]]:
    """A person with a second factor whose first code was that of a minute ago."""
    secret = second_factor.begin(person)
    codes = second_factor.prove(person, second_factor.code_at(secret, time.time() - second_factor.STEP))
    return person, secret, codes


@pytest.mark.parametrize(
    ("moment", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(moment: int, code: str) -> None:
    assert second_factor.code_at(b"12345678901234567890", moment) == code  # appendix B, SHA-1, the last six digits


def test_a_code_of_this_step_and_of_the_next_ones_counts_and_none_twice(enrolled: Any) -> None:
    person, secret, _ = enrolled
    now = time.time()
    with pytest.raises(SignInRefused):  # the code that proved the phone
        second_factor.check(person.account, second_factor.code_at(secret, now - second_factor.STEP))
    second_factor.check(person.account, second_factor.code_at(secret, now))
    with pytest.raises(SignInRefused, match="已经用过"):
        second_factor.check(person.account, second_factor.code_at(secret, now))
    second_factor.check(person.account, second_factor.code_at(secret, now + second_factor.STEP))
    for away in (-300, 3 * second_factor.STEP):
        with pytest.raises(SignInRefused):
            second_factor.check(person.account, second_factor.code_at(secret, now + away))


def test_five_wrong_codes_lock_even_the_right_one(enrolled: Any) -> None:
    person, secret, _ = enrolled
    for _try in range(5):
        with pytest.raises(SignInRefused, match="不对"):
            second_factor.check(person.account, "000000")
    with pytest.raises(SignInRefused, match="暂停登录"):
        second_factor.check(person.account, second_factor.code_at(secret, time.time()))


def test_ten_recovery_codes_hold_once_each(enrolled: Any) -> None:
    person, _, codes = enrolled
    assert len(set(codes)) == second_factor.RECOVERY
    second_factor.check(person.account, codes[0].upper().replace("-", " "))
    with pytest.raises(SignInRefused):
        second_factor.check(person.account, codes[0])
    held = second_factor.factor_of(person.account)
    assert held is not None
    assert held.left == second_factor.RECOVERY - 1
    fresh = second_factor.renew(person)
    with pytest.raises(SignInRefused):
        second_factor.check(person.account, codes[1])
    second_factor.check(person.account, fresh[1])


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "\x00", "'; DROP", "é" * 6])
def test_what_is_no_code_is_refused_with_a_sentence(enrolled: Any, code: str) -> None:
    with pytest.raises(SignInRefused, match="动态口令不对"):
        second_factor.check(enrolled[0].account, code)


def test_it_is_on_only_once_the_phone_has_shown_a_code(person: Actor) -> None:
    secret = second_factor.begin(person)
    assert second_factor.begin(person) == secret
    assert not second_factor.has_factor(person.account)
    with pytest.raises(Invalid, match="动态口令不对"):
        second_factor.prove(person, "000000")
    second_factor.prove(person, " ".join(second_factor.code_at(secret, time.time())))
    assert second_factor.has_factor(person.account)
    for again in (second_factor.begin, lambda p: second_factor.prove(p, second_factor.code_at(secret, time.time()))):
        with pytest.raises(Absent):
            again(person)


def test_the_secret_lies_sealed_and_the_application_reads_neither_it_nor_a_recovery_code(
    crew: People, enrolled: Any, owner: Any
) -> None:
    person, secret, codes = enrolled
    with owner.cursor() as cursor:
        cursor.execute("SELECT sealed FROM second_factor WHERE account_id = %s", [person.account])
        sealed = bytes(cursor.fetchone()[0])
        cursor.execute("SELECT hash FROM recovery_code WHERE account_id = %s", [person.account])
        hashes = [bytes(row[0]) for row in cursor.fetchall()]
    assert secret not in sealed
    assert len(hashes) == second_factor.RECOVERY
    assert all(code.replace("-", "").encode() not in kept for code in codes for kept in hashes)
    for table in ("second_factor", "recovery_code", "password_link", "outside_identity"):
        with acting(crew.admin), connection.cursor() as cursor, pytest.raises(Exception, match="permission denied"):
            cursor.execute(f"SELECT * FROM {table}")


def test_a_sealed_secret_does_not_open_for_another_account(enrolled: Any, person: Actor, owner: Any) -> None:
    from gongzhi.kernel.keys import Tampered

    second_factor.begin(person) if person.account != enrolled[0].account else None
    account = enrolled[0].account
    with owner.cursor() as cursor:
        cursor.execute("SELECT sealed FROM second_factor WHERE account_id = %s", [account])
        sealed = cursor.fetchone()[0]
    from gongzhi.kernel.keys import open_secret

    with pytest.raises(Tampered):
        open_secret(f"second factor {account + 1}", sealed)


def test_an_administrator_takes_it_away_for_a_lost_phone_and_it_is_written_down(crew: People, enrolled: Any) -> None:
    person, _, codes = enrolled
    for stranger in (crew.operator, crew.handler):
        with pytest.raises(Absent):
            second_factor.drop(stranger, person.account)
    second_factor.drop(crew.admin, person.account)
    assert not second_factor.has_factor(person.account)
    line = directory.changes(crew.admin)[0]
    assert (line.title, line.said) == ("取消动态口令", {"account": person.account})
    with pytest.raises(SignInRefused):
        second_factor.check(person.account, codes[2])
    with pytest.raises(Absent):
        second_factor.drop(crew.admin, person.account)
