"""The console over HTTP: what each role sees first, what it may do, and what happens when two do the same."""

import html
import re
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client

from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Disclosure, Party, Register, Task
from gongzhi.kernel.refusals import ABSENT
from tests.web.pages import PASSWORD

SECRET = ("王小明", "13812345678")


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


def plain(response: Any) -> str:
    return re.sub(r'nonce="[^"]*"', "", text(response))


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1]


def assign(actor: Any, ids: Any, done: Any, agency: str = "cgj") -> Any:
    form = {"agency": ids[0][agency], "category": "build"}
    return act(actor("operator"), "request", "assign", record=done.record, version=done.version, form=form)


def test_who_is_not_signed_in_is_sent_to_the_sign_in_page_and_back(city: Any) -> None:
    client = Client()
    answer = client.get("/work/deadlines?group=late")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/signin?next=")
    back = client.post("/signin", {"login": "manager", "password": PASSWORD, "next": "/work/deadlines?group=late"})
    assert back["Location"] == "/work/deadlines?group=late"


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/work", "/signout", "javascript:alert(1)"])
def test_the_way_back_never_leads_elsewhere(city: Any, wanted: str) -> None:
    answer = Client().post("/signin", {"login": "manager", "password": PASSWORD, "next": wanted})
    assert answer["Location"] == "/work/"


def test_a_wrong_password_and_a_wrong_name_get_one_sentence_and_five_of_them_a_lock(city: Any) -> None:
    said = {text(Client().post("/signin", {"login": login, "password": "wrong-wrong"})) for login in ("nobody-x",)}
    said |= {text(Client().post("/signin", {"login": "nobody-x", "password": "wrong-wrong"}))}
    assert all("账号或密码不对" in page for page in said)
    for _ in range(5):
        last = Client().post("/signin", {"login": "jt", "password": "wrong-wrong"})
    assert last.status_code == 422
    locked = Client().post("/signin", {"login": "jt", "password": PASSWORD})
    assert "暂停登录" in text(locked)


def test_signing_in_changes_the_session_and_signing_out_ends_it(city: Any) -> None:
    client = Client()
    client.session.save()  # somebody has laid a session of his own into this browser
    laid = client.session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = laid
    client.post("/signin", {"login": "zjj", "password": PASSWORD})
    assert client.get("/work/").status_code == 200
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != laid
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = laid
    assert stranger.get("/work/").status_code == 302
    assert client.post("/signout").status_code == 302
    assert client.get("/work/").status_code == 302


def test_the_queue_shows_what_i_owe_and_nothing_of_others(at_desk: Any, actor: Any, ids: Any, filed: Any) -> None:
    mine = assign(actor, ids, filed(title="这是城管局的事"))
    other = assign(actor, ids, filed(title="这是教育局的事"), "jy")
    page = text(at_desk("cgj").get("/work/"))
    assert mine.number in page
    assert other.number not in page
    assert "这是教育局的事" not in page
    assert "新到" in page
    group = text(at_desk("cgj").get("/work/?group=new"))
    assert mine.number in group


def test_a_record_that_is_not_mine_and_one_that_is_not_there_get_the_same_page(
    at_desk: Any, actor: Any, ids: Any, filed: Any
) -> None:
    other = assign(actor, ids, filed(), "jy")
    client = at_desk("cgj")
    for way in ("", "/do/accept", "/do/answer", f"/person/{uuid4()}", f"/file/{uuid4()}"):
        theirs, nothing = client.get(f"/work/r/{other.number}{way}"), client.get(f"/work/r/SQ2026999999{way}")
        assert theirs.status_code == nothing.status_code == 404
        assert plain(theirs) == plain(nothing)
    assert str(ABSENT) in text(theirs)
    sent = client.post(f"/work/r/{other.number}/do/accept", {"version": other.version, "key": "x"})
    assert sent.status_code == 404
    with acting(actor("operator")):
        assert Register.objects.get(pk=other.record).stage_code == "assigned"


def test_the_record_page_offers_only_what_the_role_may_do_now(at_desk: Any, actor: Any, ids: Any, filed: Any) -> None:
    done = filed()
    operator = text(at_desk("operator").get(f"/work/r/{done.number}"))
    assert "/do/assign" in operator
    assert "/do/accept" not in operator
    manager = text(at_desk("manager").get(f"/work/r/{done.number}"))
    assert "/do/assign" not in manager
    assigned = assign(actor, ids, done)
    handler = text(at_desk("cgj").get(f"/work/r/{assigned.number}"))
    assert "/do/accept" in handler
    assert "/do/answer" not in handler
    assert at_desk("cgj").get(f"/work/r/{assigned.number}/do/answer").status_code == 404


