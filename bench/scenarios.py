"""What the loader walks through, over the product's own API."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from bench.load import Answer, Scenario, Wrong

TEXT = "健康西路与解放路口的路灯已经三天不亮了，晚上老人和孩子出行很不安全，请尽快派人维修，谢谢。编号"


def _post(path: str, token: str, body: dict[str, Any], step: str) -> Any:
    headers = {
        "Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4()),
        "X-Step": step,
    }  # fmt: skip
    return "POST", path, json.dumps(body).encode(), headers


def _read(answer: Answer) -> Any:
    status, _, body = answer
    if status not in (200, 201):
        raise Wrong(f"{status}: {body[:300]!r}")
    return json.loads(body)


def _form(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "detail": f"{TEXT}{uuid.uuid4().hex[:8]}", "place": given["place"], "point": "119.02,33.60",
        "asker_name": "周女士", "asker_phone": "13800001234",
    }  # fmt: skip


def create(given: dict[str, Any]) -> Callable[[int, int], Scenario]:
    """One request is filed, with a person, a position, and a key."""

    def make(_connection: int, _turn: int) -> Scenario:
        _read((yield _post("/api/request", given["operator"], {"form": _form(given)}, "create")))

    return make


def lifecycle(given: dict[str, Any]) -> Callable[[int, int], Scenario]:
    """Filed, assigned, accepted, answered, found again by number and by words."""

    def make(_connection: int, _turn: int) -> Scenario:
        made = _read((yield _post("/api/request", given["operator"], {"form": _form(given)}, "create")))
        at = f"/api/request/{made['number']}"
        form = {"agency": given["agency"], "category": given["category"], "note": "请尽快处理"}
        done = _read(
            (yield _post(f"{at}/assign", given["operator"], {"version": made["version"], "form": form}, "assign"))
        )
        done = _read(
            (yield _post(f"{at}/accept", given["handler"], {"version": done["version"], "form": {}}, "accept"))
        )
        form = {"answer": "已派人修复，请您查看。"}
        done = _read(
            (yield _post(f"{at}/answer", given["handler"], {"version": done["version"], "form": form}, "answer"))
        )
        headers = {"Authorization": f"Bearer {given['handler']}", "X-Step": "search"}
        found = _read((yield "GET", f"/api/search?q={made['number']}", None, headers))
        if [row["number"] for row in found] != [made["number"]] or done["stage"] != "answered":
            raise Wrong(f"{made['number']} was not found as it should be: {found}")

    return make
