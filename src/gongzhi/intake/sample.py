"""The city's own generated requests, in every stage: invented, the same each time, ending relative to now."""

import io
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from PIL import Image, ImageDraw

from gongzhi.intake.crew import Crew, crew
from gongzhi.intake.matters import CLOSINGS, MATTERS, ROADS, SURNAMES, TROUBLES
from gongzhi.intake.routing import propose
from gongzhi.kernel.act import Done, Refused, act
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.vault import Upload

SERVICE = "request"
SIZES = {"small": 320, "city": 5000}
_STORIES: dict[str, tuple[int, list[tuple[str, float, float]]]] = {
    # weight, [(step, least and most hours after the one before)]; what would lie in the future does not happen
    "answered": (30, [("assign", 0.3, 5), ("accept", 1, 20), ("answer", 10, 90), ("rate", 4, 60)]),
    "late": (8, [("assign", 2, 20), ("accept", 10, 60), ("answer", 190, 330), ("rate", 4, 60)]),
    "unrated": (9, [("assign", 0.3, 5), ("accept", 1, 20), ("answer", 10, 90)]),
    "waiting": (8, []),
    "assigned": (8, [("assign", 0.5, 8)]),
    "working": (14, [("assign", 0.3, 5), ("accept", 1, 20)]),
    "refused": (5, [("assign", 0.5, 5), ("refuse", 2, 20), ("assign", 1, 6), ("accept", 1, 20), ("answer", 20, 90)]),
    "refused_twice": (4, [("assign", 0.5, 5), ("refuse", 2, 20), ("assign", 1, 6), ("refuse_again", 2, 20)]),
    "coordinated": (3, [("assign", 0.5, 5), ("refuse", 2, 20), ("assign", 1, 6), ("refuse_again", 2, 20),
                        ("coordinate", 3, 20), ("accept", 1, 10), ("answer", 20, 80)]),
    "more_time": (5, [("assign", 0.3, 5), ("accept", 1, 20), ("ask_time", 40, 90)]),
    "granted": (4, [("assign", 0.3, 5), ("accept", 1, 20), ("ask_time", 40, 90), ("grant_time", 2, 20)]),
    "paused": (4, [("assign", 0.3, 5), ("accept", 1, 20), ("pause", 5, 40)]),
    "handed_on": (4, [("assign", 0.3, 5), ("accept", 1, 20), ("hand_on", 5, 30), ("accept", 2, 20), ("answer", 20, 90)]),
    "reopened": (4, [("assign", 0.3, 5), ("accept", 1, 20), ("answer", 20, 90), ("reopen", 5, 40)]),
    "declined": (2, [("decline", 1, 10)]),
    "merged": (2, [("merge", 1, 10)]),
}  # fmt: skip
_AGES = {  # days before now at which a story begins
    "waiting": (0, 1.6), "assigned": (0.1, 5.5), "working": (0.5, 13), "refused_twice": (1, 5), "more_time": (3, 9),
    "paused": (2, 12), "unrated": (4, 9), "reopened": (4, 12), "granted": (4, 10),
}  # fmt: skip
Progress = Callable[[int, int], None]


def load(size: str = "small", *, now: datetime | None = None, progress: Progress = lambda done, total: None) -> dict[str, int]:
    """Make the sample through ``act()``; a second run adds nothing. Returns the stages reached, and how many of each.

    Raises NoCrew. ValueError: no such size.
    """
    if size not in SIZES:
        raise ValueError(f"no such sample: {size}")
    maker = _Maker(crew(), now or timezone.now())
    count = SIZES[size]
    stages: Counter[str] = Counter()
    for number in range(count):
        stage = maker.one(number)
        stages[stage] += 1
        if number % 20 == 19 or number == count - 1:
            progress(number + 1, count)
    return dict(stages)


