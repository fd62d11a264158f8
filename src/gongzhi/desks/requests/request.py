"""The service ``request``: its facts, stages and actions."""

from typing import Any

from gongzhi.intake.proposed import Proposed
from gongzhi.kernel.fields import Code, Line, Text, Whole
from gongzhi.kernel.forms import Form, Person
from gongzhi.kernel.procedure import (
    CITY,
    NEW,
    SAME,
    Action,
    Clock,
    Effect,
    Gives,
    Guard,
    Procedure,
    Stage,
    statute,
    workdays,
)
from gongzhi.kernel.purposes import Purpose
from gongzhi.kernel.roles import CENTRE, CLOCK, GRID, HANDLER, LOADER, MANAGER, OPERATOR, PORTAL
from gongzhi.kernel.service import Record, Service, years
from gongzhi.tongue import filled, sense
from gongzhi.tongue import later as _

FILED = Stage("filed", _("待派单"), icon="inbox")
ASSIGNED = Stage("assigned", _("待签收"), icon="send")
WORKING = Stage("working", _("办理中"), icon="progress")
COORDINATING = Stage("coordinating", _("待协调"), icon="users-group")
ANSWERED = Stage("answered", _("已答复"), icon="message-check")
CLOSED = Stage("closed", _("已办结"), open=False, icon="circle-check")
INVALID = Stage("invalid", _("不予受理"), open=False, icon="circle-off")
MERGED = Stage("merged", _("已并案"), open=False, icon="git-merge")

DUTY, UNTOLD = statute("个人信息保护法", 34), statute("个人信息保护法", 35)
"""A state organ looks within its lawful duties (34), and tells the person unless telling would hinder them (35)."""

NATURES = {"help": _("求助"), "complaint": _("投诉"), "advice": _("建议"), "question": _("咨询"), "report": _("举报")}
CHANNELS = {"portal": _("网上"), "call": _("来电"), "grid": _("网格"), "import": _("导入"), "visit": _("来访")}
STARS = {"5": _("非常满意"), "4": _("满意"), "3": sense("rating", "一般"), "2": _("不满意"), "1": _("非常不满意")}


class File(Form):
    """What happened and where; who asks may stay unnamed."""

    writes = ("detail", "title", "nature", "category", "place", "address", "point", "channel")
    required = ("detail",)
    asker: Any = Person(_("诉求人"), fields=("name", "phone", "mail"))


class Assign(Form):
    """Which agency owes the answer, and as what kind of matter."""

    writes = ("agency", "category", "place")
    required = ("agency", "category")
    note: Any = Line(_("派单说明"), blank=True, max_length=300)
    proposed: Any = Proposed(_("系统建议"))


class Reason(Form):
    """Why, in words the other side will read."""

    reason: Any = Text(_("理由"), max_length=1000)


class HandOn(Form):
    """Which agency it belongs to, and why."""

    writes = ("agency",)
    required = ("agency",)
    reason: Any = Text(_("转办理由"), max_length=1000)


class AskTime(Form):
    """How many more working days, and why."""

    writes = ("asked_days",)
    required = ("asked_days",)
    reason: Any = Text(_("延期理由"), max_length=1000)


class Answer(Form):
    """What was done; the person who asked reads this."""

    writes = ("answer",)
    required = ("answer",)


class Rate(Form):
    """How the person who asked finds the answer."""

    writes = ("rating",)
    required = ("rating",)
    comment: Any = Text(_("想说的话"), blank=True, max_length=1000)


class Merge(Form):
    """The record in which this matter is already being handled."""

    other: Any = Line(_("并入编号"), max_length=40, help_text=_("填写已在办理的那条诉求的编号。"))
    reason: Any = Line(_("说明"), blank=True)


