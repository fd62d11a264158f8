"""Telling residents by e-mail when their matter has come to something, if they left an address for it.

One mail for each outcome (``Action.outcome``), made of the log of entries with a cursor of its own; the entry is part of its
name, so a worker that starts again makes none twice. The mail says number, stage and where to read on: no word of the resident's
or of the answer's, and not the follow-up code, because nobody has proven that the mailbox is the resident's. The address is
opened when the mail goes out (``kernel.parties.mail_of``), which the record's timeline shows. What the log says was erased is
told to nobody any more.
"""

from datetime import datetime, time
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from gongzhi.channels.config import SettingsWrong, configured, site
from gongzhi.channels.models import FAILED, WAITING, Message, Stopped
from gongzhi.channels.queue import HOLDS, Line, Said, forget, store
from gongzhi.channels.times import quiet_end
from gongzhi.kernel.context import acting, clock_actor
from gongzhi.kernel.dates import day
from gongzhi.kernel.models import Entry, Party, Register
from gongzhi.kernel.service import services
from gongzhi.kernel.worker import moved_on

READER = "results"
KIND = "result"
_BATCH = 500
_QUIET = (time(21), time(7, 30))
_SALT = "gongzhi.result"


def tells() -> bool:
    """Return whether mails go out here at all; where not, no address is asked for."""
    try:
        return configured("mail") and bool(site())
    except SettingsWrong:
        return False


def announce(now: datetime | None = None) -> int:
    """Queue a mail for each new outcome whose person wants to hear of it. Returns how many."""
    now, made = now or timezone.now(), 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute("SELECT xid, id, record FROM kernel.outbox(%s, %s)", [READER, _BATCH])
            rows = cursor.fetchall()
        if not rows:
            return made
        if tells():
            made += _announce([row[1] for row in rows], now)
        with acting(clock_actor()):
            erased = Register.objects.filter(pk__in={row[2] for row in rows}, erased=True).values_list("pk", flat=True)
            gone = list(erased)
        if gone:
            forget(gone)
        moved_on(READER, *rows[-1][:2])
        if len(rows) < _BATCH:
            return made


def _announce(keys: list[UUID], now: datetime) -> int:
    outcomes = {(s.code, a.code) for s in services().values() for a in s.procedure if a.outcome}
    with acting(clock_actor()), override(settings.LANGUAGE_CODE):
        found = Entry.objects.filter(
            pk__in=keys, action__in={action for _service, action in outcomes}, loader=None, recorded_at__gt=now - HOLDS,
            record__parties__known__contains="mail",
        ).select_related("record").distinct()  # fmt: skip
        wanted = [
            (entry, party, _said(entry, party))
            for entry in found
            if (entry.record.service_code, entry.action) in outcomes
            for party in to_tell(entry.record)
            if not stopped(party)
        ]
    due = quiet_end(now, *_QUIET)
    return sum(
        store("mail", None, said, once=f"{KIND}:{entry.pk}:{party.pk}", holds=HOLDS, kind=KIND, party=party.pk, due=due)
        is not None
        for entry, party, said in wanted
    )


def to_tell(record: Register) -> list[Party]:
    """Return who of a record's persons left an address: of each role the one that holds now. Call it inside ``acting()``."""
    newest = {party.role: party for party in Party.objects.filter(record=record).order_by("pk")}
    return [party for party in newest.values() if "mail" in party.known.split()]


def _said(entry: Entry, party: Party) -> Said:
    record, base = entry.record, site()
    service = record.service
    stage = service.procedure.stage(entry.stage_to).title
    what = _("您的{service} {number}：{stage}").format(service=service.title, number=record.number, stage=stage)
    return Said(
        what,
        (
            Line(
                _("您在 {day} 提交的{service}（编号 {number}）有了结果：{stage}。").format(
                    day=day(record.opened_at), service=service.title, number=record.number, stage=stage
                )
            ),
            Line(_("看答复和办理过程"), f"{base}/follow/{record.number}"),
            Line(_("打开后请输入提交时得到的查询码。为了不让别人看到，邮件里不写内容，也不写查询码。")),
        ),
        list_id=KIND, language=settings.LANGUAGE_CODE, stop=f"{base}/unsubscribe/matter/{stop_token(party)}",
    )  # fmt: skip


# --- ended by a link, or on the matter's page -------------------------------------------------------------------------


def stop_token(party: Party) -> str:
    """Return what a link carries that ends the mails to this person about this matter."""
    return signing.Signer(salt=_SALT, sep="~").sign(party.pk.hex)


def read_token(token: str) -> Party | None:
    """Return whom a token names, None for one that we did not make."""
    try:
        key = signing.Signer(salt=_SALT, sep="~").unsign(token)
    except signing.BadSignature:
        return None
    with acting(clock_actor()):
        return Party.objects.filter(pk=key).first()


def stop(party: Party) -> None:
    """End the mails to this person; what waits is not sent any more. Doing it twice is doing it once."""
    with transaction.atomic():
        Stopped.objects.get_or_create(party_id=party.pk, defaults={"at": timezone.now()})
        Message.objects.filter(party=party.pk, state=WAITING).delete()


def resume(party: Party) -> None:
    """Undo ``stop``: the next outcome is told again."""
    Stopped.objects.filter(party=party.pk).delete()


def stopped(party: Party) -> bool:
    """Return whether the person has ended the mails."""
    return Stopped.objects.filter(party=party.pk).exists()


def bounced(party: Party) -> bool:
    """Return whether the newest mail to this person was not taken: the address may be wrong."""
    newest = Message.objects.filter(party=party.pk).order_by("-made_at").values_list("state", flat=True).first()
    return newest == FAILED
