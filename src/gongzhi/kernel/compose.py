"""From a form to the arguments of the generated function: checked values, the entry's canonical text, sealed words."""

import base64
import hashlib
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from gongzhi.kernel import owing
from gongzhi.kernel.canonical import SALT_BYTES, canonical, point_text, salted
from gongzhi.kernel.context import acting, follow_code, follow_hash
from gongzhi.kernel.draft import Draft, Found
from gongzhi.kernel.forms import INDEXED_FIELDS, PERSON_FIELDS, WHOLE
from gongzhi.kernel.generate import takes_more
from gongzhi.kernel.keys import KeyDestroyed, keyed_hash, new_key, seal_fields, seal_words, unwrap, wrap
from gongzhi.kernel.masking import MARK, Ambiguous, masked, restored, unmasked
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.models.places import city
from gongzhi.kernel.procedure import Clock, Effect, Gives
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.roles import GRID, LOADER, OPERATOR, PORTAL
from gongzhi.kernel.service import service
from gongzhi.kernel.vault import Upload, store
from gongzhi.kernel.words import index_words

_CHANNEL = {PORTAL.code: "portal", OPERATOR.code: "call", GRID.code: "grid", LOADER.code: "import"}
_TITLE = 40  # characters of a title made from a longer text


def compose(draft: Draft, form: Mapping[str, Any], files: Sequence[Upload]) -> Draft:
    """Fill the arguments of the function of one act. Raises Invalid, Absent, vault.Rejected and vault.NoRoom."""
    prepare(draft, form, files)
    draft.arguments["parties"] = _parties_text(draft)
    return draft


def prepare(draft: Draft, form: Mapping[str, Any], files: Sequence[Upload]) -> Draft:
    """Do as ``compose``, but leave the persons as they are: many acts bring them to the database as columns."""
    if draft.action.edits:
        form = {**_held(draft), **form}
    _check(draft, form, files)
    if draft.action.edits or draft.action.effect is Effect.MORE:
        _restore(draft)
    if draft.service.part_of and draft.action.creates:
        _whole(draft)
    if draft.action.creates:
        _prepare_new(draft)
    elif _needs_look(draft, files):
        draft.found = draft.memo.looks.get((draft.actor.post, draft.record)) or _look(draft)
        draft.record_key = _opened(draft.found.wrapped)
    _parties(draft)
    arguments = draft.arguments
    arguments.update(
        post=draft.actor.post, loader=draft.loader.post if draft.loader else None, record=draft.record,
        entry=draft.entry, idem=draft.key, at=draft.at, version=draft.version, lon=None, lat=None, place=None,
        channel=draft.values.get("channel") or "",
    )  # fmt: skip
    if draft.action.creates and draft.record:
        draft.code = follow_code(draft.record.bytes, draft.memo.ring)
    follow = draft.code or draft.follow
    arguments["follow"] = follow_hash(follow, draft.memo.ring) if follow else None
    arguments["place"] = draft.values.get("place")
    if draft.values.get("point"):
        arguments["lon"], arguments["lat"] = draft.values["point"]
    if not draft.action.creates:
        arguments["title"] = _new_title(draft)
    arguments["agency"] = owing.agency(draft)
    owing.deadline(draft)
    owing.effect(draft)
    if files:
        draft.stored = store(draft.record, draft.record_key, files)  # type: ignore[arg-type]
    _facts(draft)
    _body(draft)
    return draft


def _held(draft: Draft) -> dict[str, Any]:
    """Read what the record holds of the form's columns, for an action that edits them. Raises Absent."""
    if all(role.code != draft.actor.role for role in draft.action.by):
        raise Absent
    with acting(draft.actor), unmasked():
        row = draft.service.model._default_manager.filter(pk=cast("UUID", draft.record)).first()
    if row is None:
        raise Absent
    held = draft.service.values(row)
    draft.held = {name: held[name] for name in (*draft.bound.columns, *draft.bound.city.facts)}
    return {name: fact.typed(draft.held[name]) for name, fact in (draft.bound.columns | draft.bound.city.facts).items()}  # type: ignore[operator]


def _opened(wrapped: bytes | None) -> bytes:
    """Return the record's key. Raises Invalid where the record was erased: nothing is said about it any more."""
    try:
        return unwrap(wrapped)
    except KeyDestroyed as error:
        raise Invalid({"": [_("这件事的内容已经销毁，不能再办理。")]}) from error


def _restore(draft: Draft) -> None:
    """Put numbers back that the form showed masked. Raises Invalid where one may stand for several."""
    typed = {name: value for name, value in draft.values.items() if isinstance(value, str) and MARK in value}
    if not typed:
        return
    if not draft.held:
        with acting(draft.actor), unmasked():
            row = draft.service.model._default_manager.filter(pk=cast("UUID", draft.record)).first()
            held = draft.service.values(row) if row is not None else {}
    else:
        held = draft.held
    for name, text in typed.items():
        try:
            draft.values[name] = restored(text, str(held.get(name) or ""))
        except Ambiguous as error:
            raise Invalid({name: [_("“{mark}”可能指不同的号码，请写出完整的号码。").format(mark=error)]}) from error


