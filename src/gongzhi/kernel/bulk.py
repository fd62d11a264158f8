"""Making many records at once: the creating action of any service, a thousand rows in a transaction.

Every row is checked, worded, sealed and keyed by the very code that ``act()`` uses (``compose``), and a batch of them goes
to one generated function (``generate_many``), which tests and writes the same as the function of one act. What comes out
differs in nothing but the clock (a test holds it, column by column). While the database writes a batch, the next ones are
composed, in helping processes too where there are cores for them (``helpers``); they are written in the rows' order. A batch
is one transaction: none of it is half there, and an open one holds nothing up for long.

Rows that the function refuses, and batches that fall, go one by one through ``act()``, which has the words for it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from django.utils import timezone

from gongzhi.kernel.act import Done, act
from gongzhi.kernel.batches import Composed, Composer, Row, without_rings
from gongzhi.kernel.context import Actor, ContextError, follow_code
from gongzhi.kernel.generate_many import function_for_many
from gongzhi.kernel.helpers import Helpers, cores
from gongzhi.kernel.keys import keyring
from gongzhi.kernel.packed import ask
from gongzhi.kernel.refusals import Refused, Unreachable
from gongzhi.kernel.service import Service, service

__all__ = ["BATCH", "Outcome", "Row", "act_many"]

BATCH = 1000
"""Rows of one transaction: under half a second."""
ALONE = 2
"""Batches after which helpers are called: a smaller load is through before one has got up."""
_WAITING = 3
"""Batches that may wait to be written, and as many again for each helper: what memory it takes."""

Outcome = Done | Refused


def act_many(actor: Actor, service_code: str, rows: Iterable[Row], *, loader: Actor | None = None) -> Iterator[Outcome]:
    """Make a record of each row; yield in the rows' order what came of it: Done, or the Refused that ``act()`` would raise.

    Call it outside ``acting()``. ``loader`` answers for rows with a time of their own. Raises Unreachable, with what was
    told so far done and the rest to do; LookupError: no such service.
    """
    if connection.in_atomic_block:
        raise ContextError("act_many() is transactions of its own; call it outside acting()")
    composer = Composer(actor, service(service_code), loader)
    writer = ThreadPoolExecutor(1, thread_name_prefix="gongzhi-bulk")
    spoken = copy_context()  # the reader's language: a batch that a helper leaves undone is composed by the writer
    waiting: deque[tuple[list[Row], Future[dict[int, Outcome]]]] = deque()
    with without_rings(), Helpers(composer) as helpers:
        try:
            for number, several in enumerate(_batches(rows)):
                if number == ALONE:
                    helpers.call(cores() - 1)
                now = timezone.now()
                ready = helpers.take(several, now) or composer.compose(several, now)
                waiting.append((several, writer.submit(spoken.run, _write, composer, several, now, ready)))
                while waiting and (waiting[0][1].done() or len(waiting) > _WAITING * (1 + helpers.count)):
                    yield from _told(composer, *waiting.popleft())
            while waiting:
                yield from _told(composer, *waiting.popleft())
        finally:
            for _, answer in waiting:
                answer.cancel()
            writer.submit(connection.close)
            writer.shutdown()


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut the rows into batches; those with a time of their own and those without never share one."""
    several: list[Row] = []
    for row in rows:
        if several and (len(several) == BATCH or (several[0].at is None) != (row.at is None)):
            yield several
            several = []
        several.append(row)
    if several:
        yield several


def _told(composer: Composer, rows: list[Row], answer: Future[dict[int, Outcome]]) -> Iterator[Outcome]:
    made = answer.result()
    for here, row in enumerate(rows):
        yield made.get(here) or _alone(composer, row)


def _alone(composer: Composer, row: Row) -> Outcome:
    declared = composer.declared
    try:
        return act(
            composer.actor, declared.code, declared.creating.code, form=row.form, key=row.key, at=row.at,
            loader=composer.loader if row.at else None,
        )  # fmt: skip
    except Unreachable:
        raise
    except Refused as refusal:
        return refusal


def _write(
    composer: Composer, rows: list[Row], now: datetime, ready: Composed | Future[Composed | None]
) -> dict[int, Outcome]:
    """Write a batch, in the writer's thread; return what came of its rows by position, without what ``act()`` must tell."""
    made = ready if isinstance(ready, Composed) else ready.result() or composer.compose(rows, now)
    return {**made.refused, **dict(_answered(composer.declared, made, write(composer.declared, made)))}


def write(declared: Service, made: Composed) -> list[Any]:
    """Bring a batch to the database; return the function's answer for each row, none where ``act()`` must tell.

    Raises Unreachable.
    """
    if not made.here:
        return []
    function = function_for_many(declared)
    kinds = ", ".join(f"${n}::{kind}" for n, (_, kind) in enumerate(function.parameters, 1))
    for last in (False, True):
        try:
            connection.ensure_connection()
            raw: psycopg.Connection[Any] = connection.connection
            return ask(raw, f"SELECT * FROM {function.name}({kinds})", made.arguments)
        except psycopg.errors.UniqueViolation:
            if last:  # someone else loads the same rows at this moment: each row sees for itself
                return []
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError):
            return []  # which row it was, and what to say of it, comes out one by one
        except psycopg.OperationalError as error:
            connection.close()
            if last or not made.keyed:
                raise Unreachable from error
    return []


def _answered(declared: Service, made: Composed, answers: list[Any]) -> Iterator[tuple[int, Done]]:
    stage, ring = declared.creating.target.code, keyring()
    for row, outcome, record, number in answers:
        n = int(row) - 1
        if outcome == b"done":
            yield made.here[n], Done(UUID(bytes=made.records[n]), number.decode(), 1, stage, False, made.codes[n])
        elif outcome == b"repeated":
            first = UUID(record.decode())
            yield made.here[n], Done(first, number.decode(), 1, stage, True, follow_code(first.bytes, ring))
