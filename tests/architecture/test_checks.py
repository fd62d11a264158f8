"""A declaration that contradicts itself stops the start-up: each check fires, with an id and a hint."""

from typing import Any

import pytest

from gongzhi.kernel.checks import check_service
from gongzhi.kernel.fields import Line
from gongzhi.kernel.forms import Form, Person
from gongzhi.kernel.procedure import CITY, NEW, SAME, Action, Clock, Effect, Gives, Guard, Procedure, Stage, workdays
from gongzhi.kernel.purposes import Purpose
from gongzhi.kernel.roles import ADMIN, OPERATOR, PORTAL
from gongzhi.kernel.service import Service, service, services, years

OPEN, SHUT, LOST = Stage("open", "在办"), Stage("shut", "办结", open=False), Stage("lost", "迷失")
AWAY = Stage("away", "外面")
START = Action("start", NEW, OPEN, (OPERATOR,), "开始")
END = Action("end", (OPEN,), SHUT, (OPERATOR,), "结束")


class Stray(Form):
    writes = ("nowhere",)


class Named(Form):
    who: Any = Person("当事人")


class Reached(Form):
    who: Any = Person("当事人", fields=("mail",))


class Other(Form):
    note: Any = Line("说明", blank=True)


VISIT = Purpose("visit", "上门", CITY)
UNTOLD = "gongzhi.E020"  # the trial service borrows the columns of requests, which its few actions do not fill


def found(*actions: Action, **changed: Any) -> set[str | None]:
    held = {
        "code": "trial",
        "desk": "trial",
        "title": "试",
        "number": "T{year}{serial:06}",
        "retention": years(1),
        "purposes": (VISIT,),
    }
    facts = changed.pop("facts", None)
    declared = Service(**(held | changed))
    object.__setattr__(declared, "model", service("request").model)
    object.__setattr__(declared, "procedure", Procedure(actions))
    if facts is not None:
        vars(declared)["facts"] = facts
    messages = list(check_service(declared))
    assert all(message.hint for message in messages)
    return {message.id for message in messages}


def act(code: str, **changed: Any) -> Action:
    return Action(code, (OPEN,), SAME, (OPERATOR,), "做", **changed)


def test_a_sound_declaration_passes() -> None:
    assert found(START, END) == {UNTOLD}
    assert found(START, END, facts={}, number="T{year}{serial:06}") == {"gongzhi.E022"}
    for declared in services().values():
        assert list(check_service(declared)) == []


@pytest.mark.parametrize(
    ("actions", "changed", "expected"),
    [
        ((START, END, END), {}, "gongzhi.E001"),
        ((END,), {}, "gongzhi.E002"),
        ((START, END, Action("again", (LOST,), SHUT, (OPERATOR,), "再")), {}, "gongzhi.E003"),
        ((START,), {}, "gongzhi.E004"),
        ((START, END, act("write", form=Stray)), {}, "gongzhi.E005"),
        ((START, END, act("count", counts=("detail",))), {}, "gongzhi.E006"),
        ((START, END, act("guard", guard=Guard("nowhere", "<", 1))), {}, "gongzhi.E006"),
        ((START, END), {"lists": ("nowhere",)}, "gongzhi.E007"),
        ((START, END), {"title_from": "nowhere"}, "gongzhi.E008"),
        ((START, END, act("name", form=Named)), {"purposes": ()}, "gongzhi.E009"),
        ((START, END, act("reach", form=Reached)), {}, "gongzhi.E027"),
        ((START, END), {"purposes": (VISIT, VISIT)}, "gongzhi.E028"),
        ((START, END), {"purposes": (Purpose("told", "告知", CITY),)}, "gongzhi.E028"),
        ((START, END), {"purposes": (Purpose("look", "看", CITY, by=(ADMIN,)),)}, "gongzhi.E029"),
        ((START, END), {"purposes": (Purpose("look", "看", CITY, sealed=30),)}, "gongzhi.E030"),
        ((START, END), {"purposes": (Purpose("look", "看", CITY, by=(OPERATOR,), sealed=400),)}, "gongzhi.E030"),
        ((START, END, act("give", gives=Gives.CHOSEN)), {}, "gongzhi.E010"),
        ((START, END, act("tie", form=Other, effect=Effect.LINK)), {}, "gongzhi.E011"),
        ((START, END, act("clear", clears=("nowhere",))), {}, "gongzhi.E012"),
        ((START, END), {"plate": ("nowhere",)}, "gongzhi.E007"),
        ((START, Action("end", (Stage("open", "另一个"),), SHUT, (OPERATOR,), "结束")), {}, "gongzhi.E013"),
        ((START, END, Action("on", (LOST,), AWAY, (OPERATOR,), "去"), Action("off", (AWAY,), LOST, (OPERATOR,), "回")),
         {}, "gongzhi.E014"),
        ((START, END, Action("none", (OPEN,), SAME, (), "无人")), {}, "gongzhi.E015"),
        ((START, END, Action("rate", (OPEN,), SAME, (PORTAL,), "评价")), {}, "gongzhi.E016"),
        ((START, END, act("rate", resident=True)), {}, "gongzhi.E016"),
        ((Action("start", NEW, OPEN, (OPERATOR,), "开始", within=workdays(1)), END), {}, "gongzhi.E017"),
        ((START, END, act("guard", guard=Guard("reopened", ">=", 1))), {}, "gongzhi.E018"),
        ((START, END, act("extend", clock=Clock.EXTEND)), {"facts": {}}, "gongzhi.E019"),
        ((START, END), {}, UNTOLD),
        ((START, END), {"facts": {"one": Line("同名"), "two": Line("同名")}}, "gongzhi.E021"),
        ((START, END), {"facts": {"place_of": Line("所属地点")}}, "gongzhi.E021"),
        ((START, END), {"facts": {"note": Line("说明")}}, "gongzhi.E022"),
        ((START, END), {"number": "SQ{year}{serial:06}"}, "gongzhi.E023"),
        ((START, END), {"number": "A-{year}{serial:06}"}, "gongzhi.E023"),
        ((START, END), {"filters": ("detail",)}, "gongzhi.E026"),
        ((START, END), {"part_of": "nothing"}, "gongzhi.E024"),
        ((START, Action("end", (OPEN,), SHUT, (OPERATOR,), "结束", settles=True)), {}, "gongzhi.E025"),
        ((START, END), {"care": True, "quiet": True, "plate": ("detail",)}, "gongzhi.E031"),
        ((START, END), {"care": True}, "gongzhi.E032"),
        ((START, END), {"care": True, "quiet": True, "part_of": "inspection"}, "gongzhi.E033"),
    ],
)  # fmt: skip
def test_each_contradiction_has_its_id(actions: tuple[Action, ...], changed: dict[str, Any], expected: str) -> None:
    assert expected in found(*actions, **changed)


def test_every_check_is_tried() -> None:
    """An id that no row above expects is a check that nobody has seen fire."""
    import re
    from pathlib import Path

    from gongzhi.kernel import checks, contradictions

    declared = {
        code for module in (checks, contradictions)
        for code in re.findall(r"gongzhi\.E\d{3}", Path(module.__file__).read_text(encoding="utf-8"))
    }  # fmt: skip
    tried = set(re.findall(r"gongzhi\.E\d{3}", Path(__file__).read_text(encoding="utf-8")))
    assert declared == tried
