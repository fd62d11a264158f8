"""Processes that help to compose: the same records, the rows' order, and nobody left behind."""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone, translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gongzhi.kernel import bulk
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.batches import Composed, Composer, Row
from gongzhi.kernel.bulk import act_many
from gongzhi.kernel.context import acting, loader_actor
from gongzhi.kernel.helpers import Helpers
from gongzhi.kernel.models import Register
from gongzhi.kernel.refusals import Invalid, Refused
from gongzhi.kernel.service import service
from gongzhi.postgres.urls import address_of, connection_settings
from tests.kernel.people import People
from tests.kernel.test_bulk import forms, proven, same

UP_SECONDS = 60


@pytest.fixture
def admin(server: Any, database: str) -> str:
    return str(server.url(database))


def up(held: Helpers) -> None:
    """Wait until every helper has a hand free."""
    end = time.monotonic() + UP_SECONDS
    while not all(helper.free for helper in held._all):
        assert time.monotonic() < end, "no helper got up"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def helping(crew: People) -> Iterator[Helpers]:
    """One helper of the operator's, who loads the past."""
    with Helpers(Composer(crew.operator, service("request"), loader_actor())) as held:
        held.call(1)
        up(held)
        yield held


def composed(held: Helpers, rows: list[Row]) -> Composed:
    """Return what the helper made of the rows."""
    answer = held.take(rows, timezone.now())
    assert answer is not None
    made = answer.result(UP_SECONDS)
    assert made is not None
    return made


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_a_helper_composes_is_what_act_writes(data: Any, crew: People, helping: Helpers, admin: str) -> None:
    several = data.draw(st.lists(forms(crew), min_size=1, max_size=5))
    at = timezone.now() - timedelta(days=data.draw(st.integers(1, 900)))
    made = composed(helping, [Row(form, at=at) for form in several])
    written = dict(bulk._answered(service("request"), made, bulk.write(service("request"), made)))
    for here, form in enumerate(several):
        outcome = written.get(here) or bulk._alone(helping._composer, Row(form, at=at))
        try:
            alone = act(crew.operator, "request", "file", form=form, at=at, loader=loader_actor())
        except Refused as refusal:
            assert type(outcome) is type(refusal)
            assert getattr(outcome, "errors", None) == getattr(refusal, "errors", None)
        else:
            assert isinstance(outcome, Done)
            same(admin, "request", alone, outcome)
            proven(admin, "request", outcome)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of twenty rows, and helpers from the first one on."""
    monkeypatch.setattr(bulk, "BATCH", 20)
    monkeypatch.setattr(bulk, "ALONE", 0)
    monkeypatch.setattr(bulk, "cores", lambda: 3)


class Watched(Helpers):
    """Helpers that are all up before the first batch; what they were given is counted."""

    latest: "Watched"

    def call(self, wanted: int) -> None:
        type(self).latest, self.taken = self, 0
        super().call(wanted)
        up(self)

    def take(self, *given: Any) -> Any:
        answer = super().take(*given)
        self.taken += answer is not None
        return answer


def test_the_rows_keep_their_order_whoever_composed_them(crew: People, small: None) -> None:
    rows = [Row({"detail": f"第{n}件"} if n % 7 else {"detail": ""}, f"order:{n}") for n in range(400)]
    rows[205] = Row({"detail": "又一次"}, "order:1")
    with mock.patch.object(bulk, "Helpers", Watched):
        made = list(act_many(crew.operator, "request", rows))
    assert Watched.latest.taken > 4
    assert [n for n, one in enumerate(made) if isinstance(one, Invalid)] == [n for n in range(400) if not n % 7]
    fresh = [one.number for one in made if isinstance(one, Done) and not one.repeated]
    assert len(fresh) == len(set(fresh)) == 400 - 58 - 1
    assert fresh == sorted(fresh)
    again = made[205]
    assert isinstance(again, Done)
    assert again.repeated
    assert again.number == fresh[0]
    with acting(crew.operator):
        held = dict(Register.objects.filter(number__in=fresh).values_list("number", "title"))
    assert [held[one.number] for one in made if isinstance(one, Done) and not one.repeated] == [
        f"第{n}件" for n in range(400) if n % 7 and n != 205
    ]


def test_a_helper_that_dies_leaves_nothing_out(crew: People, small: None) -> None:
    class Dying(Watched):
        def take(self, *given: Any) -> Any:
            answer = super().take(*given)
            if self.taken == 3:
                for helper in self._all:
                    helper._process.kill()
            return answer

    with mock.patch.object(bulk, "Helpers", Dying):
        made = list(act_many(crew.operator, "request", (Row({"detail": f"第{n}件"}, f"dying:{n}") for n in range(300))))
    numbers = [one.number for one in made if isinstance(one, Done) and not one.repeated]
    assert len(numbers) == 300
    assert numbers == sorted(numbers)


def test_refusals_are_worded_for_the_reader(crew: People, small: None) -> None:
    rows = [Row({"detail": ""}, f"worded:{n}") for n in range(120)]
    with translation.override("en"), mock.patch.object(bulk, "Helpers", Watched):
        made = list(act_many(crew.operator, "request", rows))
        with pytest.raises(Invalid) as alone:
            act(crew.operator, "request", "file", form={"detail": ""})
    assert Watched.latest.taken
    assert all(isinstance(one, Invalid) and one.errors == alone.value.errors for one in made)


def test_what_cannot_leave_the_process_is_composed_here(crew: People, helping: Helpers) -> None:
    class Stays(str):
        def __reduce__(self) -> Any:
            raise TypeError

    assert helping.take([Row({"detail": Stays("甲")}, at=timezone.now())], timezone.now()) is None


def test_on_one_core_nobody_is_called(crew: People, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "cores", lambda: 1)
    with mock.patch.object(subprocess, "Popen", side_effect=AssertionError):
        made = list(act_many(crew.operator, "request", (Row({"detail": f"第{n}件"}) for n in range(100))))
    assert all(isinstance(one, Done) for one in made)


def test_helpers_end_with_the_load(crew: People, small: None) -> None:
    with mock.patch.object(bulk, "Helpers", Watched):
        for outcome in act_many(crew.operator, "request", (Row({"detail": f"第{n}件"}) for n in range(1000))):
            assert isinstance(outcome, Done)
            break  # whoever asked has heard enough
    assert all(helper._process.returncode is not None for helper in Watched.latest._all)
    assert not any(helper._listener.is_alive() for helper in Watched.latest._all)


def test_half_a_batch_is_no_batch(crew: People, capfd: pytest.CaptureFixture[str]) -> None:
    with Helpers(Composer(crew.operator, service("request"), None)) as held:
        held.call(1)
        up(held)
        held._all[0]._send_bytes(pickle.dumps((timezone.now(), [({"detail": "甲"}, None, None)]))[:40])
    assert held._all[0]._process.returncode == 0
    assert capfd.readouterr() == ("", "")


def test_the_address_leads_to_the_same_database() -> None:
    known = connection.settings_dict
    again = connection_settings(address_of(known), options={"server_side_binding": True, "prepare_threshold": 3})
    assert {name: known[name] for name in again} == again
    over = connection_settings("postgresql://a:b@db.example:5433/c?sslmode=verify-full", options={})
    assert connection_settings(address_of(over), options={}) == over


@pytest.fixture
def loader(crew: People) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own, in a session of its own, that loads with one helper; its first line is the helper's process."""
    code = f"""
import signal; signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where it is ignored
import django; django.setup()
from gongzhi.kernel import bulk
from gongzhi.kernel.context import actor_of
from tests.kernel.test_helpers import Watched
bulk.BATCH, bulk.ALONE, bulk.cores = 50, 0, lambda: 2
bulk.Helpers = Watched
rows = (bulk.Row({{"detail": f"第{{n}}件"}}, f"left:{{n}}") for n in range(1_000_000))
told = False
for outcome in bulk.act_many(actor_of({crew.operator.post}), "request", rows):
    if not told:
        print(Watched.latest._all[0]._process.pid, flush=True)
        told = True
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "DATABASE_URL": address_of(connection.settings_dict)},
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def gone(pid: int) -> bool:
    """Whether the process ends within a few seconds; one that nobody has asked after yet counts as ended."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if re.search(r"\) Z ", Path(f"/proc/{pid}/stat").read_text()):
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_helper_ends_with_a_killed_loader(loader: "subprocess.Popen[str]") -> None:
    assert loader.stdout
    helper = int(loader.stdout.readline())
    loader.send_signal(signal.SIGKILL)
    assert gone(helper)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_an_interrupt_from_the_terminal_says_nothing_twice(loader: "subprocess.Popen[str]") -> None:
    assert loader.stdout
    helper = int(loader.stdout.readline())
    os.killpg(loader.pid, signal.SIGINT)
    _out, said = loader.communicate(timeout=30)
    assert said.count("Traceback") <= 1  # the loader's own, which the command turns into its exit code
    assert "kernel/helper.py" not in said
    assert gone(helper)
