"""From a form to the arguments of the generated function: checked values, the entry's canonical text, sealed words."""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson
from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from gongzhi.kernel import workdays
from gongzhi.kernel.atlas import atlas
from gongzhi.kernel.canonical import SALT_BYTES, canonical, salted
from gongzhi.kernel.context import Actor, acting, follow_code, follow_hash
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.forms import PERSON_FIELDS, BoundForm
from gongzhi.kernel.keys import keyed_hash, new_key, seal_field, seal_words, unwrap, wrap
from gongzhi.kernel.models import Register
from gongzhi.kernel.procedure import SAME, Action, Clock, Effect, Gives
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.roles import CLOCK, GRID, LOADER, OPERATOR, PORTAL
from gongzhi.kernel.service import Service
from gongzhi.kernel.vault import Stored, Upload, store
from gongzhi.kernel.words import index_words

_CHANNEL = {PORTAL.code: "portal", OPERATOR.code: "call", GRID.code: "grid", LOADER.code: "import"}
_TITLE = 40  # characters of a title made from a longer text


@dataclass
class Draft:
    """An act on its way: who does what to which record, and what has been worked out so far."""

    actor: Actor
    service: Service
    action: Action
    record: UUID | None
    version: int | None
    key: str | None
    follow: str
    at: datetime
    loader: Actor | None
    entry: UUID = field(default_factory=uuid7)
    values: dict[str, Any] = field(default_factory=dict)
    record_key: bytes = b""
    found: Any = None
    """What ``kernel.look`` told of the record: stage, place, deadline; None where it was not asked."""
    words: dict[str, dict[str, object]] = field(default_factory=dict)
    parties: list[dict[str, str]] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def bound(self) -> BoundForm:
        """The action's form."""
        return self.service.form(self.action)


@dataclass(frozen=True, slots=True)
class _Found:
    service: str
    stage: str
    version: int
    place: int
    place_path: str
    agency: int
    stage_at: datetime
    due_at: datetime | None
    paused_at: datetime | None
    wrapped: bytes | None


def compose(draft: Draft, form: Mapping[str, Any], files: Sequence[Upload]) -> Draft:
    """Fill the draft's arguments. Raises Invalid, Absent, vault.Rejected and vault.NoRoom."""
    _check(draft, form, files)
    if draft.action.creates:
        _prepare_new(draft)
    elif _needs_look(draft, files):
        draft.found = _look(draft)
        draft.record_key = unwrap(draft.found.wrapped)
    arguments = draft.arguments
    arguments.update(
        post=draft.actor.post, loader=draft.loader.post if draft.loader else None, record=draft.record,
        entry=draft.entry, idem=draft.key, at=draft.at, version=draft.version, lon=None, lat=None, place=None,
        channel=draft.values.get("channel") or "",
    )  # fmt: skip
    arguments["follow"] = (
        follow_hash(follow_code(draft.record.bytes)) if draft.action.creates and draft.record
        else follow_hash(draft.follow) if draft.follow else None
    )  # fmt: skip
    arguments["place"] = draft.values.get("place")
    if draft.values.get("point"):
        arguments["lon"], arguments["lat"] = draft.values["point"]
    arguments["agency"] = _agency(draft)
    _deadline(draft)
    _effect(draft)
    if files:
        draft.stored = store(draft.record, draft.record_key, files)  # type: ignore[arg-type]
    _facts(draft)
    _body(draft)
    return draft


def _check(draft: Draft, form: Mapping[str, Any], files: Sequence[Upload]) -> None:
    action = draft.action
    if all(role.code != draft.actor.role for role in action.by):
        raise Absent  # before the form is looked at: what is wrong with it must not tell that the record exists
    draft.values, errors = draft.bound.clean(form)
    if files and not action.files:
        errors["files"] = ["这项操作不能带附件。"]
    if not action.creates and draft.record is None:
        raise Absent
    if not action.creates and action.versioned and draft.version is None:
        errors["version"] = ["页面缺少版本号，请刷新后重试。"]
    if draft.version is not None and not 0 < draft.version < 2**31:
        errors["version"] = ["页面的版本号不对，请刷新后重试。"]
    if draft.key is not None and not 1 <= len(draft.key) <= 80:
        errors["key"] = ["提交编号应为 1 到 80 个字符。"]
    known = atlas()
    if draft.values.get("place") is not None and draft.values["place"] not in known.places:
        errors["place"] = ["没有这个地点，请重新选择。"]
    if draft.values.get("agency") is not None and draft.values["agency"] not in known.agencies:
        errors["agency"] = ["没有这个单位，或它已经撤销，请重新选择。"]
    if errors:
        raise Invalid(errors)


