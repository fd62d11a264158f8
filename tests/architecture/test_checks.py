"""A declaration that contradicts itself stops the start-up: each check fires, with an id and a hint."""

from typing import Any

import pytest

from gongzhi.kernel.checks import check_service
from gongzhi.kernel.fields import Line
from gongzhi.kernel.forms import Form, Person
from gongzhi.kernel.procedure import NEW, SAME, Action, Effect, Gives, Guard, Procedure, Stage
from gongzhi.kernel.roles import OPERATOR
from gongzhi.kernel.service import Service, service, services, years

OPEN, SHUT, LOST = Stage("open", "在办"), Stage("shut", "办结", open=False), Stage("lost", "迷失")
START = Action("start", NEW, OPEN, (OPERATOR,), "开始")
END = Action("end", (OPEN,), SHUT, (OPERATOR,), "结束")


class Stray(Form):
    writes = ("nowhere",)


class Named(Form):
    who: Any = Person("当事人")


class Other(Form):
    note: Any = Line("说明", blank=True)


def found(*actions: Action, **changed: Any) -> set[str | None]:
    held = {"code": "trial", "desk": "trial", "title": "试", "number": "T{year}{serial:06}", "retention": years(1)}
    declared = Service(**(held | changed))
    object.__setattr__(declared, "model", service("request").model)
    object.__setattr__(declared, "procedure", Procedure(actions))
    messages = list(check_service(declared))
    assert all(message.hint for message in messages)
    return {message.id for message in messages}


def act(code: str, **changed: Any) -> Action:
    return Action(code, (OPEN,), SAME, (OPERATOR,), "做", **changed)


def test_a_sound_declaration_passes() -> None:
    assert found(START, END) == set()
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
        ((START, END, act("name", form=Named)), {}, "gongzhi.E009"),
        ((START, END, act("give", gives=Gives.CHOSEN)), {}, "gongzhi.E010"),
        ((START, END, act("tie", form=Other, effect=Effect.LINK)), {}, "gongzhi.E011"),
        ((START, END, act("clear", clears=("nowhere",))), {}, "gongzhi.E012"),
    ],
)
def test_each_contradiction_has_its_id(actions: tuple[Action, ...], changed: dict[str, Any], expected: str) -> None:
    assert expected in found(*actions, **changed)
