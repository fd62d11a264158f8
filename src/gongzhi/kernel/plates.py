"""Plates: what hangs on a door and can be scanned by anyone. Its code proves that somebody stands before it."""

import hmac
from dataclasses import dataclass

from django.db import connection

from gongzhi.kernel.keys import keyed_hash
from gongzhi.kernel.masking import masked

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Plate:
    """What a plate tells: the thing's title, where it stands, and who works the grid ("" where nobody does)."""

    service: str
    title: str
    place: int
    place_name: str
    worker: str
    agency: str


def plate_code(number: str) -> str:
    """Return the eight characters (40 bits of a keyed hash) that stand on the plate behind the number."""
    bits = int.from_bytes(keyed_hash("plate", number)[:5])
    return "".join(_LETTERS[bits >> shift & 31] for shift in range(0, 40, 5))


def plate_of(number: str, code: str) -> Plate | None:
    """Return what the plate tells; None for a wrong code, a number that is none, and a thing that is struck off."""
    if not hmac.compare_digest(plate_code(number).encode(), code.upper().encode()):
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kernel.plate(%s)", [number])
        row = cursor.fetchone()
    if row is None:
        return None
    service, title, place, place_name, worker, agency = row
    return Plate(service, masked(title), place, place_name, worker or "", agency or "")
