"""Programs that use the API: a token, and the headers that every call carries."""

from typing import Any

from django.test import Client

from tests.web.pages import PASSWORD


class Machine:
    """A client with a token."""

    def __init__(self, login: str) -> None:
        self.client = Client()
        given = self.client.post("/api/token", {"login": login, "password": PASSWORD}, content_type="application/json")
        assert given.status_code == 200, given.content
        self.headers = {"Authorization": f"Bearer {given.json()['token']}"}

    def get(self, way: str, **headers: str) -> Any:
        return self.client.get(f"/api{way}", headers={**self.headers, **headers})

    def post(self, way: str, body: Any, key: str = "", **headers: str) -> Any:
        more = {"Idempotency-Key": key} if key else {}
        return self.client.post(
            f"/api{way}", body, content_type="application/json", headers={**self.headers, **more, **headers}
        )
