"""How the servers are reached: from the environment, read when needed, so that a mistake stops nothing but the sending."""

import os
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.utils.translation import gettext as _


class SettingsWrong(Exception):
    """A setting cannot be used; the sentence says which and why."""


@dataclass(frozen=True)
class Server:
    """A server's address: ``safety`` is ``tls`` (from the first byte), ``starttls``, or ``plain``."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    safety: str
    options: dict[str, str] = field(default_factory=dict)


_SMTP = {"smtps": ("tls", 465), "smtp": ("starttls", 587), "smtp+plain": ("plain", 25)}
_SMPP = {"smpps": ("tls", 3550), "smpp": ("plain", 2775)}


def smtp() -> Server | None:
    """Return the mail server named by ``GONGZHI_SMTP``, None where none is named. Raises SettingsWrong."""
    return _server("GONGZHI_SMTP", _SMTP)


def smpp() -> Server | None:
    """Return the short message centre named by ``GONGZHI_SMPP``, None where none is named. Raises SettingsWrong."""
    return _server("GONGZHI_SMPP", _SMPP)


def configured(channel: str) -> bool:
    """Return whether the channel has a server and everything else that it needs; false also for wrong settings."""
    try:
        return (smtp() is not None and bool(sender())) if channel == "mail" else smpp() is not None
    except SettingsWrong:
        return False


def sender() -> Address:
    """Return the address that mails come from, ``GONGZHI_MAIL_FROM``. Raises SettingsWrong."""
    name, address = parseaddr(os.environ.get("GONGZHI_MAIL_FROM", ""))
    try:
        return Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError) as error:
        raise SettingsWrong(
            _("GONGZHI_MAIL_FROM 应是一个邮箱地址，例如“城市治理平台 <notice@example.org>”。")
        ) from error


def site() -> str:
    """Return the address that links begin with, ``GONGZHI_SITE``, without a slash at the end. Raises SettingsWrong."""
    named = os.environ.get("GONGZHI_SITE", "").rstrip("/")
    parts = urlsplit(named)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingsWrong(_("GONGZHI_SITE 应是平台对外的网址，例如 https://gongzhi.example.org。"))
    return named


def authority() -> str | None:
    """Return the file of certificates that servers are checked against beside the system's own, ``GONGZHI_CHANNELS_CA``."""
    return os.environ.get("GONGZHI_CHANNELS_CA") or None


def _server(variable: str, schemes: dict[str, tuple[str, int]]) -> Server | None:
    named = os.environ.get(variable, "")
    if not named:
        return None
    example = f"{next(iter(schemes))}://user:password@host:{next(iter(schemes.values()))[1]}"
    try:
        parts = urlsplit(named)
        safety, usual = schemes[parts.scheme]
        host, port = parts.hostname or "", parts.port or usual
    except (KeyError, ValueError) as error:
        raise SettingsWrong(
            _("{variable} 应写成 {example} 这样的地址。").format(variable=variable, example=example)
        ) from error
    if not host:
        raise SettingsWrong(_("{variable} 应写成 {example} 这样的地址。").format(variable=variable, example=example))
    password = unquote(parts.password or "")
    file = os.environ.get(f"{variable}_PASSWORD_FILE")
    if file:
        try:
            password = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsWrong(
                _("读不到 {variable} 的密码文件：{reason}。").format(variable=variable, reason=error.strerror)
            ) from error
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return Server(host, port, unquote(parts.username or ""), password, safety, options)
