"""The city's invented matters: what residents say and agencies answer. A table of the city pack, editable by a clerk."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from random import Random
from typing import Any

from gongzhi.kernel.pack import PackError, load_pack

FILE = "stories.toml"
_LISTS = (
    "names",
    "given",
    "estates",
    "roads",
    "eateries",
    "stores",
    "salons",
    "periods",
    "moments",
)  # words separated by spaces
_SLOTS = {
    "estate": "estates", "road": "roads", "eatery": "eateries", "store": "stores", "salon": "salons", "when": "periods",
    "once": "moments",
}  # fmt: skip
_SAID = (
    "refuse", "hand_on", "ask_time", "deny_time", "pause", "reopen", "decline", "merge", "note", "task", "task_done",
    "escalate", "coordinate",
)  # fmt: skip


@dataclass(frozen=True)
class Story:
    """One matter: its category, what is said, what is answered; ``detail`` and ``answer`` are variants that belong together.

    ``where`` is ``urban``, ``rural`` or empty. ``refused`` are agencies it goes to by mistake, with their words.
    """

    category: str
    nature: str
    detail: tuple[str, ...]
    answer: tuple[str, ...]
    where: str = ""
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Stories:
    """All of a city's matters, lists of words for their slots, and what is said on the way."""

    all: tuple[Story, ...]
    words: Mapping[str, tuple[str, ...]]
    said: Mapping[str, tuple[str, ...]]
    ratings: Mapping[str, tuple[str, ...]]
    openings: tuple[str, ...]
    closings: tuple[str, ...]

    def slots(self, dice: Random, at: str) -> dict[str, str]:
        """Return words for every slot of a text."""
        house = f"{dice.randint(1, 28)}栋{dice.randint(1, 6)}0{dice.randint(1, 4)}室"
        return {
            "at": at, "n": str(dice.randint(2, 9)), "house": house,
            **{slot: dice.choice(self.words[name]) for slot, name in _SLOTS.items()},
        }  # fmt: skip

    def person(self, dice: Random) -> tuple[str, str]:
        """Return an invented name and a telephone number that nobody can have (no local number begins with 0)."""
        name = dice.choice(self.words["names"]) + dice.choice(self.words["given"])
        return name, f"0517-0{dice.randint(0, 9_999_999):07}"


@cache
def load_stories(city: str) -> Stories:
    """Return the matters of the city's pack. Raises PackError, which names the story."""
    pack = load_pack(city)
    folder: Traversable = Path(city) if Path(city).is_absolute() else resources.files("gongzhi.cities") / city
    try:
        table = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"这个城市的资料包里没有 {FILE}，不能生成样例诉求。") from error
    except ValueError as error:
        raise PackError(f"{FILE} 不是有效的 TOML(UTF-8):{error}") from error
    agencies = {agency.code for agency in pack.agencies}
    stories = []
    for number, row in enumerate(table.get("story", ()), start=1):
        try:
            story = _story(row)
        except (KeyError, TypeError, ValueError) as error:
            raise PackError(f"{FILE} 第 {number} 个 [[story]] 缺少或写错了 {error}") from error
        if story.category not in pack.categories or any(agency not in agencies for agency, _ in story.refused):
            raise PackError(f"{FILE} 第 {number} 个 [[story]] 的类别 {story.category} 或退回单位不存在")
        stories.append(story)
    try:
        words = {name: tuple(table[name].split()) for name in _LISTS}
        said = {name: tuple(table["said"][name]) for name in _SAID}
        ratings = {star: tuple(table["ratings"][star]) for star in "12345"}
        return Stories(tuple(stories), words, said, ratings, tuple(table["openings"]), tuple(table["closings"]))
    except (KeyError, AttributeError) as error:
        raise PackError(f"{FILE} 缺少 {error}") from error


def _story(row: dict[str, Any]) -> Story:
    refused = tuple((str(agency), str(reason)) for agency, reason in row.get("refused", ()))
    if row.get("where", "") not in ("", "urban", "rural"):
        raise ValueError("where")
    for text in (*row["detail"], *row["answer"]):
        unknown = set(re.findall(r"\{(\w*)\}", text)) - {"at", "n", "house", *_SLOTS}
        if unknown:
            raise ValueError(f"空位 {unknown}")
    return Story(
        row["category"], row["nature"], tuple(row["detail"]), tuple(row["answer"]), row.get("where", ""), refused
    )
