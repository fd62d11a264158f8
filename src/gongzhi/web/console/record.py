"""One page for each record: where it stands, its facts, what I can do, who is in it, and everything that happened."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from time import time
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from gongzhi.kernel.buttons import owed, possible
from gongzhi.kernel.context import Actor
from gongzhi.kernel.dates import brief
from gongzhi.kernel.fields import Fact, Whole
from gongzhi.kernel.files import open_file
from gongzhi.kernel.forms import PERSON_FIELDS, SHOWN_FIELDS
from gongzhi.kernel.generate import PART
from gongzhi.kernel.history import Line, timeline
from gongzhi.kernel.keys import KeyDestroyed, Tampered
from gongzhi.kernel.masking import MARK
from gongzhi.kernel.models import Attachment, Link, Party, Register, Task
from gongzhi.kernel.parties import choices
from gongzhi.kernel.procedure import Action, Stage
from gongzhi.kernel.service import Service
from gongzhi.kernel.vault import Missing
from gongzhi.web.asked import Asked
from gongzhi.web.suggestions import Suggested, suggested
from gongzhi.web.who import may_create, page, reads


@dataclass(frozen=True)
class Step:
    """One piece of the stage bar: ``done``, ``here`` or ``ahead``."""

    stage: Stage
    state: str


@dataclass
class Doing:
    """The action whose form stands open on the page, with what was typed."""

    action: Action
    asked: list[Asked]
    key: str = field(default_factory=lambda: str(uuid4()))
    alert: str = ""
    files_error: str = ""
    files_again: bool = False
    """Whether files came with what was refused; a browser does not keep them."""
    possible: bool = True
    """Whether the action can still be taken; if not, the page only keeps what was typed."""

    @property
    def typed(self) -> list[tuple[str, str]]:
        """What was typed, for the person who may no longer send it."""
        return [
            (asked.label, asked.value) for asked in self.asked if asked.value and asked.kind in ("textarea", "text")
        ]

    @property
    def wrong(self) -> list[Asked]:
        """The questions that were answered wrongly."""
        return [asked for asked in self.asked if asked.errors]


@dataclass(frozen=True)
class Button:
    """An action that the actor may take now; ``due`` is the deadline that it answers."""

    action: Action
    due: datetime | None
    main: bool
    asks: bool
    key: str


@dataclass(frozen=True)
class Parts:
    """What hangs from a record, of one service; ``open`` of them are not settled yet."""

    service: Service
    rows: list[Register]
    may_add: bool

    @property
    def open(self) -> int:
        """How many are not settled."""
        return sum(row.closed_at is None for row in self.rows)


@dataclass(frozen=True)
class Person:
    """A party as the page shows it: a role and which fields are known."""

    id: UUID
    label: str
    known: list[str]
    shown: list[str]
    """Of these what a purpose opens; an e-mail address is opened for nobody."""


def by_number(number: str) -> Register:
    """Return the record that the actor sees; Http404 with the one sentence otherwise. Call it inside ``acting()``."""
    found = Register.objects.select_related("agency", "place").filter(number=number.upper()[:40]).first()
    if found is None:
        raise Http404
    return found


def steps(record: Register, lines: list[Line]) -> list[Step]:
    """Return the stages that the record went through, where it is, and the usual way ahead."""
    procedure = record.service.procedure
    behind: list[str] = []
    for line in reversed(lines):
        if line.stage and line.stage not in behind and line.stage != record.stage_code:
            behind.append(line.stage)
    way = [Step(procedure.stage(code), "done") for code in behind if code]
    way.append(Step(record.stage, "here"))
    ahead, at = [], record.stage_code
    while action := procedure.owed(at):
        at = action.target.code
        if not at or at == record.stage_code or at in ahead:
            break
        ahead.append(at)
    order = list(ahead)
    way = [step for step in way if step.stage.code not in order or step.state == "here"]
    return way + [Step(procedure.stage(code), "ahead") for code in ahead]


def facts_of(
    record: Register, row: Any, *, public: bool = False
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (short facts, texts) as (label, value), without what is empty."""
    short: list[tuple[str, str]] = []
    texts: list[tuple[str, str]] = []
    values = record.service.values(row)
    for name, fact in record.service.all_facts.items():
        value = values[name]
        if value in ("", None) or (value == 0 and _counts(fact)) or (public and name not in record.service.public):
            continue
        pair = (str(fact.verbose_name), fact.display(value))
        (texts if _long(fact) else short).append(pair)
    return short, texts


def _counts(fact: Any) -> bool:
    """Whether zero means that there is nothing to tell."""
    return isinstance(fact, Whole) and fact.has_default()


def _long(fact: Fact) -> bool:
    return fact.words and getattr(fact, "get_internal_type", str)() == "TextField"


def people(record: Register) -> list[Person]:
    """Return the record's parties, masked."""
    labels: dict[str, str] = {}
    for action in record.service.procedure:
        labels |= {role: person.label for role, person in record.service.form(action).persons.items()}
    found = list(Party.objects.filter(record=record).order_by("-pk"))  # the ids are in the order of time
    newest = {party.role: party.pk for party in reversed(found)}
    return [
        Person(
            party.pk, _title(labels.get(party.role, ""), now=newest[party.role] == party.pk),
            *([title for name, title in of.items() if name in party.known.split()] for of in (PERSON_FIELDS, SHOWN_FIELDS)),
        )
        for party in found
    ]  # fmt: skip


def _title(label: str, *, now: bool) -> str:
    label = str(label) or _("当事人")
    return label if now else _("原{label}").format(label=label)


