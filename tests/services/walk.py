"""Ways through a procedure: which actions bring a record to a stage, and to where an action is possible."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from gongzhi.kernel.procedure import SAME, Action, Clock, Effect
from gongzhi.kernel.service import Service


@dataclass(frozen=True)
class State:
    """What decides which actions are possible: the stage, the columns that guards look at, whether the clock stands, whether it is held."""

    stage: str = ""
    columns: tuple[tuple[str, int], ...] = ()
    paused: bool = False
    held: bool = False


class Walk:
    """Every state that a record of the service can be in, each with the shortest way to it (codes of actions)."""

    def __init__(self, service: Service, written: Any) -> None:
        """Walk the whole procedure; ``written(action, column)`` is the number that an action's form will give a column."""
        self.service, self.written = service, written
        guarded = sorted({action.guard.column for action in service.procedure if action.guard})
        empty = State("", tuple((name, 0) for name in guarded))
        start = self.after(empty, service.creating)
        assert start is not None
        self.ways: dict[State, tuple[str, ...]] = {start: (service.creating.code,)}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            for action in service.procedure:
                reached = self.after(state, action)
                if reached and reached not in self.ways:
                    self.ways[reached] = (*self.ways[state], action.code)
                    waiting.append(reached)

    def after(self, state: State, action: Action) -> State | None:
        """Return the state after the action, None where it is not possible."""
        if action.creates:
            if state.stage:
                return None
        elif not state.stage or not action.leaves(state.stage):
            return None
        columns = dict(state.columns)
        if action.guard and not action.guard.holds(columns[action.guard.column]):
            return None
        if (action.clock is Clock.PAUSE and state.paused) or (action.clock is Clock.RESUME and not state.paused):
            return None
        if action.effect is Effect.RELEASE and not state.held:
            return None
        for name, value in columns.items():
            said = self.written(action, name) if name in self.service.form(action).columns else value
            columns[name] = (
                0 if name in action.clears else min(said + (name in action.counts), 3)
            )  # so that a walk ends
        moved = action.target is not SAME
        paused = (state.paused and not moved and action.clock is not Clock.RESUME) or action.clock is Clock.PAUSE
        held = action.effect is Effect.HOLD or (state.held and action.effect is not Effect.RELEASE)
        return State(action.target.code if moved else state.stage, tuple(columns.items()), paused, held)

    def to(self, stage: str) -> tuple[str, ...]:
        """Return the shortest way to the stage. Raises LookupError."""
        return self._shortest(stage, lambda state: state.stage == stage)

    def before(self, action: Action) -> tuple[str, ...]:
        """Return the shortest way to where the action is possible. Raises LookupError."""
        return self._shortest(action.code, lambda state: self.after(state, action) is not None)

    def _shortest(self, wanted: str, holds: Any) -> tuple[str, ...]:
        found = [way for state, way in self.ways.items() if holds(state)]
        if not found:
            raise LookupError(f"no way through {self.service.code} leads to {wanted!r}")
        return min(found, key=len)
