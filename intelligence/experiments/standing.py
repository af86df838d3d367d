"""The standing of all experiments at the end of each day: the rows of the tables of results and of verdicts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from intelligence.core.errors import NotEnoughEvidence
from intelligence.core.grades import Finding, graded
from intelligence.experiments.daily import DAY_ALONE, known_on
from intelligence.experiments.health import Problem, effects_by_age, novelty
from intelligence.experiments.inference import adjusted_p
from intelligence.experiments.moments import arms_of_all
from intelligence.experiments.results import RESULTS, Look, Results, look_at, numbers, read, results
from intelligence.experiments.running import Running, running
from intelligence.experiments.settings import Experiment
from intelligence.experiments.tables import EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS
from intelligence.metrics.registry import METRICS

EVERYBODY: Final = "all"
SEGMENTS_EVERY_DAYS: Final = 7
UNHEALTHY: Final = "the experiment is not healthy; see its verdict"
_COPIED: Final = tuple(name for name in RESULTS if name not in ("metric", "role", "variant", "note"))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of all experiments, up to the last day that is looked at.

    Attributes:
        moments: Rows of experiments.experiment_moments.
        seen: What `seen.sql` returns.
        faulty_days: Days on which telemetry was at fault.
        owner: Who decides where an experiment names nobody.
    """

    moments: pl.DataFrame
    seen: pl.DataFrame
    faulty_days: Sequence[date]
    owner: str


