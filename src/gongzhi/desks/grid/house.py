"""The service ``house``: the register of houses, with a plate for each door."""

from gongzhi.kernel import declare as d
from gongzhi.tongue import later as _

LISTED = d.Stage("listed", _("在册"), icon="home")
STRUCK = d.Stage("struck", _("已注销"), open=False, icon="home-off")
USES = {
    "home": _("居住"),
    "shop": _("商铺"),
    "mixed": _("商住两用"),
    "plant": _("厂房仓库"),
    "public": _("公共建筑"),
    "empty": _("空置"),
}
FRAMES = {
    "steel": _("钢结构"), "concrete": _("钢筋混凝土"), "brick": _("砖混"), "timber": _("砖木"), "other": _("其他"),
}  # fmt: skip
FACTS = ("address", "use", "frame", "floors", "area", "built", "rented", "residents", "remark", "place", "point")
DUTY, DANGER = (
    d.statute("个人信息保护法", 34),
    d.statute("个人信息保护法", 13),
)  # 13 (4): an emergency for life and property
WORKERS = (d.GRID, d.OPERATOR, d.CENTRE, d.LOADER)


class House(d.Record):
    """房屋: a house or a flat behind one door of its own. The register has no deadlines; each visit leaves its day.

    ``residents`` counts who lives there and names nobody.
    """

    address = d.Line(_("门牌地址"), search=True, max_length=200)
    use = d.Code(_("用途"), codes=USES)
    frame = d.Code(_("结构"), codes=FRAMES, blank=True)
    floors = d.Whole(_("层数"), least=1, most=200, blank=True)
    area = d.Measure(_("建筑面积"), unit="m²", blank=True)
    built = d.Whole(_("建成年份"), least=1800, most=2200, blank=True)
    rented = d.Flag(_("出租"), blank=True)
    residents = d.Whole(_("居住人数"), most=10_000, blank=True, help_text=_("只填人数，不填姓名。"))
    checked_on = d.Day(_("最近走访"), blank=True)
    remark = d.Text(_("说明"), blank=True, max_length=1000)

    service = d.Service(
        title=_("房屋"), number="FW{year}{serial:06}", retention=d.years(30), title_from="address", icon="home",
        about=_("一门一户的房屋登记：采集一次，各部门共用；门口的标牌扫码可以反映问题。"),
        lists=("use", "rented", "residents", "checked_on"), plate=("address",),
        purposes=(d.Purpose("visit", _("上门走访"), DUTY), d.Purpose("danger", _("房屋安全通知"), DANGER),
                  d.Purpose("verify", _("核对登记"), DUTY)),
    )  # fmt: skip
    procedure = d.Procedure((
        d.Action("enter", d.NEW, LISTED, WORKERS, _("登记房屋"),
               d.asks(*FACTS, required=("place",), owner=d.Person(_("业主"))), files=True),
        d.Action("visit", (LISTED,), d.SAME, (d.GRID, d.LOADER), _("走访核实"),
               d.asks("checked_on", "residents", "rented", "remark", required=("checked_on",)), files=True, edits=True),
        d.Action("correct", (LISTED,), d.SAME, WORKERS, _("更正"), d.asks(*FACTS), edits=True),
        d.Action("transfer", (LISTED,), d.SAME, WORKERS, _("变更业主"), d.asks(owner=d.Person(_("业主"), required=True))),
        d.Action("strike", (LISTED,), STRUCK, (d.GRID, d.CENTRE, d.MANAGER), _("注销"), d.asks(reason=d.Line(_("原因"))), danger=True,
               hint=_("房屋拆除或合并后注销，登记和历史都保留。")),
    ))  # fmt: skip