def _check(draft: Draft, form: Mapping[str, Any], files: Sequence[Upload]) -> None:
    action = draft.action
    if all(role.code != draft.actor.role for role in action.by):
        raise Absent  # before the form is looked at: what is wrong with it must not tell that the record exists
    draft.values, errors = draft.bound.clean(form, draft.memo.cleaned)
    if files and not action.files:
        errors["files"] = [_("这项操作不能带附件。")]
    if not action.creates and draft.record is None:
        raise Absent
    if not action.creates and action.versioned and draft.version is None:
        errors["version"] = [_("页面缺少版本号，请刷新后重试。")]
    if draft.version is not None and not 0 < draft.version < 2**31:
        errors["version"] = [_("页面的版本号不对，请刷新后重试。")]
    if draft.key is not None and not 1 <= len(draft.key) <= 80:
        errors["key"] = [_("提交编号应为 1 到 80 个字符。")]
    known = draft.memo.atlas
    if draft.values.get("place") is not None and draft.values["place"] not in known.places:
        errors["place"] = [_("没有这个地点，请重新选择。")]
    if draft.values.get("agency") is not None and draft.values["agency"] not in known.agencies:
        errors["agency"] = [_("没有这个单位，或它已经撤销，请重新选择。")]
    if errors:
        raise Invalid(errors)


def _prepare_new(draft: Draft) -> None:
    draft.record = draft.memo.new_id()
    draft.record_key = new_key(draft.memo.chance)
    values = draft.values
    if values.get("place") is None:
        values["place"] = draft.actor.place
    if not (values.get("title") or "").strip():
        source = values.get(draft.service.title_from)
        draft.shortened = bool(source)
        values["title"] = _short(str(source or draft.service.title))
    if "channel" in draft.bound.columns and not values.get("channel"):
        values["channel"] = _CHANNEL.get(draft.actor.role, "")
    numbers = draft.memo.numbers
    if draft.at not in numbers:
        year = timezone.localtime(draft.at).year
        numbers[draft.at] = _pattern(draft).partition("{serial")[0].format(year=year)
    draft.arguments.update(
        number=numbers[draft.at], title=values["title"], key=wrap(draft.record_key, draft.memo.ring, draft.memo.chance),
    )  # fmt: skip


def _pattern(draft: Draft) -> str:
    """Return the pattern of the record's number: the city's own, else the service's."""
    return city().numbers.get(draft.service.code, draft.service.number)


def _whole(draft: Draft) -> None:
    """Find the record that the new one is a part of; its place is the part's where none is named. Raises Invalid."""
    number = str(draft.values[WHOLE]).strip().upper()
    with acting(draft.actor):
        held = Register.objects.filter(number=number, service_code=draft.service.part_of)
        row = held.values_list("pk", "place", "closed_at").first()
        # A call made again is the function's to answer: it was done while the whole was still open.
        again = draft.key is not None and Entry.objects.filter(post_id=draft.actor.post, idem=draft.key).exists()
    title = service(draft.service.part_of).title
    if row is None:
        raise Invalid(
            {
                WHOLE: [
                    _("没有编号为“{number}”的{title}，或您看不到它。请检查编号。").format(
                        number=number[:40], title=title
                    )
                ]
            }
        )
    if row[2] is not None and not again:
        raise Invalid({WHOLE: [_("这条{title}已经结束，不能再往里加。").format(title=title)]})
    draft.arguments["whole"] = row[0]
    if draft.values.get("place") is None:
        draft.values["place"] = row[1]


def _new_title(draft: Draft) -> str | None:
    """Return the title that the action gives the record, None where it keeps its own."""
    source, given = draft.service.title_from, str(draft.values.get("title") or "").strip()
    if given:
        return given
    if draft.action.edits and source in draft.held and draft.values[source] != draft.held[source]:
        return _short(str(draft.values[source]))
    return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return (
        line if len(line) <= _TITLE else masked(line)[: _TITLE - 1] + "…"
    )  # half a number would not be masked any more


def _parties(draft: Draft) -> None:
    """Seal what is known of each person under a key of the person's own."""
    for role, person in draft.bound.persons.items():
        known = {name: draft.values[f"{role}_{name}"].strip() for name in person.fields}
        known = {name: text for name, text in known.items() if text}
        if not known:
            continue
        party, key = draft.memo.new_id(), new_key(draft.memo.chance)
        sealed = seal_fields(key, party, known, draft.memo.chance)
        row = {
            "record": draft.record, "id": party, "role": role, "known": " ".join([n for n in PERSON_FIELDS if n in known]),
            "key": wrap(key, draft.memo.ring, draft.memo.chance), **sealed,
        }  # fmt: skip
        for name in INDEXED_FIELDS:
            if name in known:
                row[f"{name}_index"] = keyed_hash(name, known[name], draft.memo.ring)
        draft.parties.append(row)


