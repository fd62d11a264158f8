"""Who looked at me, over HTTP: the page and the files, for the holder of the code and for nobody else."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Disclosure, Party
from gongzhi.kernel.parties import ask
from gongzhi.web.portal import looks
from tests.web.test_console import text
from tests.web.test_portal import follower


@pytest.fixture(autouse=True)
def unhurried(city: str) -> None:
    """Forget how often this address came."""
    from gongzhi.kernel.models import Rate

    Rate.objects.all().delete()


@pytest.fixture
def seen(filed: Any, actor: Any) -> Any:
    """A matter that was looked at twice."""
    made = filed(asker_name="钱多多", asker_phone="13600001111")
    with acting(actor("operator")):
        party = Party.objects.get(record=made.record).pk
    ask(actor("operator"), party, "contact", ["phone"], note="只给同事看的话")
    ask(actor("manager"), party, "verify")
    return made


def test_page_and_files_tell_the_same(seen: Any, actor: Any) -> None:
    client = follower(seen.number, seen.follow)
    way = f"/follow/{seen.number}/looks"
    assert f'href="{way}"' in text(client.get(f"/follow/{seen.number}"))
    answer = client.get(way)
    page = text(answer)
    assert answer["Cache-Control"] == "private, no-store"
    for word in ("看过 2 次", "联系诉求人了解情况", "《个人信息保护法》第34条", "受理员", "督办员", "姓名、电话"):
        assert word in page
    sent = client.get(f"{way}.csv")
    assert sent["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in sent["Content-Disposition"]
    head, newest, oldest = csv.reader(io.StringIO(sent.content.decode("utf-8-sig")))
    assert head == ["时间", "单位", "岗位", "用途", "依据", "看了什么", "暂不告知到"]
    assert (oldest[2:], newest[2], newest[5]) == (
        ["受理员", "联系诉求人了解情况", "《个人信息保护法》第34条", "电话", ""], "督办员", "姓名、电话",
    )  # fmt: skip
    said = json.loads(client.get(f"{way}.json").content)
    assert said["number"] == seen.number
    assert [look["purpose"]["code"] for look in said["looks"]] == ["verify", "contact"]
    assert said["looks"][1]["fields"] == ["电话"]
    for sent in (page, client.get(f"{way}.csv").content.decode(), json.dumps(said, ensure_ascii=False)):
        for secret in ("钱多多", "13600001111", "只给同事看的话", actor("operator").name, actor("manager").name):
            assert secret not in sent


def test_nothing_without_the_code(seen: Any, filed: Any) -> None:
    other = filed()
    for client in (Client(), follower(other.number, other.follow)):
        for kind in ("", ".csv", ".json"):
            answer = client.get(f"/follow/{seen.number}/looks{kind}")
            assert (answer.status_code, answer["Location"]) == (302, f"/follow?number={seen.number}")
    client = follower(seen.number, seen.follow)
    assert client.get(f"/follow/{seen.number}/looks.xml").status_code == 404
    assert client.post(f"/follow/{seen.number}/looks").status_code == 405
    assert client.get(f"/follow/{other.number}/looks").status_code == 302


def test_nobody_looked(filed: Any) -> None:
    made = filed()
    client = follower(made.number, made.follow)
    assert "还没有人看过您的信息" in text(client.get(f"/follow/{made.number}/looks"))
    assert json.loads(client.get(f"/follow/{made.number}/looks.json").content)["looks"] == []


def test_in_english(seen: Any) -> None:
    client = follower(seen.number, seen.follow)
    client.post("/language", {"language": "en"})
    page = text(client.get(f"/follow/{seen.number}/looks"))
    assert "Who looked at my details" in page
    assert "article 34" in page


def test_who_comes_too_often_waits(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "TIMES_AN_HOUR", 2)
    client = follower(seen.number, seen.follow)
    for expected in (200, 200, 429):
        assert client.get(f"/follow/{seen.number}/looks").status_code == expected


def test_a_purpose_is_chosen_and_what_was_typed_stays(seen: Any, at_desk: Any, actor: Any) -> None:
    with acting(actor("manager")):
        party = Party.objects.get(record=seen.record).pk
    way = f"/work/r/{seen.number}/person/{party}"
    desk = at_desk("manager")
    page = text(desk.get(way))
    assert "核查办理中的违规" in page
    assert 'name="until"' in page
    assert "核查办理中的违规" not in text(at_desk("operator").get(way))
    refused = desk.post(way, {"purpose": "", "note": "随便看看"})
    assert refused.status_code == 422
    assert 'value="随便看看"' in text(refused)
    for until in ("", "2020-01-01", "9999-12-31", "明天"):
        refused = desk.post(way, {"purpose": "inquire", "until": until})
        assert refused.status_code == 422
        assert "从哪一天起告知本人，最晚" in text(refused)
        assert "13600001111" not in text(refused)
    with acting(actor("manager")):
        assert Disclosure.objects.filter(party=party).count() == 2
    shown = desk.post(way, {"purpose": "contact", "note": "核对号码", "until": "2020-01-01"})
    assert "13600001111" in text(shown)
    assert "核对号码" in text(desk.get(f"/work/r/{seen.number}"))
