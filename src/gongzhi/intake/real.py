"""Real messages of citizens, with the agencies' real replies and both times, carried through the service of requests.

What the source knows is kept: the words, when they came, what was answered and when. What it does not know is filled by
rules that are written here: the kind of matter and the agency are the router's proposal, with its reasons in the
assignment's note; assignment and acceptance carry the message's own time, so that only the answer is judged against its
deadline (five working days); ratings follow the marks that readers gave the replies.
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

from django.utils import timezone

from gongzhi.intake.crew import Crew, crew
from gongzhi.intake.routing import Proposal, propose
from gongzhi.kernel.act import Done, Refused, act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import DeadlineKept
from gongzhi.kernel.vault import Rejected

FILE = "citizen-replies.csv.gz"
SERVICE = "request"
_UNKNOWN = "law-petition"  # where no word tells: the office that hears every petition
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
    rows = _rows(folder)[:limit]
    people, report, started = crew(), Report(), time.perf_counter()
    owners: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        report.read += 1
        try:
            _carry(row, people, report, owners)
        except (Refused, Rejected) as error:
            report.refused.append(f"{row['留言编号']}: {error}")
        if number % 20 == 0 or number == len(rows):
            progress(number, len(rows))
    report.agencies = dict(owners.most_common())
    with acting(people.manager):
        kept = DeadlineKept.objects.filter(stage="working", record__service_code=SERVICE)
        report.late = sum(met > due for met, due in kept.values_list("met_at", "due_at"))
    report.seconds = round(time.perf_counter() - started, 2)
    return report


def _rows(folder: Path) -> list[dict[str, str]]:
    path = folder / FILE
    if not path.is_file():
        raise NoData(f"文件夹 {folder} 里没有 {FILE}。请把 GONGZHI_DATA 设为存放真实数据的文件夹。")
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _carry(row: dict[str, str], people: Crew, report: Report, owners: Counter[str]) -> None:
    number, title, text = row["留言编号"], row["留言主题"].strip(), _tidy(row["留言详情"])
    asked, replied = _time(row["留言时间"]), _time(row["答复时间"])
    found = propose(text, title=title, limit=1)
    step = _Step(people, f"real:{number}")
    done = step("file", people.loader, asked, {"detail": text[:4000], "title": title[:120], "channel": "import"})
    if done.repeated:
        report.unchanged += 1
        return
    follow, agency = done.follow, found[0].agency_code if found else "xf"
    handler = people.handlers[agency]
    owners[handler.agency_title] += 1
    report.unsure += not found or found[0].confidence < 0.25
    assign = {
        "agency": people.agencies[agency], "category": found[0].category if found else _UNKNOWN, "note": _reasons(found),
    }  # fmt: skip
    done = step("assign", people.operator, asked, assign, done)
    done = step("accept", handler, asked, {}, done)
    done = step("answer", handler, replied, {"answer": _tidy(row["答复意见"])[:8000]}, done)
    report.answered += 1
    poor = "0.0" in (row["完整性指标"], row["可解释性指标"])
    if poor:
        reason = {"reason": "答复没有说清楚问题如何解决,请重新办理。"}
        done = step("reopen", people.portal, replied + timedelta(days=1), reason, done, follow)
        report.reopened += 1
    else:
        step("rate", people.portal, replied + timedelta(days=1), {"rating": _stars(row)}, done, follow)
        report.rated += 1
    report.loaded += 1


class _Step:
    """One act of the past after another, each under a key of its own."""

    def __init__(self, people: Crew, key: str) -> None:
        self.people, self.key = people, key

    def __call__(
        self, action: str, actor: Any, at: datetime, form: dict[str, Any], before: Done | None = None, follow: str = ""
    ) -> Done:
        return act(
            actor, SERVICE, action, record=before.record if before else None, version=before.version if before else None,
            form=form, at=at, loader=self.people.loader, key=f"{self.key}:{action}", follow=follow,
        )  # fmt: skip


def _reasons(found: list[Proposal]) -> str:
    if not found:
        return "系统没有认出类别,先交信访部门。"
    return f"系统建议({found[0].confidence_word}):{';'.join(found[0].reasons)}。"[:300]


def _stars(row: dict[str, str]) -> str:
    if row["完整性指标"] == row["可解释性指标"] == "1.0":
        return "5"
    return "4" if row["syu_explainable01"] == "1" else "2"


def _tidy(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines() if line.strip())


def _time(text: str) -> datetime:
    return timezone.make_aware(datetime.strptime(text.strip(), "%Y-%m-%d %H:%M:%S"))  # noqa: DTZ007 (made aware at once)
