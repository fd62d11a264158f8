"""Code lists that belong to the city: categories of matters and the like, read from the city pack."""

from collections.abc import Mapping
from functools import cache

from django.conf import settings

from gongzhi.kernel.pack import load_pack


@cache
def titles(source: str) -> Mapping[str, str]:
    """Return title by code of the city's list ``source``; KeyError names a list that the pack does not have."""
    lists = {"category": {row.code: row.title for row in load_pack(settings.CITY).taxonomy}}
    return lists[source]


def below(source: str, code: str) -> list[str]:
    """Return the code, and those that stand under it where the list is a tree."""
    if source != "category":
        return [code]
    return [code, *(row.code for row in load_pack(settings.CITY).taxonomy if row.parent == code)]
