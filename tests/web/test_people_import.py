"""Accounts and posts from a table: what it would do is shown, then all of it happens or nothing."""

import re
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from gongzhi.intake import people
from gongzhi.kernel import directory
from gongzhi.kernel.context import acting, actors_of
from gongzhi.kernel.models import Account, Post
from tests.web.test_console import text

HEAD = ["登录名", "姓名", "单位", "岗位", "管辖地点", "起始日期", "停用日期"]
DAY = timezone.localdate()


def xlsx(*rows: list[Any], head: list[str] = HEAD) -> bytes:
    book = Workbook()
    assert book.active
    book.active.append(head)
    for row in rows:
        book.active.append(row)
    target = BytesIO()
    book.save(target)
    return target.getvalue()


def csv(*rows: list[str], encoding: str = "utf-8", head: list[str] = HEAD) -> bytes:
    return "\r\n".join(",".join(row) for row in (head, *rows)).encode(encoding)


def send(client: Client, content: bytes, name: str = "人员.xlsx") -> Any:
    return client.post("/work/posts/import", {"file": SimpleUploadedFile(name, content)})


def confirm(client: Client, shown: Any) -> Any:
    page = text(shown)
    fields = {name: re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("rows", "digest")}
    assert all(fields.values()), page[:3000]
    return client.post("/work/posts/import", {name: found[1] for name, found in fields.items() if found})


def held(actor: Any) -> list[tuple[Any, ...]]:
    with acting(actor("admin")):
        posts = Post.objects.values_list("account__login", "account__name", "agency", "role", "place", "since", "until")
        return sorted(posts, key=str) + sorted(Account.objects.values_list("login", "name", "active"), key=str)


def test_a_table_is_shown_confirmed_and_changes_nothing_the_second_time(at_desk: Any, actor: Any) -> None:
    client = at_desk("admin")
    rows = [
        ["zhangsan", "张三", "市住房和城乡建设局", "承办人", "淮安市", DAY, None],
        ["zhangsan", "张三", "cgj", "handler", "3208", None, DAY + timedelta(days=90)],
        ["李四", "李四", "城管局", "承办人", "淮安市", "2026年1月5日", ""],
    ]
    before = held(actor)
    shown = send(client, xlsx(*rows))
    assert shown.status_code == 200
    said = re.sub(r"\s+", "", text(shown))
    assert "新建账号<b>2</b></span><span>新增岗位<b>3</b>" in said
    assert held(actor) == before
    done = confirm(client, shown)
    assert done.status_code == 200
    assert done["Cache-Control"] == "no-store"
    links = re.findall(r"/signin/link/[\w-]+", text(done))
    assert len(links) == 2
    assert Client().post(links[0], {"password": "a-first-password", "again": "a-first-password"}).status_code == 302
    assert Client().post("/signin", {"login": "zhangsan", "password": "a-first-password"}).status_code == 302
    with acting(actor("admin")):
        account = Account.objects.get(login="李四")
        assert Post.objects.get(account=account).since == date(2026, 1, 5)
    after = held(actor)
    again = send(client, xlsx(*rows))
    assert "没有要改的" in text(again)
    assert held(actor) == after


@pytest.mark.parametrize(("encoding", "name"), [("utf-8", "a.csv"), ("utf-8-sig", "b.csv"), ("gb18030", "c.csv")])
def test_csv_in_utf_8_and_gb18030(at_desk: Any, actor: Any, encoding: str, name: str) -> None:
    row = [f"csv-{encoding}", "王五", "城管局", "承办人", "淮安市", "2026/01/05", ""]
    done = confirm(at_desk("admin"), send(at_desk("admin"), csv(row, encoding=encoding), name))
    assert "已经导入" in text(done)
    with acting(actor("admin")):
        assert Account.objects.get(login=f"csv-{encoding}").name == "王五"


