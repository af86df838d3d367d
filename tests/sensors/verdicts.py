"""A champion and verdicts on it, written into the lake as the drift assets would."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from intelligence.core.tables import Days
from intelligence.drift.tables import MODEL_WATCH
from resources.lake.door import Lake
from tests.assets.test_models import LAST, Installation
from tests.sensors.house import Deployment

MODEL = "feature_risk"
# Late enough after the training as of LAST for its cooldown, and for outcomes from its horizon on.
BEGIN = LAST + timedelta(days=11)
STATES = {"m": "moved", "s": "steady", "x": "suspended"}


class Watched(Deployment):
    """A deployment whose champion is one that was trained before; each has runs and messages of its own."""

    def __init__(self, folder: Path, trained: Installation) -> None:
        super().__init__(folder)
        self.lake, self.registry = trained.lake, trained.registry
        self.platform = replace(self.platform, lake=self.lake, registry=self.registry)
        self.open()
        self.write("")

    @property
    def version(self) -> int:
        champion = self.registry.champion(MODEL)
        assert champion is not None
        return int(champion.version)

    def write(self, states: str, *, version: int | None = None) -> None:
        """Replace all verdicts: one a day from BEGIN on, m moved, s steady, x suspended."""
        self.lake.commit(lambda connection: connection.execute("DELETE FROM drift.model_watch"))
        rows = [
            self._row(BEGIN + timedelta(days=n), STATES[each], version or self.version) for n, each in enumerate(states)
        ]
        if rows:
            days = Days(BEGIN, BEGIN + timedelta(days=len(rows)))
            self.lake.replace(MODEL_WATCH, days, "FROM found", frames={"found": MODEL_WATCH.frame(rows)})

    def _row(self, day: date, state: str, version: int) -> dict[str, object]:
        names = ["slow_rise_7d"] if state == "moved" else []
        lists = {"moved": names, "that_matter": names, "own_doing": []}
        counts = dict.fromkeys(("rows", "known_rows", "known_positives"), 400)
        reason = "Moved: slow_rise_7d by 0.80, limit 0.30 (+31 % on average)." if names else f"It is {state}."
        return {
            "event_date": day,
            "model": MODEL,
            "model_version": version,
            "state": state,
            "reason": reason,
            "lake_snapshot": 1,
            **lists,
            **counts,
        }

    def restart(self) -> None:
        """Open the lake anew, as another process would; runs stay, and the lake that others use stays open."""
        self.lake = Lake(catalog=self.lake.catalog, store=self.lake.store)
        self.platform = replace(self.platform, lake=self.lake)
        self.open()