def _prepare_new(draft: Draft) -> None:
    draft.record = uuid7()
    draft.record_key = new_key()
    values = draft.values
    if values.get("place") is None:
        values["place"] = draft.actor.place
    if not (values.get("title") or "").strip():
        values["title"] = _short(str(values.get(draft.service.title_from) or draft.service.title))
    if "channel" in draft.bound.columns and not values.get("channel"):
        values["channel"] = _CHANNEL.get(draft.actor.role, "")
    _parties(draft)
    now = timezone.localtime(draft.at)
    draft.arguments.update(
        number=draft.service.number.partition("{serial")[0].format(year=now.year),
        title=values["title"], key=wrap(draft.record_key),
        parties=orjson.dumps(draft.parties).decode() if draft.parties else None,
    )  # fmt: skip


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE else line[: _TITLE - 1] + "…"


def _parties(draft: Draft) -> None:
    """Seal what is known of each person under a key of the person's own."""
    for role, person in draft.bound.persons.items():
        known = {name: draft.values[f"{role}_{name}"].strip() for name in person.fields}
        known = {name: text for name, text in known.items() if text}
        if not known:
            continue
        party, key = uuid7(), new_key()
        sealed = {name: seal_field(key, party, name, text) for name, text in known.items()}
        row = {"id": str(party), "role": role, "known": " ".join(n for n in PERSON_FIELDS if n in known)}
        row["key"] = base64.b64encode(wrap(key)).decode()
        row.update({name: base64.b64encode(text).decode() for name, text in sealed.items()})
        if "phone" in known:
            row["phone_index"] = base64.b64encode(keyed_hash("phone", known["phone"])).decode()
        draft.parties.append(row)


def _needs_look(draft: Draft, files: Sequence[Upload]) -> bool:
    action, bound = draft.action, draft.bound
    spoken = any(fact.words and draft.values.get(name) for name, fact in (bound.columns | bound.extras).items())
    return bool(
        files
        or spoken
        or action.gives in (Gives.DISPATCH, Gives.CENTRE)
        or action.clock in (Clock.RESUME, Clock.EXTEND)
    )


