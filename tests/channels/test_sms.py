"""Short messages over a real SMPP session: the alphabet, the parts, and what the centre answers."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import smpplib.smpp
from hypothesis import given, settings
from hypothesis import strategies as st

from gongzhi.channels import choices, sending
from gongzhi.channels.models import Choice, Message, Outage
from gongzhi.channels.queue import Line, Said, post
from gongzhi.channels.sms import MOST_PARTS, split
from gongzhi.kernel.act import Done
from gongzhi.kernel.context import Actor
from tests.channels.conftest import NOON, send

Proven = Callable[..., Actor]
_NOBODY = SimpleNamespace(sequence=0, next_sequence=lambda: 0)


class Centre:
    """A short message centre that speaks the protocol's PDUs with the library's own codec."""

    def __init__(self) -> None:
        self.arrived: list[Any] = []
        self.statuses: list[int] = []
        self.bind_status = 0
        self.asks_back = self.hangs_up = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                with line, suppress(OSError, EOFError):
                    self._talk(line)

    def _talk(self, line: socket.socket) -> None:
        while True:
            head = self._exactly(line, 4)
            pdu = smpplib.smpp.parse_pdu(
                head + self._exactly(line, struct.unpack(">L", head)[0] - 4),
                client=_NOBODY,
                allow_unknown_opt_params=True,
            )
            if pdu.command == "submit_sm":
                if self.asks_back:
                    line.sendall(struct.pack(">LLLL", 16, 0x15, 0, 7))  # enquire_link
                    assert struct.unpack(">L", self._exactly(line, 16)[4:8])[0] == 0x80000015
                self.arrived.append(pdu)
                if self.hangs_up:
                    return
                status = self.statuses.pop(0) if self.statuses else 0
                body = b"id\0" if not status else b""
                line.sendall(struct.pack(">LLLL", 16 + len(body), 0x80000004, status, pdu.sequence) + body)
            elif pdu.command == "bind_transmitter":
                right = pdu.system_id == b"city" and pdu.password == b"secret"
                status = self.bind_status or (0 if right else 0x0E)
                body = b"centre\0" if not status else b""
                line.sendall(struct.pack(">LLLL", 16 + len(body), 0x80000002, status, pdu.sequence) + body)
            elif pdu.command == "unbind":
                line.sendall(struct.pack(">LLLL", 16, 0x80000006, 0, pdu.sequence))
                return

    @staticmethod
    def _exactly(line: socket.socket, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = line.recv(size - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def centre(monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    made = Centre()
    monkeypatch.setenv("GONGZHI_SMPP", f"smpp://city:secret@127.0.0.1:{made.port}?source=10639")
    monkeypatch.setenv("GONGZHI_SITE", "https://gongzhi.example.org")
    yield made
    made.close()


def queue(who: Actor, text: str, once: str = "") -> None:
    assert post("sms", who.account, Said("x", (Line("x"),), short=text), once=once or str(uuid4()))


def state() -> str:
    return Message.objects.get().state


def test_a_chinese_message_arrives_in_parts(centre: Centre, proven: Proven) -> None:
    who = proven("zjj", "13900000000", "sms")
    text = "您有通知 3 条：已超期 2 条、催办 1 条。" * 5 + "𠮷🔧"
    queue(who, text)
    centre.asks_back = True
    assert sending.send_waiting() == 1
    assert {pdu.destination_addr for pdu in centre.arrived} == {b"8613900000000"}
    assert {pdu.source_addr for pdu in centre.arrived} == {b"10639"}
    assert {(pdu.data_coding, pdu.esm_class) for pdu in centre.arrived} == {(8, 0x40)}
    heads = [pdu.short_message[:6] for pdu in centre.arrived]
    assert [(head[0], head[1], head[2], head[4], head[5]) for head in heads] == [
        (5, 0, 3, len(heads), n) for n in range(1, len(heads) + 1)
    ]
    assert len({head[3] for head in heads}) == 1
    assert "".join(pdu.short_message[6:].decode("utf-16-be") for pdu in centre.arrived) == text
    assert state() == "sent"


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("language", "expected"), [("", "转到您单位，请在 "), ("en", "is now with your agency: Accept by ")]
)
def test_a_notice_comes_in_the_language_of_its_reader(
    centre: Centre, proven: Proven, give: Callable[..., Done], language: str, expected: str
) -> None:
    who = proven("zjj", "13900000000", "sms")
    choices.keep(Choice(account_id=who.account, language=language, how={"sms:assigned": "now"}))
    done = give("路灯不亮")
    assert send(NOON) == 1
    parts = [pdu.short_message[6 * bool(pdu.esm_class) :] for pdu in centre.arrived]
    said = "".join(part.decode("utf-16-be") for part in parts)
    assert said.startswith(done.number)
    assert expected in said
    assert f"https://gongzhi.example.org/work/r/{done.number}" in said


def test_a_plain_message_is_one_in_the_gsm_alphabet(centre: Centre, proven: Proven) -> None:
    queue(proven("zjj", "+1 617 555 0100", "sms"), "3 overdue: see the platform [1]")
    assert sending.send_waiting() == 1
    [pdu] = centre.arrived
    assert (pdu.data_coding, pdu.esm_class, pdu.destination_addr) == (0, 0, b"16175550100")
    assert pdu.short_message == b"3 overdue: see the platform \x1b<1\x1b>"


@pytest.mark.parametrize(
    ("statuses", "expected"), [([0x58], "waiting"), ([0x14], "waiting"), ([0x0B], "failed"), ([0, 0x58], "unsure")]
)
def test_what_the_centre_answers(centre: Centre, proven: Proven, statuses: list[int], expected: str) -> None:
    centre.statuses = statuses
    queue(proven("zjj", "13900000000", "sms"), "长" * 100)
    assert sending.send_waiting() == 0
    assert state() == expected
    if expected == "unsure":
        assert len(centre.arrived) == 2
        assert sending.send_waiting() == 0
        assert len(centre.arrived) == 2  # nobody pays twice


def test_a_line_that_breaks_is_unsure_and_a_wrong_password_is_an_outage(
    centre: Centre, proven: Proven, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = proven("zjj", "13900000000", "sms")
    monkeypatch.setenv("GONGZHI_SMPP", f"smpp://city:wrong@127.0.0.1:{centre.port}")
    queue(who, "x")
    assert sending.send_waiting() == 0
    assert state() == "waiting"
    assert "14" in Outage.objects.get(channel="sms").error
    Outage.objects.all().delete()
    monkeypatch.setenv("GONGZHI_SMPP", f"smpp://city:secret@127.0.0.1:{centre.port}")
    centre.hangs_up = True
    assert sending.send_waiting() == 0
    assert state() == "unsure"


@pytest.mark.parametrize(("text", "parts", "coding"), [
    ("a" * 160, 1, 0), ("a" * 161, 2, 0), ("€" * 80, 1, 0), ("€" * 81, 2, 0), ("汉" * 70, 1, 8), ("汉" * 71, 2, 8), ("汉" * 134, 2, 8),
    ("汉" * 135, 3, 8), ("𠮷" * 35, 1, 8), ("`", 1, 8), ("x" * 5000, MOST_PARTS, 0),
])  # fmt: skip
def test_how_many_parts(text: str, parts: int, coding: int) -> None:
    made, said, _ = split(text, 7)
    assert (len(made), said) == (parts, coding)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=300), st.integers(0, 255))
def test_no_part_tears_a_character_or_is_too_long(text: str, reference: int) -> None:
    parts, coding, esm = split(text, reference)
    bodies = [part[6:] if esm else part for part in parts]
    assert all(len(part) <= 140 if coding else len(body) <= 160 for part, body in zip(parts, bodies, strict=True))
    if coding:
        assert text.startswith("".join(body.decode("utf-16-be") for body in bodies))
    else:
        assert not any(body.endswith(b"\x1b") for body in bodies)
