"""A batch of rows on its way to the generated function of many: composed, and packed into the columns that the function takes.

The same code does it in the process that loads and in its helpers (``helpers``), so it cannot matter which one did.
"""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uuid_utils

from gongzhi.kernel.compose import prepare
from gongzhi.kernel.context import Actor
from gongzhi.kernel.draft import Draft, Memo
from gongzhi.kernel.forms import Cleaned
from gongzhi.kernel.generate_many import PARTY, columns_of
from gongzhi.kernel.keys import drawn
from gongzhi.kernel.packed import packed
from gongzhi.kernel.refusals import Absent, Refused
from gongzhi.kernel.service import Service

_REMEMBERED = 20_000
"""Short values whose clean form is kept from batch to batch."""
_OFTEN = gc.get_threshold()
_SELDOM = 200_000
"""New objects between two looks for rings of them: drafts make many and no ring; looking was a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record to be made: the raw form, the key that makes a repeated row change nothing, when it was (aware)."""

    form: Mapping[str, Any]
    key: str | None = None
    at: datetime | None = None


@dataclass(slots=True)
class Composed:
    """What a batch brings to the database, and the rows that it does not bring because they are refused already.

    ``here`` are the positions among the batch's rows of those that it brings; ``records`` and ``codes`` are their ids and
    follow-up codes. A row that stands in neither waits for what comes of an earlier one with its key.
    """

    arguments: list[Any]
    here: list[int]
    records: list[bytes]
    codes: list[str]
    keyed: bool
    """Whether every row has a key, so that the batch may be sent again."""
    refused: dict[int, Refused] = field(default_factory=dict)


class Composer:
    """Composes batches of one service for one actor. ``loader`` answers for rows with a time of their own."""

    def __init__(self, actor: Actor, declared: Service, loader: Actor | None) -> None:
        self.actor, self.declared, self.loader = actor, declared, loader
        self._cleaned: Cleaned = {}

    def compose(self, rows: Sequence[Row], now: datetime) -> Composed:
        """Compose the rows, all of which have a time of their own or none; ``now`` is the moment of those without."""
        if len(self._cleaned) >= _REMEMBERED:
            self._cleaned = {}
        memo = Memo(cleaned=self._cleaned, new_id=uuid_utils.uuid7, chance=drawn())
        action, loader = self.declared.creating, self.loader if rows[0].at else None
        drafts: list[Draft] = []
        made = Composed([], [], [], [], keyed=True)
        keys: set[str] = set()
        for here, row in enumerate(rows):
            key = row.key or None
            if key in keys:
                continue
            try:
                draft = Draft(
                    self.actor, self.declared, action, None, None, key, "", row.at or now, loader, memo=memo,
                    entry=memo.new_id(),
                )  # fmt: skip
                prepare(draft, row.form, ())
            except Absent:
                continue  # unless the key says that it was done: act() knows
            except Refused as refusal:
                made.refused[here] = refusal
                continue
            drafts.append(draft)
            made.here.append(here)
            if key:
                keys.add(key)
        made.keyed = len(keys) == len(drafts)
        made.records = [draft.record.bytes for draft in drafts]  # type: ignore[union-attr]
        made.codes = [draft.code for draft in drafts]
        made.arguments = [self.actor.post, loader.post if loader else None, *self._columns(drafts, made.records)]
        return made

    def _columns(self, drafts: Sequence[Draft], records: Sequence[bytes]) -> Iterator[bytes]:
        """Yield what the drafts bring, column by column, in the order of the function's parameters."""
        arguments = [draft.arguments for draft in drafts]
        ids = {"record": records, "entry": [draft.entry.bytes for draft in drafts]}
        for name, kind in columns_of(self.declared):
            yield packed(kind, ids.get(name) or [held[name] for held in arguments])
        whose = [record for draft, record in zip(drafts, records, strict=True) for _party in draft.parties]
        parties = [party for draft in drafts for party in draft.parties]
        ids = {"record": whose, "id": [party["id"].bytes for party in parties]}
        for name, kind in PARTY:
            yield packed(kind, ids.get(name) or [party.get(name) for party in parties])


@contextmanager
def without_rings() -> Iterator[None]:
    """Seldom look for rings of objects meanwhile."""
    gc.set_threshold(_SELDOM, *_OFTEN[1:])
    try:
        yield
    finally:
        gc.set_threshold(*_OFTEN)
