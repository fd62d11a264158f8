"""Pages that look over many matters, and what every page has in common."""

import html
import re
from typing import Any

from django.test import Client

from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import Notice
from gongzhi.kernel.worker import tick
from tests.web.pages import PASSWORD
from tests.web.test_console import assign, text


def test_notices_come_to_the_agency_and_are_read_by_each_for_themselves(
    at_desk: Any, actor: Any, ids: Any, filed: Any
) -> None:
    done = assign(actor, ids, filed(), "hb")
    tick()
    client = at_desk("hb")
    page = text(client.get("/work/notices"))
    assert done.number in page
    with acting(actor("hb")):
        keys = list(Notice.objects.values_list("pk", flat=True))
    assert str(len(keys)) in text(client.get("/work/notices/unread"))
    assert client.post("/work/notices", {"notice": keys}).status_code == 302
    assert text(client.get("/work/notices/unread")).strip() == ""
    assert done.number not in text(at_desk("jy").get("/work/notices"))


def test_the_same_notice_is_read_in_chinese_by_one_and_in_english_by_another(
    at_desk: Any, actor: Any, ids: Any, filed: Any
) -> None:
    done = assign(actor, ids, filed(title="桥下<b>积水"), "hb")
    tick()
    chinese, english = at_desk("hb"), at_desk("hb")
    english.cookies["gongzhi_language"] = "en"
    chinese.cookies["gongzhi_language"] = "zh-hans"
    assert f"{done.number}《桥下&lt;b&gt;积水》转到您单位，请在 " in chinese.get("/work/notices").content.decode()
    page = english.get("/work/notices").content.decode()
    title = '<span lang="zh-Hans">桥下</span>&lt;b&gt;<span lang="zh-Hans">积水</span>'
    assert f"{done.number} “{title}” is now with your agency: Accept by " in page


def test_the_list_filters_by_what_the_declaration_names(at_desk: Any, filed: Any) -> None:
    wanted, other = filed(nature="advice", title="一条建议"), filed(nature="complaint", title="一条投诉")
    client = at_desk("operator")
    page = text(client.get("/work/s/request/?nature=advice&state=open&stage=filed"))
    assert wanted.number in page
    assert other.number not in page
    assert client.get("/work/s/request/?nature=no-such&agency=x&page=-3&order=%27").status_code == 200
    assert client.get("/work/s/nothing/").status_code == 404


def test_search_finds_by_number_and_by_words_only_what_i_see(at_desk: Any, actor: Any, ids: Any, filed: Any) -> None:
    done = assign(actor, ids, filed(detail="运河边的芦苇荡里有人倾倒建筑垃圾"), "jy")
    assert done.number in text(at_desk("operator").get("/work/search?q=芦苇荡"))
    assert "芦苇" in text(at_desk("operator").get(f"/work/search?q={done.number.lower()}"))
    assert done.number not in text(at_desk("cgj").get("/work/search?q=芦苇荡"))


def test_the_place_is_remembered_and_narrows_lists_and_board(at_desk: Any, filed: Any, ids: Any) -> None:
    here, there = filed(place=ids[1]["320830"], title="盱眙的事"), filed(place=ids[1]["320831"], title="金湖的事")
    client = at_desk("operator")
    assert client.post("/work/at?next=/work/s/request/", {"place": ids[1]["320830"]})["Location"] == "/work/s/request/"
    page = text(client.get("/work/s/request/"))
    assert here.number in page
    assert there.number not in page
    client.post("/work/at", {"place": ""})
    assert there.number in text(client.get("/work/s/request/"))


def test_the_map_gives_points_and_the_same_in_a_table(at_desk: Any, filed: Any) -> None:
    done = filed(point="119.1,33.5", title="有位置的事")
    client = at_desk("operator")
    found = client.get("/work/map/points").json()
    assert done.number in {feature["properties"]["number"] for feature in found["features"]}
    assert "按地点" in text(client.get("/work/map"))
    assert done.number not in {
        f["properties"]["number"] for f in at_desk("jy").get("/work/map/points").json()["features"]
    }


