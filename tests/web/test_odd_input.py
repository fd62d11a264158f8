"""Input that nobody types by hand: nothing of it may become a fault of the server."""

from typing import Any

import pytest
from django.test import Client

ODD = [
    "\x00",
    "a\x00b",
    "' OR 1=1 --",
    "%",
    "\\",
    "𠮷𬎆🏮",
    "\u202e反",
    "9" * 400,
    "../../etc/passwd",
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_words_in_addresses_and_filters(at_desk: Any, odd: str) -> None:
    from urllib.parse import quote

    client, said = at_desk("admin"), quote(odd, safe="")
    for way in (
        f"/work/search?q={said}", f"/work/r/{said}", f"/work/r/{said}/do/{said}", f"/work/s/request/?stage={said}&page={said}",
        f"/work/deadlines?agency={said}&group={said}", f"/work/deadlines?on={said}", f"/work/at?under={said}&next={said}",
        f"/work/places?under={said}", f"/work/posts?q={said}", f"/work/posts?do={said}&of={said}", f"/follow/{said}",
        f"/?place={said}", f"/report?service={said}", f"/places/below?place={said}", f"/work/?group={said}", f"/signin?next={said}",
    ):  # fmt: skip
        answer = client.get(way)
        assert answer.status_code in ((400,) if "\0" in odd else (200, 302, 404)), (way, answer.status_code)
        assert b"<script>alert" not in answer.content


@pytest.mark.parametrize("odd", ODD)
def test_odd_words_in_forms(at_desk: Any, filed: Any, odd: str) -> None:
    from gongzhi.kernel.models import Rate

    Rate.objects.all().delete()
    client = Client()
    for way, form in (
        ("/signin", {"login": odd, "password": odd}),
        ("/follow", {"number": odd, "code": odd}),
        (
            "/report",
            {"key": odd, "detail": odd, "title": odd, "place": odd, "point": odd, "asker_phone": odd, "nature": odd},
        ),
    ):
        assert client.post(way, form).status_code in (302, 422), way
    done = filed()
    desk = at_desk("operator")
    for action in ("assign", "note", "merge", "task", "decline", "task_done"):
        form = {"version": odd, "key": odd, "agency": odd, "category": odd, "place": odd, "note": odd, "reason": odd,
                "other": odd, "task": odd, "task_days": odd, "task_id": odd}  # fmt: skip
        answer = desk.post(f"/work/r/{done.number}/do/{action}", form)
        assert answer.status_code in (302, 404, 409, 422), action


@pytest.mark.parametrize("odd", ODD)
def test_odd_words_in_the_api(city: Any, actor: Any, odd: str) -> None:
    from urllib.parse import quote

    from gongzhi.web.api.token import issue

    client = Client(headers={"Authorization": f"Bearer {issue(actor('operator'))}"})
    said = quote(odd, safe="")
    for way in (f"/api/request/{said}", f"/api/request?after={said}", f"/api/request?after=2026-01-01T00:00:00_{said}",
                f"/api/request?stage={said}&place=99999999", f"/api/search?q={said}", f"/api/request/{said}/history"):  # fmt: skip
        assert client.get(way).status_code in ((400,) if "\0" in odd else (200, 400, 404, 422)), way
    body = {"form": {"detail": odd, "title": odd, "address": odd, "point": odd}}
    headers = {"Idempotency-Key": quote(odd)}
    answer = client.post("/api/request", body, content_type="application/json", headers=headers)
    assert answer.status_code in (200, 422)
    assert (
        client.post("/api/token", {"login": odd, "password": odd}, content_type="application/json").status_code == 401
    )
