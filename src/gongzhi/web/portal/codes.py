"""The follow-up codes that a browser's session holds, so that nobody types one twice and none stands in an address."""

from django.http import HttpRequest

MOST = 20


def remember(request: HttpRequest, number: str, code: str) -> None:
    """Keep the code of a matter in the session; of more than twenty the oldest goes."""
    held = {**(request.session.get("follow") or {}), number: code}
    request.session["follow"] = dict(list(held.items())[-MOST:])


def code_of(request: HttpRequest, number: str) -> str:
    """Return the code of this matter, "" where the session has none."""
    held = request.session.get("follow") or {}
    return str(held.get(number.upper(), ""))
