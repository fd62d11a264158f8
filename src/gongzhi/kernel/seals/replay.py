"""Records against their entries: each record is worked out again from its lines and compared with what its rows hold.

So is found who changed a record behind the log. Compared are the register's row, the service's facts (words by their salted
digests, as long as the record's key stands), the city's own fields, persons' ciphertexts, looks at them, and attachments. Left out is what
no line says: when a deadline turns amber, search words, notices, tasks. Records with a line that this release does not know
are passed over, and counted.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import batched
from typing import Any, cast

import orjson
from django.db import connections

from gongzhi.kernel.canonical import point_text, salted
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.forms import PERSON_FIELDS
from gongzhi.kernel.generate import sets_due
from gongzhi.kernel.keys import KeysError, open_words, unwrap
from gongzhi.kernel.models import Attachment, Disclosure, Register
from gongzhi.kernel.procedure import SAME, Action, Clock, Effect, Gives
from gongzhi.kernel.seals.findings import Finding, Report
from gongzhi.kernel.service import Service, services

CHUNK = 500
_NOTHING = hashlib.sha256(b"").hexdigest()
_LINES = """
SELECT record_id, id, action, body, sealed, alg, post_id, account_id, agency_id, at
FROM entry WHERE record_id = ANY(%s) ORDER BY record_id, seq
"""
# Records of a service that is none: somebody may have written its name, so that nobody works them out.
_STRANGERS = """
SELECT r.number, r.entries, (SELECT e.body FROM entry e WHERE e.record_id = r.id ORDER BY e.seq LIMIT 1), r.service
FROM register r WHERE r.service <> ALL(%s)
"""
_PARTIES = f"SELECT record_id, id, role, known, {', '.join(PERSON_FIELDS)} FROM party WHERE record_id = ANY(%s)"


@dataclass(frozen=True)
class _Spoken:
    """Words that a line heard: their digest, and where their salt lies."""

    digest: str
    entry: Any
    sealed: Any
    alg: str


@dataclass
class _State:
    """A record as its lines tell it."""

    register: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    parties: dict[str, Mapping[str, str]] = field(default_factory=dict)
    looks: dict[str | None, tuple[Any, ...]] = field(default_factory=dict)
    service: str = ""
    known: bool = True
    erased: bool = False


def replay(report: Report) -> int:
    """Work every record out again and add what differs to the report; return how many could not be worked out."""
    passed, merged = 0, _merged()
    for service in services().values():
        ids = (
            Register.objects.using("owner")
            .filter(service_code=service.code)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        for chunk in batched(ids.iterator(CHUNK), CHUNK):
            passed += _chunk(service, list(chunk), report, merged)
    return passed + _strangers(report)


def _strangers(report: Report) -> int:
    passed = 0
    with connections["owner"].cursor() as cursor:
        cursor.execute(_STRANGERS, [[*services(), "directory"]])
        for number, entries, body, service in cursor.fetchall():
            if body is None or orjson.loads(body).get("service") != service:
                report.add(Finding("state", number, entries, detail="service"))
            else:
                passed += 1
    return passed


def _merged() -> dict[int, int]:
    """Return which place took in which: their records moved by an act of the directory, not by a line of their own."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT body FROM entry e JOIN register r ON r.id = e.record_id WHERE r.service = 'directory' "
            "AND e.action = 'merge_places' ORDER BY e.seq"
        )
        said = [orjson.loads(body)["set"] for (body,) in cursor.fetchall()]
    return {one["place"]: one["into"] for one in said}


def _chunk(service: Service, ids: list[Any], report: Report, merged: Mapping[int, int]) -> int:
    passed = 0
    rows = Register.objects.using("owner").select_related("place").in_bulk(ids)
    facts = {row.pk: row for row in service.model._default_manager.using("owner").filter(pk__in=ids)}
    states = dict(_states(service, ids))
    files: dict[Any, list[str]] = {}
    for record, digest in Attachment.objects.using("owner").filter(record__in=ids).values_list("record_id", "digest"):
        files.setdefault(record, []).append(digest)
    parties, looks = _parties(ids), _looks(ids)
    keys = _keys(ids)
    for pk in ids:
        state = states.get(pk, _State(known=False))
        if state.service != service.code:
            report.add(Finding("state", rows[pk].number, rows[pk].entries, detail="service"))
            continue
        if not state.known:
            passed += 1
            continue
        while state.register.get("place_id") in merged:
            state.register["place_id"] = merged[state.register["place_id"]]
        wrong = [
            *_register(rows[pk], state, keys.get(pk)), *_facts(service, facts.get(pk), state, keys.get(pk)),
            *(["key"] if pk not in keys and not state.erased else []), *(["disclosures"] if looks.get(pk, {}) != state.looks else []),
            *(["files"] if sorted(files.get(pk, [])) != sorted(state.files) else []), *_persons(parties.get(pk, {}), state),
        ]  # fmt: skip
        if wrong:
            report.add(Finding("state", rows[pk].number, rows[pk].entries, detail=", ".join(wrong)))
    return passed