def _parties_text(draft: Draft) -> str | None:
    """Return the persons as JSON, with ciphertexts in base64, as the function of one act takes them."""
    if not draft.parties:
        return None
    rows = [
        {name: base64.b64encode(value).decode() if type(value) is bytes else value for name, value in row.items() if name != "record"}
        for row in draft.parties
    ]  # fmt: skip
    return orjson.dumps(rows).decode()


def looks(service_code: str, pairs: Sequence[tuple[int, UUID]]) -> dict[tuple[int, UUID | None], Found]:
    """Ask for many records as they stand, each as a post sees it; without those that it does not see."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT g.post, g.record, l.* FROM unnest(%s::bigint[], %s::uuid[]) g(post, record), "
            "LATERAL kernel.look(g.post, g.record, NULL) l",
            [[post for post, _record in pairs], [record for _post, record in pairs]],
        )
        return {(post, record): Found(*rest) for post, record, *rest in cursor.fetchall() if rest[0] == service_code}


def _needs_look(draft: Draft, files: Sequence[Upload]) -> bool:
    action, bound = draft.action, draft.bound
    spoken = any(fact.words and draft.values.get(name) for name, fact in bound.said.items())
    return bool(
        files
        or spoken
        or draft.values.get("point")
        or action.gives in (Gives.DISPATCH, Gives.CENTRE, Gives.FILER, Gives.BEFORE)
        or action.edits
        or action.clock in (Clock.RESUME, Clock.EXTEND)
    )


def _look(draft: Draft) -> Found:
    """Ask for the record as it stands. Raises Absent."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM kernel.look(%s, %s, %s)",
            [draft.actor.post, draft.record, follow_hash(draft.follow) if draft.follow else None],
        )
        row = cursor.fetchone()
    if row is None or row[0] != draft.service.code:
        raise Absent
    return Found(*row)


def _facts(draft: Draft) -> None:
    """Split the values: codes and figures stand in the entry, words are sealed beside it."""
    bound, arguments = draft.bound, draft.arguments
    stored, values = draft.columns, draft.values
    searchable: list[str] = []
    source = bound.columns.get(draft.service.title_from) if draft.shortened else None
    if draft.action.creates and not (source and source.search):  # else its words stand in the text that it is made of
        searchable.append(values["title"])
    for name, fact in bound.said.items():
        stored[name] = fact.stored(values[name])
    for name, fact in bound.columns.items():
        arguments[f"f_{name}"] = stored[name]
        if fact.search and values[name]:
            searchable.append(values[name])
    if takes_more(draft.action):
        arguments["more"] = orjson.dumps(bound.more(draft.values)).decode()
    arguments["words"] = " ".join(index_words(searchable))
    arguments["files"] = None
    if draft.stored:
        rows = [
            {"id": str(uuid7()), "address": f.address, "name": f.name, "media_type": f.media_type, "size": f.size,
             "digest": f.digest} for f in draft.stored
        ]  # fmt: skip
        arguments["files"] = orjson.dumps(rows).decode()


def _body(draft: Draft) -> None:
    bound, action, arguments, held = draft.bound, draft.action, draft.arguments, draft.held
    stored = draft.columns
    said: dict[str, Any] = {}
    heard: dict[str, str] = {}
    spoken = {"title": arguments["title"]} if arguments.get("title") else {}
    for name, fact in bound.said.items():
        value = draft.values[name]
        if name in held and stored[name] == fact.stored(held[name]):
            continue  # an entry of an edit says what changed
        if fact.words:
            if value or name in held:  # an edit may take words away
                spoken[name] = value or ""
        else:
            said[name] = fact.entry_value(stored[name])
    if arguments["lon"] is not None:  # a position may be somebody's door: it is a word, and forgotten with the others
        spoken["point"] = point_text(arguments["lon"], arguments["lat"])
    fresh = draft.memo.chance(SALT_BYTES * len(spoken))
    for start, (name, text) in zip(range(0, len(fresh), SALT_BYTES), spoken.items(), strict=True):
        salt = fresh[start : start + SALT_BYTES]
        draft.words[name] = {"new": text, "salt": salt.hex()}
        heard[name] = salted(text, salt)
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
        "at": _instant(draft, draft.at),
        "due": _instant(draft, arguments["due"]) if arguments["due"] else None,
        "agency": arguments["agency"],
        "place": arguments["place"],
        **({"whole": str(arguments["whole"])} if "whole" in arguments else {}),
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
        arguments["sealed"] = seal_words(draft.record_key, draft.record, draft.entry, draft.words, draft.memo.chance)


def _witness(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what an entry says of a person: which fields are known, and a digest of their ciphertexts.

    The ciphertext is different every time, so the digest tells nothing of the person, and goes on proving nothing once
    the ciphertext is destroyed.
    """
    sealed = b"".join([b2a_base64(row[name], newline=False) for name in PERSON_FIELDS if name in row])
    return {
        "id": str(row["id"]), "role": row["role"], "known": row["known"], "seal": hashlib.sha256(sealed).hexdigest(),
    }  # fmt: skip


def _instant(draft: Draft, at: datetime) -> str:
    held = draft.memo.instants
    if at not in held:
        held[at] = at.astimezone(UTC).isoformat(timespec="microseconds")
    return held[at]