def parts_of(actor: Actor, record: Register, links: list[Link]) -> list[Parts]:
    """Return the record's parts by service, those that wait for someone first."""
    rows = [link.b for link in links if link.kind == PART and link.a_id == record.pk]
    rows.sort(key=lambda row: (row.closed_at is not None, row.opened_at))
    return [
        Parts(
            part, [row for row in rows if row.service_code == part.code],
            may_create(actor, part) and record.closed_at is None,
        )
        for part in record.service.parts
    ]  # fmt: skip


def buttons(actor: Actor, record: Register, facts: Any) -> tuple[list[Button], list[Button]]:
    """Return (steps of the procedure, things always possible) that the actor may do now."""
    answers = owed(record)
    main: list[Button] = []
    always: list[Button] = []
    for action in possible(actor, record, facts=facts):
        if not action.direct:
            continue
        due = answers[1] if answers and answers[0] is action and record.due_source else None
        first = answers is not None and answers[0] is action
        asks = bool(record.service.form(action).fields) or action.files
        (always if action.anywhere else main).append(Button(action, due, first, asks, str(uuid4())))
    if main and not any(button.main for button in main):
        main[0] = replace(main[0], main=not main[0].action.danger and record.closed_at is None)
    return main, always


@reads
def show(request: HttpRequest, actor: Actor, number: str) -> HttpResponse:
    """Show the record; ``?done=`` names the action that has just been done, ``?added=`` the part that was just made."""
    record = by_number(number)
    added = request.GET.get("added", "")
    part = Register.objects.filter(number=added[:40]).first() if added else None
    if part is not None and part.service.part_of == record.service_code:
        said = _("已{title}：{number}。").format(title=part.service.creating.title, number=part.number)
        return render_record(request, actor, record, said=said, added=part.service)
    called = request.session.get("called") or {}
    code = called["code"] if called.get("number") == record.number and called["until"] > time() else ""
    said = _said(record, request.GET.get("done", ""), "again" in request.GET)
    return render_record(request, actor, record, said=said, code=code)


def _said(record: Register, done: str, again: bool) -> str:
    """Return what has just happened and what comes next, in one sentence."""
    action = record.service.procedure.by_code.get(done)
    if action is None:
        return ""
    first = (
        _("“{title}”已经办过，没有重复。").format(title=action.title)
        if again
        else _("已{title}。").format(title=action.title)
    )
    answers = owed(record)
    if record.closed_at:
        return _("{first}这件事已结束。").format(first=first)
    if answers and record.due_source and action.target.code:
        due = timezone.localtime(answers[1])
        return _("{first}现在由{short}在 {at} 前{title}。").format(
            first=first, short=record.agency.short, at=brief(due), title=answers[0].title
        )
    return first


def render_record(
    request: HttpRequest, actor: Actor, record: Register, *, doing: Doing | None = None, said: str = "",
    conflict: str = "", status: int = 200, code: str = "", added: Service | None = None,
) -> HttpResponse:  # fmt: skip
    """Render the record's page; call it inside ``acting()``."""
    facts = record.facts
    short, texts = facts_of(record, facts)
    lines = timeline(record, actor)
    main, always = buttons(actor, record, facts)
    links = list(Link.objects.filter(Q(a=record) | Q(b=record)).select_related("a", "b", "b__agency", "b__place"))
    tied = [(link.kind, link.b if link.a_id == record.pk else link.a) for link in links if link.kind != PART]
    whole = next((link.a for link in links if link.kind == PART and link.b_id == record.pk), None)
    tasks = list(Task.objects.filter(record=record).select_related("agency").order_by("due_at"))
    may_look = bool(choices(record.service, actor))
    suggestion: Suggested | None = None
    if doing is None or not doing.wrong:
        suggestion = suggested(actor, record, facts, [button.action for button in main])
    return page(
        request, actor, "web/console/record.html", status=status, record=record, service=record.service, facts=short,
        texts=texts, lines=lines, steps=steps(record, lines), main=main, always=always, people=people(record),
        may_look=may_look, masks=may_look and _masked(record, short + texts, lines, tasks),
        tasks=tasks,
        files=[(line, file) for line in lines for file in line.files], tied=tied, doing=doing, said=said,
        conflict=conflict, code=code, whole=whole, parts=parts_of(actor, record, links), suggestion=suggestion, added=added,
        active=f"s-{record.service_code}", now=timezone.now(),
    )  # fmt: skip


def _masked(record: Register, said: list[tuple[str, str]], lines: list[Line], tasks: list[Task]) -> bool:
    """Whether a number is masked in what the page shows."""
    told = (text for line in lines for _label, text in (*line.words, *line.facts))
    return any(
        MARK in text for text in (record.title, *(text for _, text in said), *told, *(one.title for one in tasks))
    )


@reads
def file(_other: HttpRequest, __: Actor, number: str, key: UUID) -> HttpResponse:
    """Send an attachment."""
    found = Attachment.objects.filter(pk=key, record=by_number(number)).first()
    if found is None:
        raise Http404
    return send(found)


def send(found: Attachment) -> HttpResponse:
    """Return the answer that carries the file: pictures are shown, everything else is saved."""
    try:
        chunks = open_file(found)
    except (KeyDestroyed, Missing, Tampered) as error:
        return HttpResponse(str(error) or _("附件已不能读取。"), status=410, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(chunks, content_type=found.media_type)
    inline = found.media_type.startswith("image/")
    response["Content-Disposition"] = content_disposition_header(not inline, found.name) or "attachment"
    response["Content-Length"] = str(found.size)
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response  # type: ignore[return-value]
