"""Procedures 流程: the stages of a service and the actions between them.

An action is an edge: from which stages, to which, who, what form, within how many working days, under which rule. The
same table makes the buttons, the deadlines, the database functions and the tests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from gongzhi.kernel.forms import Form
from gongzhi.kernel.roles import Role


@dataclass(frozen=True, slots=True)
class Stage:
    """A state of a record. ``open`` stages are owed by someone; ``icon`` is a Tabler icon's name."""

    code: str
    title: str
    open: bool = True
    icon: str = "point"


SAME: Final = Stage("", "")
"""Target of an action that leaves the stage as it is."""
ANY: Final = (SAME,)
"""Sources of an action that is possible in every stage."""
NEW: Final[tuple[Stage, ...]] = ()
"""Sources of an action that makes the record."""


@dataclass(frozen=True, slots=True)
class Workdays:
    """A span of working days of the city's calendar."""

    days: int


def workdays(days: int) -> Workdays:
    """Return a deadline of ``days`` working days, which ends with the last one's office hours."""
    return Workdays(days)


@dataclass(frozen=True, slots=True)
class Source:
    """The rule that a deadline or a duty comes from: a statute with its article, or the city's own rule."""

    law: str = ""
    article: int = 0

    def __str__(self) -> str:
        """Return the citation as the register keeps it: in the source language, whoever acted."""
        return f"《{self.law}》第{self.article}条" if self.law else _OWN

    @property
    def cited(self) -> str:
        """The citation as people read it."""
        return cited(str(self))


CITY: Final = Source()
_OWN: Final = gettext_noop("本市规定")


def cited(kept: str) -> str:
    """Return a citation that the register keeps, as people read it."""
    law = re.fullmatch(r"《(.+)》第(\d+)条", kept)
    if law:
        return _("《{law}》第{article}条").format(law=_(law[1]), article=law[2])
    return _(kept) if kept else ""


def statute(law: str, article: int) -> Source:
    """Return the source ``law`` (its Chinese short title), article number ``article``."""
    return Source(law, article)


class Gives(StrEnum):
    """Which agency owes the record after the action."""

    KEEP = "keep"
    CHOSEN = "chosen"  # the form's ``agency``
    OWN = "own"  # the actor's agency
    DISPATCH = "dispatch"  # the nearest agency of kind dispatch, up the tree from the record's place
    CENTRE = "centre"  # the nearest agency of kind centre
    FILER = "filer"  # the agency that made the record
    BEFORE = "before"  # the agency that owed it when it last came to the target stage


class Clock(StrEnum):
    """What the action does to the running deadline."""

    START = "start"  # begin the new stage's deadline; stays as it is where the stage does not change
    PAUSE = "pause"
    RESUME = "resume"
    EXTEND = "extend"  # by the working days in the service's column ``asked_days``


class Effect(StrEnum):
    """A row beside the record that the action writes."""

    NONE = ""
    LINK = "link"
    TASK = "task"
    TASK_DONE = "task_done"
    ESCALATE = "escalate"
    MORE = "more"  # the city's own fields
    HOLD = "hold"  # nobody erases the record until a day
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on an integer column of the service: ``Guard("refusals", "<", 1)``."""

    column: str
    operator: str
    value: int

    def holds(self, current: int) -> bool:
        """Return whether the condition holds for the column's current value."""
        match self.operator:
            case "<":
                return current < self.value
            case ">=":
                return current >= self.value
            case _:
                return current == self.value


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """An edge of the procedure. It is declared once and is equal to itself alone.

    ``title`` is the verb on the button. ``resident`` lets the person who holds the record's follow-up code act.
    ``tells`` names the nearest agency of a kind that gets a notice. ``counts`` are integer columns raised by one, ``clears`` columns set back to zero or to no text.
    ``settles`` makes the action wait until every part of the record (``Service.part_of``) is closed.
    ``edits`` begins the form with what the record holds; what is not named stays as it is.
    ``outcome``: the matter has come to something; whoever left an e-mail address is told, unless a resident did it.
    ``direct`` False keeps the action out of the record page's buttons (made by the system, or by a part of the page).
    """

    code: str
    sources: tuple[Stage, ...]
    target: Stage
    by: tuple[Role, ...]
    title: str
    form: type[Form] = Form
    within: Workdays | None = None
    source: Source = CITY
    guard: Guard | None = None
    gives: Gives = Gives.KEEP
    clock: Clock = Clock.START
    effect: Effect = Effect.NONE
    tells: Gives = Gives.KEEP
    counts: tuple[str, ...] = ()
    clears: tuple[str, ...] = ()
    files: bool = False
    resident: bool = False
    outcome: bool = False
    danger: bool = False
    direct: bool = True
    settles: bool = False
    edits: bool = False
    hint: str = ""

    @property
    def creates(self) -> bool:
        """Whether the action makes the record."""
        return self.sources == NEW

    @property
    def anywhere(self) -> bool:
        """Whether the action is possible in every stage."""
        return self.sources == ANY

    def leaves(self, stage: str) -> bool:
        """Return whether the action starts from the stage with this code."""
        return self.anywhere or any(source.code == stage for source in self.sources)

    @property
    def versioned(self) -> bool:
        """Whether the action changes the record, so that a stale page must not do it."""
        return not (self.anywhere and self.effect is not Effect.ESCALATE and self.target is SAME)


@dataclass(frozen=True)
class Procedure:
    """The table of a service's actions; ``actions`` in the order in which buttons stand."""

    actions: tuple[Action, ...]
    by_code: dict[str, Action] = field(init=False, repr=False, compare=False)
    _stages: dict[str, Stage] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index actions and stages by code; ``checks.py`` reports what contradicts itself."""
        object.__setattr__(self, "by_code", {action.code: action for action in self.actions})
        seen: dict[str, Stage] = {}
        for action in self.actions:
            for stage in (*action.sources, action.target):
                if stage is not SAME:
                    seen.setdefault(stage.code, stage)
        object.__setattr__(self, "_stages", seen)

    def __iter__(self) -> Iterator[Action]:
        """Iterate over the actions."""
        return iter(self.actions)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Every stage that an action names, in the order of first appearance."""
        return tuple(self._stages.values())

    def stage(self, code: str) -> Stage:
        """Return the stage with this code; KeyError where there is none."""
        return self._stages[code]

    def owed(self, stage: str) -> Action | None:
        """Return the action that answers the stage's deadline: the first that leaves it and has ``within``."""
        return next((a for a in self.actions if a.within and not a.anywhere and a.leaves(stage)), None)