def test_the_proposal_stands_with_reasons_and_accepting_it_assigns(at_desk: Any, actor: Any, filed: Any) -> None:
    done = filed()
    client = at_desk("operator")
    page = text(client.get(f"/work/r/{done.number}"))
    assert "建议派给" in page
    assert "“路灯”" in page
    box = page[page.index('class="proposal"') :]
    form = {name: hidden(box, name) for name in ("agency", "category", "version", "key")}
    sent = client.post(f"/work/r/{done.number}/do/assign", form)
    assert sent.status_code == 302
    assert "现在由市城市管理局" in text(client.get(sent["Location"])) or "城管局" in text(client.get(sent["Location"]))
    with acting(actor("operator")):
        assert Register.objects.get(pk=done.record).agency.code == "cgj"


def test_what_may_be_the_same_matter_is_shown_and_can_be_merged(at_desk: Any, filed: Any) -> None:
    first = filed(detail="翔宇大道与枚皋路口的红绿灯坏了，早高峰车辆堵成一团", point="119.03,33.58")
    second = filed(detail="枚皋路翔宇大道路口红绿灯坏了，车辆堵得厉害，早高峰很危险", point="119.0302,33.5801")
    client = at_desk("operator")
    page = text(client.get(f"/work/r/{second.number}"))
    assert "可能是同一件事" in page
    assert f"/do/merge?other={first.number}" in page
    form = text(client.get(f"/work/r/{second.number}/do/merge?other={first.number}"))
    assert f'value="{first.number}"' in form


def test_a_stale_page_is_told_who_did_what_and_keeps_what_was_typed(
    at_desk: Any, actor: Any, ids: Any, filed: Any
) -> None:
    done = filed()
    client = at_desk("operator2")
    page = text(client.get(f"/work/r/{done.number}/do/decline"))
    stale = {"version": hidden(page, "version"), "key": hidden(page, "key"), "reason": "这是我写了很久的理由"}
    assign(actor, ids, done)
    answer = client.post(f"/work/r/{done.number}/do/decline", stale)
    said = text(answer)
    assert answer.status_code == 409
    assert "陈静" in said
    assert "派单" in said
    assert "这是我写了很久的理由" in said
    assert "已不能办理" in said


def test_a_stale_page_whose_action_is_still_possible_offers_it_again_with_the_new_version(
    at_desk: Any, actor: Any, ids: Any, filed: Any
) -> None:
    done = act(
        actor("cgj"), "request", "accept", record=(a := assign(actor, ids, filed())).record, version=a.version
    )  # fmt: skip
    client = at_desk("cgj")
    page = text(client.get(f"/work/r/{done.number}/do/answer"))
    act(actor("cgj"), "request", "ask_time", record=done.record, version=done.version,
        form={"asked_days": 2, "reason": "等材料"})  # fmt: skip
    typed = {"version": hidden(page, "version"), "key": hidden(page, "key"), "answer": "已经修好，请查看。"}
    again = client.post(f"/work/r/{done.number}/do/answer", typed)
    shown = text(again)
    assert again.status_code == 409
    assert "已经修好，请查看。" in shown
    fresh = {**typed, "version": hidden(shown, "version"), "key": hidden(shown, "key")}
    assert int(fresh["version"]) == done.version + 1
    assert client.post(f"/work/r/{done.number}/do/answer", fresh).status_code == 302


def test_a_double_click_and_the_back_button_do_a_thing_once(at_desk: Any, actor: Any, ids: Any, filed: Any) -> None:
    done = assign(actor, ids, filed())
    client = at_desk("cgj")
    page = text(client.get(f"/work/r/{done.number}"))
    form = {"version": done.version, "key": hidden(page[page.index("/do/accept") :], "key")}
    first = client.post(f"/work/r/{done.number}/do/accept", form)
    second = client.post(f"/work/r/{done.number}/do/accept", form)
    assert first.status_code == second.status_code == 302
    assert "again" in second["Location"]
    assert "没有重复" in text(client.get(second["Location"]))
    with acting(actor("cgj")):
        assert Register.objects.get(pk=done.record).history.filter(action="accept").count() == 1


def test_what_is_missing_is_said_beside_the_field_and_nothing_is_lost(at_desk: Any, filed: Any) -> None:
    done = filed()
    client = at_desk("operator")
    page = text(client.get(f"/work/r/{done.number}/do/assign"))
    form = {"version": hidden(page, "version"), "key": hidden(page, "key"), "note": "请尽快", "category": "build"}
    answer = client.post(f"/work/r/{done.number}/do/assign", form)
    assert answer.status_code == 422
    assert 'id="error-agency"' in text(answer)
    assert 'value="请尽快"' in text(answer)
    assert hidden(text(answer), "key") == form["key"]


