"""Experiments: what their units did is read from the lake, and what follows from it is computed day by day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from intelligence.catalog.product import Product
from intelligence.core.errors import ExperimentError
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.experiments.settings import MOST_OUTCOME_DAYS
from intelligence.experiments.tables import EXPERIMENT_MOMENTS, EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS, FACT_EXPOSURES
from intelligence.metrics.registry import LONGEST_DAYS
from intelligence.metrics.tables import USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import FACT_ANSWERS, FACT_EVENTS
from resources.lake.door import Lake

if TYPE_CHECKING:
    from intelligence.experiments.for_whom import ForWhom
    from intelligence.experiments.history import Planned
    from intelligence.experiments.running import Running

# A unit is observed for some days, and its covariates are as many days before its exposure.
_BACK_DAYS = LONGEST_DAYS + MOST_OUTCOME_DAYS
# Units whose rows are held in memory at once.
UNIT_DAYS_AT_ONCE = 2_000_000
READS: Reads = {
    FACT_EXPOSURES: (Read(FACT_EVENTS), Read(FACT_ANSWERS)),
    EXPERIMENT_MOMENTS: (
        Read(FACT_EXPOSURES, LONGEST_DAYS),
        Read(USER_DAY, _BACK_DAYS),
        Read(FACT_EVENTS, _BACK_DAYS),
        Read(FACT_ANSWERS, _BACK_DAYS),
        Read(DAY_QUALITY, _BACK_DAYS),
    ),
    EXPERIMENT_RESULTS: (
        Read(EXPERIMENT_MOMENTS, _BACK_DAYS),
        Read(FACT_EXPOSURES, _BACK_DAYS),
        Read(DAY_QUALITY, _BACK_DAYS),
    ),
}
_MOMENTS = f"FROM {EXPERIMENT_MOMENTS.path} WHERE event_date < $end AND experiment IN (SELECT unnest($experiments))"
_HISTORY = f"SELECT min(event_date) AS first, max(event_date) AS last FROM {USER_DAY.path}"
_BLOCKED = f"""SELECT problems FROM {EXPERIMENT_VERDICTS.path} WHERE experiment = $experiment AND NOT is_healthy
    AND event_date = (SELECT max(event_date) FROM {EXPERIMENT_VERDICTS.path} WHERE experiment = $experiment) ORDER BY variant"""
_FAULTY = f"SELECT event_date FROM {DAY_QUALITY.path} WHERE verdict IN ('partial', 'empty') AND event_date < $end"


@dataclass(frozen=True, slots=True)
class ExperimentService:
    """Analyses the experiments of a product.

    Attributes:
        product: The product.
        lake: Its lake.
        rolled_out: Returns the flags with a rollout. Their events name the flag as experiment, and their shares change from step to
            step: the rollout is decided on its own, and as an experiment with fixed shares it would look broken.
    """

    product: Product
    lake: Lake
    rolled_out: Callable[[], frozenset[str]] = frozenset

    def over(self, lake: Lake) -> "ExperimentService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake)

    def moments_of(self, days: Days) -> pl.DataFrame:
        """Return the rows of experiments.experiment_moments of these days."""
        from intelligence.experiments.daily import daily_moments
        from intelligence.experiments.running import parameters

        experiments = self._running(days)
        asked = {**parameters(experiments), "conversion_events": list(self.product.conversion_events)}
        parts = [
            daily_moments(self._unit_values(part, asked), experiments) for part in self._parts(days) if experiments
        ]
        return pl.concat(parts) if parts else pl.DataFrame(schema=EXPERIMENT_MOMENTS.schema())

    def standing_of(self, days: Days) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows of experiments.experiment_results and experiments.experiment_verdicts of these days."""
        if not self.product.experiments and self._seen(days.end).is_empty():
            return pl.DataFrame(schema=EXPERIMENT_RESULTS.schema()), pl.DataFrame(schema=EXPERIMENT_VERDICTS.schema())
        from intelligence.experiments.standing import Known, standing

        names = [each.experiment.name for each in self._running(days)]
        known = Known(
            moments=self.lake.frame(_MOMENTS, {"end": days.end, "experiments": names}),
            seen=self._seen(days.end),
            faulty_days=self.lake.frame(_FAULTY, {"end": days.end})["event_date"].to_list(),
            owner=self.product.owner,
        )
        return standing(known, self.product.experiments, days.each)

    def plan(
        self, metric: str, *, feature: str | None = None, relative: float = 0.05, share: float = 0.5, days: int = 28
    ) -> "Planned":
        """Return how many units and days an experiment needs, from what users did in the newest days.

        Args:
            metric: The metric that decides.
            feature: The feature that the experiment is on; None for the whole product.
            relative: Effect that is to be found, as a share of the metric's value.
            share: Share of the units that get the variant, in (0, 1).
            days: Length of the experiment in days.

        Raises:
            ExperimentError: There is no such metric, it cannot be planned with, or the lake is empty.
            NotEnoughEvidence: The history is too short, or too few users were active.
        """
        from intelligence.experiments.history import planned, question

        asked = question(metric, feature=feature, relative=relative, share=share, days=days)
        first, last = self.lake.frame(_HISTORY).row(0) if self.lake.exists() else (None, None)
        if first is None:
            raise ExperimentError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")
        window = asked.window(first, last)
        given = {**asked.parameters, **window.parameters, "conversion_events": list(self.product.conversion_events)}
        return planned(self.lake.frame(sql("experiments/history_values.sql"), given), asked, window, first=first)

    def for_whom(self, name: str, *, metric: str | None = None) -> "tuple[ForWhom, ...]":
        """Return for each variant of an experiment for whom it works, from what was known of its units before.

        Args:
            name: The experiment.
            metric: Metric of the registry; None for the first goal of the experiment.

        Raises:
            ExperimentError: There is no such experiment or metric, or the lake is empty.
        """
        from intelligence.experiments.for_whom import for_whom, goal_of
        from intelligence.experiments.running import running

        last = self.lake.frame(_HISTORY)["last"].item() if self.lake.exists() else None
        if last is None:
            raise ExperimentError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")
        with self.lake.one_snapshot():
            known = running(self._seen(last + timedelta(days=1)), self.product.experiments)
            mine = next((each for each in known if each.experiment.name == name), None)
            if mine is None:
                names = ", ".join(each.experiment.name for each in known) or "none"
                raise ExperimentError(name, "is no experiment with two variants.", hint=f"There are: {names}.")
            asked = goal_of(mine.experiment, metric)
            day = min(last, mine.ends_on)
            values = self.lake.frame(
                sql("experiments/unit_outcomes.sql"),
                {
                    "experiment": name,
                    "feature": mine.experiment.feature,
                    "first_day": mine.starts_on,
                    "last_day": min(mine.ends_on, mine.last_seen),
                    "day": day,
                    "outcome_days": mine.experiment.outcome_days,
                    "after_days": asked.after_days or 0,
                    "window_days": asked.window_days,
                    "conversion_events": list(self.product.conversion_events),
                },
            )
            problems = self.lake.frame(_BLOCKED, {"experiment": name})["problems"].to_list()
        blocked = [each for row in problems for each in row or ["its health blocks the results"]]
        return for_whom(values, mine.experiment, asked, day=day, problems=blocked)

    def _seen(self, end: date) -> pl.DataFrame:
        apart = self.rolled_out() - {each.name for each in self.product.experiments}
        return self.lake.frame(sql("experiments/seen.sql"), {"end": end, "rolled_out": sorted(apart)})

    def _running(self, days: Days) -> "tuple[Running, ...]":
        """Return the experiments with results on one of these days, or with units whose retention becomes known on one."""
        from intelligence.experiments.running import running

        seen = self._seen(days.end)
        if seen.is_empty():
            return ()
        found = running(seen, self.product.experiments)
        return tuple(each for each in found if (days.start - each.last_seen).days <= LONGEST_DAYS)

    def _unit_values(self, days: Days, asked: Mapping[str, Any]) -> pl.DataFrame:
        return self.lake.frame(sql("experiments/unit_values.sql"), {**asked, **days.parameters})

    def _parts(self, days: Days) -> list[Days]:
        """Return the days in parts of which each fits into memory."""
        units = "SELECT count(*) FROM experiments.fact_exposures WHERE is_first AND event_date < $end"
        exposed = int(self.lake.frame(units, {"end": days.end}).item())
        at_once = max(1, UNIT_DAYS_AT_ONCE // max(exposed, 1))
        starts = days.each[::at_once]
        return [Days(start, end) for start, end in zip(starts, [*starts[1:], days.end], strict=True)]
