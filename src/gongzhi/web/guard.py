"""What every request passes first: its size, and where it comes from."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from gongzhi.web.errors import too_big


class SizeGuard:
    """Refuse a body that is far too big before any of it is read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 413 with a sentence, or pass on."""
        try:
            size = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            size = 0
        return too_big(request) if size > settings.BODY_MOST else self.get_response(request)


def address(request: HttpRequest) -> str:
    """Return the address of who asks: the last one that our own proxies, if there are any, did not add themselves."""
    came = request.META.get("REMOTE_ADDR") or "unknown"
    if came in settings.PROXIES:
        passed = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        came = next((part for part in reversed(passed) if part not in settings.PROXIES), came)
    return str(came)[:60]
