"""The search by telephone on its page and in the API: posted, with a purpose, and what is found is masked as everywhere."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from gongzhi.kernel import seeking
from tests.web.machines import Machine
from tests.web.test_console import text

WAY = "/work/s/request/persons"
Of = Callable[[str], Any]


def test_a_clerk_finds_the_matters_of_who_calls(at_desk: Of, filed: Callable[..., Any]) -> None:
    made = filed(asker_name="欧阳翡翠", asker_phone="13812340021")
    desk = at_desk("operator")
    assert f'href="{WAY}"' in desk.get("/work/s/request/").content.decode()
    assert f'href="{WAY}"' in desk.get("/work/search").content.decode()
    assert 'name="phone"' in desk.get(WAY).content.decode()
    found = desk.post(WAY, {"phone": "+86 138-1234-0021", "purpose": "contact"})
    shown = found.content.decode()
    assert found.status_code == 200
    assert found["Cache-Control"] == "no-store"
    assert f"/work/r/{made.number}" in shown
    assert "已记入这些事的办理过程" in shown
    assert not [secret for secret in ("欧阳翡翠", "13812340021", "138-1234-0021") if secret in shown]
    assert "按电话查到了这件事" in text(desk.get(f"/work/r/{made.number}"))
    assert "没有用这个电话登记的" in text(desk.post(WAY, {"phone": "13812340029", "purpose": "contact"}))


def test_what_is_missing_is_said_and_what_was_typed_is_kept(at_desk: Of, monkeypatch: Any) -> None:
    desk = at_desk("operator")
    wrong = desk.post(WAY, {"phone": "13812340021"})
    assert wrong.status_code == 422
    assert "请选择查看个人信息的用途" in text(wrong)
    assert 'value="13812340021"' in wrong.content.decode()
    wrong = desk.post(WAY, {"phone": "一三八", "purpose": "contact"})
    assert wrong.status_code == 422
    assert "请填写电话号码" in text(wrong)
    assert 'value="一三八"' in wrong.content.decode()
    monkeypatch.setattr(seeking, "_TIMES", 0)
    many = desk.post(WAY, {"phone": "13812340021", "purpose": "contact"})
    assert many.status_code == 429
    assert "次数太多" in text(many)
    assert (
        Machine("operator").post("/request/persons", {"phone": "13812340021", "purpose": "contact"}).status_code == 429
    )


def test_no_address_carries_a_number(at_desk: Of, filed: Callable[..., Any]) -> None:
    filed(asker_phone="13812340022", detail="井盖丢了，请打13812340022")
    desk = at_desk("operator")
    assert 'value=""' in desk.get(f"{WAY}?phone=13812340022&purpose=contact").content.decode()
    shown = text(desk.get("/work/search?q=13812340022"))
    assert "查人要先说明用途" in shown
    assert "/work/r/" not in desk.get("/work/search?q=13812340022").content.decode().partition("<main")[2]


def test_who_looks_at_nobody_has_neither_page_nor_link_nor_operation(at_desk: Of) -> None:
    admin, given = at_desk("admin"), {"phone": "13812340021", "purpose": "contact"}
    assert admin.get(WAY).status_code == admin.post(WAY, given).status_code == 404
    assert WAY not in admin.get("/work/search").content.decode()
    assert Machine("admin").post("/request/persons", given).status_code == 404
    assert Client().post(WAY, given).status_code == 302
    for code in ("inspection", "nothing"):
        assert at_desk("operator").get(f"/work/s/{code}/persons").status_code == 404


def test_a_program_searches_by_the_same_rules(filed: Callable[..., Any]) -> None:
    made = filed(asker_name="欧阳翡翠", asker_phone="13812340023")
    machine = Machine("operator")
    answer = machine.post("/request/persons", {"phone": "１３８１２３４００２３", "purpose": "verify"})
    assert [row["number"] for row in answer.json()] == [made.number]
    assert "翡翠" not in answer.content.decode()
    assert machine.post("/request/persons", {"phone": "13812340024", "purpose": "verify"}).json() == []
    for wrong in ({}, {"phone": "13812340023"}, {"phone": "13812340023", "purpose": "curiosity"},
                  {"phone": "1", "purpose": "verify"}, {"phone": "13812340023", "purpose": "verify", "q": "x"}):  # fmt: skip
        refused = machine.post("/request/persons", wrong)
        assert (refused.status_code, refused["Content-Type"]) == (422, "application/problem+json")
    assert machine.get("/request/persons").status_code == 405
