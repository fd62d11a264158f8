"""Real messages of citizens, with the agencies' real replies and both times, carried through the service of requests.

What the source knows is kept: the words, when they came, what was answered and when. What it does not know is filled by
rules that are written here: the kind of matter and the agency are the router's proposal, with its reasons in the
assignment's note; assignment and acceptance carry the message's own time, so that only the answer is judged against its
deadline (five working days). The day after the reply it is rated by the marks that readers gave it, or reopened where a
mark says that the reply is incomplete or explains nothing; a reopened matter stays open, because the source has no
second reply.
"""

import csv
import gzip
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.intake.carried import Carried
from gongzhi.intake.crew import Crew, crew
from gongzhi.intake.proposed import sealed
from gongzhi.intake.routing import Proposal, propose
from gongzhi.kernel.act import Refused
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import DeadlineKept, Register
from gongzhi.kernel.pack import load_pack
from gongzhi.tongue import clauses, listed

FILE = "citizen-replies.csv.gz"
SERVICE = "request"
_COLUMNS = {
    "留言编号",
    "留言主题",
    "留言时间",
    "留言详情",
    "答复意见",
    "答复时间",
    "syu_explainable01",
    "完整性指标",
    "可解释性指标",
}
Progress = Callable[[int, int], None]


class NoData(Exception):
    """The folder lacks the messages."""


@dataclass
class Report:
    """What was done: messages read, taken in, unchanged, refused with reasons; steps, and what was late on its day."""

    read: int = 0
    loaded: int = 0
    unchanged: int = 0
    refused: list[str] = field(default_factory=list)
    answered: int = 0
    late: int = 0
    rated: int = 0
    reopened: int = 0
    unsure: int = 0
    agencies: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def load(folder: Path, *, limit: int | None = None, progress: Progress = lambda done, total: None) -> Report:
    """Carry the messages through; a second run changes nothing. Raises NoData and NoCrew."""
    rows = sorted(_rows(folder)[:limit], key=lambda row: row["留言时间"])  # so that numbers follow the time
    if not load_pack(settings.CITY).city.unknown:
        raise NoData("这座城市的 city.toml 没有写 unknown：没有一个词能说明的诉求归哪一类。")
    people, report, started = crew(), Report(), time.perf_counter()
    owners: Counter[str] = Counter()
    records: list[UUID] = []
    for number, row in enumerate(rows, start=1):
        report.read += 1
        try:
            records.append(_carry(row, people, report, owners))
        except Refused as error:
            report.refused.append(_("留言 {row}：{error}").format(row=row["留言编号"], error=error))
        except ValueError:
            report.refused.append(
                _("留言 {row}：时间“{row2}”或“{row3}”无法识别。").format(
                    row=row["留言编号"], row2=row["留言时间"], row3=row["答复时间"]
                )
            )
        if number % 20 == 0 or number == len(rows):
            progress(number, len(rows))
    report.agencies = dict(owners.most_common())
    with acting(people.manager):
        kept = DeadlineKept.objects.filter(stage="working", record__in=records)
        report.late = sum(met > due for met, due in kept.values_list("met_at", "due_at"))
    report.seconds = round(time.perf_counter() - started, 2)
    return report


def _rows(folder: Path) -> list[dict[str, str]]:
    path = folder / FILE
    if not path.is_file():
        raise NoData(
            _("文件夹 {folder} 里没有 {file}。请把 GONGZHI_DATA 设为存放真实数据的文件夹。").format(
                folder=folder, file=FILE
            )
        )
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = _COLUMNS - rows[0].keys() if rows else _COLUMNS
    if missing:
        raise NoData(_("{name} 里缺少这些列：{missing}。").format(name=path.name, missing=listed(sorted(missing))))
    return rows


def _carry(row: dict[str, str], people: Crew, report: Report, owners: Counter[str]) -> UUID:
    """Carry one message to its reply and rating; return its record. What an earlier run has done is passed over."""
    title, text = row["留言主题"].strip(), _tidy(row["留言详情"])
    asked, replied = _time(row["留言时间"]), _time(row["答复时间"])
    carried = Carried(SERVICE, f"real:{row['留言编号']}", people.loader)
    record = carried.file(people.loader, asked, {"detail": text[:4000], "title": title[:120], "channel": "import"})
    found = propose(text, title=title, limit=1)
    pack = load_pack(settings.CITY)
    unknown = pack.city.unknown
    agency = found[0].agency_code if found else pack.categories[unknown].agency
    if carried.stage != "filed":  # the taxonomy may have changed since an earlier run: what was decided then stands
        with acting(people.loader):
            agency = Register.objects.select_related("agency").get(pk=record).agency.code
    assign = {
        "agency": people.agencies[agency], "category": found[0].category if found else unknown, "note": _reasons(found),
        "proposed": _proposed(people, record, found),
    }  # fmt: skip
    handler = people.handlers[agency]
    carried.step(people.operator, "assign", asked, assign)
    carried.step(handler, "accept", asked)
    carried.step(handler, "answer", replied, {"answer": _tidy(row["答复意见"])[:8000]})
    poor = "0.0" in (row["完整性指标"], row["可解释性指标"])
    later = replied + timedelta(days=1)
    if poor:
        reason = {"reason": _("答复没有说清楚问题如何解决，请重新办理。")}
        carried.step(people.portal, "reopen", later, reason, resident=True)
    else:
        carried.step(people.portal, "rate", later, {"rating": _stars(row)}, resident=True)
    if carried.fresh:
        owners[handler.agency_title] += 1
        report.loaded += 1
        report.answered += 1
        report.rated += not poor
        report.reopened += poor
        report.unsure += not found or found[0].confidence < 0.25
    else:
        report.unchanged += 1
    return record


def _proposed(people: Crew, record: UUID, found: list[Proposal]) -> str:
    """Return the proposal as the entry keeps it, so that nobody takes the machine's choice for a person's."""
    if not found:
        return ""
    with acting(people.loader):
        number = Register.objects.values_list("number", flat=True).get(pk=record)
    return sealed(number, found[0])


def _reasons(found: list[Proposal]) -> str:
    if not found:
        return _("系统没有认出类别，先交信访部门。")
    return _("系统建议（{confidence_word}）：{value}。").format(
        confidence_word=found[0].confidence_word, value=clauses(found[0].reasons)
    )[:300]


def _stars(row: dict[str, str]) -> str:
    if row["完整性指标"] == row["可解释性指标"] == "1.0":
        return "5"
    return "4" if row["syu_explainable01"] == "1" else "2"


def _tidy(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines() if line.strip())


def _time(text: str) -> datetime:
    return timezone.make_aware(datetime.strptime(text.strip(), "%Y-%m-%d %H:%M:%S"))  # noqa: DTZ007 (made aware at once)
