"""Making many records at once: the creating action of any service, a thousand rows in a transaction.

Every row is checked, worded, sealed and keyed by the very code that ``act()`` uses (``compose``), and a batch of them goes
to one generated function (``generate_many``), which tests and writes the same as the function of one act. What comes out
differs in nothing but the clock (a test holds it, column by column). While the database writes a batch, the next one is
composed. A batch is one transaction: none of it is half there, and an open one holds nothing up for long.

Rows that the function refuses, and batches that fall, go one by one through ``act()``, which has the words for it.
"""

import gc
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import uuid_utils
from django.db import connection
from django.utils import timezone

from gongzhi.kernel.act import Done, act
from gongzhi.kernel.compose import prepare
from gongzhi.kernel.context import Actor, ContextError, follow_code
from gongzhi.kernel.draft import Draft, Memo
from gongzhi.kernel.forms import Cleaned
from gongzhi.kernel.generate_many import PARTY, columns_of, function_for_many
from gongzhi.kernel.packed import ask, packed
from gongzhi.kernel.refusals import Absent, Refused, Unreachable
from gongzhi.kernel.service import Service, service

BATCH = 1000
"""Rows of one transaction: under half a second."""
_REMEMBERED = 20_000
"""Short values whose clean form is kept from batch to batch."""
_OFTEN = gc.get_threshold()
_SELDOM = 200_000
"""New objects between two looks for rings of them: drafts make many and no ring; looking was a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record to be made: the raw form, the key that makes a repeated row change nothing, when it was (aware)."""

    form: Mapping[str, Any]
    key: str | None = None
    at: datetime | None = None


Outcome = Done | Refused


@dataclass
class _Batch:
    """Rows on their way: their outcomes as far as known, and what the others bring to the database."""

    past: bool
    memo: Memo
    now: datetime = field(default_factory=timezone.now)
    rows: list[Row] = field(default_factory=list)
    outcomes: list[Outcome | None] = field(default_factory=list)
    drafts: list[tuple[int, Draft]] = field(default_factory=list)
    """Position among the rows, and the draft."""
    keys: dict[str, int] = field(default_factory=dict)


def act_many(actor: Actor, service_code: str, rows: Iterable[Row], *, loader: Actor | None = None) -> Iterator[Outcome]:
    """Make a record of each row; yield in the rows' order what came of it: Done, or the Refused that ``act()`` would raise.

    Call it outside ``acting()``. ``loader`` answers for rows with a time of their own. Raises Unreachable, with what was
    told so far done and the rest to do; LookupError: no such service.
    """
    if connection.in_atomic_block:
        raise ContextError("act_many() is transactions of its own; call it outside acting()")
    declared = service(service_code)
    writer = ThreadPoolExecutor(1, thread_name_prefix="gongzhi-bulk")
    waiting: tuple[_Batch, Future[dict[int, Outcome]]] | None = None
    gc.set_threshold(_SELDOM, *_OFTEN[1:])
    try:
        for batch in _batches(actor, declared, rows, loader):
            answer = writer.submit(_write, actor, declared, batch, loader)
            if waiting:
                yield from _told(actor, declared, *waiting, loader)
            waiting = batch, answer
        if waiting:
            yield from _told(actor, declared, *waiting, loader)
    finally:
        gc.set_threshold(*_OFTEN)
        writer.submit(connection.close)
        writer.shutdown()


