"""The city's own generated requests, in every stage: invented, the same each time, ending relative to now.

Nothing is written behind the door: each step is an ``act()`` of the past by the post whose step it is, for which the
loader answers. The words come from the city pack (``stories.toml``), the places from its divisions.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zlib import crc32

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from gongzhi.intake import drawings
from gongzhi.intake.carried import Carried
from gongzhi.intake.crew import Crew, NoCrew, crew
from gongzhi.intake.lives import LIVES, choose, covered, moments, order
from gongzhi.intake.routing import propose
from gongzhi.intake.stories import Story, load_stories
from gongzhi.kernel.act import Refused
from gongzhi.kernel.atlas import atlas
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Place, PlaceName, Task
from gongzhi.kernel.pack import load_pack
from gongzhi.kernel.vault import Upload
from gongzhi.tongue import clauses

SERVICE = "request"
SIZES = {"small": 320, "city": 5000}
Progress = Callable[[int, int], None]


@dataclass
class Plan:
    """One request to be: its life, words and place, and the moments of filing and of each step."""

    number: int
    life: str
    story: Story
    variant: int
    place: Place
    slots: dict[str, str]
    dice: Random
    times: list[datetime]
    answered: int = 0
    partner: int | None = None
    """The plan into which this one is merged."""


def load(
    size: str = "small", *, now: datetime | None = None, progress: Progress = lambda done, total: None,
    service: str = SERVICE,
) -> dict[str, int]:  # fmt: skip
    """Make the sample through ``act()``; a second run adds nothing, a broken-off one is finished by the next.

    Returns how many requests stand in each stage, by its code, and under ``unchanged`` how many were there already.
    Raises NoCrew and pack.PackError. ValueError: no such size.
    """
    if size not in SIZES:
        raise ValueError(f"no such sample: {size}")
    people = crew()
    maker = _Maker(people, service, now or timezone.now())
    plans = maker.plans(SIZES[size])
    stages: Counter[str] = Counter()
    for count, plan in enumerate(sorted(plans, key=lambda plan: (plan.times[0], plan.number)), start=1):
        stages[maker.carry(plan)] += 1
        if count % 20 == 0 or count == len(plans):
            progress(count, len(plans))
    return dict(stages)


class _Maker:
    def __init__(self, people: Crew, service: str, now: datetime) -> None:
        self.people, self.service, self.now = people, service, now
        self.pack, self.stories = load_pack(settings.CITY), load_stories(settings.CITY)
        with acting(people.loader):
            places = list(Place.objects.filter(ended_on=None).order_by("path"))
            former = PlaceName.objects.filter(place__level=self.pack.city.area, until__isnull=False).values_list(
                "place_id", "name"
            )
            self.former: dict[int, list[str]] = {}
            for county, name in former:
                self.former.setdefault(county, []).append(name)
        self.by_path = {place.path: place for place in places}
        self.by_id = {place.pk: place for place in places}
        self.counties = [place for place in places if place.level == self.pack.city.area]
        self.villages: dict[tuple[str, str], list[Place]] = {}
        for place in places:
            if place.level == self.pack.city.finest:
                kind = "urban" if place.name.endswith(self.stories.urban) else "rural"
                self.villages.setdefault((place.path[:4], kind), []).append(place)
                self.villages.setdefault((place.path[:4], ""), []).append(place)
        self.codes = {pk: code for code, pk in people.agencies.items()}
        able = [story for story in self.stories.all if self._owner(story) in people.handlers]
        if not able or not self.counties:
            raise NoCrew(_("没有一个承办单位有承办人账号，不能生成样例诉求。请先建立样例账号。"))
        self.able = {count: [story for story in able if len(story.refused) >= count] or able for count in range(3)}
        self.numbers: dict[int, str] = {}

    def _owner(self, story: Story) -> str:
        return self.pack.categories[story.category].agency

    def plans(self, count: int) -> list[Plan]:
        """Return the plans, each depending on its own number alone, so that a larger sample begins with the smaller one."""
        lives = order()
        plans: list[Plan] = []
        working: list[Plan] = []
        for number in range(count):
            dice = Random(f"gongzhi {self.pack.code} {number}")
            name = lives[number % len(lives)]
            life = LIVES[name]
            story = dice.choice(self.able[life.refusals])
            place = self._place(dice, story)
            times = moments(dice, life, self.now, covered(number))
            plan = Plan(number, name, story, 0, place, self.stories.slots(dice, self._at(dice, place)), dice, times)
            plan.variant = dice.randrange(len(story.detail))
            if name == "merged" and working:
                first = working[-1]
                plan.partner, plan.story, plan.place = first.number, first.story, first.place
                plan.slots = {
                    **first.slots,
                    "n": plan.slots["n"],
                    "when": plan.slots["when"],
                    "once": plan.slots["once"],
                }
                plan.variant = first.variant
                plan.times = [max(at, first.times[0] + timedelta(minutes=7 + i)) for i, at in enumerate(times)]
            elif name == "working":
                working.append(plan)
            plans.append(plan)
        return plans

    def _place(self, dice: Random, story: Story) -> Place:
        shares = self.stories.weights
        weights = [shares[i % len(shares)] for i in range(len(self.counties))]
        county = dice.choices(self.counties, weights)[0]
        among = self.villages.get((county.path, story.where)) or self.villages.get((county.path, "")) or [county]
        return dice.choice(among)

    def _at(self, dice: Random, place: Place) -> str:
        """Return the place in a resident's words; some still say the name of their district from before."""
        above = [self.by_path[place.path[:end]] for end in range(4, len(place.path) + 1, 2)]
        words = [self.stories.said_of(node.name) for node in above]
        if above and above[0].pk in self.former and dice.random() < 0.07:
            words[0] = dice.choice(self.former[above[0].pk])
        return self.stories.phrases["between"].join(words[dice.choice((0, 0, 1)) :] or words[-1:])

    def carry(self, plan: Plan) -> str:
        """Carry one request through its life; return its stage, "unchanged" if it had been there before."""
        dice, people = plan.dice, self.people
        carried = Carried(self.service, f"sample:{plan.number}", people.loader)
        actor, form, files = self._filing(plan)
        owner = self._owner(plan.story)
        wrong = [agency for agency, _other in plan.story.refused if agency in people.handlers]
        for _again in range(LIVES[plan.life].refusals - len(wrong)):
            wrong.append(choose(dice, sorted(people.handlers.keys() - {owner, *wrong})) or owner)
        said = dict(plan.story.refused)
        held, refusals = owner, LIVES[plan.life].refusals
        carried.file(actor, plan.times[0], form, files)
        self.numbers[plan.number] = carried.number
        try:
            for (action, _after), at in zip(LIVES[plan.life].steps, plan.times[1:], strict=True):
                if action == "assign":
                    held = wrong[len(wrong) - refusals] if refusals else owner
                if action == "hand_on":
                    carried.step(
                        people.handlers[held], action, at, self._values(plan, action, owner, said.get(held, ""))
                    )
                    held = owner
                    continue
                if action in ("refuse", "refuse_again"):
                    refusals -= 1
                if action == "coordinate":
                    held = owner
                who = self._who(plan, action, held)
                carried.step(
                    who, action, at, self._values(plan, action, held, said.get(held, "")),
                    resident=who is people.portal, files=self._after(plan, action),
                )  # fmt: skip
            self._beside(plan, carried, held)
        except Refused:
            pass  # a person has taken the record another way since an earlier run: theirs stands
        return carried.stage if carried.fresh else "unchanged"

    def _filing(self, plan: Plan) -> tuple[Actor, dict[str, Any], list[Upload]]:
        dice, people, phrases = plan.dice, self.people, self.stories.phrases
        actor = dice.choices([people.portal, people.operator, people.grid or people.operator], [9, 8, 2])[0]
        body = plan.story.detail[plan.variant].format_map(plan.slots)
        opening = dice.choice(self.stories.openings).format_map(plan.slots)
        form: dict[str, Any] = {"nature": plan.story.nature, "place": plan.place.pk}
        if actor is people.grid:
            form["place"] = actor.place
            plan.place = self.by_id[actor.place]
            opening = phrases["patrol"]
        form["detail"] = opening + body + dice.choice(self.stories.closings)
        form["title"] = self._title(body)
        if dice.random() < 0.6:
            pattern = phrases["home" if plan.story.where == "urban" else "near"]
            form["address"] = pattern.format(place=self.stories.said_of(plan.place.name), **plan.slots)
        if actor is people.operator and dice.random() < 0.12:
            form["channel"] = "visit"
        if actor is not people.grid and dice.random() < 0.75:
            form["asker_name"], form["asker_phone"] = self.stories.person(dice, self.pack.city.invented)
        if dice.random() < 0.85:
            form["point"] = self._point(dice, plan.place)
        files = [Upload(phrases["photo"], drawings.scene(dice))] if plan.number % 24 == 5 else []
        return actor, form, files

    def _point(self, dice: Random, place: Place) -> tuple[float, float] | None:
        """Return a position around the township, which lies somewhere around its county's seat: invented, in degrees."""
        county = self.by_path.get(place.path[:4])
        if county is None or county.lon is None or county.lat is None:
            return None
        town = Random(crc32(place.path[:6].encode()))
        lon, lat = county.lon + town.uniform(-0.09, 0.09), county.lat + town.uniform(-0.07, 0.07)
        return round(dice.gauss(lon, 0.008), 6), round(dice.gauss(lat, 0.006), 6)

    def _who(self, plan: Plan, action: str, held: str) -> Actor:
        people = self.people
        match action:
            case "assign" | "decline" | "merge":
                return people.operator
            case "close":
                return people.clock
            case "rate" | "reopen":
                return people.portal
            case "grant_time" | "deny_time":
                return people.manager
            case "coordinate":
                nearest = atlas().nearest("centre", plan.place.path)
                return people.centres.get(self.codes.get(nearest or 0, "")) or next(iter(people.centres.values()))
            case _:
                return people.handlers[held]

    def _values(self, plan: Plan, action: str, held: str, reason: str) -> dict[str, Any]:
        dice, said, people = plan.dice, self.stories.said, self.people
        match action:
            case "assign" | "coordinate":
                note = said["coordinate"][0] if action == "coordinate" else self._proposed(plan, held)
                return {"agency": people.agencies[held], "category": plan.story.category, "note": note}
            case "answer":
                text = plan.story.answer[plan.variant % len(plan.story.answer)]
                plan.answered += 1
                greeting = self.stories.phrases["greeting" if plan.answered == 1 else "again"]
                return {"answer": greeting + text.format_map(plan.slots)}
            case "refuse" | "refuse_again":
                return {"reason": reason or dice.choice(said["refuse"])}
            case "hand_on":
                return {"agency": people.agencies[held], "reason": reason or dice.choice(said["hand_on"])}
            case "ask_time":
                return {"asked_days": dice.choice((3, 5, 10)), "reason": dice.choice(said["ask_time"])}
            case "deny_time" | "pause" | "reopen" | "decline":
                return {"reason": dice.choice(said[action])}
            case "merge":
                other = self.numbers.get(plan.partner if plan.partner is not None else -1, "")
                return {"other": other, "reason": dice.choice(said["merge"])}
            case "rate":
                stars = dice.choice("33221" if plan.life == "late" else "5555544443")
                return {"rating": stars, "comment": dice.choice(self.stories.ratings[stars])}
            case _:
                return {}

    def _proposed(self, plan: Plan, held: str) -> str:
        body = plan.story.detail[plan.variant].format_map(plan.slots)
        found = propose(body, title=self._title(body), limit=1)
        if found and found[0].agency_code == held and found[0].category == plan.story.category:
            return _("采用系统建议（{confidence}）：{reasons}。").format(
                confidence=found[0].confidence_word, reasons=clauses(found[0].reasons)
            )[:300]
        return ""

    def _after(self, plan: Plan, action: str) -> list[Upload]:
        drawn = action == "answer" and plan.number % 9 == 4
        return [Upload(self.stories.phrases["mended"], drawings.scene(plan.dice, mended=True))] if drawn else []

    def _beside(self, plan: Plan, carried: Carried, held: str) -> None:
        """Add what happens beside the procedure: remarks, tasks, a manager's reminder."""
        dice, people, said = plan.dice, self.people, self.stories.said
        last = plan.times[-1]
        later = last + (self.now - last) / 2 if plan.number % 2 else last + timedelta(minutes=2)
        remark, task, remind = dice.random() < 0.12, dice.random() < 0.1, dice.random() < 0.5
        if carried.stage != "working":
            return
        handler = people.handlers[held]
        if remark:
            carried.step(handler, "note", later, {"note": dice.choice(said["note"])})
        if task:
            carried.step(handler, "task", later, {"task": dice.choice(said["task"]), "task_days": dice.randint(1, 4)})
            if plan.number % 2:
                with acting(handler):
                    given = (
                        Task.objects.filter(record=carried.record).order_by("id").values_list("pk", flat=True).first()
                    )
                carried.step(
                    handler, "task_done", later, {"task_id": str(given), "note": dice.choice(said["task_done"])}
                )
        if remind and plan.life == "working" and (self.now - last).days >= 9:
            carried.step(
                people.manager, "escalate", self.now - timedelta(minutes=2), {"note": dice.choice(said["escalate"])}
            )

    def _title(self, body: str) -> str:
        """Return the first clause or two, cut between words where the language has spaces."""
        phrases, longest = self.stories.phrases, self.stories.title
        clauses = [clause.strip() for clause in re.split("[，。？！,?!]|[.] ", body) if clause.strip()]
        title = clauses[0]
        if (len(title) < 9 or title.endswith(phrases["house"][-1])) and len(clauses) > 1:
            title = f"{title}{phrases['comma']}{clauses[1]}"
        if len(title) > longest and " " in title[longest // 2 : longest]:
            return title[:longest].rpartition(" ")[0]
        return title[:longest]
