"""A record carried through acts of the past, each under a key of its own, and taken up again where a run broke off."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gongzhi.kernel.act import Done, Told, act
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Entry, Register
from gongzhi.kernel.service import service
from gongzhi.kernel.vault import Upload


def key_of(record: str, step: int, action: str) -> str:
    """Return the key of a record's act: ``step`` is 0 where it is made, 1 and on for what follows."""
    return f"{record}:{step}:{action}"


class Carried:
    """One record of a service, known by ``key`` (the same in every run).

    Steps are numbered; one that an earlier run has done is passed over, so that a second run changes nothing and a
    broken-off one is finished. ``fresh`` counts what this run did.
    """

    def __init__(self, service_code: str, key: str, loader: Actor) -> None:
        self.service, self.key, self.loader = service_code, key, loader
        self.record: UUID | None = None
        self.number = self.stage = self._follow = ""
        self.version = self.fresh = self.steps = 0
        self._past: frozenset[str] = frozenset()

    def file(self, actor: Actor, at: datetime, form: Mapping[str, Any], files: Sequence[Upload] = ()) -> UUID:
        """Make the record, or find it; return its id."""
        done = self._act(actor, service(self.service).creating.code, at, form, files)
        self.record, self.number, self._follow = done.record, done.number, done.follow
        self._stand(done)
        if done.repeated:
            with acting(self.loader):
                entries = Entry.objects.filter(record=done.record, idem__startswith=f"{self.key}:")
                self._past = frozenset(key for key in entries.values_list("idem", flat=True) if key)
                held = Register.objects.get(pk=done.record)
                self.version, self.stage = held.version, held.stage_code
        return done.record

    def step(
        self, actor: Actor | Callable[[], Actor], action: str, at: datetime, form: Mapping[str, Any] | None = None,
        *, resident: bool = False, files: Sequence[Upload] = (), told: Told | None = None,
    ) -> None:  # fmt: skip
        """Do the next act; ``resident`` shows the record's follow-up code. Raises what ``act()`` raises.

        An ``actor`` who depends on how the record stands is asked for only where the act was not done before.
        """
        self.steps += 1
        if self._key(action) not in self._past:
            who = actor() if callable(actor) else actor
            self._stand(self._act(who, action, at, form or {}, files, self._follow if resident else "", told))

    def _key(self, action: str) -> str:
        return key_of(self.key, self.steps, action)

    def _stand(self, done: Done) -> None:
        self.version, self.stage = max(done.version, self.version), done.stage or self.stage
        self.fresh += not done.repeated

    def _act(
        self,
        actor: Actor,
        action: str,
        at: datetime,
        form: Mapping[str, Any],
        files: Sequence[Upload],
        follow: str = "",
        told: Told | None = None,
    ) -> Done:
        return act(
            actor, self.service, action, record=self.record, version=self.version or None, form=form, files=files, at=at,
            key=self._key(action), loader=self.loader, follow=follow, told=told,
        )  # fmt: skip
