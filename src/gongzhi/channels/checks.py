"""Checks of the settings, with ids and hints."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from gongzhi.channels.checkpoints import recipients
from gongzhi.channels.config import SettingsWrong, sender, site, smpp, smtp
from gongzhi.channels.witnesses import witnesses


@register
def settings_fit(**_: Any) -> list[CheckMessage]:
    """Say what is wrong with the servers' settings; nothing where none are set."""
    found: list[CheckMessage] = []
    named = False
    for number, read in ((1, smtp), (2, smpp)):
        try:
            held = read()
        except SettingsWrong as wrong:
            found.append(Error(str(wrong), hint="docs/notifications.md", id=f"channels.E00{number}"))
            continue
        named = named or held is not None
        if number == 1 and held is not None:
            found += _wrong(sender, "channels.E003")
    found += _wrong(recipients, "channels.E005", "docs/ledger.md") + _wrong(
        witnesses, "channels.E006", "docs/ledger.md"
    )
    return found + (_wrong(site, "channels.E004") if named else [])


def _wrong(read: Any, code: str, hint: str = "docs/notifications.md") -> list[CheckMessage]:
    try:
        read()
    except SettingsWrong as wrong:
        return [Error(str(wrong), hint=hint, id=code)]
    return []