def _keys(ids: list[Any]) -> dict[Any, bytes]:
    held = {}
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT record_id, wrapped FROM record_key WHERE record_id = ANY(%s)", [ids])
        for record, wrapped in cursor.fetchall():
            try:
                held[record] = unwrap(wrapped)
            except KeysError:
                continue  # destroyed, or not to be opened
    return held


def _states(service: Service, ids: list[Any]) -> Iterator[tuple[Any, _State]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(_LINES, [ids])
        rows = cursor.fetchall()
    at, state = None, _State()
    for record, entry, code, body, sealed, alg, *who in rows:
        if record != at:
            if at is not None:
                yield at, state
            at, state = record, _State()
        said = orjson.loads(body)
        state.service = state.service or said["service"]
        action = service.procedure.by_code.get(code)
        if code == "erase":
            _erased(service, said, state)
            continue
        if code == "disclose":  # a look changes nothing but the list of looks
            state.looks[said.get("disclosure")] = (
                said.get("party"), said.get("purpose"), said.get("fields"), said.get("basis", ""), _time(said.get("until")),
                *who,
            )  # fmt: skip
            continue
        if action is None:
            state.known = False
            continue
        heard = {name: _Spoken(digest, entry, sealed, alg) for name, digest in said["with"].items()}
        _apply(service, action, said, heard, state)
    if at is not None:
        yield at, state


def _apply(
    service: Service, action: Action, said: Mapping[str, Any], heard: Mapping[str, _Spoken], state: _State
) -> None:
    now, register = datetime.fromisoformat(said["at"]), state.register
    if action.creates:
        register.update(
            service_code=said["service"], number=said["number"], stage_code=said["to"], agency_id=said["agency"],
            place_id=said["place"], lon=None, lat=None, channel=said["set"].get("channel") or "", filed_by_id=said["post"],
            opened_at=now, stage_at=now, paused_at=None, closed_at=None if action.target.open else now, alert=0,
            due_at=_time(said["due"]), version=1, held_until=None, erased=False,
        )  # fmt: skip
        state.facts = {name: _nothing(fact) for name, fact in service.facts.items()}
    else:
        _change(action, said, now, register)
    if "point" in heard:
        register["point"] = heard["point"]
        register.pop("lon", None)
        register.pop("lat", None)
    elif said["set"].get("point"):  # as the releases before wrote it
        register["lon"], register["lat"] = (float(part) for part in said["set"]["point"].split(","))
    if "title" in heard:
        register["title"] = heard["title"]
    bound = service.form(action)
    for name, value in (*said["set"].items(), *heard.items()):
        if name in bound.columns:
            state.facts[name] = value
        elif name in bound.city.facts:
            state.more[name] = value
    for name in action.counts:
        state.facts[name] = (state.facts.get(name) or 0) + 1
    for name in action.clears:
        state.facts[name] = _nothing(service.fact(name), cleared=True)
    state.files += said["files"]
    state.parties |= {person["id"]: person for person in said["parties"]}


def _erased(service: Service, said: Mapping[str, Any], state: _State) -> None:
    """The words and persons are gone, and with them the title and the position; whatever stands there now says nothing."""
    state.erased = True
    state.register.update(version=said["version"], lon=None, lat=None, erased=True)
    state.register.pop("title", None)
    state.register.pop("point", None)
    state.facts = {name: told for name, told in state.facts.items() if not service.fact(name).words}
    state.more = {name: told for name, told in state.more.items() if not isinstance(told, _Spoken)}


def _change(action: Action, said: Mapping[str, Any], now: datetime, register: dict[str, Any]) -> None:
    if said["version"] is not None:
        register["version"] = said["version"]
    if action.target is not SAME:
        register.update(
            stage_code=said["to"], stage_at=now, paused_at=None, alert=0, closed_at=None if action.target.open else now
        )
    if sets_due(action):
        register["due_at"] = _time(said["due"])
    if action.gives is not Gives.KEEP:
        register["agency_id"] = said["agency"]
    if said["place"] is not None:
        register["place_id"] = said["place"]
    if action.clock in (Clock.PAUSE, Clock.RESUME):
        register["paused_at"] = now if action.clock is Clock.PAUSE else None
    if action.effect is Effect.ESCALATE:
        register["alert"] = min(register.get("alert", 0) + 1, 3)
    if action.effect is Effect.HOLD:
        register["held_until"] = date.fromisoformat(said["set"]["held_until"])
    if action.effect is Effect.RELEASE:
        register["held_until"] = None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _nothing(fact: Fact, *, cleared: bool = False) -> Any:
    held = cast("Any", fact)
    if not cleared and held.has_default():
        return fact.entry_value(fact.stored(held.get_default()))
    if held.null:
        return None
    return {"0": 0, "false": False}.get(fact.empty, "")


def _point(row: Register) -> str:
    return "" if row.lon is None or row.lat is None else point_text(row.lon, row.lat)


def _register(row: Register, state: _State, key: bytes | None) -> Iterator[str]:
    for name, told in state.register.items():
        value: Any = _point(row) if name == "point" else getattr(row, name)
        if isinstance(told, _Spoken):
            if not _holds(row.pk, told, name, value, key):
                yield name
        elif isinstance(told, float):
            if value is None or round(value, 6) != told:
                yield name
        elif value != told:
            yield name
    if row.place_path != row.place.path:
        yield "place_path"


def _facts(service: Service, row: Any, state: _State, key: bytes | None) -> Iterator[str]:
    if row is None:
        yield service.model._meta.db_table
        return
    for name, told in state.facts.items():
        fact, value = service.fact(name), getattr(row, name)
        if isinstance(told, _Spoken):
            if not _holds(row.pk, told, name, value, key):
                yield name
        elif (value or "") != (told or "") if fact.words else fact.entry_value(fact.stored(value)) != told:
            yield name
    for name, told in state.more.items():
        value = row.more.get(name)
        if not _holds(row.pk, told, name, value, key) if isinstance(told, _Spoken) else value != told:
            yield name
    if any(value for name, value in row.more.items() if name not in state.more):
        yield "more"


def _holds(record: Any, told: _Spoken, name: str, value: Any, key: bytes | None) -> bool:
    """Whether the text is the one that the line heard; where the key is gone that is the finding, not each text."""
    if key is None:
        return True
    if told.sealed is None:
        return False
    try:
        words = open_words(key, record, told.entry, told.sealed)
        salt = bytes.fromhex(str(words[name]["salt"]))
    except (KeysError, KeyError, ValueError):
        return False
    return salted(str(value or ""), salt, told.alg) == told.digest


def _parties(ids: list[Any]) -> dict[Any, dict[str, tuple[str, str, str]]]:
    held: dict[Any, dict[str, tuple[str, str, str]]] = {}
    with connections["owner"].cursor() as cursor:
        cursor.execute(_PARTIES, [ids])
        for record, pk, role, known, *columns in cursor.fetchall():
            sealed = b"".join(base64.b64encode(bytes(value)) for value in columns if value is not None)
            held.setdefault(record, {})[str(pk)] = role, known, hashlib.sha256(sealed).hexdigest()
    return held


def _looks(ids: list[Any]) -> dict[Any, dict[str | None, tuple[Any, ...]]]:
    held: dict[Any, dict[str | None, tuple[Any, ...]]] = {}
    for look in Disclosure.objects.using("owner").filter(record__in=ids):
        party = str(look.party_id) if look.party_id else None
        told = (
            party,
            look.purpose,
            look.fields.split(),
            look.basis,
            look.sealed_until,
            look.post_id,
            look.account_id,
            look.agency_id,
            look.at,
        )
        held.setdefault(look.record_id, {})[str(look.pk)] = told
    return held


def _persons(held: Mapping[str, tuple[str, str, str]], state: _State) -> Iterator[str]:
    if held.keys() != state.parties.keys():
        yield "parties"
    for pk, (role, known, digest) in held.items():
        told = state.parties.get(pk)
        if state.erased:
            good = not known and digest == _NOTHING
        else:
            good = told is None or ((told["role"], told["known"]) == (role, known) and digest == told["seal"])
        if not good:
            yield f"party {role}"
