"""Places, agencies, accounts and posts through their pages."""

import re
from typing import Any

import pytest
from django.test import Client

from gongzhi.kernel.models import Agency, Place
from gongzhi.kernel.refusals import ABSENT
from tests.web.test_console import text


def test_only_an_administrator_sees_and_changes_the_directory(at_desk: Any, ids: Any) -> None:
    for way in ("/work/places", "/work/agencies", "/work/posts"):
        answer = at_desk("manager").get(way)
        assert answer.status_code == 404
        assert str(ABSENT) in text(answer)
        assert at_desk("admin").get(way).status_code == 200
    form = {"do": "rename_place", "of": ids[1]["320830"], "name": "别名", "code": "320830", "since": "2026-01-01"}
    assert at_desk("operator").post("/work/places", form).status_code == 404
    assert Place.objects.get(code="320830").name == "盱眙县"


def test_a_place_is_renamed_with_its_old_name_kept_and_the_change_told(at_desk: Any, ids: Any) -> None:
    client, place = at_desk("admin"), ids[1]["320831"]
    form = {"do": "rename_place", "of": place, "name": "金湖区", "code": "320831", "since": "2026-11-01"}
    sent = client.post("/work/places", form)
    assert sent.status_code == 302
    page = text(client.get(sent["Location"]))
    assert "“更名”已完成" in page
    assert "曾用名：金湖县" in page
    assert "张伟" in page


def test_a_township_is_moved_and_a_place_with_children_is_not_merged(at_desk: Any, ids: Any) -> None:
    client = at_desk("admin")
    town = Place.objects.filter(level="township", parent=ids[1]["320803"]).first()
    assert town
    sent = client.post("/work/places", {"do": "move_place", "of": town.pk, "parent": ids[1]["320804"]})
    assert sent.status_code == 302
    assert Place.objects.get(pk=town.pk).parent_id == ids[1]["320804"]
    refused = client.post(
        "/work/places", {"do": "merge_places", "of": ids[1]["320804"], "into": ids[1]["320812"], "on": "2026-11-01"}
    )
    assert refused.status_code == 422
    assert "下面还有地点" in text(refused)
    wrong = client.post("/work/places", {"do": "move_place", "of": town.pk, "parent": town.pk})
    assert wrong.status_code == 422


@pytest.mark.parametrize("since", ["", "2026-02-30", "昨天"])
def test_a_date_that_is_none_is_told_beside_its_field(at_desk: Any, ids: Any, since: str) -> None:
    form = {"do": "rename_place", "of": ids[1]["320830"], "name": "新名称", "code": "320830", "since": since}
    answer = at_desk("admin").post("/work/places", form)
    assert answer.status_code == 422
    assert 'id="error-since"' in text(answer)
    assert 'value="新名称"' in text(answer)


def test_an_agency_is_added_changed_and_ended(at_desk: Any, ids: Any) -> None:
    client = at_desk("admin")
    form = {
        "do": "add_agency",
        "code": "ylj",
        "title": "市园林管理局",
        "short": "园林局",
        "kind": "agency",
        "place": ids[1]["3208"],
    }
    assert client.post("/work/agencies", form).status_code == 302
    agency = Agency.objects.get(code="ylj")
    again = client.post("/work/agencies", form)
    assert again.status_code == 422
    assert "已经有了" in text(again)
    opened = text(client.get(f"/work/agencies?do=change_agency&of={agency.pk}"))
    assert 'value="市园林管理局"' in opened
    form = {"do": "change_agency", "of": agency.pk, "title": "市园林绿化局", "short": "园林局", "kind": "agency",
            "place": ids[1]["3208"], "ended_on": "2026-12-31"}  # fmt: skip
    assert client.post("/work/agencies", form).status_code == 302
    assert Agency.objects.get(code="ylj").title == "市园林绿化局"


def test_an_account_is_made_signs_in_gets_a_password_and_is_closed(at_desk: Any, ids: Any) -> None:
    client = at_desk("admin")
    form = {"do": "add_account", "login": "xinren", "name": "新人", "password": "short", "agency": ids[0]["cgj"],
            "role": "handler", "place": ids[1]["3208"]}  # fmt: skip
    refused = client.post("/work/posts", form)
    assert refused.status_code == 422
    assert 'id="error-password"' in text(refused)
    assert "short" not in text(refused).split('name="password"')[1][:200]
    assert client.post("/work/posts", {**form, "password": "long-enough-1"}).status_code == 302

    def enters(password: str) -> bool:
        return Client().post("/signin", {"login": "xinren", "password": password}).status_code == 302

    assert enters("long-enough-1")
    page = text(client.get("/work/posts?q=xinren"))
    assert "城管局 · 承办人" in page
    account = page.split("do=make_link&of=")[1].split("#")[0]
    assert "重设密码：新人(xinren)" in text(client.get(f"/work/posts?do=make_link&of={account}"))
    made = client.post("/work/posts", {"do": "make_link", "of": account})
    link = re.search(r"/signin/link/[\w-]+", text(client.get(made["Location"])))
    assert link
    assert "/signin/link/" not in text(client.get(made["Location"]))
    assert Client().post(link[0], {"password": "another-one-2", "again": "another-one-2"}).status_code == 302
    assert enters("another-one-2")
    assert not enters("long-enough-1")
    assert client.post("/work/posts", {"do": "close_account", "of": account}).status_code == 302
    assert not enters("another-one-2")


def test_a_form_that_is_not_there_is_not_there(at_desk: Any) -> None:
    client = at_desk("admin")
    assert client.get("/work/places?do=drop").status_code == 404
    assert client.get("/work/places?do=add_account").status_code == 404
    assert client.get("/work/places?do=rename_place&of=99999999").status_code == 200
