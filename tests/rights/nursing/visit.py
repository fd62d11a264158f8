"""The service ``visit``: somebody at home who needs care, seen by the named team alone."""

from gongzhi.kernel import declare as d

ASKED = d.Stage("asked", "待探访")
CARED = d.Stage("cared", "照护中")
ENDED = d.Stage("ended", "已结束", open=False)
WORKERS = (d.OPERATOR, d.HANDLER, d.CENTRE, d.GRID)


class Visit(d.Record):
    """居家照护: what somebody needs, and what was done."""

    needs = d.Text("需要什么", search=True, max_length=2000)
    level = d.Code("等级", codes={"light": "轻", "heavy": "重"})
    visits = d.Whole("探访次数", default=0, blank=True)

    service = d.Service(
        title="居家照护", number="HL{year}{serial:06}", retention=d.years(5), title_from="needs", quiet=True, care=True,
        about="需要上门照护的人，由指定的团队探访。", purposes=(d.Purpose("visit", "上门探访", d.CITY),),
    )  # fmt: skip
    procedure = d.Procedure((
        d.Action("ask", d.NEW, ASKED, WORKERS, "登记", d.asks(
            "needs", "level", "place", "point", "agency", required=("place", "agency"), person=d.Person("照护对象")),
            gives=d.Gives.CHOSEN, files=True),
        d.Action("begin", (ASKED,), CARED, WORKERS, "开始照护", within=d.workdays(3), source=d.CITY),
        d.Action("call", (CARED,), d.SAME, WORKERS, "记一次探访", d.asks(note=d.Text("情况")), counts=("visits",)),
        d.Action("locate", (CARED,), d.SAME, WORKERS, "改位置", d.asks("point", required=("point",))),
        d.Action("end", (ASKED, CARED), ENDED, WORKERS, "结束", d.asks(reason=d.Text("理由")), within=d.workdays(30)),
    ))  # fmt: skip
