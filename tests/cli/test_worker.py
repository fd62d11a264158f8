"""The worker's own tasks: what one meets does not end the others."""

import threading
from typing import Any

import psycopg
import pytest

from gongzhi.cli import worker


@pytest.mark.parametrize(
    "fault", [psycopg.errors.DeadlockDetected("deadlock"), PermissionError("files/ab"), OSError(5, "EIO")]
)
def test_a_task_that_fails_is_tried_again_and_the_others_go_on(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, seen = threading.Event(), list[str]()

    def broken() -> None:
        seen.append("broken")
        raise fault

    def sound() -> None:
        seen.append("sound")
        if seen.count("sound") == 2:
            ending.set()

    monkeypatch.setattr(worker, "hang_up", lambda: None)
    tasks: dict[Any, float] = {broken: 0.0, sound: 0.0}
    worker._watch(ending, tasks)
    assert seen == ["broken", "sound", "sound"]  # the broken one waits five seconds
