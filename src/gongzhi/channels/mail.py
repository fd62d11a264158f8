"""E-mail by SMTP (RFC 5321), with TLS from the first byte (RFC 8314) or by STARTTLS; plain only where it is asked for.

A mail is plain text and HTML. It names the list it belongs to (RFC 2919) and how to end it with one click (RFC 8058); the
mail server of the city signs it (DKIM), which mail programs want before they show that button.
"""

import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from email import policy
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from gongzhi.channels.config import Server, SettingsWrong, authority, sender, site, smtp
from gongzhi.channels.queue import Said
from gongzhi.channels.transport import Down, Later, Refused, Unsure, server_said

TIMEOUT = 20.0  # seconds
PERMANENT = 500


class _Whole:
    """A header that is never folded or encoded: addresses in it must stay in one piece. ASCII without line ends only."""

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Take the value as it stands."""
        if not value.isascii() or not value.isprintable():
            raise ValueError("an address in a header is ASCII and one line")
        kwds["parse_tree"], kwds["decoded"] = None, value

    def fold(self, *, policy: Any) -> str:  # noqa: ARG002  (the library's name)
        """Return the header in one line."""
        return f"{self.name}: {self}\r\n"  # type: ignore[attr-defined]


_headers = HeaderRegistry()
for _name in ("list-unsubscribe", "list-id", "list-unsubscribe-post"):
    _headers.map_to_type(_name, _Whole)  # type: ignore[arg-type]
_POLICY = policy.SMTP.clone(cte_type="7bit", header_factory=_headers)


class MailLine:
    """One SMTP session."""

    def __init__(self, server: Server | None = None) -> None:
        try:
            held = server or smtp()
            if held is None:
                raise Down(_("没有设置邮件服务器。"))
            self._server, self._from, self._site = held, sender(), site()
        except SettingsWrong as wrong:
            raise Down(str(wrong)) from wrong

    def __enter__(self) -> Self:
        """Connect, secure the line, sign in. Raises Down."""
        server = self._server
        try:
            if server.safety == "tls":
                self._smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=tls())
            else:
                self._smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
        except (OSError, smtplib.SMTPException) as error:
            raise Down(_why(error)) from error
        try:
            self._smtp.ehlo_or_helo_if_needed()
            if server.safety == "starttls":
                self._smtp.starttls(context=tls())
                self._smtp.ehlo()
            if server.user:
                self._smtp.login(server.user, server.password)
        except UnicodeEncodeError as error:
            self._smtp.close()
            raise Down(_("邮件服务器的用户名和密码只能用 ASCII 字符。")) from error
        except (OSError, smtplib.SMTPException) as error:
            self._smtp.close()
            raise Down(_why(error)) from error
        return self

    def __exit__(self, *broken: object) -> None:
        """Hang up."""
        with suppress(OSError, smtplib.SMTPException):
            self._smtp.quit()
        self._smtp.close()

    def send(self, key: UUID, to: str, said: Said, about_to: Callable[[], None]) -> None:
        """Send one mail. Raises Refused, Later, Down, Unsure."""
        content = compose(key, to, said, str(self._from), self._from.addr_spec, self._site).as_bytes()
        try:
            self._smtp.rset()
            _expect(
                self._smtp.mail(self._from.addr_spec, [f"size={len(content)}"] if self._smtp.has_extn("size") else []),
                Down,
            )
            _expect(self._smtp.rcpt(to), Refused)
        except smtplib.SMTPException as error:
            raise Down(_why(error)) from error
        except OSError as error:
            raise Down(_why(error)) from error
        about_to()
        try:
            _expect(self._smtp.data(content), Refused)
        except smtplib.SMTPDataError as error:  # the server did not even ask for the content
            raise (Refused if error.smtp_code >= PERMANENT else Later)(
                server_said(error.smtp_code, error.smtp_error)
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unsure(_why(error)) from error


def compose(key: UUID, to: str, said: Said, origin: str, envelope: str, site_address: str) -> EmailMessage:
    """Return the mail. ``key`` makes its Message-ID, so that the same message is the same mail wherever it is counted."""
    host = (urlsplit(site_address).hostname or envelope.rpartition("@")[2]).strip("[]")
    made = EmailMessage(policy=_POLICY)
    made["From"], made["To"] = origin, to
    made["Subject"] = one_line(said.subject)
    made["Date"] = format_datetime(timezone.now())
    made["Message-ID"] = f"<{key}@{host}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers that they are on leave
    if said.list_id:
        made["List-Id"] = f"<{said.list_id}.notices.{host}>"
        made["List-Unsubscribe"] = f"<{said.stop}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content(_plain(said))
    with override(said.language or None):
        made.add_alternative(
            render_to_string("channels/mail.html", {"said": said, "title": one_line(said.subject)}), subtype="html"
        )
    if said.language:
        made["Content-Language"] = said.language  # last: what is set before belongs to the first part alone
    return made


def one_line(text: str) -> str:
    """Return a text without line ends and other characters that could begin something of their own in a header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:200]


def _plain(said: Said) -> str:
    parts = [f"{line.text}\n{line.url}" if line.url else line.text for line in said.lines]
    if said.stop:
        parts.append("-- \n" + _unsubscribe(said) + "\n" + said.stop)
    return "\n\n".join(parts) + "\n"


def _unsubscribe(said: Said) -> str:
    with override(said.language or None):
        return _("不想再收到这类邮件，请打开下面的网址退订，不用登录。")


def tls() -> ssl.SSLContext:
    """Return how servers' certificates are checked: against the system's authorities and ``GONGZHI_CHANNELS_CA``."""
    context = ssl.create_default_context()
    if authority():
        context.load_verify_locations(authority())
    return context


def _expect(answer: tuple[int, bytes], permanent: type[Exception]) -> None:
    code, text = answer
    if code in (250, 251, 252):
        return
    if code == 421:  # the service goes away
        raise Down(server_said(code, text))
    raise (permanent if code >= PERMANENT else Later)(server_said(code, text))


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return server_said(error.smtp_code, error.smtp_error)
    return " ".join(str(error).split())[:300] or type(error).__name__