def test_every_page_is_under_a_policy_without_unsafe(at_desk: Any, filed: Any) -> None:
    done = filed()
    client = at_desk("operator")
    for way in ("/", "/report", "/signin", "/work/", f"/work/r/{done.number}", "/nothing"):
        answer = client.get(way)
        policy = answer["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "http" not in policy.replace("https:", "")
        assert " style=" not in text(answer)
        assert " onclick=" not in text(answer)


def test_a_form_without_its_token_is_refused_in_words(city: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/report", {"detail": "x"})
    assert answer.status_code == 403
    assert "表单已经过期" in text(answer)


def test_a_body_that_is_far_too_big_is_refused_before_it_is_read(city: Any) -> None:
    answer = Client().generic("POST", "/report", b"x", content_type="text/plain", CONTENT_LENGTH=str(2**30))
    assert answer.status_code == 413
    assert "文件太大" in text(answer)


def test_health_says_whether_the_database_answers(city: Any) -> None:
    assert Client().get("/health").json() == {"ok": True}


def test_who_holds_two_posts_changes_between_them(at_desk: Any, actor: Any) -> None:
    from gongzhi.kernel.context import actors_of

    client = Client()
    client.post("/signin", {"login": "manager", "password": PASSWORD})
    posts = actors_of(actor("manager").account)
    assert [held.role for held in posts] == ["manager", "operator"]
    assert "登记诉求" not in text(client.get("/work/"))
    assert client.post("/work/post", {"post": posts[1].post}).status_code == 302
    assert "登记诉求" in text(client.get("/work/"))
    assert client.post("/work/post", {"post": actor("admin").post}).status_code == 404


def test_a_post_that_ends_gives_way_to_the_next_and_the_last_one_signs_out(city: Any, actor: Any) -> None:
    from gongzhi.kernel import directory
    from gongzhi.kernel.context import actors_of

    client = Client()
    client.post("/signin", {"login": "manager", "password": PASSWORD})
    first, second = actors_of(actor("manager").account)
    directory.end_post(actor("admin"), first.post)
    assert "受理员" in text(client.get("/work/"))
    directory.end_post(actor("admin"), second.post)
    assert client.get("/work/").status_code == 302


def test_what_was_late_is_shown_as_late_on_the_day_it_was(at_desk: Any, actor: Any, ids: Any) -> None:
    from datetime import datetime, timedelta

    from django.utils import timezone

    from gongzhi.kernel.context import loader_actor, portal_actor

    loader = loader_actor()
    began = timezone.make_aware(datetime(2025, 3, 3, 9, 0))

    def past(by: Any, action: str, days: int, done: Any = None, **form: Any) -> Any:
        return act(by, "request", action, record=done and done.record, version=done and done.version, form=form,
                   at=began + timedelta(days=days), loader=loader)  # fmt: skip

    done = past(portal_actor(), "file", 0, detail="2025 年的旧事", title="很久以前超期的一件")
    done = past(actor("operator"), "assign", 0, done, agency=ids[0]["jy"], category="build")
    done = past(actor("jy"), "accept", 0, done)
    done = past(actor("jy"), "answer", 14, done, answer="晚了，但是答复了")
    client = at_desk("operator")
    late, before, after = (text(client.get(f"/work/deadlines?on=2025-03-{day:02}")) for day in (14, 6, 18))
    assert done.number in late
    assert "教育局" in late
    assert "2025年3月17日 09:00" in late
    assert done.number not in before
    assert done.number not in after


def test_the_board_counts_what_is_late_by_agency_and_every_count_opens(at_desk: Any, actor: Any, ids: Any) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from gongzhi.kernel.context import loader_actor, portal_actor

    long_ago = timezone.now() - timedelta(days=30)
    made = act(portal_actor(), "request", "file", form={"detail": "旧事一件"}, at=long_ago, loader=loader_actor())
    done = act(actor("operator"), "request", "assign", record=made.record, version=1, at=long_ago, loader=loader_actor(),
               form={"agency": ids[0]["wl"], "category": "build"})  # fmt: skip
    client = at_desk("operator")
    board = text(client.get("/work/deadlines"))
    row = board[board.index("文旅局</a>") :].split("</tr>")[0]
    assert re.search(r"group=late[^>]*>1</a>", row)
    behind = re.search(r'href="(/work/deadlines\?agency=\d+&group=late)"', html.unescape(row))
    assert behind
    opened = text(client.get(behind[1]))
    assert done.number in opened
    assert "超期" in opened
    csv = client.get("/work/deadlines?as=csv").content.decode("utf-8-sig")
    assert "文化" in csv
