"""What was erased is nowhere beside the register either: queues, imports, exports, answers, sessions, notices, logs."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from gongzhi.channels import choices, queue, results, sending
from gongzhi.channels.models import FAILED, WAITING, Choice, Delivery, Message
from gongzhi.cli import worker
from gongzhi.home import home
from gongzhi.intake.jobs import import_table, sweep_imports
from gongzhi.intake.models import ImportJob
from gongzhi.kernel import erasure
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.codes import titles
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.vault import Upload
from gongzhi.postgres.server import Server
from gongzhi.postgres.wheel import binary
from tests.channels.conftest import NOON, tick
from tests.channels.servers import Mailbox
from tests.channels.test_sms import Centre, centre

__all__ = ["centre"]
pytestmark = pytest.mark.usefixtures("told")
NAME, PHONE, PHRASE = "欧阳琥珀", "13912345678", "橄榄色的喷泉在午夜倒着流"
SECRETS = (NAME, PHONE, PHRASE)
HEAD = "工单编号,来电时间,来电人,联系电话,诉求标题,诉求内容,诉求类型,所属区域,详细地址\r\n"


def upload(client: Client, content: str) -> ImportJob:
    """Send a table by the page; the worker has not begun yet."""
    file = SimpleUploadedFile("工单.csv", content.encode())
    assert client.post("/work/import", {"mapping": "hotline", "file": file}).status_code == 302
    return ImportJob.objects.latest("pk")


def by_hand(actor: Callable[[str], Actor], ids: Any) -> Done:
    """A matter of the portal's, carried to its end with a key for each act."""
    browser = Client()
    form = {"detail": PHRASE, "asker_name": NAME, "asker_phone": PHONE, "key": "61111111-1111-4111-8111-111111111111"}
    for _twice in range(2):
        assert browser.post("/report", form).status_code == 302
    told = browser.session["told"]
    operator, handler = actor("operator"), actor("zjj")
    with acting(operator):
        row = Register.objects.get(number=told["number"])
    to = {"agency": ids[0]["zjj"], "category": next(iter(titles("category"))), "note": PHRASE}
    done = act(operator, "request", "assign", record=row.pk, version=row.version, form=to, key="e-1")
    done = act(handler, "request", "accept", record=row.pk, version=done.version, form={}, key="e-2")
    act(
        handler,
        "request",
        "attach",
        record=row.pk,
        form={"note": PHRASE},
        files=[Upload(f"{NAME}.txt", PHRASE.encode())],
    )
    done = act(handler, "request", "answer", record=row.pk, version=done.version, form={"answer": PHRASE}, key="e-3")
    follow = Client()
    assert follow.post("/follow", {"number": done.number, "code": told["code"]}).status_code == 302
    rate = {"rating": "5", "version": str(done.version), "key": "62222222-1111-4111-8111-111111111111"}
    assert follow.post(f"/follow/{done.number}/do/rate", rate).status_code == 302
    return done


def words_of(messages: Any) -> str:
    return "\n".join(str(queue.opened(one)) for one in messages if one.sealed)


def files() -> Iterator[Path]:
    """What lies in the home, beside the database's own files, and what an export may have left."""
    for folder in (home(), *Path(tempfile.gettempdir()).glob("gongzhi-export-*")):
        yield from (
            path
            for path in folder.rglob("*")
            if path.is_file() and ("postgres" not in path.parts or path.suffix == ".log")
        )


def holds(path: Path) -> bool:
    content = path.read_bytes()
    return any(secret.encode() in content for secret in SECRETS)


def dump(server: Server, database: str) -> str:
    given = ["-d", server.url(database)]
    return subprocess.run([str(binary("pg_dump")), *given], check=True, capture_output=True, text=True).stdout


def test_what_was_erased_is_in_no_queue_import_export_answer_session_or_log(
    mailbox: Mailbox, centre: Centre, proven: Callable[..., Actor], give: Callable[..., Done], actor: Callable[[str], Actor],
    at_desk: Any, ids: Any, city: str, server: Server, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    who = proven("zjj")
    proven("zjj", "13900000000", "sms")
    choices.keep(Choice(account_id=who.account, how={f"sms:{kind}": "now" for kind in ("assigned", "overdue")}))
    rows = f"E-1,2026-10-08 09:30,{NAME},{PHONE},{PHRASE},{PHRASE},投诉,清江浦区,{NAME}家\r\nE-2,2026-02-30,李女士,,井盖,井盖,求助,清江浦区,\r\n"
    job = upload(at_desk("operator"), HEAD + rows)
    [table] = (home() / "imports" / job.folder).glob("table*")
    assert holds(table)
    import_table(job=job.pk)
    done, other = by_hand(actor, ids), give("别处的路灯不亮")
    with acting(actor("operator")):
        taken = Register.objects.get(title=PHRASE, channel="import")
    act(actor("operator"), "request", "decline", record=taken.pk, version=taken.version, form={"reason": PHRASE})
    tick(NOON)
    assert PHRASE in words_of(Message.objects.filter(channel="mail"))
    waiting = Message.objects.filter(state=WAITING)
    assert {one.channel for one in waiting} == {"mail", "sms"}
    Message.objects.filter(channel="sms").update(state=FAILED)
    shown = at_desk("operator").get("/work/s/request/export/csv")
    assert PHRASE in b"".join(shown.streaming_content).decode("utf-8-sig")
    assert PHRASE in dump(server, city)
    for number in (done.number, taken.number):
        erasure.erase(number, "court")
    results.announce(NOON)  # before anything is sent
    assert Delivery.objects.filter(channel="mail", dropped=True).exists()
    assert not any(secret in words_of(Message.objects.all()) for secret in SECRETS)
    tick(NOON + timedelta(minutes=10))
    assert sending.send_waiting() == 1  # what the message also said of another matter is told
    [(_to, mail, _raw)] = mailbox.arrived
    said = str(mail.get_body(("plain",)).get_content())
    assert other.number in said
    assert not any(secret in said for secret in SECRETS)
    assert [message.state for message in Message.objects.filter(channel="sms")] == [FAILED]
    assert not centre.arrived
    sweep_imports(timestamp=0)
    left = dump(server, city)
    assert not [secret for secret in SECRETS if secret in left]
    assert not [path for path in files() if holds(path)]
    assert not [secret for secret in SECRETS if secret in caplog.text]
    kept = "".join(str(one.get_decoded()) for one in Session.objects.all())
    assert not [secret for secret in SECRETS if secret in kept]
    for client, way in ((at_desk("zjj"), "/work/notices"), (at_desk("operator"), f"/work/import/{job.pk}/quarantine")):
        page = client.get(way).content.decode()
        assert not [secret for secret in SECRETS if secret in page]


def test_a_session_that_has_ended_is_gone_within_the_hour(city: str, at_desk: Any) -> None:
    at_desk("operator")
    Session.objects.all().update(expire_date=timezone.now())
    for task in worker._INSIDE:
        if getattr(task, "__name__", "") == "clear_expired":
            task()
    assert not Session.objects.exists()