def test_names_and_ends_change_and_a_post_that_has_ended_is_not_revived(at_desk: Any, actor: Any) -> None:
    client, admin = at_desk("admin"), actor("admin")
    row = ["changing", "改名前", "城管局", "承办人", "淮安市", "", ""]
    confirm(client, send(client, xlsx(row)))
    shown = send(client, xlsx(["changing", "改名后", *row[2:6], DAY + timedelta(days=30)]))
    assert "改姓名：改名前 → 改名后" in text(shown)
    confirm(client, shown)
    with acting(admin):
        account = Account.objects.get(login="changing")
        post = Post.objects.get(account=account)
        assert (account.name, post.until) == ("改名后", DAY + timedelta(days=30))
    directory.end_post(admin, post.pk, DAY)
    assert actors_of(account.pk) == []
    still = send(client, xlsx(["changing", "改名后", *row[2:]]))
    assert "没有要改的" in text(still)
    assert "要重新启用请写起始日期" in text(still)
    again = confirm(client, send(client, xlsx(["changing", "改名后", *row[2:5], DAY + timedelta(days=0), ""])))
    assert again.status_code == 200
    assert len(actors_of(account.pk)) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["x", "名", "城管局", "承办人", "淮安市", "", ""], "登录名应为"),
        (["portal", "名", "城管局", "承办人", "淮安市", "", ""], "系统自己的账号"),
        (["good", "", "城管局", "承办人", "淮安市", "", ""], "姓名应为"),
        (["good", "名", "教体委", "承办人", "淮安市", "", ""], "没有叫“教体委”的单位"),
        (["good", "名", "", "承办人", "淮安市", "", ""], "没有叫“”的单位"),
        (["good", "名", "城管局", "皇帝", "淮安市", "", ""], "岗位只能是"),
        (["good", "名", "城管局", "时钟", "淮安市", "", ""], "岗位只能是"),
        (["good", "名", "城管局", "承办人", "大观园", "", ""], "没有叫“大观园”的地点"),
        (["good", "名", "城管局", "承办人", "淮安市", "2026-02-30", ""], "不是日期"),
        (["good", "名", "城管局", "承办人", "淮安市", "2026-03-01", "2026-03-01"], "停用日期应晚于"),
    ],
)
def test_a_bad_row_is_named_with_its_reason_and_nothing_is_done(
    at_desk: Any, actor: Any, row: list[str], said: str
) -> None:
    before = held(actor)
    fine = ["fine-row", "好的", "城管局", "承办人", "淮安市", "", ""]
    answer = send(at_desk("admin"), xlsx(fine, row))
    assert answer.status_code == 422
    page = text(answer)
    assert said in page
    assert "第 3 行" in page
    assert 'name="rows"' not in page
    assert held(actor) == before


def test_rows_that_contradict_each_other_and_places_of_one_name(at_desk: Any) -> None:
    first = ["both", "甲", "城管局", "承办人", "淮安市", "", ""]
    assert "第 2 行写的是另一个姓名" in text(send(at_desk("admin"), xlsx(first, ["both", "乙", *first[2:5], "", ""])))
    assert "和第 2 行是同一个岗位" in text(send(at_desk("admin"), xlsx(first, first)))
    from gongzhi.kernel.models import Place

    names = list(Place.objects.filter(ended_on=None).values_list("name", flat=True))
    twice = next(name for name in names if names.count(name) > 1)
    assert "请写代码" in text(send(at_desk("admin"), xlsx([*first[:4], twice, "", ""])))


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "a.xlsx", "是空的"),
        (b"PK\x03\x04 broken", "a.xlsx", "打不开"),
        (b"MZ\x90", "a.csv", "不是表格"),
        (xlsx(), "a.xlsx", "没有数据"),
        (xlsx(["a"], head=["登录名"]), "a.xlsx", "缺少这些列"),
        (xlsx(["a", "b"], head=["登录名", "登录名"]), "a.xlsx", "重复的列名"),
        (b"\xff\xfe\x00\xd8,\x81", "a.csv", ""),
        (csv(*[[f"u{n}", "名", "城管局", "承办人", "淮安市", "", ""] for n in range(2001)]), "a.csv", "最多导入"),
    ],
)
def test_a_file_that_is_no_table_of_people_gets_a_sentence(at_desk: Any, content: bytes, name: str, said: str) -> None:
    answer = send(at_desk("admin"), content, name)
    assert answer.status_code == 422
    assert 'role="alert"' in text(answer)
    assert said in text(answer)


