"""The proposal at triage: by the city's model, taken with one click or changed, written into the record's own entry, and counted."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from gongzhi.intake.accepted import taken
from gongzhi.intake.learned import serving
from gongzhi.intake.learning import truth
from gongzhi.intake.learning.examples import of
from gongzhi.intake.learning.training import train
from gongzhi.intake.proposed import Sealed
from gongzhi.kernel.act import Invalid, act
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Entry, Register
from tests.intake.test_learning import messages

BAD = "学校老师强制补课收学费，学生家长多次反映教育局没有人管"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A model of made-up messages in the place of the city's."""
    path = tmp_path / "routing" / "model.npz"
    monkeypatch.setattr("gongzhi.intake.learned.model_file", lambda: path)
    train(of(messages(12), "made-up")).save(path)
    return path


def assigned(number: str, operator: Actor) -> dict[str, Any]:
    with acting(operator):
        entry = Entry.objects.filter(record__number=number, action="assign").latest("seq")
    return json.loads(entry.body)  # type: ignore[no-any-return]


def hidden(page: str) -> dict[str, str]:
    """Return what the form of the one click sends."""
    form = page[page.index('class="proposal"') :]
    return dict(re.findall(r'name="(\w+)"\s+value="([^"]*)"', form[: form.index("</form>")]))


def test_one_click_takes_the_proposal_and_a_change_is_counted_from_the_entries(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    filed: Callable[..., Any],
    at_desk: Callable[[str], Client],
    actor: Callable[[str], Actor],
    ids: Any,
) -> None:
    desk, operator = at_desk("operator"), actor("operator")
    first, second = filed(detail=BAD), filed(detail=BAD + "，请尽快处理")
    page = desk.get(f"/work/r/{first.number}").content.decode()
    assert "教育文体" in page
    assert "同类留言里常见的词" in page
    sent = hidden(page)
    assert Sealed.read(sent["proposed"]) is not None
    since = timezone.now() - timedelta(days=1)
    with acting(operator):
        before = taken(since)
    assert desk.post(f"/work/r/{first.number}/do/assign", sent).status_code == 302
    body = assigned(first.number, operator)
    assert body["set"]["proposed"] == sent["proposed"]
    other = desk.get(f"/work/r/{second.number}").content.decode()
    changed = hidden(other) | {"category": "environment-noise", "agency": str(ids[0]["hb"])}
    assert desk.post(f"/work/r/{second.number}/do/assign", changed).status_code == 302
    with acting(operator):
        after = taken(since)
    assert (after.shown - before.shown, after.whole - before.whole, after.agency - before.agency) == (2, 1, 1)
    assert after.other[0].number == second.number
    history = desk.get(f"/work/r/{first.number}").content.decode()
    assert "系统建议" in history
    card = at_desk("manager").get("/work/routing").content.decode()
    assert "50%" in card or "照建议办理" in card
    assert second.number in card
    monkeypatch.setattr(truth, "_FEWEST", 1)
    examples = truth.from_city()
    learnt = {one.detail: (one.label, one.agency) for one in examples.all}
    assert learnt[BAD + "，请尽快处理"][1] == "hb"  # what the operator changed is what is learnt


def test_what_was_proposed_cannot_be_made_up_nor_carried_to_another_record(
    model: Path, filed: Callable[..., Any], at_desk: Callable[[str], Client], actor: Callable[[str], Actor], ids: Any
) -> None:
    operator, done, other = actor("operator"), filed(detail=BAD), filed(detail=BAD)
    sent = hidden(at_desk("operator").get(f"/work/r/{done.number}").content.decode())
    form = {"agency": ids[0]["hb"], "category": "environment-noise"}
    for forged in (
        sent["proposed"].replace("education", "environment"),
        sent["proposed"][:-1] + "0x",
        "<b>",
        "x" * 400,
    ):
        with pytest.raises(Invalid) as refused:
            act(operator, "request", "assign", record=done.record, version=1, form={**form, "proposed": forged})
        assert list(refused.value.errors) == ["proposed"]
    since = timezone.now() - timedelta(days=1)
    with acting(operator):
        before = taken(since).shown
    act(operator, "request", "assign", record=other.record, version=1, form={**form, "proposed": sent["proposed"]})
    with acting(operator):
        assert taken(since).shown == before


def test_below_the_threshold_a_person_decides_without_a_ready_choice(
    model: Path, filed: Callable[..., Any], at_desk: Callable[[str], Client]
) -> None:
    unsure = filed(detail="学校旁边的工厂排放废气有臭味，公交车司机拒载学生，老师说有污染，出租车在高速")
    held = serving()
    assert held is not None
    object.__setattr__(held.model, "about", {**held.model.about, "threshold": 1.01})
    page = at_desk("operator").get(f"/work/r/{unsure.number}").content.decode()
    assert "可能属于，请您判断" in page
    assert "按建议派单" not in page


def test_the_api_tells_proposals_to_who_may_dispatch(
    model: Path, filed: Callable[..., Any], actor: Callable[[str], Actor], city: str
) -> None:
    from tests.web.pages import PASSWORD

    done = filed(detail=BAD)

    def ask(login: str) -> Any:
        client = Client()
        token = client.post(
            "/api/token", {"login": login, "password": PASSWORD}, content_type="application/json"
        ).json()["token"]
        return client.get(f"/api/request/{done.number}/proposals", headers={"Authorization": f"Bearer {token}"})

    told = ask("operator").json()
    assert told["action"] == "assign"
    assert told["proposals"][0]["path"][0]["title"] == "教育文体"
    assert told["proposals"][0]["words"]
    assert Sealed.read(told["proposed"]) is not None
    assert ask("cgj").status_code == 404
    assert ask("manager").json() == {"action": "", "proposed": "", "proposals": []}


def test_the_card_is_for_who_steers_and_says_what_to_do_without_a_model(
    at_desk: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("gongzhi.intake.learned.model_file", lambda: tmp_path / "none.npz")
    assert "gongzhi routing train --city" in at_desk("manager").get("/work/routing").content.decode()
    assert at_desk("cgj").get("/work/routing").status_code == 404
    (tmp_path / "none.npz").write_text("broken")
    assert at_desk("manager").get("/work/routing").status_code == 200


def test_the_card_shows_scores_confusion_calibration_and_drift(model: Path, at_desk: Callable[[str], Client]) -> None:
    page = at_desk("manager").get("/work/routing").content.decode()
    for shown in ("made-up", "混淆图", "教育文体", "把握与实际正确率", "各类所占的份额"):
        assert shown in page
    assert '<svg class="confusion"' in page


def test_a_record_that_waits_for_dispatch_is_not_learnt(
    monkeypatch: pytest.MonkeyPatch, filed: Callable[..., Any], actor: Callable[[str], Actor], ids: Any
) -> None:
    waiting = filed(detail="还没有派过的一件事，还没有人看过")
    with acting(actor("operator")):
        assert Register.objects.get(number=waiting.number).stage_code == "filed"
    monkeypatch.setattr(truth, "_FEWEST", 1)
    act(actor("operator"), "request", "assign", record=filed(detail="另一件已经派过的事").record, version=1,
        form={"agency": ids[0]["hb"], "category": "environment-noise"})  # fmt: skip
    learnt = [one.detail for one in truth.from_city().all]
    assert "另一件已经派过的事" in learnt
    assert not any("还没有派过的一件事" in detail for detail in learnt)
