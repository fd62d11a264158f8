"""The same action on many records at once: a step of many histories, a thousand acts in a transaction.

Each act is composed as ``act()`` composes it, and a batch of them is one statement that calls the generated function of the
one act for every row: what is tested and written is the same to the letter. What is saved is the way there and back for
each act, the look at each record, and the commit. A batch is one transaction: none of it is half there.

What the function refuses, and batches that fall, go one by one through ``act()``, which has the words for it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from gongzhi.kernel.act import Done, act
from gongzhi.kernel.bulk import BATCH, Outcome
from gongzhi.kernel.compose import compose, looks
from gongzhi.kernel.context import Actor, ContextError
from gongzhi.kernel.draft import Draft, Memo, Told
from gongzhi.kernel.generate import function
from gongzhi.kernel.packed import AS_TEXT, ask, packed
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import Refused, Unreachable
from gongzhi.kernel.service import Service, service


@dataclass(frozen=True, slots=True)
class Change:
    """One act on a record: who, at which version, with which raw form, under which key, when it was (aware)."""

    actor: Actor
    record: UUID
    version: int
    key: str
    at: datetime
    form: dict[str, Any] = field(default_factory=dict)
    told: Told | None = None


def change_many(service_code: str, action_code: str, changes: Sequence[Change], *, loader: Actor) -> list[Outcome]:
    """Do the action on each record, which stands once among them; return in their order what came of it: Done or Refused.

    Call it outside ``acting()``. The ``loader`` answers for the past. Raises Unreachable, with some batches done and the
    rest to do; LookupError: no such service or action; ValueError for an action that makes records.
    """
    if connection.in_atomic_block:
        raise ContextError("change_many() is transactions of its own; call it outside acting()")
    declared = service(service_code)
    action = declared.action(action_code)
    if action.creates:
        raise ValueError(f"{action_code} makes a record; act_many() does that")
    outcomes: list[Outcome] = []
    for start in range(0, len(changes), BATCH):
        outcomes += _batch(declared, action, changes[start : start + BATCH], loader)
    return outcomes


def _batch(declared: Service, action: Action, changes: Sequence[Change], loader: Actor) -> list[Outcome]:
    memo = Memo(looks=looks(declared.code, [(one.actor.post, one.record) for one in changes]))
    drafts: list[tuple[int, Draft]] = []
    outcomes: list[Outcome | None] = []
    for here, one in enumerate(changes):
        draft = Draft(
            one.actor, declared, action, one.record, one.version, one.key, "", one.at, loader, one.told, memo
        )  # fmt: skip
        with suppress(Refused):  # act() tells, and knows what was done before under the key
            drafts.append((here, compose(draft, one.form, ())))
        outcomes.append(None)
    for here, done in _write(declared, action, drafts):
        outcomes[here] = done
    return [known or _alone(declared, action, one, loader) for one, known in zip(changes, outcomes, strict=True)]


def _alone(declared: Service, action: Action, one: Change, loader: Actor) -> Outcome:
    try:
        return act(
            one.actor, declared.code, action.code, record=one.record, version=one.version, form=one.form, key=one.key,
            at=one.at, loader=loader, told=one.told,
        )  # fmt: skip
    except Unreachable:
        raise
    except Refused as refusal:
        return refusal


def _write(declared: Service, action: Action, drafts: list[tuple[int, Draft]]) -> list[tuple[int, Done]]:
    """Call the action's function for every draft in one statement; return what was done, without what ``act()`` must tell."""
    if not drafts:
        return []
    made = function(declared, action)
    columns = [(name, "text" if kind in AS_TEXT else kind, kind) for name, kind in made.parameters]
    names = ", ".join(name for name, _, _ in columns)
    arrays = ", ".join(f"${n}::{travels}[]" for n, (_, travels, _) in enumerate(columns, 1))
    given = ", ".join(f"g.{name}::{kind}" for name, _, kind in columns)
    call = (
        "SELECT g.n, d.o_outcome, d.o_record, d.o_number, d.o_version, d.o_stage "
        f"FROM unnest({arrays}) WITH ORDINALITY g({names}, n) CROSS JOIN LATERAL {made.name}({given}) d"
    )
    arguments = [packed(travels, [draft.arguments[name] for _, draft in drafts]) for name, travels, _ in columns]
    try:
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        answers = ask(connection.connection, call, arguments)
    except (psycopg.errors.IntegrityError, psycopg.errors.DataError):
        return []  # which row it was, and what to say of it, comes out one by one
    except psycopg.OperationalError:
        connection.close()  # one by one, under their keys, they are done once in any case
        return []
    return [
        (drafts[int(n) - 1][0], Done(UUID(record.decode()), number.decode(), int(version), stage.decode(), outcome == b"repeated"))
        for n, outcome, record, number, version, stage in answers
        if outcome in (b"done", b"repeated")
    ]  # fmt: skip
