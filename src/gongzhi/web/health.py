"""Whether this process can serve: for supervisors and load balancers."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse


def health(_: HttpRequest) -> JsonResponse:
    """Answer 200 ``{"ok": true}`` when the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"ok": False}, status=503)
    response = JsonResponse({"ok": True})
    response["Cache-Control"] = "no-store"
    return response
