"""Routing with reasons, places by old names, duplicates shown, and real messages carried through."""

import csv
import gzip
import os
from datetime import timedelta
from pathlib import Path

import pytest

from gongzhi.intake import real
from gongzhi.intake.crew import crew
from gongzhi.intake.duplicates import similar
from gongzhi.intake.places import find_places
from gongzhi.intake.routing import propose
from gongzhi.kernel.act import act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import DeadlineKept, Entry, Register
from gongzhi.kernel.pack import load_pack
from tests.kernel.people import people

DATA = os.environ.get("GONGZHI_DATA", "")
with_data = pytest.mark.skipif(not DATA, reason="GONGZHI_DATA names no folder of real data")


def test_a_proposal_names_the_words_that_speak_for_it() -> None:
    first, *_ = propose("晚上一片漆黑，路灯已经三天不亮了", title="路灯不亮")
    assert first.category_title == "路灯照明"
    assert first.agency_title == "市城市管理局"
    assert any("“路灯”" in reason for reason in first.reasons)
    assert "城乡建设 › 路灯照明" in first.reasons[-1]
    assert first.confidence_word == "把握较大"


def test_where_no_word_speaks_nothing_is_proposed() -> None:
    assert propose("……") == []
    assert propose("") == []


def test_less_is_sure_where_words_speak_for_several() -> None:
    sure, torn = propose("路灯不亮", title="路灯不亮")[0], propose("医院旁边的公交车站和学校门口的垃圾")[0]
    assert torn.confidence < sure.confidence


@with_data
def test_the_words_route_real_messages_far_better_than_chance() -> None:
    pack = load_pack("huaian")
    heads = {row.code: pack.categories[row.parent].title if row.parent else row.title for row in pack.taxonomy}
    counts: dict[tuple[str, str], int] = {}
    with gzip.open(Path(DATA) / "citizen-messages.csv.gz", "rt", encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            found = propose(row["detail"], title=row["title"], limit=1)
            pair = (row["label"], heads[found[0].category] if found else "")
            counts[pair] = counts.get(pair, 0) + 1
    labels = {label for label, _ in counts}
    scores = []
    for label in labels:
        hit = counts.get((label, label), 0)
        wrong = sum(n for (a, b), n in counts.items() if (a == label) != (b == label))
        scores.append(2 * hit / (2 * hit + wrong))
    assert sum(scores) / len(scores) > 0.75


@pytest.mark.parametrize(
    ("text", "name", "remark"),
    [
        ("楚州区淮城街道新城居委会门口", "新城居委会", ""),
        ("家住清河区，楼下", "清江浦区", "清河区现为清江浦区"),
        ("老楚州区人", "淮安区", "楚州区现为淮安区"),
        ("洪泽县的湖边", "洪泽区", "洪泽县现为洪泽区"),
    ],
)
def test_places_are_found_by_the_names_that_people_still_use(text: str, name: str, remark: str) -> None:
    first, *_ = find_places(text)
    assert first.name == name
    assert remark in first.remark


def test_a_village_name_of_many_townships_needs_its_context() -> None:
    assert find_places("新城居委会") == [] or len({place.code for place in find_places("新城居委会")}) == 1
    assert find_places("这里没有地名") == []


def test_what_may_be_the_same_matter_is_shown_with_reasons_and_only_to_who_sees_it(database: str) -> None:
    held = people()
    text = "健康西路十二号小区门口的路灯已经三天不亮，老人出行不方便"
    done = act(
        held.operator,
        "request",
        "file",
        form={"detail": text, "place": held.places["township"], "point": "119.02,33.60"},
    )
    again = "健康西路十二号小区门口路灯三天不亮，老人晚上出行不方便，请修"
    with acting(held.operator):
        found = similar(held.operator, again, point=(119.0205, 33.6001))
        assert [item.record.pk for item in found] == [done.record]
        assert "路灯" in "".join(found[0].reasons)
        assert "米" in found[0].reasons[-1]
        assert similar(held.operator, again, exclude=done.record) == []
        assert similar(held.operator, "养老金如何计算，工龄三十一年，中间断缴怎么办") == []
    with acting(held.far_centre):
        assert similar(held.far_centre, again) == []


@with_data
def test_real_messages_go_from_word_to_rating_with_their_own_times_and_only_once(database: str) -> None:
    from django.conf import settings

    from gongzhi.kernel.install.citypack import load_accounts

    load_accounts(settings.CITY, "no sign-in needed")
    first = real.load(Path(DATA), limit=120)
    assert (first.read, first.loaded, first.unchanged, first.refused) == (120, 120, 0, [])
    assert first.rated + first.reopened == 120
    assert first.late > 0
    held = crew()
    with acting(held.manager):
        before = Entry.objects.count()
        kept = list(DeadlineKept.objects.filter(stage="working").select_related("record"))
        assert sum(step.met_at > step.due_at for step in kept) == first.late
        late = next(step for step in kept if step.met_at - step.due_at > timedelta(days=2))
        answers = Entry.objects.filter(record=late.record, action="answer")
        assert answers.get().at == late.met_at  # on the day it was, not on the day it was loaded
        assert answers.get().loader_id == held.loader.post
        assert set(Register.objects.values_list("stage_code", flat=True)) <= {"closed", "working", "filed"}
    second = real.load(Path(DATA), limit=120)
    assert (second.loaded, second.unchanged) == (0, 120)
    with acting(held.manager):
        assert Entry.objects.count() == before


def test_without_data_or_people_it_says_what_is_missing(database: str, tmp_path: Path) -> None:
    with pytest.raises(real.NoData, match="citizen-replies"):
        real.load(tmp_path)
