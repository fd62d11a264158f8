"""What a message about notices says, in the reader's language. A notice's own sentence comes from ``kernel.notices``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from gongzhi.channels.choices import ALL, KINDS, stop_token
from gongzhi.channels.config import site
from gongzhi.channels.queue import Line, Said
from gongzhi.kernel.models import Notice
from gongzhi.kernel.notices import worded

SHOWN = 20
"""Notices of a kind that a message names; the others are counted."""
_SHORT = 60  # characters of a notice in a short message


@dataclass(frozen=True)
class Item:
    """A notice as its reader sees it now."""

    kind: str
    number: str
    text: str

    @classmethod
    def of(cls, notice: Notice) -> "Item":
        """Return the notice; of a quiet service without the title, which may name a person."""
        record = notice.record
        if record.service.quiet:
            text = _("{kind}：{service} {number}").format(
                kind=KINDS.get(notice.kind, notice.kind), service=record.service.title, number=record.number
            )
        else:
            text = worded(notice)
        return cls(notice.kind, record.number, text)


@dataclass
class Board:
    """What a person's posts owe at the moment, for the head of a message of several."""

    late: int = 0
    today: int = 0


@dataclass(frozen=True)
class Told:
    """What goes into one message: notices, and the board beside them."""

    items: Sequence[Item]
    board: Board = field(default_factory=Board)


def notices(account: int, channel: str, told: Told) -> Said:
    """Return the message; a single notice is said straight out, several are counted, each count and each line opens."""
    by_kind = {kind: [item for item in told.items if item.kind == kind] for kind in KINDS}
    by_kind = {kind: items for kind, items in by_kind.items() if items}
    kind = next(iter(by_kind)) if len(by_kind) == 1 else ALL
    base = site()
    if len(told.items) == 1:
        item = told.items[0]
        address = f"{base}/work/r/{item.number}"
        subject = item.text
        lines = [Line(item.text), Line(_("打开这条事项"), address)]
        short = _("{text} {address}").format(text=_cut(item.text), address=address)
    else:
        counts = _("、").join(
            _("{kind} {count} 条").format(kind=KINDS[one], count=len(items)) for one, items in by_kind.items()
        )
        subject = _("通知 {total} 条：{counts}").format(total=len(told.items), counts=counts)
        lines = list(_several(base, by_kind, told.board))
        short = _("您有通知 {total} 条：{counts}。{address}").format(
            total=len(told.items), counts=counts, address=base + "/work/notices"
        )
    return Said(
        subject=subject, lines=lines, short=short, list_id=kind, language=get_language() or "",
        stop=f"{base}/unsubscribe/{stop_token(account, channel, kind)}",
    )  # fmt: skip


def _several(base: str, by_kind: Mapping[str, Sequence[Item]], board: Board) -> Iterator[Line]:
    if board.late:
        yield Line(_("您的待办里已超期 {count} 件").format(count=board.late), base + "/work/?group=late")
    if board.today:
        yield Line(_("您的待办里今天到期 {count} 件").format(count=board.today), base + "/work/?group=today")
    for kind, items in by_kind.items():
        yield Line(
            _("{kind}（{count} 条）").format(kind=KINDS[kind], count=len(items)),
            base + "/work/notices?kind=" + kind,
            head=True,
        )
        for item in items[:SHOWN]:
            yield Line(item.text, f"{base}/work/r/{item.number}")
        if len(items) > SHOWN:
            rest = len(items) - SHOWN
            yield Line(
                ngettext("还有 {count} 条，请到平台上看", "还有 {count} 条，请到平台上看", rest).format(count=rest),
                base + "/work/notices?kind=" + kind,
            )


def code(digits: str) -> Said:
    """Return the message that carries the code which proves an address."""
    text = _("验证码：{digits}，15 分钟内有效。如果不是您本人在操作，请不要理会，也不要告诉别人。").format(
        digits=digits
    )
    return Said(_("验证码 {digits}").format(digits=digits), [Line(text)], short=text, language=get_language() or "")


def changed(hint: str) -> Said:
    """Return what the old address is told when another takes its place."""
    text = _("您的账号的通知地址已改为 {hint}。如果不是您本人改的，请立即联系本单位管理员。").format(hint=hint)
    return Said(_("您的通知地址已更改"), [Line(text)], short=text, language=get_language() or "")


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
