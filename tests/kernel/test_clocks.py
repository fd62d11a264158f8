"""A process whose clock is days ahead or behind: nothing is erased too early, and seals stay in the order of time."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.utils import DataError
from django.utils import timezone

from gongzhi.cli import worker
from gongzhi.kernel import erasure
from gongzhi.kernel.act import Done
from gongzhi.kernel.models import Checkpoint, Register
from gongzhi.kernel.seals import sealing
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify

Make = Callable[..., Done]
DAYS = [-4000, -2, 2, 4000]
REAL = timezone.now


def off(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let this process's clock be wrong by so many days."""
    monkeypatch.setattr(timezone, "now", lambda: REAL() + timedelta(days=days))


@pytest.mark.parametrize("days", DAYS)
def test_nothing_is_erased_by_a_clock_that_is_wrong(
    request_in: Make, owner: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, days: int
) -> None:
    """Neither what ends in years nor what has ended: the worker says why, and erases once the clock is right."""
    young, ended = request_in("closed"), request_in("closed")
    with owner.cursor() as cursor:
        cursor.execute("UPDATE register SET closed_at = closed_at - interval '11 years' WHERE id = %s", [ended.record])
    with monkeypatch.context() as patch:
        off(patch, days)
        with caplog.at_level(logging.ERROR):
            worker._erase()
        for because in erasure.BECAUSE:
            with pytest.raises(erasure.WrongClock, match="与数据库时钟"):
                erasure.erase(ended.number, because)
    assert "请先校准时钟" in caplog.text
    assert erased(young, ended) == []
    worker._erase()
    assert erased(young, ended) == [ended.number]


def test_the_database_itself_erases_for_no_period_that_is_not_over_and_by_no_other_clock(
    request_in: Make, owner: Any
) -> None:
    """Whatever a process believes, and whatever code calls the function."""
    young = request_in("closed")
    call = """SELECT kernel.erase(kernel.system_post('clock'), id, version, gen_random_uuid(), now() + %s::interval, %s, 'x')
              FROM register WHERE id = %s"""
    with owner.cursor() as cursor:
        cursor.execute(call, ["0", '{"because":"period"}', young.record])
        assert cursor.fetchone() == (None,)
        for away in ("2 days", "-2 days"):
            with pytest.raises(DataError, match="not the database's"):
                cursor.execute(call, [away, '{"because":"court"}', young.record])
    assert erased(young) == []


def erased(*made: Done) -> list[str]:
    rows = Register.objects.using("owner").filter(pk__in=[one.record for one in made], erased=True)
    return [row.number for row in rows]


@pytest.mark.parametrize("days", DAYS)
def test_a_seal_is_never_older_than_the_one_before_nor_of_tomorrow(
    request_in: Make, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The order is of transactions, not of clocks; the moment is the database's."""
    request_in("filed")
    sealing.seal()
    before, made = order(), len(moments())
    request_in("filed")
    with monkeypatch.context() as patch:
        off(patch, days)
        worker._seal()
    after = order()
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
    request_in("filed")
    worker._seal()
    assert len(moments()) == made + 2
    assert moments() == sorted(moments())
    assert moments()[-1] <= REAL() + timedelta(minutes=1)
    assert verify(seal_keys().verifiers).ok


def order() -> list[Any]:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT entry_id FROM leaf ORDER BY pos")
        return [row[0] for row in cursor.fetchall()]


def moments() -> list[datetime]:
    return list(Checkpoint.objects.using("owner").order_by("size").values_list("at", flat=True))
