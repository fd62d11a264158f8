"""What the identity provider and those who sign in with it cannot cost us: time, threads, sessions."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client

from gongzhi.kernel.models import Rate
from gongzhi.web import oidc
from gongzhi.web.console import outside
from tests.web.providers import Liar
from tests.web.test_console import text
from tests.web.test_oidc import SILENT, begun, configured, is_in, liar, person

__all__ = ["configured", "liar", "person"]
BOUND = 5.0
"""Seconds: what docs/people.md promises of one page."""


@pytest.fixture(autouse=True)
def unhurried(city: str) -> Iterator[None]:
    """Nothing is remembered of addresses, nor of providers."""
    Rate.objects.all().delete()
    oidc._metadata_kept.clear()
    oidc._keys_kept.clear()
    yield
    Rate.objects.all().delete()


@contextmanager
def dripping(said: bytes, pause: float) -> Iterator[str]:
    """Serve an answer byte after byte, to everybody who comes; gives the address."""
    ended = threading.Event()

    def one(peer: socket.socket) -> None:
        with peer:
            for letter in said:
                try:
                    peer.sendall(bytes([letter]))
                except OSError:
                    return
                if ended.wait(pause):
                    return

    def serve(held: socket.socket) -> None:
        while not ended.is_set():
            try:
                peer, _ = held.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as held:
        threading.Thread(target=serve, args=(held,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{held.getsockname()[1]}"
        finally:
            ended.set()


def timed(ask: Callable[[], Any]) -> float:
    began = time.monotonic()
    with pytest.raises(oidc.ProviderFailed, match=SILENT):
        ask()
    return time.monotonic() - began


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"


@pytest.mark.parametrize(("said", "pause"), [(HEAD, 1.0), (b"", 0.0), (HEAD + b"{" + b" " * 800, 0.02)])
def test_a_provider_that_drips_is_given_up_within_the_bound(
    city: str, configured: Any, said: bytes, pause: float
) -> None:
    """Byte by byte in the head, no byte at all, and byte by byte in the body (which takes eighteen seconds)."""
    with dripping(said, pause) if said else _silent() as issuer:
        configured(issuer)
        provider = oidc.provider()
        assert provider is not None
        spent = timed(lambda: oidc.begin(provider, "/work/"))
        assert oidc.SECONDS - 0.5 < spent < BOUND


@contextmanager
def _silent() -> Iterator[str]:
    """A server that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_several_slow_answers_share_one_bound(liar: Liar) -> None:
    liar.slow = {"/.well-known/openid-configuration": 1.6, "/token": 1.6, "/keys": 1.6}
    client = Client()
    given = liar.authorize(begun(client))
    oidc._metadata_kept.clear()
    provider, flow = oidc.provider(), oidc.Flow(**client.session["flows"][given["state"]])
    assert provider is not None
    assert timed(lambda: oidc.finish(provider, flow, given)) < BOUND
    assert liar.seen[-1] == "/keys"


def test_a_whole_page_keeps_the_bound_and_says_why(city: str, configured: Any) -> None:
    with _silent() as issuer:
        configured(issuer)
        began = time.monotonic()
        assert SILENT in text(Client().get("/signin/outside"))
        assert time.monotonic() - began < BOUND + 0.5  # the page itself, on a machine that does other things too


def test_from_one_address_only_so_many_sign_ins_begin(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "FLOWS_AN_HOUR", 3)
    client = Client()
    for _ in range(2):
        begun(Client())
    given = liar.authorize(begun(client))
    asked = len(liar.seen)
    late = Client().get("/signin/outside", {"next": "/work/me"})
    assert late.status_code == 429
    assert "次数太多了" in text(late)
    assert 'value="/work/me"' in text(late)
    assert "flows" not in Client().session
    assert len(liar.seen) == asked, "the provider is not asked"
    assert Client(REMOTE_ADDR="198.51.100.7").get("/signin/outside").status_code == 302
    client.get("/signin/outside/back", given)  # who has begun comes back
    assert is_in(client)
    assert client.get("/signin/outside", {"next": "/work/me"})["Location"] == "/work/me"  # and counts no more
