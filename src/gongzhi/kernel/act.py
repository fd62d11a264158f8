"""The only door. Pages, API, import, worker and tests all change records through ``act()``.

It checks the form, writes the canonical text of the entry, and calls the one generated function of the service's action,
which tests the right, the stage, the version and the key, and writes everything or nothing, in one round trip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import psycopg
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.kernel.compose import compose
from gongzhi.kernel.context import Actor, ContextError, follow_code, named
from gongzhi.kernel.draft import Draft, Told
from gongzhi.kernel.generate import Function, function
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import (
    Absent,
    ClockWrong,
    Conflict,
    DiskFull,
    Invalid,
    KeyReused,
    PartsOpen,
    Refused,
    Unreachable,
)
from gongzhi.kernel.service import Service, service
from gongzhi.kernel.vault import Upload, discard

__all__ = [
    "Absent",
    "ClockWrong",
    "Conflict",
    "DiskFull",
    "Done",
    "Invalid",
    "KeyReused",
    "PartsOpen",
    "Refused",
    "Told",
    "Unreachable",
    "act",
    "first_answer",
]


@dataclass(frozen=True, slots=True)
class Done:
    """The act happened. ``repeated``: it had happened before under the same key, and this is the first answer.

    ``follow`` is the follow-up code of a record that was made, "" otherwise.
    """

    record: UUID
    number: str
    version: int
    stage: str
    repeated: bool
    follow: str = ""


def act(
    actor: Actor,
    service_code: str,
    action_code: str,
    *,
    record: UUID | None = None,
    version: int | None = None,
    form: Mapping[str, Any] | None = None,
    files: Sequence[Upload] = (),
    key: str | None = None,
    follow: str = "",
    at: datetime | None = None,
    loader: Actor | None = None,
    told: Told | None = None,
) -> Done:
    """Do one action. Call it outside ``acting()``: it is a transaction of its own.

    ``form`` maps field names to raw values; ``version`` is what the page showed; ``key`` makes a repeated call return the
    first answer; ``follow`` is the code of a resident; ``at`` (aware) is for acts of the past, which a ``loader`` answers
    for; so are ``told``, deadlines that a history gives. Raises Invalid, Absent, Conflict, KeyReused, ClockWrong, DiskFull, Unreachable (all Refused), and for files
    ``vault.Rejected`` and ``vault.NoRoom``. LookupError: no such service or action. ValueError: ``told`` without a loader.
    """
    if connection.in_atomic_block:
        raise ContextError("act() is a transaction of its own; call it outside acting()")
    if told and loader is None:
        raise ValueError("a deadline is told by a loader only")
    declared = service(service_code)
    action = declared.action(action_code)
    draft = Draft(actor, declared, action, record, version, key or None, follow, at or timezone.now(), loader, told)
    try:
        compose(draft, form or {}, files)
    except Absent:
        first = first_answer(actor, key)
        if first is None or (first[0].record, *first[1:]) != (record, service_code, action_code):
            raise
        return first[0]
    done = False
    try:
        answer = _call(function(declared, action), draft)
        done = answer[0] == "done"
    finally:
        if not done:
            discard(draft.stored)
    return _outcome(declared, action, answer)


def first_answer(actor: Actor, key: str | None) -> tuple[Done, str, str] | None:
    """Return what the actor's post did under this key and was answered then, with the codes of service and action.

    For who no longer sees the record because the act gave it away: trying again is told that it is done, not that there
    is no such record.
    """
    if not key:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.did(%s, %s)", [actor.post, key])
        row = cursor.fetchone()
    if row is None:
        return None
    record, number, version, stage, service_code, action_code = row
    return Done(record, number, version, stage, repeated=True), service_code, action_code


def _call(made: Function, draft: Draft) -> tuple[Any, ...]:
    """Call the function; a lost connection or a race for the same key is tried once more where a key makes that safe."""
    arguments = [draft.arguments[name] for name, _other in made.parameters]
    for last in (False, True):
        try:
            return execute(made.call, arguments, again=draft.key is not None)
        except psycopg.errors.UniqueViolation as error:
            if last or error.diag.constraint_name != "entry_post_idem":
                raise
        except psycopg.errors.CheckViolation as error:
            raise Invalid(_broken(draft, error.diag.constraint_name or "")) from error
        except psycopg.errors.ForeignKeyViolation as error:
            raise Invalid({"": [_("所选的地点、单位或记录已经不存在，请刷新页面后重新选择。")]}) from error
        except psycopg.errors.DiskFull as error:
            raise DiskFull from error
        except psycopg.OperationalError as error:
            connection.close()
            if last or not draft.key:
                raise Unreachable from error
    raise Unreachable


def execute(sql: str, arguments: Sequence[Any], *, again: bool = False) -> tuple[Any, ...]:
    """Run one statement that answers one row, on the thread's own connection, in autocommit.

    Django's cursor costs a third of the rate of the whole act (``docs/performance.md``), so psycopg's own is used. A caller
    who tries ``again`` on a lost connection needs no sign of life before.
    """
    if not again:
        connection.close_if_health_check_failed()
    connection.ensure_connection()
    raw: psycopg.Connection[tuple[Any, ...]] = connection.connection
    answer: Any = raw.execute(sql, arguments, prepare=True).fetchone()
    return cast("tuple[Any, ...]", answer)


def _broken(draft: Draft, constraint: str) -> dict[str, list[str]]:
    column = constraint.removeprefix("gz_").rpartition("_")[0]
    return {column if column in draft.bound.fields else "": [_("这一项的内容不符合要求，请检查后重新填写。")]}


def _outcome(declared: Service, action: Action, answer: tuple[Any, ...]) -> Done:
    outcome, record, number, version, stage, who, agency, at, done = answer
    match outcome:
        case "done" | "repeated":
            follow = follow_code(record.bytes) if action.creates else ""
            return Done(record, number, version, stage, outcome == "repeated", follow)
        case "conflict":
            first = declared.procedure.by_code.get(done)
            raise Conflict(
                who=named(who), agency=agency, at=at, version=version, action_title=first.title if first else done,
                stage_title=declared.procedure.stage(stage).title,
            )  # fmt: skip
        case "parts":
            raise PartsOpen(version)
        case "reused":
            raise KeyReused
        case "clock":
            raise ClockWrong(at)
        case _:
            raise Absent
