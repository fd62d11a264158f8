"""docs/architecture.md: one screen, and nothing in it that is not there."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from gongzhi.kernel.service import service

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SCREEN = 60
LAYERS = ("cli", "live", "web", "desks", "intake", "kernel", "postgres", "home")
NAMES = sorted(set(re.findall(rf"`((?:{'|'.join(LAYERS)})(?:\.\w+)*)`", PAGE)))


def resolved(name: str) -> Any:
    """Return what the dotted name stands for. Raises AttributeError and ImportError."""
    parts = ["gongzhi", *name.split(".")]
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    assert resolved(name) is not None


def test_it_is_one_screen_and_walks_every_layer_of_an_act() -> None:
    assert len(PAGE.splitlines()) <= SCREEN
    assert len(NAMES) > 30
    assert {name.partition(".")[0] for name in NAMES} == set(LAYERS)
    with pytest.raises(AttributeError):
        resolved("kernel.act.no_such_name")


def test_the_act_it_walks_is_declared_and_its_outcomes_are_the_functions() -> None:
    from gongzhi.kernel.generate import function

    address = re.search(r"`/work/r/\w+/do/(\w+)`", PAGE)
    assert address
    text = function(service("request"), service("request").action(address[1])).text
    text += function(service("inspection"), service("inspection").action("settle")).text
    told = re.search(r"\*\*The answer\.\*\* (.*?):", PAGE, re.DOTALL)
    assert told
    outcomes = set(re.findall(r"\*(\w+)\*", told[1]))
    assert outcomes == {
        word
        for word in re.findall(r"'(\w+)'", text)
        if word in (*outcomes, "done", "repeated", "conflict", "parts", "absent", "reused", "clock")
    }


def test_it_is_told_once() -> None:
    other = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    assert "architecture.md" in other
    shared = {line for line in PAGE.splitlines() if len(line) > 40} & set(other.splitlines())
    assert not shared