def test_all_or_nothing_even_when_the_last_row_fails_in_the_database(
    at_desk: Any, actor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gongzhi.kernel.refusals import Absent

    client, before = at_desk("admin"), held(actor)
    rows = [[f"whole-{n}", "名", "城管局", "承办人", "淮安市", "", ""] for n in range(3)]
    shown = send(client, xlsx(*rows))
    made = directory.add_post

    def fails(actor: Any, account: int, *rest: Any) -> int:
        with acting(actor):
            if Account.objects.get(pk=account).login == "whole-2":
                raise Absent
        return made(actor, account, *rest)

    monkeypatch.setattr(directory, "add_post", fails)
    answer = confirm(client, shown)
    assert answer.status_code == 422
    assert "第 4 行没有办成，所以什么都没有导入" in text(answer)
    assert held(actor) == before


def test_a_directory_that_changed_since_the_preview_shows_a_new_one(at_desk: Any, actor: Any) -> None:
    client, admin = at_desk("admin"), actor("admin")
    shown = send(client, xlsx(["meanwhile", "名", "城管局", "承办人", "淮安市", "", ""]))
    directory.add_account(admin, "meanwhile", "别人先建的")
    before = held(actor)
    answer = confirm(client, shown)
    assert answer.status_code == 422
    assert "目录在您查看之后有了变化" in text(answer)
    assert "改姓名：别人先建的 → 名" in text(answer)
    assert held(actor) == before
    assert "已经导入" in text(confirm(client, answer))


def test_forged_and_old_confirmations_do_nothing(at_desk: Any, actor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, before = at_desk("admin"), held(actor)
    shown = send(client, xlsx(["forged", "名", "城管局", "承办人", "淮安市", "", ""]))
    assert client.post("/work/posts/import", {"rows": "x:y:z", "digest": ""}).status_code == 422
    monkeypatch.setattr("gongzhi.web.console.people_import._HOLDS", -1)
    assert "打开太久" in text(confirm(client, shown))
    assert held(actor) == before


def test_only_an_administrator_and_only_within_the_own_area(at_desk: Any, actor: Any, ids: Any) -> None:
    for login in ("operator", "manager", "zjj"):
        assert at_desk(login).get("/work/posts/import").status_code == 404
        assert at_desk(login).get("/work/posts/import/empty").status_code == 404
        assert send(at_desk(login), xlsx(["x1", "名", "城管局", "承办人", "淮安市", "", ""])).status_code == 404
    from gongzhi.kernel.context import Actor

    account = directory.add_account(actor("admin"), "local-admin", "区管理员", "long-enough-1")
    directory.add_post(actor("admin"), account, ids[0]["centre-03"] if "centre-03" in ids[0] else next(iter(ids[0].values())), "admin", ids[1]["320803"])  # fmt: skip
    local = actors_of(account)[0]
    assert isinstance(local, Actor)
    client = Client()
    assert client.post("/signin", {"login": "local-admin", "password": "long-enough-1"}).status_code == 302
    assert "不在您的管辖范围" in text(send(client, xlsx(["x1", "名", "城管局", "承办人", "淮安市", "", ""])))


def test_the_empty_table_holds_the_columns(at_desk: Any) -> None:
    answer = at_desk("admin").get("/work/posts/import/empty")
    book = load_workbook(BytesIO(answer.content))
    assert book.active
    assert [cell.value for cell in book.active[1]] == HEAD


CELLS = st.one_of(
    st.sampled_from(["", "城管局", "cgj", "承办人", "handler", "淮安市", "3208", "2026-01-05", "45000", "zhangsan9"]),
    st.text(max_size=12), st.integers(-5, 10**6), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=7, max_size=7), min_size=1, max_size=4))
def test_any_cells_are_planned_or_refused_and_what_was_done_is_then_unchanged(actor: Any, rows: Any) -> None:
    admin = actor("admin")
    made = [
        people.Row(number, dict(zip(people.COLUMNS, [people.tidy(cell) for cell in row], strict=True)))
        for number, row in enumerate(rows, start=2)
    ]
    with acting(admin):
        found = people.plan(admin, made)
    if found.faults:
        return
    people.carry_out(admin, made, found.digest)
    with acting(admin):
        assert people.plan(admin, made).steps == []
