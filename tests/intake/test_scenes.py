"""The pack's scenes: records of every service in many stages, and a second run that changes nothing."""

from datetime import UTC, datetime

import pytest
from django.conf import settings

from gongzhi.intake import scenes
from gongzhi.kernel.context import acting, loader_actor
from gongzhi.kernel.install.citypack import load_accounts
from gongzhi.kernel.models import Register
from gongzhi.kernel.pack import PackError
from gongzhi.kernel.signin import hash_password


def test_scenes_play_once_and_a_second_run_changes_nothing(database: str) -> None:
    load_accounts(settings.CITY, hash_password("gongzhi2026"))
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    fresh = scenes.load(now=now)
    with acting(loader_actor()):
        held = list(Register.objects.order_by("number").values_list("number", "service_code", "stage_code", "entries"))
    assert fresh > 60
    assert {service for _, service, _, _ in held} == {"house", "inspection", "finding"}
    assert {"following", "done"} <= {stage for _, service, stage, _ in held if service == "inspection"}
    assert {"open", "cleared"} <= {stage for _, service, stage, _ in held if service == "finding"}
    assert scenes.load(now=now) == 0
    with acting(loader_actor()):
        again = list(Register.objects.order_by("number").values_list("number", "service_code", "stage_code", "entries"))
    assert again == held


def test_a_broken_scene_is_named(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "pack_text", lambda *_: '[[scene]]\nservice = "castle"\nplace = "3208"\n')
    with pytest.raises(PackError, match=r"scenes\.toml"):
        scenes.load()