def standing(known: Known, declared: Sequence[Experiment], days: Sequence[date]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of experiments.experiment_results and experiments.experiment_verdicts of these days.

    Each day is judged by what was known at its end. An experiment has no rows before its first unit and after its last day.

    Args:
        known: What is known of all experiments.
        declared: The experiments of product.yaml.
        days: The days, in order.
    """
    found: list[Mapping[str, Any]] = []
    verdicts: list[Mapping[str, Any]] = []
    by_experiment = {str(name): rows for (name,), rows in known.moments.group_by("experiment")}
    for day in days:
        seen = known.seen.filter(pl.col("event_date") <= day)
        for each in running(seen, declared) if seen.height else ():
            name = each.experiment.name
            if not each.starts_on <= day <= each.ends_on or name not in by_experiment:
                continue
            of_day = _OfDay(each, day, by_experiment[name], seen.filter(pl.col("experiment") == name), known)
            found += of_day.result_rows
            verdicts += of_day.verdict_rows
    return EXPERIMENT_RESULTS.frame(found), EXPERIMENT_VERDICTS.frame(verdicts)


class _OfDay:
    """An experiment at the end of a day."""

    def __init__(self, of: Running, day: date, moments: pl.DataFrame, seen: pl.DataFrame, known: Known) -> None:
        self.of, self.day, self.experiment = of, day, of.experiment
        self.moments = known_on(moments, day)
        self.seen, self.owner = seen, known.owner
        self.in_two = int(seen["in_two"].sum())
        self.faulty = [each for each in known.faulty_days if of.starts_on <= each <= day]
        age = (pl.col("event_date") - pl.col("exposed_on")).dt.total_days().alias("days_since")
        alone = (pl.col("measured_in") == DAY_ALONE) & (pl.col("event_date") <= day)
        self.days_alone = moments.filter(alone).with_columns(age)
        self.results, self.missing = self._results()
        self.findings: list[Finding] = [] if of.is_declared else ["not declared"]
        if any(problem.blocking for problem in self.problems):
            self.findings.append("unhealthy")

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.results.problems if self.results else ()

    def _results(self) -> tuple[Results | None, str]:
        try:
            found = results(
                self.moments,
                self.experiment,
                day=self.day,
                in_two_arms=self.in_two,
                faulty_days=self.faulty,
                warnings=tuple(self._novelties()),
                is_over=self.day == self.of.ends_on,
            )
        except NotEnoughEvidence as error:
            return None, f"{error.culprit} {error.problem}"
        return found, ""

    def _novelties(self) -> Iterator[Problem]:
        for use in self.experiment.metrics:
            metric = METRICS[use.metric]
            if use.actual_role == "goal" and metric.kind in ("mean", "ratio"):
                for variant in self.experiment.treatments:
                    by_age = effects_by_age(self.days_alone, metric, control=self.experiment.control, treatment=variant)
                    problem = novelty(by_age, metric.name)
                    if problem:
                        yield problem

    @property
    def result_rows(self) -> Iterator[Mapping[str, Any]]:
        if self.results is None:
            return
        grade = graded("experiment", self.findings).grade
        uses = {use.metric: use for use in self.experiment.metrics}
        table = self.results.table if self.results.table.height else self._without_effects()
        for row in [
            *table.with_columns(segment=pl.lit(EVERYBODY)).iter_rows(named=True),
            *self._segments(),
        ]:
            use = uses[row["metric"]]
            yield {
                **{name: _finite(value) for name, value in row.items()},
                "event_date": self.day,
                "experiment": self.experiment.name,
                "direction": use.direction or METRICS[use.metric].direction,
                "margin": use.margin,
                "scale": use.scale,
                "grade": grade if row["effect"] is not None else None,
            }

    def _without_effects(self) -> pl.DataFrame:
        """Return a row without numbers for each metric of each variant of an unhealthy experiment."""
        rows = [
            {"metric": use.metric, "role": use.actual_role, "variant": variant, "note": UNHEALTHY}
            for variant in self.experiment.treatments
            for use in self.experiment.metrics
        ]
        return pl.DataFrame(rows, schema=RESULTS)

    def _segments(self) -> list[dict[str, Any]]:
        """Return the effects on the goals by segment, with p-values adjusted for the number of segments and goals.

        They are computed on each seventh day of the experiment and on its last one.
        """
        is_due = (self.day - self.of.starts_on).days % SEGMENTS_EVERY_DAYS == SEGMENTS_EVERY_DAYS - 1
        if self.day < self.of.ends_on and not is_due:
            return []
        by_segment = {str(name): rows for (name,), rows in self.moments.group_by("segment")}
        if self.results is None or self.results.table.is_empty() or len(by_segment) < 2:
            return []
        look = look_at(self.moments, self.experiment, self.day)
        rows = [row for name in sorted(by_segment) for row in self._segment(name, by_segment[name], look)]
        known = [row for row in rows if row["p"] is not None]
        for row, p in zip(known, adjusted_p([row["p"] for row in known], how="false_discovery"), strict=True):
            row["p_adjusted"] = p
        return rows

    def _segment(self, segment: str, found: pl.DataFrame, look: Look) -> Iterator[dict[str, Any]]:
        by_metric = arms_of_all(found)
        for use in self.experiment.metrics:
            metric = METRICS[use.metric]
            if use.actual_role != "goal":
                continue
            for variant in self.experiment.treatments:
                reading, note = read(
                    by_metric.get(metric.name, {}),
                    metric,
                    use,
                    control=self.experiment.control,
                    variant=variant,
                    look=look,
                    minimum_units=self.experiment.minimum_units,
                )
                empty = dict.fromkeys(_COPIED)
                described = {"metric": metric.name, "role": reading.role, "variant": variant, "segment": segment}
                yield {**empty, **described, "note": note or None, **numbers(reading, look)}

    @property
    def verdict_rows(self) -> Iterator[Mapping[str, Any]]:
        experiment = self.experiment
        in_time = self.seen.filter(pl.col("event_date").is_between(self.of.starts_on, self.of.ends_on))
        units = dict(in_time.group_by("variant").agg(pl.col("units").sum()).iter_rows())
        for variant in experiment.treatments:
            verdict = self.results.verdicts[variant] if self.results else None
            yield {
                "event_date": self.day,
                "experiment": experiment.name,
                "variant": variant,
                "control": experiment.control,
                "verdict": verdict.word if verdict else "not_enough_evidence",
                "until": verdict.until if verdict else None,
                "reason": verdict.reason if verdict else self.missing,
                "is_healthy": "unhealthy" not in self.findings,
                "problems": [problem.sentence for problem in self.problems],
                "grade": graded("experiment", self.findings).grade,
                "is_declared": self.of.is_declared,
                "confidence": 1 - experiment.alpha,
                "design": experiment.actual_design,
                "starts_on": self.of.starts_on,
                "ends_on": experiment.horizon,
                "units_control": units.get(experiment.control, 0),
                "units_variant": units.get(variant, 0),
                "units_in_two": self.in_two,
                "feature": experiment.feature,
                "flag": experiment.flag,
                "owner": experiment.owner or self.owner,
                "hypothesis": experiment.hypothesis,
            }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
