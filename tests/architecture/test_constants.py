"""No constant of a city stands outside its pack: names, codes, numbers to call, clocks and signs of money, of every pack there is."""

import csv
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from gongzhi.kernel.pack import load_pack, pack_text
from tests.architecture.test_shape import ROOT, tracked

CITIES = sorted(entry.name for entry in resources.files("gongzhi.cities").iterdir() if (entry / "city.toml").is_file())
EXEMPTIONS = Path(__file__).with_name("constants.toml")
SHAPES = {
    "a time zone": re.compile(r"\b(?:Asia|America|Europe|Africa|Australia|Pacific|Atlantic|Indian)/[A-Z]\w+"),
    "a sign of money": re.compile(r"[¥￥€£]|(?<![\w{(`'\"\\])\$\d"),
    "a currency": re.compile(r"[\"'](?:CNY|USD|EUR|JPY|GBP)[\"']"),
    "a telephone number": re.compile(r"(?<![\d.])(?:0\d{2,3}-\d{7,8}|1[3-9]\d{9}|\d{3}-\d{3}-\d{4})(?!\d)"),
    "an area code of a place": re.compile(r"(?<!\d)(?:[1-6]\d{5}|[1-6]\d{8}|[1-6]\d{11})(?!\d)(?=[\"'])"),
}
KINDS = ("src/**/*.py", "src/**/*.sql", "src/**/*.html", "src/**/*.js", "src/**/*.toml", "src/**/*.css")


def words_of(city: str) -> dict[str, str]:
    """Return what would betray a city outside its pack, with what it is: words that no other city would use by chance."""
    pack = load_pack(city)
    about = pack.city
    found = {
        city: "the pack's name",
        about.portal: "the portal",
        about.time_zone: "the time zone",
        about.invented: "a number",
        about.phone: "a number",
    }
    found |= {f"{degrees:g}": "a coordinate" for degrees in about.centre}
    if len(about.hotline) > 3:
        found[about.hotline] = "the hotline"
    for place in pack.places:
        if about.order[place.level] <= 1 or place.name.isascii():
            for name in place.names:
                found[name.name] = "a place"
        if len(place.code) > 3:
            found[place.code] = "a place's code"
    for agency in pack.agencies:
        found[agency.title] = "an agency"
    for kind in pack.taxonomy:
        if "-" in kind.code:  # the heads are plain words, as in an environment variable
            found[kind.code] = "a kind of matter"
    for pattern in about.numbers.values():
        found[pattern] = "a pattern of numbers"
    if text := pack_text(city, "names.csv"):
        found.update({row["name"]: "a former name" for row in csv.DictReader(text.splitlines())})
    return {word: what for word, what in found.items() if word}


def sources() -> Iterator[tuple[Path, str]]:
    for path in tracked(*KINDS):
        if "cities" not in path.parts and "vendor" not in path.parts and "locale" not in path.parts:
            yield path, path.read_text(encoding="utf-8")


def betrayals() -> set[tuple[str, str]]:
    """Return (path, word) of every word of a pack, and of everything shaped like a constant of some city, in the sources."""
    words = {word: what for city in CITIES for word, what in words_of(city).items()}
    made = set()
    for path, text in sources():
        name = path.relative_to(ROOT).as_posix() if path.is_absolute() else path.as_posix()
        made |= {(name, word) for word in words if word in text and stands(word, text)}
        for shape in SHAPES.values():
            made |= {(name, found[0]) for found in shape.finditer(text)}
    return made


def stands(word: str, text: str) -> bool:
    """Return whether the text has the word; one in Latin letters by itself, not within a longer one."""
    return not word.isascii() or re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def exemptions() -> dict[tuple[str, str], str]:
    rows = tomllib.loads(EXEMPTIONS.read_text(encoding="utf-8")).get("exempt", [])
    return {(row["path"], row["word"]): row["reason"] for row in rows}


def test_there_are_two_cities_that_differ_in_everything() -> None:
    first, second = (load_pack(city).city for city in CITIES)
    assert first.language != second.language
    assert first.time_zone != second.time_zone
    assert first.currency != second.currency
    assert first.calendar.holidays != second.calendar.holidays
    assert len(first.levels) != len(second.levels)


def test_no_constant_of_a_city_stands_outside_its_pack() -> None:
    exempt = exemptions()
    told = sorted(f"{path}: {word}" for path, word in betrayals() - exempt.keys())
    assert not told, "\n".join(told)


def test_every_exemption_has_a_reason_and_is_still_needed() -> None:
    exempt = exemptions()
    assert all(len(reason) > 20 for reason in exempt.values())
    assert not exempt.keys() - betrayals(), "no longer needed"


@pytest.mark.parametrize(
    "planted",
    [
        "ZONE = 'Asia/Shanghai'",
        "cost = '¥5'",
        "call('0517-12345678')",
        "here = '清江浦区'",
        "place = 'Hyde Park'",
        "kind = 'law-petition'",
        "money = 'USD'",
        "at = '320812'",
    ],
)
def test_a_planted_constant_is_found(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.sources", lambda: [(Path("src/gongzhi/planted.py"), planted)])
    assert betrayals()