def _batches(actor: Actor, declared: Service, rows: Iterable[Row], loader: Actor | None) -> Iterator[_Batch]:
    """Compose the rows, batch by batch; a row under a key that the batch already has waits for what comes of the first."""
    batch: _Batch | None = None
    cleaned: Cleaned = {}
    for row in rows:
        past = row.at is not None
        if batch and (len(batch.rows) == BATCH or batch.past != past):
            yield batch
            batch = None
        if batch is None:
            cleaned = cleaned if len(cleaned) < _REMEMBERED else {}
            batch = _Batch(past, Memo(cleaned=cleaned, new_id=uuid_utils.uuid7))
        here = len(batch.rows)
        batch.rows.append(row)
        batch.outcomes.append(None)
        if row.key and row.key in batch.keys:
            continue
        try:
            draft = Draft(
                actor, declared, declared.creating, None, None, row.key or None, "", row.at or batch.now,
                loader if past else None, memo=batch.memo, entry=batch.memo.new_id(),
            )  # fmt: skip
            batch.drafts.append((here, prepare(draft, row.form, ())))
        except Absent:
            continue  # unless the key says that it was done: act() knows
        except Refused as refusal:
            batch.outcomes[here] = refusal
            continue
        if row.key:
            batch.keys[row.key] = here
    if batch:
        yield batch


def _told(
    actor: Actor, declared: Service, batch: _Batch, answer: Future[dict[int, Outcome]], loader: Actor | None
) -> Iterator[Outcome]:
    made = answer.result()
    for here, (row, known) in enumerate(zip(batch.rows, batch.outcomes, strict=True)):
        outcome = known or made.get(here)
        yield outcome or _alone(actor, declared, row, loader)


def _alone(actor: Actor, declared: Service, row: Row, loader: Actor | None) -> Outcome:
    try:
        return act(
            actor, declared.code, declared.creating.code, form=row.form, key=row.key, at=row.at,
            loader=loader if row.at else None,
        )  # fmt: skip
    except Unreachable:
        raise
    except Refused as refusal:
        return refusal


def _write(actor: Actor, declared: Service, batch: _Batch, loader: Actor | None) -> dict[int, Outcome]:
    """Write the batch, in the writer's thread; return Done by position, without the rows that ``act()`` must tell of."""
    if not batch.drafts:
        return {}
    made = function_for_many(declared)
    call = f"SELECT * FROM {made.name}({', '.join(f'${n}::{kind}' for n, (_, kind) in enumerate(made.parameters, 1))})"
    arguments = [actor.post, loader.post if loader and batch.past else None, *_columns(declared, batch)]
    stage, keyed = declared.creating.target.code, all(draft.key for _, draft in batch.drafts)
    for last in (False, True):
        try:
            connection.ensure_connection()
            raw: psycopg.Connection[Any] = connection.connection
            answers = ask(raw, call, arguments)
        except psycopg.errors.UniqueViolation:
            if last:  # someone else loads the same rows at this moment: each row sees for itself
                return {}
        except (psycopg.errors.IntegrityError, psycopg.errors.DataError):
            return {}  # which row it was, and what to say of it, comes out one by one
        except psycopg.OperationalError as error:
            connection.close()
            if last or not keyed:
                raise Unreachable from error
        else:
            return dict(_answered(batch, stage, answers))
    return {}


def _answered(batch: _Batch, stage: str, answers: list[Any]) -> Iterator[tuple[int, Done]]:
    for row, outcome, record, number in answers:
        here, draft = batch.drafts[int(row) - 1]
        if outcome == b"done" and draft.record:
            yield (
                here,
                Done(UUID(bytes=draft.record.bytes), number.decode(), 1, stage, repeated=False, follow=draft.code),
            )
        elif outcome == b"repeated":
            first = UUID(record.decode())
            code = follow_code(first.bytes, batch.memo.ring)
            yield here, Done(first, number.decode(), 1, stage, repeated=True, follow=code)


def _columns(declared: Service, batch: _Batch) -> Iterator[Any]:
    """Yield what the drafts bring, column by column, in the order of the function's parameters."""
    arguments = [draft.arguments for _, draft in batch.drafts]
    for name, kind in columns_of(declared):
        yield packed(kind, [held[name] for held in arguments])
    parties = [party for _, draft in batch.drafts for party in draft.parties]
    for name, kind in PARTY:
        yield packed(kind, [party.get(name) for party in parties])