class _Maker:
    def __init__(self, people: Crew, now: datetime) -> None:
        self.people, self.now = people, now
        with acting(people.loader):
            places = list(Place.objects.filter(ended_on=None).order_by("path"))
        counties = [place for place in places if place.level == "county"]
        self.villages = {c.pk: [p for p in places if p.level == "village" and p.path.startswith(c.path)] for c in counties}
        self.grids = [place for place in places if place.level == "grid"]
        self.counties = counties
        self.last = ""

    def one(self, number: int) -> str:
        """Carry one request as far as its story and the present allow; return its stage, "unchanged" if it was there."""
        dice = self.dice = random.Random(f"gongzhi {number}")  # each request by itself, so that a second run repeats it
        story = dice.choices(list(_STORIES), [weight for weight, _ in _STORIES.values()])[0]
        least, most = _AGES.get(story, (3, 75))
        at = self._office(self.now - timedelta(days=dice.uniform(least, most)))
        form, agency = self._matter()
        actor = dice.choices([self.people.portal, self.people.operator, self.people.grid or self.people.operator], [5, 4, 2])[0]
        key = f"sample:{number}"
        files = [Upload(f"现场照片{number}.png", _photo(dice))] if number % 40 == 7 else []
        if actor is self.people.grid and self.people.grid:
            form["place"] = self.people.grid.place
        steps = [(step, dice.uniform(low, high)) for step, low, high in _STORIES[story][1]]
        other = dice.choice([code for code in self.people.handlers if code != agency])
        draw = random.Random(number)
        try:
            done = act(actor, SERVICE, "file", form=form, files=files, at=at, loader=self.people.loader, key=f"{key}:file")
        except Refused:
            return "refused"
        if done.repeated:
            self.last = done.number
            return "unchanged"
        first = done
        owner, assigned = agency, 0
        for turn, (step, hours) in enumerate(steps):
            at = self._office(at + timedelta(hours=hours))
            if at > self.now - timedelta(minutes=2):
                break
            if step == "merge" and not self.last:
                break
            if step in ("assign", "coordinate"):
                owner = agency if assigned or story in ("answered", "working", "late") else dice.choice([agency, agency, other])
                assigned += 1
            handler = self.people.handlers[owner]
            who, values = self._step(step, handler, agency, owner, other, draw, first)
            if step == "hand_on":
                owner = other if owner == agency else agency
                values["agency"] = self.people.agencies[owner]
            done = act(
                who, SERVICE, step, record=done.record, version=done.version, form=values, at=at, key=f"{key}:{turn}",
                loader=self.people.loader, follow=first.follow if who is self.people.portal else "",
            )  # fmt: skip
        if number % 25 == 3 and done.stage == "working":
            act(self.people.operator, SERVICE, "note", record=done.record, form={"note": "诉求人再次来电询问进展,请尽快联系。"},
                at=at, loader=self.people.loader, key=f"{key}:note")  # fmt: skip
        self.last = done.number
        return done.stage

    def _step(
        self, step: str, handler: Actor, agency: str, owner: str, other: str, draw: random.Random, first: Done
    ) -> tuple[Actor, dict[str, Any]]:
        people = self.people
        reason = {"reason": draw.choice(CLOSINGS["refuse"])}
        match step:
            case "assign" | "coordinate":
                note = "按职责分工派单。"
                who = people.operator if step == "assign" else self._centre(first)
                return who, {"agency": people.agencies[owner], "category": self.category, "note": note}
            case "accept":
                return handler, {}
            case "answer":
                return handler, {"answer": draw.choice(CLOSINGS["answer"])}
            case "rate":
                return people.portal, {"rating": draw.choice("554443321"), "comment": draw.choice(CLOSINGS["comment"])}
            case "refuse" | "refuse_again" | "hand_on":
                return handler, reason
            case "ask_time":
                return handler, {"asked_days": draw.choice((3, 5, 10)), "reason": draw.choice(CLOSINGS["ask_time"])}
            case "grant_time":
                return people.manager, {}
            case "pause":
                return handler, {"reason": draw.choice(CLOSINGS["pause"])}
            case "reopen":
                return people.portal, {"reason": draw.choice(CLOSINGS["reopen"])}
            case "merge":
                return people.operator, {"other": self.last, "reason": "同一地点的同一问题。"}
            case _:
                return people.operator, {"reason": draw.choice(CLOSINGS["decline"])}

    def _centre(self, first: Done) -> Actor:
        with acting(self.people.loader):
            code = Register.objects.select_related("agency").get(pk=first.record).agency.code
        return self.people.centres.get(code) or next(iter(self.people.centres.values()))

    def _matter(self) -> tuple[dict[str, Any], str]:
        dice = self.dice
        county = dice.choices(self.counties, [5, 4, 9, 3, 4, 3, 2, 3][: len(self.counties)] or None)[0]
        village = dice.choice(self.villages[county.pk])
        title, text = dice.choice(MATTERS)
        road, house = dice.choice(ROADS), dice.randint(2, 268)
        trouble = dice.choice(TROUBLES)
        detail = text.format(road=road, house=house, village=village.name, trouble=trouble, days=dice.randint(2, 20))
        found = propose(detail, title=title, limit=1)
        self.category = found[0].category if found else "law-petition"
        agency = found[0].agency_code if found and found[0].agency_code in self.people.handlers else "cgj"
        form: dict[str, Any] = {
            "detail": detail, "title": f"{road}{title}" if dice.random() < 0.5 else title, "place": village.pk,
            "address": f"{village.name}{road}{house}号附近", "nature": dice.choice(("help", "complaint", "complaint", "advice", "question")),
            "category": self.category if dice.random() < 0.3 else "",
        }  # fmt: skip
        if county.lon is not None and county.lat is not None and dice.random() < 0.85:
            form["point"] = (round(dice.gauss(county.lon, 0.03), 5), round(dice.gauss(county.lat, 0.022), 5))
        if dice.random() < 0.7:
            form["asker_name"] = dice.choice(SURNAMES) + dice.choice(("女士", "先生"))
            form["asker_phone"] = f"1380000{dice.randint(0, 9999):04}"
        return form, agency

    def _office(self, at: datetime) -> datetime:
        """Return the moment moved into the hours in which people write and work."""
        local = timezone.localtime(at)
        if local.hour < 8:
            at += timedelta(hours=8 - local.hour)
        elif local.hour >= 20:
            at += timedelta(hours=32 - local.hour)
        return at if at < self.now else self.now - timedelta(minutes=3)


def _photo(dice: random.Random) -> bytes:
    """Return a small picture: a road at dusk with a dark lamp, drawn."""
    picture = Image.new("RGB", (480, 320), (40 + dice.randint(0, 30), 48, 70))
    pen = ImageDraw.Draw(picture)
    pen.polygon([(150, 320), (330, 320), (255, 150), (225, 150)], fill=(70, 70, 76))
    pen.rectangle((376, 90, 382, 320), fill=(120, 120, 120))
    pen.rectangle((340, 84, 382, 92), fill=(120, 120, 120))
    pen.ellipse((332, 90, 356, 102), fill=(60, 60, 50))
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()
