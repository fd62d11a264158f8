"""The sample city: every stage, every kind of deadline, believable, repeatable, and nothing behind the door."""

import itertools
import re
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from gongzhi.intake import sample
from gongzhi.intake.crew import Crew, NoCrew, crew
from gongzhi.intake.lives import LIVES, moments, order
from gongzhi.kernel import workdays
from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.history import timeline
from gongzhi.kernel.models import Account, Attachment, DeadlineKept, Entry, Link, Party, Register, Task
from gongzhi.kernel.pack import load_pack
from gongzhi.kernel.service import service

NOW = timezone.localtime(timezone.now()).replace(hour=14, minute=5, second=0, microsecond=0)


@pytest.fixture(scope="module")
def loaded(people: Crew) -> dict[str, int]:
    """The small sample, loaded once."""
    return sample.load("small")


def test_without_sample_people_it_says_how_to_get_them(database: Any) -> None:
    if not Account.objects.using("owner").filter(login="operator").exists():
        with pytest.raises(NoCrew, match="账号"):
            crew()


def test_every_stage_of_the_procedure_is_there(loaded: dict[str, int]) -> None:
    assert sum(loaded.values()) == sample.SIZES["small"]
    assert loaded.keys() == {stage.code for stage in service("request").procedure.stages}


def test_every_action_of_the_service_was_done_by_a_role_that_may(people: Crew, loaded: dict[str, int]) -> None:
    declared = service("request")
    with acting(people.loader):
        done = Counter(Entry.objects.values_list("action", "post__role"))
    own = {action.code for action in declared.procedure if not action.anywhere}
    assert own <= {action for action, _ in done}
    for action, role in done:
        assert role in {allowed.code for allowed in declared.action(action).by}


def test_the_deadline_board_has_what_is_over_due_today_due_soon_and_resting(
    people: Crew, loaded: dict[str, int]
) -> None:
    now = timezone.now()
    with acting(people.manager):
        opened = list(Register.objects.filter(closed_at=None).exclude(due_source=""))
        left = Counter(workdays.left(now, r.due_at) for r in opened if r.due_at and not r.paused_at)
        amber = [r for r in opened if r.amber_at and r.due_at and r.amber_at <= now < r.due_at]
    assert sum(count for days, count in left.items() if days < 0) >= 8
    assert left[1] >= 8
    assert left[2] >= 8
    assert amber
    assert any(r.paused_at for r in opened)
    assert any(r.alert for r in opened), "a manager has reminded somebody"


def test_some_were_late_on_the_day_and_stay_late_in_the_books(people: Crew, loaded: dict[str, int]) -> None:
    with acting(people.manager):
        kept = list(DeadlineKept.objects.values_list("met_at", "due_at"))
    late = sum(met > due for met, due in kept)
    assert 0.01 < late / len(kept) < 0.2


def test_refusals_extensions_reopenings_merges_ratings_tasks_and_files_are_all_there(
    people: Crew, loaded: dict[str, int]
) -> None:
    with acting(people.loader):
        requests = service("request").model._default_manager
        assert requests.filter(refusals=1).exists()
        assert requests.filter(refusals=2).exists()
        assert requests.filter(asked_days__gt=0).exists()
        assert requests.filter(reopened=1, rating="").exists()
        assert set(requests.exclude(rating="").values_list("rating", flat=True)) >= {"5", "4", "3"}
        assert Link.objects.filter(kind="merge").count() == loaded["merged"]
        assert Task.objects.exists()
        names = set(Attachment.objects.values_list("name", flat=True))
        actions = dict(Entry.objects.values_list("post__role", "action").filter(action="coordinate"))
    assert names == {"现场照片.png", "处理后现场.png"}
    assert actions == {"centre": "coordinate"}


def test_time_runs_forward_in_every_record_and_numbers_follow_it(people: Crew, loaded: dict[str, int]) -> None:
    with acting(people.loader):
        entries = list(Entry.objects.order_by("record", "seq").values_list("record", "seq", "at"))
        opened = list(Register.objects.order_by("number").values_list("opened_at", flat=True))
    for (record, _, at), (following, _, later) in itertools.pairwise(entries):
        assert record != following or at <= later
    assert opened == sorted(opened)
    assert max(at for _, _, at in entries) <= timezone.now()


def test_agencies_work_on_working_days(people: Crew, loaded: dict[str, int]) -> None:
    today = timezone.localdate()
    with acting(people.loader):
        done = list(Entry.objects.filter(post__role__in=("handler", "centre")).values_list("at", "action"))
    days = {timezone.localtime(at).date() for at, action in done if action not in ("note", "task", "task_done")}
    assert all(workdays.is_workday(day) or day == today for day in days)


def test_a_merged_matter_tells_the_same_as_the_one_it_went_into(people: Crew, loaded: dict[str, int]) -> None:
    with acting(people.loader):
        for link in Link.objects.filter(kind="merge").select_related("a", "b"):
            assert link.a.stage_code == "merged"
            assert link.a.facts.category in ("", link.b.facts.category)
            assert link.a.opened_at > link.b.opened_at
            assert link.a.place_id == link.b.place_id or link.a.channel == "grid" or link.b.channel == "grid"


def test_no_text_has_an_empty_slot_and_no_telephone_can_be_anybodys(people: Crew, loaded: dict[str, int]) -> None:
    with acting(people.loader):
        for record in Register.objects.order_by("number")[:120]:
            spoken = [record.title, *(text for line in timeline(record, people.loader) for _, text in line.words)]
            assert all("{" not in text and text.strip() for text in spoken)
        assert Party.objects.filter(known="name phone").exists()
    stories, pattern = sample.load_stories("huaian"), load_pack("huaian").city.invented
    for number in range(50):
        assert re.fullmatch(r"0517-0\d{7}", stories.person(Random(number), pattern)[1])


def test_a_second_run_changes_nothing_and_leaves_alone_what_people_did_since(
    people: Crew, loaded: dict[str, int]
) -> None:
    with acting(people.operator):
        record = Register.objects.filter(stage_code="filed").first()
        before = Entry.objects.count()
    assert record is not None
    act(people.operator, "request", "decline", record=record.pk, version=record.version, form={"reason": "重复提交"})
    assert sample.load("small", now=timezone.now() + timedelta(days=3)) == {"unchanged": sample.SIZES["small"]}
    with acting(people.operator):
        assert Entry.objects.count() == before + 1
        assert Register.objects.get(pk=record.pk).stage_code == "invalid"


def test_an_unknown_size_is_refused(people: Crew) -> None:
    with pytest.raises(ValueError, match="huge"):
        sample.load("huge")


@pytest.mark.parametrize("hour", [0, 7, 12, 23])
@pytest.mark.parametrize("day", range(0, 14, 2))
def test_at_any_hour_of_any_day_no_life_reaches_into_the_future(hour: int, day: int) -> None:
    now: datetime = NOW.replace(hour=hour) + timedelta(days=day)
    for name, life in LIVES.items():
        for seed in range(8):
            times = moments(Random(f"{name} {seed}"), life, now, 45)
            assert len(times) == len(life.steps) + 1
            assert times == sorted(times)
            assert times[-1] <= now


def test_any_long_run_of_the_sample_has_every_life() -> None:
    assert set(order()) == set(LIVES)
    assert len(order()) < sample.SIZES["small"]
