"""The client on a real socket."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gongzhi.client import Client, Lost, Problem
from gongzhi.kernel import second_factor
from tests.web.pages import PASSWORD
from tests.web.serving import served


@pytest.fixture(scope="module")
def address(city: str) -> Iterator[str]:
    with served() as base:
        yield base


@pytest.fixture(scope="module")
def operator(address: str) -> Client:
    client = Client(address)
    client.sign_in("operator", PASSWORD)
    return client


def test_a_request_goes_through_the_client(operator: Client, ids: Any) -> None:
    made = operator.create("request", detail="湖边栏杆松了", point=[119.02, 33.6])
    record = operator.get("request", made["number"])
    assert record["facts"]["detail"] == "湖边栏杆松了"
    done = operator.do(record, "assign", agency=ids[0]["cgj"], category="build")
    assert (done["stage"], done["version"]) == ("assigned", 2)
    assert [line["action"] for line in operator.history("request", made["number"])] == ["assign", "file"]
    assert [row["number"] for row in operator.search("栏杆")] == [made["number"]]


def test_an_act_can_follow_an_act(operator: Client, ids: Any) -> None:
    made = operator.create("request", detail="先登记后派单")
    done = operator.do(made, "assign", agency=ids[0]["cgj"], category="build")
    assert operator.do(done, "note", note="看过")["version"] == 2


def test_a_list_is_read_to_its_end(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from gongzhi.web.api import routes

    monkeypatch.setattr(routes, "MOST", 2)
    for nth in range(5):
        operator.create("request", detail=f"翻页 {nth}")
    rows = list(operator.list("request", q="翻页", order="number"))
    assert len(rows) == 5
    assert rows == sorted(rows, key=lambda row: row["number"])
    assert list(operator.list("request", opened__to="2000-01-01")) == []


def test_what_the_city_refuses_is_a_problem_with_its_kind(operator: Client, ids: Any) -> None:
    with pytest.raises(Problem) as absent:
        operator.get("request", "SQ2026999999")
    assert (absent.value.status, absent.value.kind) == (404, "absent")
    with pytest.raises(Problem) as invalid:
        operator.create("request")
    assert "detail" in invalid.value.body["errors"]
    made = operator.create("request", detail="两个人同时办")
    record = operator.get("request", made["number"])
    operator.do(record, "assign", agency=ids[0]["cgj"], category="build")
    with pytest.raises(Problem) as stale:
        operator.do(record, "assign", agency=ids[0]["cgj"], category="build")
    assert (stale.value.kind, stale.value.body["who"]) == ("stale", "陈静")
    with pytest.raises(Problem) as unsigned:
        Client(operator.base).search("x")
    assert unsigned.value.kind == "unauthorized"
    with pytest.raises(Problem):
        Client(operator.base).sign_in("operator", "wrong")


def test_an_answer_lost_on_the_way_is_asked_for_again_and_made_once(operator: Client, address: str) -> None:
    line = _Line(address, lost=2)
    client = Client(line.address, operator.token, patience=0.01)
    made = client.create("request", detail="断线时登记的事")
    assert made["repeated"], "the first try did it, the third heard of it"
    assert len(list(operator.list("request", q="断线时登记"))) == 1
    line.lost = 99
    with pytest.raises(Lost) as lost:
        client.create("request", detail="没有回音的事")
    line.lost = 0
    again = client.create("request", key=lost.value.key, detail="没有回音的事")
    assert again["repeated"]


def test_files_go_there_and_back(operator: Client, ids: Any, tmp_path: Path) -> None:
    photo = tmp_path / "井盖 坏了 🔧.txt"
    photo.write_bytes("东侧第二个".encode())
    made = operator.create("request", detail="井盖坏了", files=[photo, ("第二份.txt", b"2")])
    sent = operator.upload(made, photo, note="补一张")
    operator.upload(made, ("a&b=c?d#e.txt", b"x"))
    found = operator.files(made)
    assert [file["name"] for file in found] == [photo.name, "第二份.txt", photo.name, "a&b=c_d#e.txt"]
    assert found[2] == sent
    assert operator.download(sent) == photo.read_bytes()
    record = operator.get("request", made["number"])
    assert [file["action"] for file in operator.files(record)] == ["file", "file", "attach", "attach"]
    with pytest.raises(Problem) as refused:
        operator.upload(made, ("照片.jpg", b"MZ" + bytes(100)))
    assert refused.value.body["errors"]["files"]
    with pytest.raises(ValueError, match="not an address of the API"):
        operator.download({"href": "//elsewhere.example/api/x"})


def test_an_upload_whose_answer_is_lost_is_kept_once(operator: Client, address: str) -> None:
    made = operator.create("request", detail="断线时补充附件")
    line = _Line(address, lost=2)
    Client(line.address, operator.token, patience=0.01).upload(made, ("一份.txt", b"1"))
    assert len(operator.files(made)) == 1


def test_a_code_of_the_phone_and_a_post_go_with_signing_in(address: str, actor: Any) -> None:
    who = actor("operator2")
    secret = second_factor.begin(who)
    second_factor.prove(who, second_factor.code_at(secret, time.time() - second_factor.STEP))
    code = second_factor.code_at(secret, time.time())
    client = Client(address)
    with pytest.raises(Problem) as without:
        client.sign_in("operator2", PASSWORD)
    assert without.value.status == 401
    said = client.sign_in("operator2", PASSWORD, code=code, post=who.post)
    assert (said["post"], said["expires_in"]) == (who.post, 12 * 3600)
    assert client.search("没有的词") == []
    with pytest.raises(Problem):
        Client(address).sign_in("operator2", PASSWORD, code=code)  # a code holds once


def test_nothing_listens(city: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{taken.getsockname()[1]}", "x", tries=2, patience=0.01)
        with pytest.raises(Lost):
            client.search("x")
    with pytest.raises(ValueError, match="not an address"):
        Client("file:///etc/passwd")


class _Line:
    """A proxy that hands requests on and loses the first answers."""

    def __init__(self, base: str, lost: int) -> None:
        host, _, port = base.removeprefix("http://").partition(":")
        self.target, self.lost = (host, int(port)), lost
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            caller, _ = self._door.accept()
            threading.Thread(target=self._pass_on, args=(caller,), daemon=True).start()

    def _pass_on(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self.target) as onward:
            onward.sendall(_message(caller))
            answer = b"".join(iter(lambda: onward.recv(65536), b""))  # the client asks to close after it
            if self.lost:
                self.lost -= 1
            else:
                caller.sendall(answer)


def _message(line: socket.socket) -> bytes:
    """Read one request."""
    held = b""
    while b"\r\n\r\n" not in held:
        held += line.recv(65536)
    head, _, body = held.partition(b"\r\n\r\n")
    length = next(
        (int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body
