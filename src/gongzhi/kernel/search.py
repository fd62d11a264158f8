"""Finding records by number or by words, and finding those that resemble a text. Call these inside ``acting()``."""

import re
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from gongzhi.kernel.context import Actor
from gongzhi.kernel.masking import masked, without
from gongzhi.kernel.models import Register
from gongzhi.kernel.words import query_words, telling_words

_NUMBER = re.compile(r"[A-Za-z一-鿿]{1,6}\d{6,20}")


@dataclass(frozen=True)
class Alike:
    """An open record that shares words with a text."""

    record: Register
    shared: tuple[str, ...]


def find(actor: Actor, text: str, limit: int = 50) -> list[Register]:
    """Return the records that the actor sees and that have every word of the text, the newest first; or that number."""
    plain = "".join(text.split()).upper()
    if _NUMBER.fullmatch(plain):
        return list(_registers().filter(number=plain))
    keys = find_keys(actor, text, limit)
    found = {record.pk: record for record in _registers().filter(pk__in=keys)}
    return [found[key] for key in keys if key in found]


def find_keys(actor: Actor, text: str, limit: int, service: str = "") -> list[UUID]:
    """Return the ids of the records of a service (or of any) that have every word of the text, the newest first."""
    words = [] if numbered(text) else query_words(text)
    if not words:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT record FROM kernel.find(%s, %s, %s, %s)", [actor.post, words, service, limit])
        return [row[0] for row in cursor.fetchall()]


def numbered(text: str) -> bool:
    """Return whether a number that tells of a person is among the words: nothing is found by it here, without a purpose."""
    return masked(text) != text


def alike(actor: Actor, text: str, *, least: int = 3, limit: int = 5) -> list[Alike]:
    """Return open records that the actor sees and that share at least ``least`` words, the most shared first."""
    words = telling_words(without(text))
    if len(words) < least:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT record, shared FROM kernel.alike(%s, %s, %s, %s)", [actor.post, words, least, limit])
        rows = cursor.fetchall()
    found = {record.pk: record for record in _registers().filter(pk__in=[row[0] for row in rows])}
    return [Alike(found[key], tuple(shared)) for key, shared in rows if key in found]


def _registers():  # type: ignore[no-untyped-def]
    return Register.objects.select_related("agency", "place")