class Request(Record):
    """诉求: a trouble, question or proposal that someone brings to the city.

    It keeps its number through every agency it passes. ``refusals`` counts how often it was sent back since it was last
    assigned by the centre; ``asked_days`` is an extension asked for and not yet decided, in working days.
    """

    detail: Any = Text(_("诉求内容"), search=True, help_text=_("发生了什么、什么时候、希望怎样解决。"))
    nature: Any = Code(_("性质"), codes=NATURES, blank=True)
    category: Any = Code(_("类别"), source="category", blank=True)
    address: Any = Line(_("详细地址"), blank=True, max_length=200, search=True)
    channel: Any = Code(_("来源"), codes=CHANNELS, blank=True)
    answer: Any = Text(_("答复"), blank=True, max_length=8000)
    rating: Any = Code(_("评价"), codes=STARS, blank=True)
    refusals: Any = Whole(_("被退回次数"), default=0, blank=True)
    asked_days: Any = Whole(_("申请延期（工作日）"), default=0, most=60, blank=True)
    reopened: Any = Whole(_("要求重办次数"), default=0, blank=True)

    service = Service(
        icon="message-2",
        title=_("诉求"),
        number="SQ{year}{serial:06}",
        retention=years(10),
        about=_("居民和单位反映的问题、求助、咨询和建议。"),
        title_from="detail",
        lists=("category", "nature"),
        filters=("category", "nature", "channel", "rating"),
        purposes=(
            Purpose("contact", _("联系诉求人了解情况"), DUTY),
            Purpose("visit", _("约定上门或现场查看"), DUTY),
            Purpose("reply", _("告知办理结果"), DUTY),
            Purpose("verify", _("核实身份或重复诉求"), DUTY),
            Purpose("inquire", _("核查办理中的违规，核查期间不告知本人"), UNTOLD, by=(MANAGER,), sealed=90),
        ),
        public=("detail", "category", "address", "answer", "rating"),
    )
    procedure = Procedure(
        (
            Action(
                "file",
                NEW,
                FILED,
                (PORTAL, OPERATOR, GRID, LOADER),
                _("登记诉求"),
                File,
                gives=Gives.DISPATCH,
                files=True,
            ),
            Action(
                "assign",
                (FILED,),
                ASSIGNED,
                (OPERATOR,),
                _("派单"),
                Assign,
                within=workdays(1),
                source=CITY,
                gives=Gives.CHOSEN,
                hint=_("派给应当答复的单位，对方须在 2 个工作日内签收。"),
            ),
            Action(
                "coordinate",
                (COORDINATING,),
                ASSIGNED,
                (CENTRE,),
                _("指定承办单位"),
                Assign,
                within=workdays(2),
                source=CITY,
                gives=Gives.CHOSEN,
                clears=("refusals",),
                hint=filled(_("两次被退回的诉求由{centre}指定承办单位。"), centre=CENTRE.title),
            ),
            Action(
                "accept",
                (ASSIGNED,),
                WORKING,
                (HANDLER,),
                _("签收"),
                within=workdays(2),
                source=CITY,
                hint=_("签收后须在 5 个工作日内答复。"),
            ),
            Action(
                "answer",
                (WORKING,),
                ANSWERED,
                (HANDLER,),
                _("答复"),
                Answer,
                within=workdays(5),
                source=CITY,
                files=True,
                clears=("asked_days",),
                outcome=True,
                hint=_("诉求人会看到答复和附件，并作评价。"),
            ),
            Action(
                "refuse",
                (ASSIGNED,),
                FILED,
                (HANDLER,),
                _("退回"),
                Reason,
                guard=Guard("refusals", "<", 1),
                gives=Gives.DISPATCH,
                counts=("refusals",),
                danger=True,
                hint=_("退回受理员重新派单。"),
            ),
            Action(
                "refuse_again",
                (ASSIGNED,),
                COORDINATING,
                (HANDLER,),
                _("再次退回"),
                Reason,
                guard=Guard("refusals", ">=", 1),
                gives=Gives.CENTRE,
                counts=("refusals",),
                danger=True,
                hint=filled(_("这是第二次退回，将转{centre}协调。"), centre=CENTRE.title),
            ),
            Action(
                "hand_on",
                (WORKING,),
                ASSIGNED,
                (HANDLER,),
                _("转办"),
                HandOn,
                gives=Gives.CHOSEN,
                clears=("asked_days",),
                hint=_("转给真正负责的单位，对方重新签收。"),
            ),
            Action(
                "ask_time",
                (WORKING,),
                SAME,
                (HANDLER,),
                _("申请延期"),
                AskTime,
                guard=Guard("asked_days", "=", 0),
                tells=Gives.DISPATCH,
                hint=_("由督办员决定；同意之前期限不变。"),
            ),
            Action(
                "grant_time",
                (WORKING,),
                SAME,
                (MANAGER, CENTRE),
                _("同意延期"),
                guard=Guard("asked_days", ">=", 1),
                clock=Clock.EXTEND,
                clears=("asked_days",),
            ),
            Action(
                "deny_time",
                (WORKING,),
                SAME,
                (MANAGER, CENTRE),
                _("不同意延期"),
                Reason,
                guard=Guard("asked_days", ">=", 1),
                clears=("asked_days",),
            ),
            Action(
                "pause",
                (WORKING,),
                SAME,
                (HANDLER,),
                _("暂停计时"),
                Reason,
                clock=Clock.PAUSE,
                hint=_("需要诉求人补充材料或等待鉴定时，期限停止计算。"),
            ),
            Action("resume", (WORKING,), SAME, (HANDLER, MANAGER), _("恢复计时"), clock=Clock.RESUME),
            Action("rate", (ANSWERED,), CLOSED, (PORTAL,), sense("button", "评价"), Rate, resident=True),
            Action(
                "reopen",
                (ANSWERED, CLOSED),
                WORKING,
                (PORTAL, OPERATOR, MANAGER),
                _("要求重办"),
                Reason,
                resident=True,
                counts=("reopened",),
                clears=("rating",),
                hint=_("答复没有解决问题时，由原单位重新办理。"),
            ),
            Action(
                "close",
                (ANSWERED,),
                CLOSED,
                (CLOCK, OPERATOR),
                _("办结"),
                within=workdays(7),
                source=CITY,
                outcome=True,
            ),
            Action(
                "merge",
                (FILED, ASSIGNED, WORKING),
                MERGED,
                (OPERATOR,),
                _("并案"),
                Merge,
                effect=Effect.LINK,
                outcome=True,
                hint=_("同一件事已有诉求在办时，并入那一条。"),
            ),
            Action(
                "decline",
                (FILED,),
                INVALID,
                (OPERATOR,),
                sense("button", "不予受理"),
                Reason,
                danger=True,
                outcome=True,
            ),
        )
    )

    class Meta:
        """One row beside each record of the service."""

        db_table = "request"
        verbose_name = _("诉求")
