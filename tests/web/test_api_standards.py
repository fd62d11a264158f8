"""The standards that the API names: OpenAPI 3.1, RFC 9457 problems, RFC 9110 preconditions, idempotency keys, cursors."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from gongzhi.kernel.service import services
from tests.web.machines import Machine


@pytest.fixture(scope="module")
def operator(city: str) -> Machine:
    return Machine("operator")


@pytest.fixture(scope="module")
def grid(city: str) -> Machine:
    return Machine("grid")


@pytest.fixture(scope="module")
def houses(grid: Machine, ids: Any) -> list[str]:
    """Seven houses, two of them with equal areas, one without, in the grid worker's own township."""
    numbers = []
    place = grid.get("/house?limit=1").json()  # nothing yet: the list of an empty register is a list
    assert place == {"items": [], "next": ""}
    for nth, area in enumerate(("50", "60", "60", "75.5", None, "90", "120")):
        form = {
            "address": f"健康西路 {nth} 号",
            "use": "home",
            "safety_grade": "AB"[nth % 2],
            "graded_on": f"2026-05-0{nth + 1}",
            "place": _home(),
        }
        form |= {"area": area} if area else {}
        made = grid.post("/house", {"form": form})
        assert made.status_code == 201, made.content
        numbers.append(made.json()["number"])
    return numbers


def _home() -> int:
    """Return the id of a grid of the sample grid worker."""
    from gongzhi.kernel.context import actors_of
    from gongzhi.kernel.signin import sign_in
    from tests.web.pages import PASSWORD

    return actors_of(sign_in("grid", PASSWORD, "fixture"))[0].place