def test_a_call_is_taken_with_a_person_whose_name_is_nowhere_until_a_purpose_is_stated(
    at_desk: Any, actor: Any, ids: Any
) -> None:
    client = at_desk("operator")
    page = text(client.get("/work/s/request/new"))
    village = ids[1]["320812001"] if "320812001" in ids[1] else next(iter(ids[1].values()))
    form = {"key": hidden(page, "key"), "detail": "来电反映楼道灯不亮", "place": [str(village), ""],
            "asker_name": SECRET[0], "asker_phone": SECRET[1], "nature": "help"}  # fmt: skip
    sent = client.post("/work/s/request/new", form)
    assert sent.status_code == 302
    number = sent["Location"].split("/")[-1].split("?")[0]
    page = text(client.get(f"/work/r/{number}"))
    assert re.search(r"查询码 <strong[^>]*>[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4}", page)
    assert "查询码 <strong" not in text(at_desk("operator2").get(f"/work/r/{number}"))
    assert not any(word in page for word in SECRET)
    assert "●●●" in page
    with acting(actor("operator")):
        party = Party.objects.get(record__number=number)
        assert Register.objects.get(number=number).place_id == village
    way = f"/work/r/{number}/person/{party.pk}"
    assert not any(word in text(client.get(way)) for word in SECRET)
    refused = client.post(way, {"purpose": ""})
    assert refused.status_code == 422
    assert not any(word in text(refused) for word in SECRET)
    shown = client.post(way, {"purpose": "contact"})
    assert all(word in text(shown) for word in SECRET)
    assert shown["Cache-Control"] == "no-store"
    with acting(actor("operator")):
        assert Disclosure.objects.filter(party=party, purpose="contact").count() == 1
    assert "查看了个人信息" in text(client.get(f"/work/r/{number}"))
    assert "联系诉求人了解情况" in text(client.get(f"/work/r/{number}"))


def test_an_administrator_does_not_look_at_names(at_desk: Any, actor: Any, filed: Any) -> None:
    done = filed(asker_name=SECRET[0])
    with acting(actor("operator")):
        party = Party.objects.get(record=done.record)
    answer = at_desk("admin").post(f"/work/r/{done.number}/person/{party.pk}", {"purpose": "contact"})
    assert answer.status_code == 404
    assert SECRET[0] not in text(answer)


def test_files_are_answered_with_their_name_and_locked_in(at_desk: Any, actor: Any, ids: Any, filed: Any) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    done = assign(actor, ids, filed())
    done = act(actor("cgj"), "request", "accept", record=done.record, version=done.version)
    client = at_desk("cgj")
    page = text(client.get(f"/work/r/{done.number}/do/answer"))
    form = {"version": hidden(page, "version"), "key": hidden(page, "key"), "answer": "已修好"}
    bad = SimpleUploadedFile("照片.jpg", b"MZ\x90\x00" + b"\0" * 64)
    refused = client.post(f"/work/r/{done.number}/do/answer", {**form, "files": bad})
    assert refused.status_code == 422
    assert "error-files" in text(refused)
    assert "已修好" in text(refused)
    good = SimpleUploadedFile("现场 记录🔧.txt", "更换灯头".encode())
    sent = client.post(f"/work/r/{done.number}/do/answer", {**form, "files": good})
    assert sent.status_code == 302
    found = re.search(rf"/work/r/{done.number}/file/[0-9a-f-]+", text(client.get(f"/work/r/{done.number}")))
    assert found
    file = client.get(found[0])
    assert b"".join(file) == "更换灯头".encode()
    assert "sandbox" in file["Content-Security-Policy"]
    assert file["Content-Disposition"].startswith("attachment; filename*=utf-8''")
    assert at_desk("jy").get(found[0]).status_code == 404


def test_a_request_for_time_waits_for_the_manager_who_decides(at_desk: Any, actor: Any, ids: Any, filed: Any) -> None:
    done = assign(actor, ids, filed(title="要申请延期的一件"))
    done = act(actor("cgj"), "request", "accept", record=done.record, version=done.version)
    form = {"asked_days": 3, "reason": "等零件"}
    done = act(actor("cgj"), "request", "ask_time", record=done.record, version=done.version, form=form)
    client = at_desk("manager")
    assert "等您决定" in text(client.get("/work/"))
    assert done.number in text(client.get("/work/"))
    sent = client.post(f"/work/r/{done.number}/do/grant_time", {"version": done.version, "key": str(uuid4())})
    assert sent.status_code == 302
    assert done.number not in text(client.get("/work/"))


def test_tasks_are_given_and_done_from_the_page(at_desk: Any, actor: Any, ids: Any, filed: Any) -> None:
    done = assign(actor, ids, filed())
    client = at_desk("cgj")
    page = text(client.get(f"/work/r/{done.number}/do/task"))
    sent = client.post(f"/work/r/{done.number}/do/task",
                       {"key": hidden(page, "key"), "version": 1, "task": "回访诉求人", "task_days": 2})  # fmt: skip
    assert sent.status_code == 302
    with acting(actor("cgj")):
        task = Task.objects.get(record=done.record)
    assert "回访诉求人" in text(client.get("/work/"))
    form = text(client.get(f"/work/r/{done.number}/do/task_done?task_id={task.pk}"))
    assert f'type="hidden" name="task_id" value="{task.pk}"' in " ".join(form.split())
    sent = client.post(f"/work/r/{done.number}/do/task_done",
                       {"key": hidden(form, "key"), "task_id": task.pk, "note": "已回访"})  # fmt: skip
    assert sent.status_code == 302
    with acting(actor("cgj")):
        assert Task.objects.get(pk=task.pk).done_at
