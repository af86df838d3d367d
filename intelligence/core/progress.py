"""How far a run has come: phases and steps are weighted by their duration, so that the share done reflects the time left."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# Called with ("expect", {phase: weight}), ("plan", (phase, {step: weight})), ("start", step), ("done", step), ("note", text).
Listener = Callable[[str, Any], None]

# Seconds that a step takes on two cores: a fixed part, and a part for each day of 50,000 events. Only ratios matter.
_WEIGHTS: Final[Mapping[str, tuple[float, float]]] = {
    "telemetry.events": (0.3, 0.015),
    "warehouse.fact_events": (0.3, 0.01),
    "warehouse.fact_sessions": (0.3, 0.03),
    "metrics.fact_feature_metrics": (0.3, 0.03),
    "metrics.user_day": (0.3, 0.02),
    "metrics.kpi_day": (0.4, 0.025),
    "metrics.feature_health": (0.4, 0.015),
    "risk.feature_training": (14.0, 0.0),
    "risk.user_training": (7.0, 0.0),
    "drift.baseline_stats": (3.5, 0.0),
    "drift.model_watch": (2.0, 0.0),
    "drift.drift_pages": (12.0, 0.0),
    "causality.feature_effects": (5.0, 0.0),
    "decisions.feature_decisions": (2.0, 0.0),
}
_OTHERS: Final = (0.4, 0.005)
PHASES: Final[Mapping[str, float]] = {
    "taking in files": 24.0,
    "building tables": 20.0,
    "models": 24.0,
    "drift and decisions": 23.0,
}
_PART: Final = re.compile(r"\((\d+) of (\d+)\)$")
# The share of a step that its first count covers, such as files that are written before they are read.
_FIRST_PART: Final = 0.6


def weight(path: str, days: int) -> float:
    """Return how long a table is expected to take, relative to other tables.

    Args:
        path: Table with its schema, such as `warehouse.fact_events`.
        days: Number of days that are built.
    """
    fixed, a_day = _WEIGHTS.get(path, _OTHERS)
    return fixed + a_day * days


@dataclass(slots=True)
class Progress:
    """The share of a run that is done; it never falls, and stays below 1 until the run ends."""

    expected: dict[str, float] = field(default_factory=lambda: dict(PHASES))
    steps: dict[str, float] = field(default_factory=dict)
    done: float = 0.0
    within: float = 0.0
    floor: float = 0.0
    running: str = ""
    shown: float = 0.0
    _last: tuple[int, int] = (0, 0)

    def listen(self, kind: str, what: Any) -> None:
        """Record one message of a run.

        Args:
            kind: `expect`, `plan`, `start`, `done` or `note`; any other kind is ignored.
            what: The content of the message, whose type depends on the kind; see `Listener`.
        """
        if kind == "expect":
            self.expected = dict(what)
        elif kind == "plan":
            phase, steps = what
            for name in list(self.expected):
                # Phases run in this order: the earlier ones have ended, or had nothing to do.
                del self.expected[name]
                if name == phase:
                    break
            self.steps.update(steps)
        elif kind == "start":
            self.running, self.within, self.floor, self._last = what, 0.0, 0.0, (0, 0)
        elif kind == "done":
            self.done += self.steps.pop(what, 0.0)
            self.within = 0.0
        elif kind == "note":
            self._note(what)

    def _note(self, text: str) -> None:
        found = _PART.search(text)
        if not found:
            return
        part = (int(found[1]), int(found[2]))
        if part[0] < self._last[0] or part[1] != self._last[1]:
            self.floor = self.within
        self._last = part
        self.within = self.floor + (1 - self.floor) * _FIRST_PART * part[0] / max(part[1], 1)

    def share(self) -> float:
        """Return the share that is done, from 0 to 1."""
        done = self.done + self.within * self.steps.get(self.running, 0.0)
        total = self.done + sum(self.steps.values()) + sum(self.expected.values())
        self.shown = max(self.shown, min(done / total, 0.99) if total else 0.0)
        return self.shown
