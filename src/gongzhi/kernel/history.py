"""What happened to a record, newest first, in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gongzhi.kernel.context import Actor, named
from gongzhi.kernel.dates import day
from gongzhi.kernel.erasure import BECAUSE
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.keys import KeyDestroyed, open_words, unwrap
from gongzhi.kernel.masking import shown
from gongzhi.kernel.models import Attachment, Disclosure, Entry, Link, RecordKey, Register
from gongzhi.kernel.parties import NOTE
from gongzhi.kernel.procedure import Effect, cited
from gongzhi.kernel.purposes import SOUGHT, TOLD, TOLD_TITLE
from gongzhi.kernel.roles import PORTAL
from gongzhi.kernel.service import Service
from gongzhi.tongue import later

FORGOTTEN = later("内容已按保存期限销毁")
_LOOKED = later("查看了个人信息")
_FOUND = later("按电话查到了这件事")
_ERASED = later("销毁了内容和个人信息")


@dataclass(frozen=True)
class Line:
    """One act: who did what, when and why. ``words`` and ``facts`` map labels to what was said and set."""

    at: datetime
    recorded_at: datetime
    who: str
    agency: str
    action: str
    title: str
    stage: str
    words: list[tuple[str, str]] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    files: list[Attachment] = field(default_factory=list)
    loaded: bool = False
    """Entered later from another system, by the loader."""


def timeline(record: Register, actor: Actor | None) -> list[Line]:
    """Return the record's acts, newest first; call it inside ``acting()``, or ``following()`` with actor None.

    The person who follows a record sees what happened and the answers, but no name of a clerk, no internal remark;
    what came in through the portal was their own doing.
    """
    service = record.service
    key = _key(record)
    files: dict[Any, list[Attachment]] = {}
    for file in Attachment.objects.filter(record=record).order_by("id"):
        files.setdefault(file.entry_id, []).append(file)
    looks = {d.at: d for d in Disclosure.objects.filter(record=record)}
    lines = []
    entries = list(
        Entry.objects.filter(record=record)
        .select_related("account", "agency", "post__behalf__account")
        .order_by("-seq")
    )
    tied = _tied(record, entries)
    for entry in entries:
        line = _line(service, entry, key, files.get(entry.pk, []), actor is None, tied)
        if entry.action == "erase":
            line = _erased(entry, actor is None)
        if entry.action == "disclose":
            line = _disclosed(service, entry, looks.get(entry.at), key, actor is None)
        if line:
            lines.append(line)
    return lines


def _tied(record: Register, entries: Iterable[Entry]) -> set[str]:
    """Return the numbers of records that this one was tied to and that the reader sees: a number is a word of both."""
    ties = {action.code for action in record.service.procedure if action.effect is Effect.LINK}
    if not any(entry.action in ties for entry in entries):
        return set()
    found = Link.objects.filter(Q(a=record) | Q(b=record)).values_list("a__number", "b__number")
    return {number for pair in found for number in pair}


def who(entry: Entry) -> str:
    """Return who acted: a name, and for a delegate “乙 代 甲”."""
    behalf = entry.post.behalf
    return named(f"{entry.account.name}\x1f{behalf.account.name}" if behalf else entry.account.name)


def _key(record: Register) -> bytes | None:
    held = RecordKey.objects.filter(record=record).values_list("wrapped", flat=True).first()
    try:
        return unwrap(held)
    except KeyDestroyed:
        return None


def _line(
    service: Service, entry: Entry, key: bytes | None, files: list[Attachment], outside: bool, tied: set[str]
) -> Line | None:
    action = service.procedure.by_code.get(entry.action)
    if action is None:
        return None
    if outside and action.anywhere:
        return None  # remarks, tasks and reminders are between those who work on it
    bound = service.form(action)
    labels: dict[str, Any] = bound.said
    body = orjson.loads(entry.body)
    spoken = _spoken(entry, key, body["with"])
    other = spoken.get("other", "") if action.effect is Effect.LINK else ""
    if other and other != FORGOTTEN and other.strip().upper() not in tied:
        del spoken["other"]
    shown = set(service.public) | {"reason", "comment"} if outside else None
    words = [
        (_label(service, labels, name), text)
        for name, text in spoken.items()
        if name not in ("title", "point") and (shown is None or name in shown)
    ]
    facts = [
        (_label(service, labels, name), labels[name].display(value))
        for name, value in body["set"].items()
        if name in labels and value not in ("", None) and (shown is None or name in shown)
    ]
    own = outside and entry.post.role == PORTAL.code
    return Line(
        entry.at, entry.recorded_at, "" if outside else who(entry), _("您") if own else entry.agency.title, action.code,
        action.title, body["to"], words, facts, files, entry.loader_id is not None,
    )  # fmt: skip


def _spoken(entry: Entry, key: bytes | None, heard: Mapping[str, str]) -> dict[str, str]:
    if not heard:
        return {}
    if key is None or entry.sealed is None:
        return dict.fromkeys(heard, FORGOTTEN)
    heard_words = open_words(key, entry.record_id, entry.pk, entry.sealed)
    return {name: shown(str(said["new"]), DEFAULT_DB_ALIAS) for name, said in heard_words.items()}


def _label(service: Service, labels: Mapping[str, Fact], name: str) -> str:
    fact = labels.get(name) or service.facts.get(name)
    return str(fact.verbose_name) if fact else name


def purpose_title(service: Service, code: str) -> str:
    """Return the purpose of a look in words; one that is declared no more is told by its code."""
    if code == TOLD:
        return str(TOLD_TITLE)
    return str(service.reasons[code].title) if code in service.reasons else code


def _disclosed(
    service: Service, entry: Entry, look: Disclosure | None, key: bytes | None, outside: bool
) -> Line | None:
    if look is None:
        return None  # the person is not told of it yet, or it was a look at somebody else's fields
    facts = [(pgettext("disclosure", "用途"), purpose_title(service, look.purpose))]
    if look.basis:
        facts.append((_("依据"), cited(look.basis)))
    if look.sealed_until and not outside:
        facts.append((_("告知本人"), _("{day} 起").format(day=day(look.sealed_until))))
    heard = {} if outside else orjson.loads(entry.body).get("with", {})
    words = [(str(NOTE.verbose_name), text) for text in _spoken(entry, key, heard).values()]
    return Line(
        entry.at, entry.recorded_at, "" if outside else who(entry), entry.agency.title, "disclose", _FOUND if look.fields == SOUGHT else _LOOKED,
        "", words, facts, [],
    )  # fmt: skip


def _erased(entry: Entry, outside: bool) -> Line:
    because = BECAUSE.get(orjson.loads(entry.body)["because"], "")
    return Line(
        entry.at, entry.recorded_at, "" if outside else who(entry), entry.agency.title, "erase", _ERASED,
        "", [], [(_("原因"), str(because))], [],
    )  # fmt: skip