def _look(draft: Draft) -> _Found:
    """Ask for the record as it stands. Raises Absent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM kernel.look(%s, %s, %s)",
            [draft.actor.post, draft.record, follow_hash(draft.follow) if draft.follow else None],
        )
        row = cursor.fetchone()
    if row is None or row[0] != draft.service.code:
        raise Absent
    return _Found(*row)


def _agency(draft: Draft) -> int | None:
    """Return the agency that the action gives the record to. Raises Invalid where the city has none of the kind."""
    match draft.action.gives:
        case Gives.CHOSEN:
            chosen: int = draft.values["agency"]
            return chosen
        case Gives.DISPATCH | Gives.CENTRE as kind:
            path = atlas().places[draft.values["place"]][0] if draft.action.creates else draft.found.place_path
            agency = atlas().nearest(kind.value, path)
            if agency is None and kind is Gives.CENTRE:
                agency = atlas().nearest(Gives.DISPATCH.value, path)
            if agency is None:
                raise Invalid({"": ["本市资料里没有可以接收的受理单位，请联系管理员。"]})
            return agency
        case _:
            return draft.actor.agency if draft.action.effect is Effect.TASK or draft.action.creates else None


def _deadline(draft: Draft) -> None:
    """Work out the deadline that the action begins, moves, or ends."""
    action, at = draft.action, draft.at
    due, source = None, ""
    if action.target is not SAME:
        owed = draft.service.procedure.owed(action.target.code)
        if owed and owed.within:
            due = workdays.due(at, owed.within.days)
            source = "" if CLOCK in owed.by else str(owed.source)
    elif draft.found is not None and draft.found.due_at is not None:
        owed = draft.service.procedure.owed(draft.found.stage)
        source = str(owed.source) if owed else ""
        if action.clock is Clock.RESUME:
            due = workdays.shift(draft.found.due_at, draft.found.paused_at or at, at)
        elif action.clock is Clock.EXTEND:
            days = _asked(draft)
            due = (
                workdays.due(draft.found.due_at, days) if days else draft.found.due_at
            )  # none asked: the guard refuses
    draft.arguments.update(due=due, amber=workdays.amber(at, due) if due and source else None, source=source)


def _asked(draft: Draft) -> int:
    with acting(draft.actor):
        days = draft.service.model._default_manager.values_list("asked_days", flat=True).get(
            pk=cast("UUID", draft.record)
        )
    return int(days)


def _effect(draft: Draft) -> None:
    values, arguments = draft.values, draft.arguments
    match draft.action.effect:
        case Effect.LINK:
            with acting(draft.actor):
                number = str(values["other"]).strip().upper()
                other = (
                    Register.objects.filter(number=number)
                    .exclude(pk=cast("UUID", draft.record))
                    .values_list("pk", flat=True)
                    .first()
                )
            if other is None:
                raise Invalid({"other": ["没有这个编号的另一条记录，或您看不到它。请检查编号。"]})
            arguments["other"] = other
        case Effect.TASK:
            arguments.update(
                task=uuid7(), task_title=values["task"], task_due=workdays.due(draft.at, values["task_days"])
            )
        case Effect.TASK_DONE:
            try:
                arguments["task"] = UUID(str(values["task_id"]))
            except ValueError:
                raise Invalid({"task_id": ["没有这项任务。"]}) from None


def _facts(draft: Draft) -> None:
    """Split the values: codes and figures stand in the entry, words are sealed beside it."""
    bound, arguments = draft.bound, draft.arguments
    searchable: list[str] = [draft.values["title"]] if draft.action.creates else []
    for name, fact in bound.columns.items():
        value = draft.values[name]
        arguments[f"f_{name}"] = _column(fact, value)
        if fact.search and value:
            searchable.append(value)
    arguments["words"] = " ".join(index_words(searchable))
    arguments["files"] = None
    if draft.stored:
        rows = [
            {"id": str(uuid7()), "address": f.address, "name": f.name, "media_type": f.media_type, "size": f.size,
             "digest": f.digest} for f in draft.stored
        ]  # fmt: skip
        arguments["files"] = orjson.dumps(rows).decode()


def _column(fact: Fact, value: Any) -> Any:
    if value in ("", None):
        return (
            "" if not getattr(fact, "null", False) and getattr(fact, "empty_strings_allowed", True) else _default(fact)
        )
    return int(value) if getattr(fact, "get_internal_type", str)() == "IntegerField" else value


def _default(fact: Any) -> Any:
    return fact.default if fact.has_default() else None


def _body(draft: Draft) -> None:
    bound, action, arguments = draft.bound, draft.action, draft.arguments
    said: dict[str, Any] = {}
    heard: dict[str, str] = {}
    spoken = {"title": draft.values["title"]} if draft.action.creates else {}
    for name, fact in (bound.columns | bound.extras).items():
        value = draft.values[name]
        if fact.words:
            if value:
                spoken[name] = value
        else:
            said[name] = fact.entry_value(_column(fact, value))
    for name, text in spoken.items():
        salt = secrets.token_bytes(SALT_BYTES)
        draft.words[name] = {"new": text, "salt": salt.hex()}
        heard[name] = salted(text, salt)
    if arguments["lon"] is not None:
        said["point"] = f"{arguments['lon']:.6f},{arguments['lat']:.6f}"
    body: dict[str, object] = {
        "v": 1,
        "id": str(draft.entry),
        "record": str(draft.record),
        "service": draft.service.code,
        "action": action.code,
        "to": action.target.code,
        "version": draft.version + 1 if action.versioned and draft.version is not None else None,
        "post": draft.actor.post,
        "loader": arguments["loader"],
        "at": _instant(draft.at),
        "due": _instant(arguments["due"]) if arguments["due"] else None,
        "agency": arguments["agency"],
        "place": arguments["place"],
        "set": said,
        "with": heard,
        "files": [f.digest for f in draft.stored],
        "parties": [_witness(row) for row in draft.parties],
    }
    if action.creates:
        body.update(version=1, number="")
        text = canonical(body)
        head, mark, tail = text.partition('"number":"')
        arguments["body"], arguments["body_tail"] = head + mark, tail
    else:
        arguments["body"] = canonical(body)
    arguments["sealed"] = None
    if draft.words and draft.record is not None:
        arguments["sealed"] = seal_words(draft.record_key, draft.record, draft.entry, draft.words)


def _witness(row: Mapping[str, str]) -> dict[str, str]:
    """Return what an entry says of a person: which fields are known, and a digest of their ciphertexts.

    The ciphertext is different every time, so the digest tells nothing of the person, and goes on proving nothing once
    the ciphertext is destroyed.
    """
    sealed = "".join(row.get(name, "") for name in PERSON_FIELDS)
    return {
        "id": row["id"], "role": row["role"], "known": row["known"], "seal": hashlib.sha256(sealed.encode()).hexdigest(),
    }  # fmt: skip


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
