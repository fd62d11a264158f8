"""Giving checkpoints away: to a folder, by mail once a day, to witnesses; the web serves them too (``gongzhi.web.ledger``).

A checkpoint proves nothing while only we hold it. Each way out fails by itself, and is tried again at the next round.
"""

import logging
import os
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path

from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.channels.config import SettingsWrong, configured
from gongzhi.channels.queue import Line, Said, store
from gongzhi.channels.witnesses import WitnessRefused, ask, witnesses
from gongzhi.home import home, put
from gongzhi.kernel.seals.notes import Checkpoint
from gongzhi.kernel.seals.sealing import latest
from gongzhi.kernel.seals.signing import seal_keys

log = logging.getLogger("gongzhi.checkpoints")


def folder() -> Path:
    """Return where checkpoints are written: ``GONGZHI_CHECKPOINTS``, else ``checkpoints`` in GONGZHI_HOME."""
    named = os.environ.get("GONGZHI_CHECKPOINTS")
    return Path(named).absolute() if named else home() / "checkpoints"


def publish() -> Checkpoint | None:
    """Give the newest checkpoint to whoever waits for it; None where nothing was sealed yet."""
    held = latest()
    if held is None:
        return None
    for way in (_witnessed, _write, _mail):
        try:
            way(latest() or held)  # the witnesses' signatures go out with it
        except (OSError, SettingsWrong, WitnessRefused) as error:
            log.error("checkpoint %d, %s: %s", held.size, way.__name__.strip("_"), error)
    return held


def _write(held: Checkpoint) -> None:
    """Write ``latest``, and one file for each day: copied elsewhere they are the city's own memory of what it published."""
    here = folder()
    here.mkdir(parents=True, exist_ok=True)
    for name in ("latest", f"{timezone.localdate().isoformat()}.note"):
        path = here / name
        if path.is_file() and path.read_text(encoding="utf-8") == held.note:
            continue
        put(path, held.note)
        path.chmod(0o644)  # public, and to be copied by whoever keeps it


def recipients() -> list[str]:
    """Return the addresses of ``GONGZHI_CHECKPOINT_MAIL`` (separated by commas). Raises SettingsWrong."""
    made = []
    for said in os.environ.get("GONGZHI_CHECKPOINT_MAIL", "").split(","):
        if said.strip():
            address = parseaddr(said)[1]
            if "@" not in address:
                raise SettingsWrong(_("GONGZHI_CHECKPOINT_MAIL 应是邮箱地址，多个之间用逗号分开。"))
            made.append(address)
    return made


def _mail(held: Checkpoint) -> None:
    if not configured("mail"):
        return
    day = timezone.localdate().isoformat()
    for address in recipients():
        said = Said(
            _("账本检查点 {day}（{size:,} 笔）").format(day=day, size=held.size),
            (
                Line(_("请保存这封邮件：有人改写过去的账时，用它可以证明。核对：gongzhi ledger verify --against 文件")),
                Line(held.note),
                Line(_("公钥：{key}").format(key=seal_keys().signer.verifier)),
            ),
        )
        store("mail", None, said, once=f"checkpoint:{day}:{address}", holds=timedelta(days=3), to=address)


def _witnessed(held: Checkpoint) -> None:
    """Ask every witness; one that is away does not keep the others from signing. Raises WitnessRefused with the last refusal."""
    refused: WitnessRefused | None = None
    for witness in witnesses():
        try:
            ask(witness, held)
        except WitnessRefused as error:
            if error.forked:
                log.critical("%s: %s", witness.key.name, error)
            refused = error
    if refused:
        raise refused
