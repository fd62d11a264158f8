"""谁能做什么: the page that answers "why can she see this?"."""

from typing import Any

import pytest

from gongzhi.kernel import directory
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Account
from gongzhi.kernel.refusals import ABSENT
from tests.web.test_console import text
from tests.web.test_people_pages import matter


def account(actor: Any, login: str) -> int:
    with acting(actor("admin")):
        return int(Account.objects.get(login=login).pk)


def test_why_somebody_sees_a_record_and_what_they_may_do(at_desk: Any, actor: Any, ids: Any) -> None:
    done = matter(actor, ids[0]["zjj"])
    client = at_desk("admin")
    assert f"/work/rights/r/{done.number}" in text(client.get(f"/work/r/{done.number}"))
    page = text(client.get(f"/work/rights/r/{done.number}"))
    assert "住建局 · 承办人" in page
    handler = text(client.get(f"/work/rights/r/{done.number}?account={account(actor, 'zjj')}"))
    assert "看得到" in handler
    assert "这件事现在由住建局负责" in handler
    assert "只有" in handler
    other = text(client.get(f"/work/rights/r/{done.number}?account={account(actor, 'cgj')}"))
    assert "看不到" in other
    assert "这类岗位只看本单位负责的事；这件事现在由住建局负责。" in other
    manager = text(client.get(f"/work/rights/r/{done.number}?account={account(actor, 'manager')}"))
    assert "在管辖范围里" in manager
    names = text(client.get(f"/work/rights/r/{done.number}?agency={ids[0]['zjj']}&role=handler"))
    assert 'id="names"' in names
    line = directory.changes(actor("admin"))[0]
    assert line.title == "查看权限"


def test_english_lists_are_set_with_commas(at_desk: Any, actor: Any, ids: Any) -> None:
    done = matter(actor, ids[0]["zjj"])
    client = at_desk("admin")
    client.cookies["gongzhi_language"] = "en"
    record = text(client.get(f"/work/rights/r/{done.number}?account={account(actor, 'zjj')}"))
    assert "Only for: Supervisor, County centre." in record
    person = text(client.get(f"/work/rights/a/{account(actor, 'zjj')}"))
    assert "、" not in record + person


def test_what_a_person_may_do_by_service(at_desk: Any, actor: Any) -> None:
    page = text(at_desk("admin").get(f"/work/rights/a/{account(actor, 'zjj')}"))
    assert "看得到：由住建局负责的事项" in page
    assert "诉求" in page


def test_the_way_in_finds_numbers_and_names(at_desk: Any, actor: Any, ids: Any) -> None:
    done, client = matter(actor, ids[0]["zjj"]), at_desk("admin")
    assert client.get(f"/work/rights?number={done.number.lower()}")["Location"] == f"/work/rights/r/{done.number}"
    assert client.get("/work/rights?who=zjj")["Location"] == f"/work/rights/a/{account(actor, 'zjj')}"
    assert "没有编号为" in text(client.get("/work/rights?number=SQ1"))
    assert "没有叫" in text(client.get("/work/rights?who=不存在的人"))
    assert client.get("/work/rights").status_code == 200


@pytest.mark.parametrize("login", ["operator", "manager", "zjj", "grid"])
def test_it_is_an_administrators_page(at_desk: Any, actor: Any, ids: Any, login: str) -> None:
    done = matter(actor, ids[0]["zjj"])
    for way in ("/work/rights", f"/work/rights/r/{done.number}", "/work/rights/a/1"):
        answer = at_desk(login).get(way)
        assert answer.status_code == 404
        assert str(ABSENT) in text(answer)


@pytest.mark.parametrize(
    "query",
    ["account=99999999", "account=x", "account=-1", "agency=0&role=x", "page=0", "page=99999", "page=x", "who=%27%25"],
)
def test_odd_questions_get_a_page_or_the_one_sentence(at_desk: Any, actor: Any, ids: Any, query: str) -> None:
    done = matter(actor, ids[0]["zjj"])
    assert at_desk("admin").get(f"/work/rights/r/{done.number}?{query}").status_code in (200, 404)
    assert at_desk("admin").get(f"/work/rights/r/NOPE?{query}").status_code == 404
    assert at_desk("admin").get("/work/rights/a/99999999").status_code == 404
