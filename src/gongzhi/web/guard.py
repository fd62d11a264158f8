"""What every request passes first: its size, and where it comes from."""

import re
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from gongzhi.web.errors import bad_request, too_big

_KEY = re.compile(r"[\w.:~-]{1,80}")


class SizeGuard:
    """Refuse a body that is far too big before any of it is read, and addresses with a NUL, which no database takes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 413 or 400 with a sentence, or pass on."""
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return bad_request(request)
        try:
            size = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            size = 0
        return too_big(request) if size > settings.BODY_MOST else self.get_response(request)


def typed(text: str, longest: int) -> str:
    """Return a typed word without control characters and outer spaces, cut to its longest."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:longest]


def form_key(request: HttpRequest) -> str:
    """Return the idempotency key of a form; a fresh one where there is none, or something else in its place."""
    given = request.POST.get("key", "")
    return given if _KEY.fullmatch(given) else str(uuid4())


def address(request: HttpRequest) -> str:
    """Return the address of who asks: the last one that our own proxies, if there are any, did not add themselves."""
    came = request.META.get("REMOTE_ADDR") or "unknown"
    if came in settings.PROXIES:
        passed = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        came = next((part for part in reversed(passed) if part not in settings.PROXIES), came)
    return str(came)[:60]


def next_page(request: HttpRequest, home: str) -> str:
    """Return where the form wants to go next if that is a page of ours, ``home`` otherwise."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else home
