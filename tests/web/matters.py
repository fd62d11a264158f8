"""The records that the pages show: at several stages, with what hangs from them."""

from datetime import timedelta
from typing import Any

from tests.web.pages import PASSWORD, TABLE

_TOLD = {
    "detail": "健康西路与淮海北路路口的路灯已经三天不亮了，晚上学生放学经过很不安全，希望尽快派人检修。",
    "nature": "help", "address": "健康西路与淮海北路路口", "point": "119.0213,33.5982",
    "asker_name": "王明", "asker_phone": "13900000000",
}  # fmt: skip
_ANSWER = "您好，路灯管理所已于今天上午更换损坏的灯头和电缆，现已恢复照明。感谢您的反映。"
_FOUND = (
    ("三楼安全出口堆放纸箱，门打不开。", "fire", "grave", "3 楼东侧"),
    ("配电箱没有门，电线裸露。", "power", "major", "1 楼楼梯下"),
    ("灭火器压力不足。", "fire", "minor", "2 楼走廊"),
)


def made() -> dict[str, Any]:
    """Make them; return what fills the paths of the pages, and the follow-up codes."""
    from gongzhi.kernel.context import actors_of
    from gongzhi.kernel.models import Agency, Place
    from gongzhi.kernel.signin import sign_in

    who = {login: actors_of(sign_in(login, PASSWORD, "test"))[0] for login in ("operator", "zjj", "admin", "grid")}
    area = Place.objects.get(code="320812")
    place = Place.objects.filter(level="township", path__startswith=area.path)[0]
    agency = Agency.objects.get(code="zjj").pk
    numbers = {"place": place.pk, **_requests(who, place.pk, agency), **_rounds(who["grid"], agency)}
    return numbers | _imports(who["operator"]) | _people(who) | {"past": _past(who["operator"])}


def _requests(who: dict[str, Any], place: int, agency: int) -> dict[str, Any]:
    from django.utils import timezone

    from gongzhi.kernel.act import act
    from gongzhi.kernel.context import acting, loader_actor, portal_actor
    from gongzhi.kernel.models import Register
    from gongzhi.kernel.vault import Upload

    numbers: dict[str, Any] = {}
    now, asks, operator, handler = timezone.now(), portal_actor(), who["operator"], who["zjj"]
    for name, steps, days in (
        ("filed", 0, 0),
        ("late", 2, 30),
        ("working", 2, 0),
        ("followed", 3, 0),
        ("closed", 4, 0),
        ("reopened", 4, 0),
    ):
        begun = now - timedelta(days=days)
        loader = loader_actor() if days else None
        form = {**_TOLD, "place": place}
        done = act(asks, "request", "file", form=form, key=f"pages-{name}", at=begun if days else None, loader=loader)
        numbers[name], numbers[f"{name}_code"] = done.number, done.follow
        with acting(operator):
            kinds = Register.objects.get(pk=done.record).service.facts["category"].titles()  # type: ignore[attr-defined]
        assigned = {"agency": agency, "category": next(iter(kinds)), "note": "请先到现场看。"}
        repaired = Upload("检修记录 🔧.txt", "更换灯头 2 只，电缆 35 米。".encode())
        last = (
            ("reopen", {"reason": "修好的灯昨晚又灭了。"})
            if name == "reopened"
            else ("rate", {"rating": "5", "comment": "修得很快。"})
        )
        life = (
            (operator, "assign", assigned, ()),
            (handler, "accept", {}, ()),
            (handler, "answer", {"answer": _ANSWER}, (repaired,)),
            (asks, *last, ()),
        )
        for hours, (actor, action, form, files) in enumerate(life[:steps], start=1):
            done = act(
                actor, "request", action, record=done.record, version=done.version, form=form, files=files, loader=loader,
                follow=numbers[f"{name}_code"] if actor is asks else "", at=begun + timedelta(hours=hours) if days else None,
            )  # fmt: skip
            if action == "accept":
                act(
                    handler,
                    "request",
                    "note",
                    record=done.record,
                    form={"note": "已联系路灯管理所（13900000000），明天上午到场。"},
                )
    _looked_at(handler, numbers["followed"])
    return numbers


def _looked_at(handler: Any, number: str) -> None:
    from gongzhi.kernel.context import acting
    from gongzhi.kernel.models import Party
    from gongzhi.kernel.parties import ask

    with acting(handler):
        party = Party.objects.get(record__number=number).pk
    ask(handler, party, "contact", note="先打电话问清是哪一盏灯。")
    ask(handler, party, "visit", ["phone"])


def _rounds(grid: Any, agency: int) -> dict[str, Any]:
    from django.utils import timezone

    from gongzhi.kernel.act import act
    from gongzhi.kernel.plates import plate_code

    here = grid.place
    form = {"address": "健康西路 18 号 2 单元 301", "use": "home", "frame": "brick", "floors": "6", "area": "92.5",
            "built": "1998", "residents": "3", "place": here, "point": "119.0213,33.5982", "owner_name": "王明"}  # fmt: skip
    house = act(grid, "house", "enter", form=form, key="pages-house")
    today = f"{timezone.localdate():%Y-%m-%d}"
    plan = {"theme": "fire", "planned_on": today, "scope": "本网格沿街商铺", "place": here}
    tour = act(grid, "inspection", "plan", form=plan, key="pages-inspection")
    act(grid, "inspection", "start", record=tour.record, version=tour.version)
    finding = ""
    for what, theme, gravity, spot in _FOUND:
        form = {"what": what, "theme": theme, "gravity": gravity, "spot": spot, "agency": agency, "place": here,
                "whole": tour.number}  # fmt: skip
        finding = act(grid, "finding", "find", form=form).number
    return {"house": house.number, "plate": plate_code(house.number), "inspection": tour.number, "finding": finding}


def _imports(operator: Any) -> dict[str, Any]:
    from gongzhi.intake.jobs import import_table, start

    jobs = {"job": start(operator, "十月工单.csv", TABLE.encode("gb18030"), "request", "hotline").pk,
            "job_failed": start(operator, "程序.xlsx", b"MZ\x00\x01", "request", "hotline").pk}  # fmt: skip
    for job in jobs.values():
        import_table(job=job)
    return jobs


def _people(who: dict[str, Any]) -> dict[str, Any]:
    from django.utils import timezone

    from gongzhi.channels.choices import stop_token
    from gongzhi.kernel import lending, passwords
    from gongzhi.kernel.signin import sign_in
    from gongzhi.web.feed import renew

    operator, handler = who["operator"], who["zjj"]
    renew(handler, "zh-hans")
    colleague = sign_in("operator2", PASSWORD, "test")
    leave = timezone.localdate() + timedelta(days=30)
    return {
        "stop": stop_token(handler.account, "mail", "red"), "person": handler.account,
        "lent": lending.lend(operator, operator.post, colleague, leave, leave, "路灯的几件已经答应本周回复。"),
        "way": passwords.make_link(who["admin"], colleague),
    }  # fmt: skip


def _past(operator: Any) -> str:
    """Return the day of the oldest deadline that has passed."""
    from django.utils import timezone

    from gongzhi.kernel.context import acting
    from gongzhi.kernel.models import Register

    with acting(operator):
        late = Register.objects.filter(closed_at=None, due_at__lt=timezone.now()).exclude(due_source="")
        first = late.order_by("due_at").first()
    return f"{timezone.localtime(first.due_at if first and first.due_at else None):%Y-%m-%d}"
