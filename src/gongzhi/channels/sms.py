"""Short messages by SMPP 3.4, the protocol that operators' short message centres speak (SMS Forum, 1999).

The text goes in the GSM 7-bit alphabet (3GPP TS 23.038) where it fits, else in UCS-2; Chinese does not. What is longer than one
message goes in parts that the phone puts together again (3GPP TS 23.040, 9.2.3.24.1), none of which tears a character.
"""

import logging
import ssl
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self
from uuid import UUID

import smpplib.client
import smpplib.consts as wire
import smpplib.exceptions
from django.utils.translation import gettext as _
from smpplib.gsm import gsm_encode

from gongzhi.channels.config import Server, SettingsWrong, smpp
from gongzhi.channels.mail import tls
from gongzhi.channels.queue import Said
from gongzhi.channels.transport import Down, Later, Refused, Unsure, server_said

TIMEOUT = 20  # seconds
MOST_PARTS = 6
"""Parts of one text; what is longer is cut, because every part is paid for."""
_SEPTETS, _PART_SEPTETS = 160, 153
_OCTETS, _PART_OCTETS = 140, 134
_LATER = (wire.SMPP_ESME_RTHROTTLED, wire.SMPP_ESME_RMSGQFUL, wire.SMPP_ESME_RSYSERR)
logging.getLogger("smpp.gongzhi").setLevel(logging.CRITICAL)  # it would log what is raised, and the messages' bytes
warnings.filterwarnings("ignore", module="smpplib")


def split(text: str, reference: int) -> tuple[list[bytes], int, int]:
    """Return the parts of a text as they go out, their data coding (0 GSM, 8 UCS-2), and the ESM class of each.

    ``reference`` (0–255) is what tells the parts of one text from those of another. GSM letters go one to an octet, as SMPP
    carries them; a part then holds 153 of them.
    """
    try:
        if "`" in text or "\x1b" in text:
            raise UnicodeError(
                "the library's table fills its gaps with a grave accent, which the alphabet does not have"
            )
        units = [gsm_encode(letter) for letter in text]
        coding, whole, room = wire.SMPP_ENCODING_DEFAULT, _SEPTETS, _PART_SEPTETS
    except UnicodeError:
        units = [letter.encode("utf-16-be", "replace") for letter in text]
        coding, whole, room = wire.SMPP_ENCODING_ISO10646, _OCTETS, _PART_OCTETS
    if sum(map(len, units)) <= whole:
        return [b"".join(units)], coding, 0
    parts: list[bytes] = [b""]
    for unit in units:
        if len(parts[-1]) + len(unit) > room:
            if len(parts) == MOST_PARTS:
                break
            parts.append(b"")
        parts[-1] += unit
    heads = [bytes((5, 0, 3, reference, len(parts), number)) for number in range(1, len(parts) + 1)]
    return [head + part for head, part in zip(heads, parts, strict=True)], coding, wire.SMPP_GSMFEAT_UDHI


class SmsLine:
    """One SMPP session, bound as a transmitter."""

    def __init__(self, server: Server | None = None) -> None:
        try:
            held = server or smpp()
        except SettingsWrong as wrong:
            raise Down(str(wrong)) from wrong
        if held is None:
            raise Down(_("没有设置短信中心。"))
        self._server = held

    def __enter__(self) -> Self:
        """Connect and bind. Raises Down."""
        server = self._server
        context = tls() if server.safety == "tls" else None
        self._client = _Client(
            server.host, server.port, timeout=TIMEOUT, logger_name="smpp.gongzhi", allow_unknown_opt_params=True
        )
        self._client.named, self._client.context = server.host, context
        try:
            self._client.connect()
            self._client.bind_transmitter(system_id=server.user, password=server.password)
        except (
            smpplib.exceptions.PDUError,
            smpplib.exceptions.ConnectionError,
            smpplib.exceptions.UnknownCommandError,
            OSError,
            ValueError,
        ) as error:
            self._close()
            raise Down(_why(error)) from error
        return self

    def __exit__(self, *broken: object) -> None:
        """Unbind and hang up."""
        with suppress(Exception):
            self._client.unbind()
        self._close()

    def send(self, key: UUID, to: str, said: Said, about_to: Callable[[], None]) -> None:
        """Send one text in its parts. Raises Refused, Later, Down, Unsure."""
        parts, coding, esm = split(said.short or said.subject, key.int & 255)
        source = self._server.options.get("source", "")
        international = source.startswith("+")
        about_to()
        for number, part in enumerate(parts):
            try:
                self._client.send_message(
                    source_addr_ton=wire.SMPP_TON_INTL if international else wire.SMPP_TON_UNK,
                    source_addr_npi=wire.SMPP_NPI_ISDN if international else wire.SMPP_NPI_UNK,
                    source_addr=source.removeprefix("+"), dest_addr_ton=wire.SMPP_TON_INTL,
                    dest_addr_npi=wire.SMPP_NPI_ISDN, destination_addr=to.removeprefix("+"), short_message=part,
                    data_coding=coding, esm_class=esm, registered_delivery=False,
                )  # fmt: skip
                status = self._answer()
            except (smpplib.exceptions.PDUError, smpplib.exceptions.ConnectionError, OSError) as error:
                raise Unsure(_why(error)) from error
            if status != wire.SMPP_ESME_ROK:
                said_so = server_said(status, wire.DESCRIPTIONS.get(status, ""))
                if number:  # the first parts are out: sending the text again would send them twice
                    raise Unsure(said_so)
                raise (Later if status in _LATER else Refused)(said_so)

    def _answer(self) -> int:
        """Return the status of the answer to the submission; what the centre asks meanwhile is answered."""
        while True:
            pdu = self._client.read_pdu()
            if pdu.command in ("submit_sm_resp", "generic_nack"):
                return int(pdu.status)
            if pdu.command == "enquire_link":
                self._client._enquire_link_received(pdu)
            elif pdu.command == "unbind":
                raise smpplib.exceptions.ConnectionError(_("短信中心结束了会话。"))

    def _close(self) -> None:
        with suppress(OSError):
            self._client.disconnect()


class _Client(smpplib.client.Client):  # type: ignore[misc]
    """The library's client, with host names checked against certificates."""

    named: str
    context: ssl.SSLContext | None

    def _create_socket(self) -> Any:
        raw = super()._create_socket()
        return self.context.wrap_socket(raw, server_hostname=self.named) if self.context else raw


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or _("短信中心没有回答。")
