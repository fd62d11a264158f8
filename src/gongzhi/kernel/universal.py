"""Actions that every record has: notes, attachments, links, tasks, reminders. Declared once, generated per service."""

from typing import Any

from gongzhi.kernel.fields import Day, Line, Text, Whole
from gongzhi.kernel.forms import Form
from gongzhi.kernel.procedure import ANY, SAME, Action, Effect
from gongzhi.kernel.roles import CENTRE, CLOCK, GRID, HANDLER, LOADER, MANAGER, OPERATOR
from gongzhi.tongue import later

_TEAM = (OPERATOR, HANDLER, CENTRE, MANAGER, GRID, LOADER)


class Note(Form):
    """A remark for those who work on the record."""

    note: Any = Text(later("备注"), max_length=2000)


class Attach(Form):
    """More files, with a word on what they show."""

    note: Any = Line(later("说明"), blank=True)


class Link(Form):
    """A tie to another record that the actor can see."""

    other: Any = Line(later("关联编号"), max_length=40, help_text=later("填写另一条记录的编号。"))
    note: Any = Line(later("说明"), blank=True)


class Task(Form):
    """A small duty for an agency, with a day."""

    writes = ()
    task: Any = Line(later("任务"), max_length=120)
    task_days: Any = Whole(later("几个工作日内完成"), least=1, most=60, default=3)


class TaskDone(Form):
    """What came of the task."""

    task_id: Any = Line(later("任务编号"), max_length=36)
    note: Any = Text(later("完成情况"), max_length=2000)


class Escalate(Form):
    """Why someone above must look."""

    note: Any = Line(later("催办意见"), blank=True)


class More(Form):
    """The city's own fields of the service (``kernel.extras``)."""


class Hold(Form):
    """Why the record must not be erased although its period ends, and until when."""

    reason: Any = Text(later("理由"), max_length=1000, help_text=later("例如：案件正在审理，法院要求保留。"))
    held_until: Any = Day(later("保留到"), help_text=later("含当天。过了这一天，保存期限已满的记录会自动销毁。"))


class Release(Form):
    """Why the record need not be held any longer."""

    reason: Any = Text(later("理由"), max_length=1000)


UNIVERSAL: tuple[Action, ...] = (
    Action("note", ANY, SAME, _TEAM, later("备注"), Note, hint=later("只有能看到这条记录的工作人员能看到备注。")),
    Action("attach", ANY, SAME, _TEAM, later("补充附件"), Attach, files=True),
    Action("link", ANY, SAME, _TEAM, later("关联"), Link, effect=Effect.LINK),
    Action("task", ANY, SAME, _TEAM, later("交办任务"), Task, effect=Effect.TASK),
    Action("task_done", ANY, SAME, _TEAM, later("完成任务"), TaskDone, effect=Effect.TASK_DONE, direct=False),
    Action(
        "more",
        ANY,
        SAME,
        _TEAM,
        later("补充附加信息"),
        More,
        effect=Effect.MORE,
        hint=later("本市为这项业务另设的栏目。"),
    ),
    Action(
        "hold",
        ANY,
        SAME,
        (MANAGER, CENTRE),
        later("暂缓销毁"),
        Hold,
        effect=Effect.HOLD,
        hint=later("保存期限满了也不销毁，直到所填的日期；本人要求删除时也一样。"),
    ),
    Action("release", ANY, SAME, (MANAGER, CENTRE), later("解除暂缓"), Release, effect=Effect.RELEASE),
    Action("escalate", ANY, SAME, (MANAGER, CENTRE, CLOCK), later("催办"), Escalate, effect=Effect.ESCALATE),
)
