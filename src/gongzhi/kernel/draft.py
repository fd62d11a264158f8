"""An act on its way from a form to the database."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gongzhi.kernel.atlas import Atlas, atlas
from gongzhi.kernel.context import Actor
from gongzhi.kernel.forms import BoundForm, Cleaned
from gongzhi.kernel.keys import Chance, KeyRing, keyring
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import Service
from gongzhi.kernel.vault import Stored


@dataclass(frozen=True, slots=True)
class Told:
    """A deadline that a history gives, instead of the one that the procedure would begin; None: there was none."""

    due: datetime | None


@dataclass
class Memo:
    """What drafts made in the same second have in common, so that it is worked out once.

    ``cleaned`` holds, by field and raw value, what a form made of short values; ``deadlines`` by stage and moment,
    ``instants`` and how ``numbers`` begin by moment. It serves one action of one service.
    """

    cleaned: Cleaned = field(default_factory=dict)
    deadlines: dict[tuple[str, datetime] | None, tuple[datetime | None, datetime | None, str]] = field(
        default_factory=dict
    )
    instants: dict[datetime, str] = field(default_factory=dict)
    numbers: dict[datetime, str] = field(default_factory=dict)
    looks: "Mapping[tuple[int, UUID | None], Found]" = field(default_factory=dict)
    """Records as they stand, looked at together: by post and record."""
    new_id: Callable[[], Any] = uuid7
    """Makes an id, with bytes and text; not always ``uuid.UUID``, which takes ten times as long."""
    chance: Chance = os.urandom
    """Where keys, nonces and salts come from."""

    @cached_property
    def atlas(self) -> Atlas:
        """The places and agencies."""
        return atlas()

    @cached_property
    def ring(self) -> KeyRing:
        """The installation's keys."""
        return keyring()


@dataclass
class Draft:
    """An act on its way: who does what to which record, and what has been worked out so far."""

    actor: Actor
    service: Service
    action: Action
    record: UUID | None
    version: int | None
    key: str | None
    follow: str
    at: datetime
    loader: Actor | None
    told: Told | None = None
    memo: Memo = field(default_factory=Memo)
    entry: UUID = field(default_factory=uuid7)
    values: dict[str, Any] = field(default_factory=dict)
    shortened: bool = False
    """Whether the title is the beginning of the text that the service names for it."""
    columns: dict[str, Any] = field(default_factory=dict)
    """The values as columns hold them."""
    record_key: bytes = b""
    found: Any = None
    """What ``kernel.look`` told of the record: stage, place, deadline; None where it was not asked."""
    held: dict[str, Any] = field(default_factory=dict)
    """For an action that edits: what the form's columns held before."""
    words: dict[str, dict[str, object]] = field(default_factory=dict)
    parties: list[dict[str, Any]] = field(default_factory=list)
    """What the table of persons gets: id (UUID), role, known, and ciphertexts (bytes) by column."""
    stored: list[Stored] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    """The follow-up code of a record that is being made."""

    @cached_property
    def bound(self) -> BoundForm:
        """The action's form."""
        return self.service.form(self.action)


@dataclass(frozen=True, slots=True)
class Found:
    """The record as ``kernel.look`` tells of it before the act; ``wrapped`` is its key."""

    service: str
    stage: str
    version: int
    place: int
    place_path: str
    agency: int
    stage_at: datetime
    due_at: datetime | None
    paused_at: datetime | None
    wrapped: bytes | None
