"""The services ``inspection`` and ``finding``: a round through an area, and each thing it found until it is in order."""

from gongzhi.kernel import declare as d
from gongzhi.tongue import later as _
from gongzhi.tongue import sense

PLANNED = d.Stage("planned", _("待开展"), icon="calendar-event")
WALKING = d.Stage("walking", _("巡查中"), icon="walk")
FOLLOWING = d.Stage("following", _("整改中"), icon="tool")
DONE = d.Stage("done", _("已办结"), open=False, icon="circle-check")
DROPPED = d.Stage("dropped", _("已取消"), open=False, icon="circle-off")
OPEN = d.Stage("open", _("待整改"), icon="alert-triangle")
MENDED = d.Stage("mended", _("待复查"), icon="eye-check")
CLEARED = d.Stage("cleared", _("已销号"), open=False, icon="circle-check")

THEMES = {
    "fire": _("消防"),
    "power": _("用电"),
    "gas": _("燃气"),
    "building": _("建筑"),
    "road": _("道路"),
    "order": _("治安"),
    "other": _("其他"),
}
GRAVITY = {"minor": sense("severity", "一般"), "major": _("较大"), "grave": _("重大")}
CALL = d.Purpose("call", _("联系有关的人处理"), d.statute("个人信息保护法", 34))
INSPECTORS = (d.GRID, d.CENTRE, d.OPERATOR, d.MANAGER)
REASON = d.asks(reason=d.Text(_("理由"), max_length=1000))


class Inspection(d.Record):
    """巡查: a planned round on one theme. It ends when everything that it found is in order."""

    theme = d.Code(_("巡查内容"), codes=THEMES)
    planned_on = d.Day(_("计划日期"))
    scope = d.Line(_("巡查范围"), search=True, max_length=200, help_text=_("例如：本网格沿街商铺。"))
    walked_on = d.Day(_("实际日期"), blank=True)
    visited = d.Whole(_("巡查处数"), most=100_000, blank=True)
    summary = d.Text(_("巡查情况"), blank=True, search=True)

    service = d.Service(
        title=_("巡查"), number="XC{year}{serial:06}", retention=d.years(10), title_from="scope", icon="walk",
        about=_("按计划走一遍，把发现的问题逐条交给责任单位整改，复查合格才销号。"), lists=("theme", "planned_on", "visited"),
        purposes=(CALL,),
    )  # fmt: skip
    procedure = d.Procedure((
        d.Action("plan", d.NEW, PLANNED, (*INSPECTORS, d.LOADER), _("安排巡查"),
               d.asks("theme", "planned_on", "scope", "place")),
        d.Action("start", (PLANNED,), WALKING, INSPECTORS, _("开始巡查"), within=d.workdays(10), source=d.CITY),
        d.Action("finish", (WALKING,), FOLLOWING, INSPECTORS, _("完成巡查"),
               d.asks("walked_on", "visited", "summary", required=("walked_on", "visited")), within=d.workdays(5), source=d.CITY,
               files=True, hint=_("先把发现的问题逐条登记，再完成巡查。")),
        d.Action("settle", (FOLLOWING,), DONE, INSPECTORS, _("办结"), settles=True, within=d.workdays(30), source=d.CITY,
               hint=_("全部问题销号后才能办结。")),
        d.Action("drop", (PLANNED,), DROPPED, INSPECTORS, _("取消"), REASON, danger=True),
    ))  # fmt: skip


class Finding(d.Record):
    """巡查问题: one thing that is not in order, owed by the agency that can mend it, looked at again by who found it."""

    what = d.Text(_("问题"), search=True, max_length=1000)
    theme = d.Code(_("类型"), codes=THEMES)
    gravity = d.Code(_("程度"), codes=GRAVITY)
    spot = d.Line(_("具体位置"), search=True, blank=True, max_length=200)
    measure = d.Text(_("整改情况"), blank=True, max_length=2000)
    returned = d.Whole(_("被退回次数"), default=0, blank=True)

    service = d.Service(
        title=_("巡查问题"), number="WT{year}{serial:06}", retention=d.years(10), title_from="what", part_of="inspection",
        icon="alert-triangle", about=_("巡查发现的问题，由责任单位整改，发现单位复查。"), lists=("theme", "gravity", "returned"),
        purposes=(CALL,),
    )  # fmt: skip
    procedure = d.Procedure((
        d.Action("find", d.NEW, OPEN, (*INSPECTORS, d.LOADER), _("登记问题"),
               d.asks("what", "theme", "gravity", "spot", "agency", "place", "point", required=("agency",)),
               gives=d.Gives.CHOSEN, files=True),
        d.Action("mend", (OPEN,), MENDED, (d.HANDLER,), _("报告整改"), d.asks("measure", required=("measure",)), within=d.workdays(10),
               source=d.CITY, gives=d.Gives.FILER, files=True, hint=_("写明怎样整改的，附上整改后的照片。")),
        d.Action("clear", (MENDED,), CLEARED, INSPECTORS, _("复查合格"), within=d.workdays(5), source=d.CITY, files=True),
        d.Action("send_back", (MENDED,), OPEN, INSPECTORS, _("复查不合格"), REASON, gives=d.Gives.BEFORE, counts=("returned",),
               files=True, danger=True, hint=_("退回原单位继续整改，期限重新计算。")),
        d.Action("pass_on", (OPEN,), d.SAME, (d.HANDLER, d.CENTRE, d.MANAGER), _("转交"),
               d.asks("agency", required=("agency",), reason=d.Line(_("转交理由"))), gives=d.Gives.CHOSEN),
    ))  # fmt: skip
