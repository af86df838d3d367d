"""Reading: the pages about a product, each read from one snapshot of the lake; the only place where readers' figures come from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from intelligence.briefs.composing import day_brief
from intelligence.catalog.annotations import Annotation, most_telling
from intelligence.catalog.pages import AsOf, Page
from intelligence.catalog.product import Product
from intelligence.catalog.reading import (
    answers,
    causes,
    coming,
    decisions,
    experiments,
    features,
    people,
    platform_health,
    scenario,
    today,
    trials,
)
from intelligence.catalog.summary import COHORTS, known, missing
from intelligence.core.errors import ExperimentError, ForecastError, NotEnoughEvidence
from intelligence.core.marks import Mark
from intelligence.core.sql import sql
from intelligence.decisions.autonomy import ACTIVE, ADVANCE
from resources.lake.door import Lake
from resources.services.annotations import AnnotationService
from resources.services.experiments import ExperimentService
from resources.services.forecasts import ForecastService

if TYPE_CHECKING:
    from intelligence.forecasts.forecast import Outlook

SHOWN_DAYS: Final = 90
_AS_OF = sql("catalog/reading/as_of.sql")
_CHOICES = sql("catalog/reading/choices.sql")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a reader can choose from, the most used first.

    Attributes:
        features: Names of features.
        segments: Names of segments.
    """

    features: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadService:
    """Reads the pages of a product. It writes nothing.

    Attributes:
        product: The product.
        lake: Its lake.
        annotations: Says what happened on a day.
        forecasts: Forecasts what scenarios are compared with.
        trials: Plans experiments, and says for whom one works.
    """

    product: Product
    lake: Lake
    annotations: AnnotationService
    forecasts: ForecastService
    trials: ExperimentService
    # The forecasts of the newest snapshot that was asked, since every step of a slider asks for a scenario beside the same ones.
    _outlooks: "dict[tuple[int | None, date], Outlook]" = field(default_factory=dict, repr=False, compare=False)

    def snapshot_id(self) -> int | None:
        """Return the id of the lake's newest snapshot, which every page has until there is a newer one; None without a lake."""
        return self.lake.snapshot_id() if self.lake.exists() else None

    def as_of(self) -> AsOf:
        """Return what pages are read from now."""
        with self._snapshot() as found:
            return found

    def choices(self) -> Choices:
        """Return the features and segments that pages can be asked for."""
        if not self.lake.exists():
            return Choices()
        rows = self.lake.frame(_CHOICES)
        names = {kind: tuple(rows.filter(kind=kind)["name"]) for kind in ("feature", "segment")}
        return Choices(names["feature"], names["segment"])

    def today(self) -> Page:
        """Return what a product manager asks first, and what needs a person."""
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            found = missing(self.lake.frame, self.product, rejected=False)
            brief = day_brief(known(self.lake.frame, found, self.product, as_of.day))
            told = {section.heading: tuple(map(str, section.sentences)) for section in brief.sections}
            marks = self._marks(as_of.day, today.PULSE_DAYS)
            return today.today_page(as_of, self._read(today.QUERIES, today.PARAMETERS), told, marks=marks)

    def features(self) -> Page:
        """Return all features, those first in which most is at stake."""
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            return features.features_page(as_of, self._read(features.RANKING))

    def compared(self, names: tuple[str, ...], *, days: int = SHOWN_DAYS) -> Page:
        """Return features side by side.

        Args:
            names: The features.
            days: Number of days that end with the newest one.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            read = self._read(features.SIDE_BY_SIDE, {"names": list(names), "days": days})
            return features.compared_page(as_of, read, names)

    def feature(self, name: str, *, days: int = SHOWN_DAYS) -> Page:
        """Return all that is known of a feature.

        Args:
            name: The feature; one that was never seen is said to be so.
            days: Number of days that end with the newest one.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            first = as_of.day - timedelta(days=days - 1)
            asked = {
                **{"feature": name, "names": [name], "days": days, "last": as_of.day},
                "first": as_of.day - timedelta(days=features.RAW_DAYS - 1),
            }
            happened = self.annotations.between(first, as_of.day, feature=name)
            return features.feature_page(
                as_of,
                self._read(features.ONE, asked),
                name,
                marks=most_telling(happened, feature=name),
                happened=happened_rows(happened),
                horizon=self.product.risk.horizon_days,
            )

    def people(self, *, segment: str = "", days: int = SHOWN_DAYS) -> Page:
        """Return who uses the product, who stays, where funnels lose them and who is about to leave.

        Args:
            segment: Only users of this segment, where a table tells them apart; empty for all.
            days: Number of days that end with the newest one.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            dimension, value = ("segment", segment) if segment else ("all", "all")
            asked = {"segment": segment or "all", "dimension": dimension, "value": value, "days": days}
            read = self._read({**people.QUERIES, "cohorts": COHORTS}, asked)
            marks = self._marks(as_of.day, days)
            return people.people_page(as_of, read, segment=segment, marks=marks, cohorts=read["cohorts"])

    def experiments(self, name: str = "", *, segment: str = "") -> Page:
        """Return the verdicts on experiments, and the effects that they rest on.

        Args:
            name: The experiment whose course is shown; the newest one where it is empty.
            segment: Only units of this segment; empty for all.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            shown = name or self._newest_experiment()
            read = self._read(experiments.QUERIES, {"experiment": shown, "segment": segment or "all"})
            return experiments.experiments_page(as_of, read, experiment=shown)

    def plan(self, metric: str = "", *, feature: str = "", effect: int = 5, share: int = 50, length: int = 28) -> Page:
        """Return how many users and days an experiment needs, from the product's own history.

        Args:
            metric: The metric that decides; empty for none.
            feature: Only users of this feature; empty for all.
            effect: Change that is to be found, in per cent of the metric's value.
            share: Per cent of the units that get the variant.
            length: Length of the experiment in days.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            if not metric:
                return trials.refused_page(as_of, None, trials.ASK_PLAN)
            try:
                found = self.trials.plan(
                    metric, feature=feature or None, relative=effect / 100, share=share / 100, days=length
                )
            except (ExperimentError, NotEnoughEvidence) as error:
                return trials.refused_page(as_of, error, trials.ASK_PLAN)
            return trials.plan_page(as_of, found)

    def uplift(self, name: str = "", *, metric: str = "") -> Page:
        """Return for whom the variants of an experiment work, or that there is not enough evidence of it.

        Args:
            name: The experiment; the newest one where it is empty.
            metric: The metric whose change is looked at; empty for the first goal.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            shown = name or self._newest_experiment()
            if not shown:
                return trials.refused_page(as_of, None, trials.NO_EXPERIMENT)
            try:
                return trials.uplift_page(as_of, self.trials.for_whom(shown, metric=metric or None))
            except (ExperimentError, NotEnoughEvidence) as error:
                return trials.refused_page(as_of, error, trials.NO_EXPERIMENT)

    def answers(self, feature: str = "", *, days: int = SHOWN_DAYS) -> Page:
        """Return how good the answers of language models are, and what changed them.

        Args:
            feature: Only this feature; empty for all.
            days: Number of days.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            read = self._read(answers.QUERIES, {"feature": feature, "days": days})
            return answers.answers_page(as_of, read, feature=feature)

    def causes(self, feature: str = "", *, days: int = SHOWN_DAYS) -> Page:
        """Return what features do to their users, and where changes of metrics lie.

        Args:
            feature: Only this feature; empty for all.
            days: Number of days, of changes.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            return causes.causes_page(
                as_of, self._read(causes.QUERIES, {"feature": feature, "days": days}), feature=feature
            )

    def coming(self, series: str = "dau", *, segment: str = "", feature: str = "", days: int = SHOWN_DAYS) -> Page:
        """Return the forecast of a figure, how often its intervals held, and how earlier forecasts turned out.

        Args:
            series: The series.
            segment: Its segment; empty for the whole product.
            feature: Its feature, of `feature_users`; empty for none.
            days: Number of days of the past beside it.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            asked = {"series": series, "segment": segment or "all", "feature": feature, "days": days}
            read = self._read(coming.QUERIES, asked)
            marks = self._marks(as_of.day, days)
            return coming.coming_page(
                as_of, read, series=series, segment=segment or "all", feature=feature, marks=marks
            )

    def scenario(self, change: str = "", *, series: str = "", ahead: int = 28) -> Page:
        """Return what would come after a change, beside what is expected without it, and what says so.

        Args:
            change: The change, such as `conversion_rate +2 points`, `new_users -50 %` or `rollback FEATURE`; empty for none.
            series: The series to look at; empty for the one that the change is usually asked for.
            ahead: How many days ahead.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            if not change:
                return scenario.unanswered_page(as_of)
            try:
                found = self.forecasts.scenario(
                    change, series=series or None, days=ahead, found=self._outlook(as_of.snapshot, as_of.day)
                )
            except (ForecastError, NotEnoughEvidence) as error:
                return scenario.unanswered_page(as_of, error)
            known = self._read(scenario.QUERIES, {"series": found.series, "segment": "all", "feature": ""})
            return scenario.scenario_page(as_of, found, known["forecast"], day=as_of.day)

    def decisions(self, feature: str = "", *, days: int = SHOWN_DAYS) -> Page:
        """Return the ledger: what was decided and done, why, why not, and what came of it.

        Args:
            feature: Only this feature; empty for all.
            days: Number of days that end with the newest one that was decided.
        """
        with self._snapshot() as as_of:
            if as_of.day is None:
                return today.empty_page(as_of)
            read = self._read(decisions.QUERIES, {"feature": feature, "days": days})
            return decisions.decisions_page(as_of, read, self.policy(), feature=feature)

    def health(self, *, days: int = SHOWN_DAYS) -> Page:
        """Return whether data, tables and models are in order.

        Args:
            days: Number of days of telemetry.
        """
        with self._snapshot() as as_of:
            if as_of.delivered_day is None:
                return today.empty_page(as_of)
            return platform_health.health_page(as_of, self._read(platform_health.QUERIES, {"days": days}))

    def policy(self) -> pl.DataFrame:
        """Return what each kind of action may do by itself, from product.yaml."""
        rules = self.product.decisions
        rows = [
            {"kind": str(kind), "level": rules.of(kind).level, "least_confidence": rules.of(kind).confidence}
            for kind in ACTIVE
        ]
        rows.append({"kind": ADVANCE, "level": rules.advance.level, "least_confidence": None})
        return pl.DataFrame(rows, schema={"kind": pl.String, "level": pl.String, "least_confidence": pl.Float64})

    def _newest_experiment(self) -> str:
        verdicts = self.lake.frame(experiments.QUERIES["verdicts"])
        return str(verdicts["experiment"][0]) if verdicts.height else ""

    def _outlook(self, snapshot: int | None, day: date) -> "Outlook":
        key = (snapshot, day)
        found = self._outlooks.get(key)
        if found is None:
            found = self.forecasts.outlook(day)
            self._outlooks.clear()
            self._outlooks[key] = found
        return found

    @contextmanager
    def _snapshot(self) -> Iterator[AsOf]:
        """Let all that is read until the context ends be of one snapshot, and yield what that is."""
        if not self.lake.exists():
            yield AsOf(self.product.name)
            return
        with self.lake.one_snapshot():
            snapshot, read = self.lake.read({"as_of": _AS_OF})
            yield AsOf(self.product.name, snapshot, **read["as_of"].row(0, named=True))

    def _read(self, queries: Mapping[str, str], parameters: Mapping[str, Any] | None = None) -> dict[str, pl.DataFrame]:
        return self.lake.read(queries, parameters)[1]

    def _marks(self, day: date, days: int) -> tuple[Mark, ...]:
        return self.annotations.marks(day - timedelta(days=days - 1), day)


def happened_rows(happened: tuple[Annotation, ...]) -> pl.DataFrame:
    """Return annotations as rows, the newest first.

    Args:
        happened: The annotations.
    """
    schema = {"day": pl.Date, "kind": pl.String, "feature": pl.String, "text": pl.String, "by": pl.String}
    rows = [{name: getattr(each, name) for name in schema} for each in reversed(happened)]
    return pl.DataFrame(rows, schema=schema)
