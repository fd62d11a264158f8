"""The city's invented matters: what residents say and agencies answer. A table of the city pack, editable by a clerk."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from django.utils.translation import gettext as _

from gongzhi.kernel.pack import PackError, load_pack, pack_text

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
)  # words separated by spaces, or a list where they hold spaces
_SLOTS = {
    "estate": "estates", "road": "roads", "eatery": "eateries", "store": "stores", "salon": "salons", "when": "periods",
    "once": "moments",
}  # fmt: skip
_SAID = (
    "refuse", "hand_on", "ask_time", "deny_time", "pause", "reopen", "decline", "merge", "note", "task", "task_done",
    "escalate", "coordinate",
)  # fmt: skip

_PHRASES = ("house", "home", "near", "person", "patrol", "greeting", "again", "comma", "between", "photo", "mended")


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
    phrases: Mapping[str, str]
    """How the pieces are put together: ``house``, ``home``, ``near``, ``person``, ``patrol``, ``greeting``, ``again``, ``comma``,
    ``between`` (the names of places) and the names of the pictures, ``photo`` and ``mended``."""
    weights: tuple[int, ...]
    """How much the areas below the city say, in the order of their codes."""
    urban: tuple[str, ...]
    """How the names of places in town end; where none is given, every place is."""
    spoken: Mapping[str, str]
    """How the official names of places end, and what people say instead; the first that fits."""
    title: int
    """Characters of a title made of a text."""

    def slots(self, dice: Random, at: str) -> dict[str, str]:
        """Return words for every slot of a text."""
        house = self.phrases["house"].format(
            building=dice.randint(1, 28), floor=dice.randint(1, 6), flat=dice.randint(1, 4)
        )
        return {
            "at": at, "n": str(dice.randint(2, 9)), "house": house,
            **{slot: dice.choice(self.words[name]) for slot, name in _SLOTS.items()},
        }  # fmt: skip

    def person(self, dice: Random, number: str) -> tuple[str, str]:
        """Return an invented name and a telephone number of the pattern ``number``, which has one run of #."""
        name, given = dice.choice(self.words["names"]), dice.choice(self.words["given"])
        digits = number.count("#")
        drawn = f"{dice.randint(0, 10**digits - 1):0{digits}}"
        return self.phrases["person"].format(name=name, given=given), number.replace("#" * digits, drawn)

    def said_of(self, place: str) -> str:
        """Return a place as people call it."""
        for ending, said in self.spoken.items():
            if place.endswith(ending):
                return place.removesuffix(ending) + said
        return place


@cache
def load_stories(city: str) -> Stories:
    """Return the matters of the city's pack. Raises PackError, which names the story."""
    pack = load_pack(city)
    text = pack_text(city, FILE)
    if text is None:
        raise PackError(_("这个城市的资料包里没有 {file}，不能生成样例诉求。").format(file=FILE))
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise PackError(_("{file} 不是有效的 TOML(UTF-8):{error}").format(file=FILE, error=error)) from error
    agencies = {agency.code for agency in pack.agencies}
    stories = []
    for number, row in enumerate(table.get("story", ()), start=1):
        try:
            story = _story(row)
        except (KeyError, TypeError, ValueError) as error:
            raise PackError(
                _("{file} 第 {number} 个 [[story]] 缺少或写错了 {error}").format(file=FILE, number=number, error=error)
            ) from error
        if story.category not in pack.categories or any(agency not in agencies for agency, _other in story.refused):
            raise PackError(
                _("{file} 第 {number} 个 [[story]] 的类别 {category} 或退回单位不存在").format(
                    file=FILE, number=number, category=story.category
                )
            )
        stories.append(story)
    try:
        words = {name: tuple(table[name].split() if isinstance(table[name], str) else table[name]) for name in _LISTS}
        said = {name: tuple(table["said"][name]) for name in _SAID}
        ratings = {star: tuple(table["ratings"][star]) for star in map(str, range(1, 6))}
        phrases = {name: str(table["phrases"][name]) for name in _PHRASES}
        return Stories(
            tuple(stories), words, said, ratings, tuple(table["openings"]), tuple(table["closings"]), phrases,
            tuple(table.get("weights", (1,))), tuple(table.get("urban", ("",))), dict(table.get("spoken", {})),
            int(table.get("title", 30)),
        )  # fmt: skip
    except (KeyError, AttributeError) as error:
        raise PackError(_("{file} 缺少 {error}").format(file=FILE, error=error)) from error


def _story(row: dict[str, Any]) -> Story:
    refused = tuple((str(agency), str(reason)) for agency, reason in row.get("refused", ()))
    if row.get("where", "") not in ("", "urban", "rural"):
        raise ValueError("where")
    for text in (*row["detail"], *row["answer"]):
        unknown = set(re.findall(r"\{(\w*)\}", text)) - {"at", "n", "house", *_SLOTS}
        if unknown:
            raise ValueError(_("空位 {unknown}").format(unknown=unknown))
    return Story(
        row["category"], row["nature"], tuple(row["detail"]), tuple(row["answer"]), row.get("where", ""), refused
    )