def test_the_document_is_openapi_3_1_by_the_standards_own_schema(city: str) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document = Client().get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert [str(error.message) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def _said(part: Any, name: str = "") -> Iterator[str]:
    """Yield every text of a document that a person reads: not the names of properties, types, formats and references."""
    if isinstance(part, dict):
        for key, inner in part.items():
            if not (
                isinstance(inner, str) and key in {"$ref", "name", "operationId", "type", "format", "in", "openapi"}
            ):
                yield from _said(inner, key)
    elif isinstance(part, list):
        for inner in part:
            yield from _said(inner, name)
    elif isinstance(part, str) and name in {"summary", "description", "title", "tags"}:
        yield part


def _described(language: str) -> tuple[list[str], str]:
    """Return the document's texts in a language, and the page that shows it."""
    client = Client(headers={"accept-language": language})
    document = client.get("/api/openapi.json").json()
    assert not [key for key, part in document["components"]["schemas"].items() if "title" in part]
    return list(_said(document)), client.get("/api/docs").content.decode()


def test_the_document_speaks_english_to_whoever_reads_english(city: str) -> None:
    """Only the city's own fields (``extras/*.json`` of its pack) keep the city's language."""
    han = re.compile("[\u3400-\u9fff]")
    own: set[str] = set()
    for service in services().values():
        for fact in service.all_facts.values():
            if fact.name not in service.facts:
                own |= {str(fact.verbose_name), str(fact.help_text)} - {""}
    texts, page = _described("en")
    assert len(texts) > 300
    words = re.compile("|".join(map(re.escape, sorted(own, key=len, reverse=True))))
    assert [text for text in texts if han.search(words.sub("", text))] == []
    assert "<title>Gongzhi API</title>" in page
    assert '<html lang="en">' in page
    assert not han.search(page)


def test_the_document_speaks_chinese_to_whoever_reads_chinese(city: str) -> None:
    han = re.compile("[\u3400-\u9fff]")
    texts, page = _described("zh-hans")
    assert [text for text in texts if not han.search(text)] == []
    assert "<title>共治 API</title>" in page
    assert '<html lang="zh-Hans">' in page


def test_every_operation_documents_its_problems_and_creation_answers_201(city: str) -> None:
    paths = Client().get("/api/openapi.json").json()["paths"]
    for service in services().values():
        answers = paths[f"/api/{service.code}"]["post"]["responses"]
        assert "201" in answers
        assert "200" not in answers
        for status in ("401", "404", "409", "412", "422", "428", "503"):
            assert "application/problem+json" in answers[status]["content"]


def test_every_list_documents_its_filters(city: str) -> None:
    paths = Client().get("/api/openapi.json").json()["paths"]
    named = {parameter["name"] for parameter in paths["/api/house"]["get"]["parameters"]}
    assert {"state", "stage", "agency", "place", "q", "order", "after", "limit", "area.from", "opened.to"} <= named
    assert {"safety_grade", "graded_on.from"} <= named, "the city's own fields narrow too"


def test_a_problem_names_a_kind_that_its_address_explains(operator: Machine) -> None:
    refused = operator.get("/request/SQ2026999999")
    assert (refused.status_code, refused["Content-Type"]) == (404, "application/problem+json")
    body = refused.json()
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    told = Client().get(body["type"]).json()
    assert (told["status"], told["title"]) == (404, body["title"])
    kinds = Client().get("/api/problems").json()
    assert all(kind["type"] and kind["meaning"] for kind in kinds)
    assert Client().get("/api/problems/nothing").status_code == 404
    unknown = Client().get("/api/request")
    assert (unknown.status_code, unknown["WWW-Authenticate"]) == (401, "Bearer")


def test_what_was_read_and_has_not_changed_is_not_sent_again(operator: Machine, ids: Any) -> None:
    number = operator.post("/request", {"form": {"detail": "路灯不亮"}}).json()["number"]
    read = operator.get(f"/request/{number}")
    assert read["ETag"] == '"1"'
    same = operator.get(f"/request/{number}", **{"If-None-Match": read["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    form = {"form": {"agency": ids[0]["cgj"], "category": "build"}}
    changed = operator.post(f"/request/{number}/assign", form, **{"If-Match": read["ETag"]})
    assert changed["ETag"] == '"2"'
    assert operator.get(f"/request/{number}", **{"If-None-Match": read["ETag"]}).status_code == 200


def test_a_change_needs_the_version_that_was_read(operator: Machine, ids: Any) -> None:
    number = operator.post("/request", {"form": {"detail": "井盖坏了"}}).json()["number"]
    way, form = f"/request/{number}/assign", {"form": {"agency": ids[0]["cgj"], "category": "build"}}
    assert operator.post(way, form).status_code == 428
    assert operator.post(way, form, **{"If-Match": "now"}).status_code == 400
    assert operator.post(way, form, **{"If-Match": '"1"'}).status_code == 200
    late = operator.post(way, form, **{"If-Match": '"1"'})
    assert late.status_code == 412
    said = late.json()
    assert (said["type"], said["action"], said["version"]) == ("/api/problems/stale", "派单", 2)


def test_one_key_is_one_act_and_no_other(operator: Machine) -> None:
    body = {"form": {"detail": "垃圾没人收"}}
    first = operator.post("/request", body, key="k-1")
    again = operator.post("/request", body, key="k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["number"] == first.json()["number"]
    other = operator.post(f"/request/{first.json()['number']}/note", {"form": {"note": "另一件事"}}, key="k-1")
    assert (other.status_code, other.json()["type"]) == (422, "/api/problems/key-reused")


@pytest.mark.parametrize(
    "order",
    ["opened", "-opened", "due", "number", "-number", "title", "area", "-area", "rented", "safety_grade", "-graded_on"],
)
def test_every_order_is_paged_to_its_end_without_loss_or_repeat(grid: Machine, houses: list[str], order: str) -> None:
    whole = [row["number"] for row in grid.get(f"/house?order={order}&limit=200").json()["items"]]
    assert set(whole) == set(houses)
    seen: list[str] = []
    way = f"/api/house?order={order}&limit=2"
    while way:
        page = grid.client.get(way, headers=grid.headers)
        assert page.status_code == 200, page.content
        seen += [row["number"] for row in page.json()["items"]]
        way = page.headers.get("Link", "").partition(">;")[0].lstrip("<")
    assert seen == whole


def test_records_that_come_while_one_pages_move_nothing(grid: Machine, houses: list[str]) -> None:
    first = grid.get("/house?limit=3").json()
    late = grid.post(
        "/house",
        {
            "form": {
                "address": "后来的一处",
                "use": "home",
                "safety_grade": "A",
                "graded_on": "2026-05-09",
                "place": _home(),
            }
        },
    )
    assert late.status_code == 201
    rest = grid.get(f"/house?limit=200&after={first['next']}").json()["items"]
    seen = [row["number"] for row in first["items"] + rest]
    assert sorted(seen) == sorted(houses)
    houses.append(late.json()["number"])


def test_lists_are_narrowed_by_the_declaration(grid: Machine, houses: list[str]) -> None:
    def numbers(query: str) -> set[str]:
        answer = grid.get(f"/house?{query}&limit=200")
        assert answer.status_code == 200, answer.content
        return {row["number"] for row in answer.json()["items"]}

    assert numbers("area.from=60&area.to=80") == set(houses[1:4])
    assert numbers("area=60") == set(houses[1:3])
    assert numbers("safety_grade=B") == {houses[1], houses[3], houses[5]}
    assert numbers("use=home,shop") == set(houses)
    assert numbers("q=健康西路") == set(houses[:7])
    assert numbers("opened.to=2000-01-01") == set()


@pytest.mark.parametrize(
    ("query", "name"),
    [("area.from=many", "area.from"), ("colour=red", "colour"), ("state=gone", "state"), ("order=address", "order"),
     ("place=99999999", "place"), ("opened.from=30.2.2026", "opened.from"), ("use=castle", "use"), ("limit=x", "limit"),
     ("stage=nowhere", "stage"), ("address=路", "address")],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_named(grid: Machine, query: str, name: str) -> None:
    refused = grid.get(f"/house?{query}")
    assert refused.status_code == 422
    assert list(refused.json()["errors"]) == [name]


def test_a_cursor_of_another_order_or_a_made_up_one_is_refused(grid: Machine, houses: list[str]) -> None:
    mark = grid.get("/house?order=number&limit=2").json()["next"]
    for way in (f"/house?order=-number&after={mark}", "/house?after=bm8", "/house?after=%FF", f"/house?after={mark}"):
        refused = grid.get(way)
        assert (refused.status_code, refused.json()["type"]) == (400, "/api/problems/unread"), way


def test_money_and_measures_are_exact_texts(grid: Machine, houses: list[str]) -> None:
    facts = grid.get(f"/house/{houses[3]}").json()["facts"]
    assert facts["area"] == "75.50"
    assert facts["use_title"]
    assert facts["safety_grade"] == "B"
