"""The API: the same door, for machines."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Register
from gongzhi.kernel.refusals import ABSENT
from gongzhi.kernel.service import services
from tests.web.machines import Machine


@pytest.fixture(scope="module")
def machines(city: str) -> dict[str, Machine]:
    return {login: Machine(login) for login in ("operator", "cgj", "jy")}


def test_a_request_goes_from_word_to_answer(machines: Any, ids: Any) -> None:
    operator, handler = machines["operator"], machines["cgj"]
    made = operator.post("/request", {"form": {"detail": "路灯不亮", "point": [119.02, 33.6]}}, key="a-1")
    assert made.status_code == 201, made.content
    number = made.json()["number"]
    assert made["Location"] == f"/api/request/{number}"
    assert made.json()["follow"]
    again = operator.post("/request", {"form": {"detail": "路灯不亮", "point": [119.02, 33.6]}}, key="a-1")
    assert again.json() == {**made.json(), "repeated": True}
    form = {"agency": ids[0]["cgj"], "category": "build"}
    done = operator.post(f"/request/{number}/assign", {"form": form, "version": 1})
    assert done.json()["stage"] == "assigned"
    read = handler.get(f"/request/{number}").json()
    assert "accept" in read["actions"]
    assert read["facts"]["detail"] == "路灯不亮"
    assert handler.post(f"/request/{number}/accept", {"version": read["version"]}).json()["stage"] == "working"
    answered = handler.post(f"/request/{number}/answer", {"form": {"answer": "已修"}, "version": 3})
    assert answered.json()["stage"] == "answered"
    history = operator.get(f"/request/{number}/history").json()
    assert [line["action"] for line in history] == ["answer", "accept", "assign", "file"]


def test_who_was_first_is_told(machines: Any, ids: Any) -> None:
    operator = machines["operator"]
    number = operator.post("/request", {"form": {"detail": "井盖坏了"}}).json()["number"]
    form = {"agency": ids[0]["cgj"], "category": "build"}
    assert operator.post(f"/request/{number}/assign", {"form": form, "version": 1}).status_code == 200
    late = operator.post(f"/request/{number}/assign", {"form": form, "version": 1})
    assert late.status_code == 409
    said = late.json()
    assert (said["who"], said["action"], said["stage"], said["version"]) == ("陈静", "派单", "待签收", 2)


def test_absent_is_one_answer_whether_it_exists_or_not(machines: Any, ids: Any) -> None:
    operator, stranger = machines["operator"], machines["jy"]
    number = operator.post("/request", {"form": {"detail": "有人看不见的事"}}).json()["number"]
    body = {"form": {"agency": ids[0]["jy"], "category": "build"}, "version": 1}
    for way, sent in ((f"/request/{number}", None), (f"/request/{number}/history", None),
                      (f"/request/{number}/assign", body), (f"/request/{number}/accept", {"version": 1})):  # fmt: skip
        theirs = stranger.get(way) if sent is None else stranger.post(way, sent)
        nothing = way.replace(number, "SQ2026999999")
        other = stranger.get(nothing) if sent is None else stranger.post(nothing, sent)
        assert theirs.status_code == other.status_code == 404
        for answer in (theirs, other):
            assert answer["Content-Type"] == "application/problem+json"
            assert (answer.json()["type"], answer.json()["detail"]) == ("/api/problems/absent", ABSENT)
        assert set(theirs.json()) == set(other.json())


def test_what_is_wrong_is_told_by_field(machines: Any) -> None:
    operator = machines["operator"]
    missing = operator.post("/request", {"form": {}})
    assert missing.status_code == 422
    assert "detail" in missing.json()["errors"]
    unknown = operator.post("/request", {"form": {"detail": "x", "owner": "me"}})
    assert unknown.status_code == 422
    wrong = operator.post("/request", {"form": {"detail": "x", "place": 99999999}})
    assert wrong.status_code == 422
    assert "place" in wrong.json()["errors"]
    broken = operator.client.post("/api/request", b"{", content_type="application/json", headers=operator.headers)
    assert broken.status_code == 400
    assert "JSON" in broken.json()["detail"]


def test_no_token_a_forged_one_and_one_of_an_ended_post_open_nothing(city: Any, actor: Any) -> None:
    from gongzhi.kernel import directory
    from gongzhi.web.api import token

    client = Client()
    assert client.get("/api/request").status_code == 401
    assert client.get("/api/request", headers={"Authorization": "Bearer 1.2:x:y"}).status_code == 401
    machine = Machine("ny")
    assert machine.get("/request").status_code == 200
    directory.end_post(actor("admin"), actor("ny").post)
    token._held.clear()
    assert machine.get("/request").status_code == 401
    refused = client.post("/api/token", {"login": "ny", "password": "wrong"}, content_type="application/json")
    assert refused.status_code == 401


def test_a_list_is_paged_to_its_end_and_holds_only_what_is_seen(machines: Any, actor: Any) -> None:
    operator = machines["operator"]
    for number in range(7):
        operator.post("/request", {"form": {"detail": f"第 {number} 件"}})
    seen: list[str] = []
    after = ""
    while True:
        page = operator.get(f"/request?limit=3&after={after}").json()
        seen += [item["number"] for item in page["items"]]
        if not (after := page["next"]):
            break
    with acting(actor("operator")):
        held = list(Register.objects.filter(service_code="request").values_list("number", flat=True))
    assert len(seen) == len(set(seen))
    assert set(seen) == set(held)
    assert all("detail" not in item["facts"] for item in page["items"])
    assert machines["jy"].get("/request").json()["items"] == []


def test_a_record_is_named_by_number_or_id_and_both_are_closed_to_strangers(machines: Any, ids: Any) -> None:
    operator, stranger = machines["operator"], machines["jy"]
    made = operator.post("/request", {"form": {"detail": "两种叫法"}}).json()
    for name in (made["number"], made["number"].lower(), made["record"]):
        answer = stranger.post(f"/request/{name}/note", {"form": {"note": "x"}})
        assert (answer.status_code, answer.json()["detail"]) == (404, ABSENT)
        assert operator.post(f"/request/{name}/note", {"form": {"note": "x"}}).status_code == 200


def test_search_finds_by_words_what_is_seen(machines: Any) -> None:
    number = machines["operator"].post("/request", {"form": {"detail": "芦苇荡边的观景亭漏雨"}}).json()["number"]
    assert [row["number"] for row in machines["operator"].get("/search?q=观景亭").json()] == [number]
    assert machines["jy"].get("/search?q=观景亭").json() == []


def test_names_are_not_in_the_api(machines: Any) -> None:
    form = {"detail": "有名字的事", "asker_name": "赵小花", "asker_phone": "13700001111"}
    number = machines["operator"].post("/request", {"form": form}).json()["number"]
    for way in (f"/request/{number}", f"/request/{number}/history", "/request"):
        said = machines["operator"].get(way).content.decode()
        assert "赵小花" not in said
        assert "13700001111" not in said


def test_every_action_has_an_operation_with_its_form(city: Any) -> None:
    described = Client().get("/api/openapi.json").json()
    for service in services().values():
        for action in service.procedure:
            way = f"/api/{service.code}" + ("" if action.creates else f"/{{number}}/{action.code}")
            assert "post" in described["paths"][way], way
            form = described["components"]["schemas"][f"{service.code}_{action.code}_form"]
            assert set(form["properties"] or {}) == set(service.form(action).fields)
    assert Client().get("/api/docs").status_code == 200


def test_an_act_takes_its_files_with_it(machines: Any, ids: Any) -> None:
    operator, handler = machines["operator"], machines["cgj"]

    def send(machine: Machine, way: str, body: Any, files: Any, **headers: str) -> Any:
        parts = {"body": json.dumps(body), "files": files}
        return machine.client.post(f"/api{way}", parts, headers={**machine.headers, **headers})

    def files() -> Any:
        return [SimpleUploadedFile("路灯 💡.txt", b"x"), SimpleUploadedFile("\u65e0 .txt", b"y")]

    made = send(operator, "/request", {"form": {"detail": "路灯不亮"}}, files(), **{"Idempotency-Key": "with-files"})
    assert made.status_code == 201, made.content
    number = made.json()["number"]
    again = send(operator, "/request", {"form": {"detail": "路灯不亮"}}, files(), **{"Idempotency-Key": "with-files"})
    assert again.json() == {**made.json(), "repeated": True}
    assert [file["action"] for file in operator.get(f"/request/{number}/files").json()] == ["file", "file"]
    form = {"agency": ids[0]["cgj"], "category": "build"}
    refused = send(operator, f"/request/{number}/assign", {"form": form, "version": 1}, files())
    assert refused.status_code == 422
    assert list(refused.json()["errors"]) == ["files"]
    operator.post(f"/request/{number}/assign", {"form": form, "version": 1})
    handler.post(f"/request/{number}/accept", {"version": 2})
    program = [SimpleUploadedFile("检修.jpg", b"MZ" + bytes(200))]
    assert (
        send(handler, f"/request/{number}/answer", {"form": {"answer": "修好"}, "version": 3}, program).status_code
        == 422
    )
    assert handler.get(f"/request/{number}").json()["stage"] == "working"
    done = send(handler, f"/request/{number}/answer", {"form": {"answer": "修好"}}, files(), **{"If-Match": '"3"'})
    assert done.json()["stage"] == "answered"
    broken = handler.client.post("/api/request", {"body": "{", "files": files()}, headers=operator.headers)
    assert (broken.status_code, broken.json()["type"]) == (400, "/api/problems/unread")


def test_a_body_that_is_far_too_big_is_a_problem(machines: Any) -> None:
    answer = machines["operator"].client.post(
        "/api/request/x/files", b"x", content_type="application/octet-stream", headers=machines["operator"].headers,
        CONTENT_LENGTH=str(10**9),
    )  # fmt: skip
    assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json")
    assert (answer.json()["type"], answer.json()["status"]) == ("/api/problems/too-big", 413)
    assert answer.json()["detail"]
