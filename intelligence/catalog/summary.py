"""The summary at the end of a run: counts, features in trouble, faulty days, and planted truths compared with findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import polars as pl

from intelligence.briefs.brief import Brief
from intelligence.briefs.composing import QUERIES, Known, day_brief
from intelligence.briefs.morning import unjudged_sentence
from intelligence.catalog.product import Product
from intelligence.core.facts import Said
from intelligence.core.sql import sql
from intelligence.core.truths import PlantedTruth
from intelligence.experiments.gaps import experiment_gaps
from intelligence.metrics.tables import LIKE_A_BOT
from intelligence.telemetry.gaps import (
    DELIVERED_SOURCES,
    EVENT_TYPES,
    ONE_OF_TYPE,
    REJECTED_FEATURES,
    SEEN_FEATURES,
    Gap,
    empty_columns,
    gaps,
)
from intelligence.telemetry.tables import OPTIONAL_COLUMNS

if TYPE_CHECKING:
    from intelligence.decisions.backtest import PolicyBacktest
    from intelligence.risk.backtest import BacktestLine, CaughtDecay

RISKS_SHOWN: Final = 10
WORST_SHOWN: Final = 12

TOTALS: Final = sql("catalog/summary/totals.sql")

CONFLICTS: Final = sql("catalog/summary/conflicts.sql")

LAST_DAY: Final = "SELECT max(event_date) AS day, min(event_date) AS first_day FROM metrics.feature_health"

IN_TROUBLE: Final = sql("catalog/summary/in_trouble.sql")

EVIDENCE: Final = sql("catalog/summary/evidence.sql")

WORST_FEATURE_DAYS: Final = sql("catalog/summary/worst_feature_days.sql")

LEFT_OUT: Final = sql("catalog/summary/left_out.sql")

FAULTY_DAYS: Final = sql("catalog/summary/faulty_days.sql")

WAITING: Final = sql("catalog/summary/waiting.sql")

DEGRADED_DAYS: Final = sql("catalog/summary/degraded_days.sql")


TOP_RISKS: Final = sql("catalog/summary/top_risks.sql")

LEAVING: Final = sql("catalog/summary/leaving.sql")

RISK_VERDICT: Final = (
    "SELECT decision, reason FROM risk.feature_verdict ORDER BY as_of DESC, lake_snapshot DESC LIMIT 1"
)


NEWEST_DECISIONS: Final = sql("catalog/summary/newest_decisions.sql")

# The newest day compared with the same weekday of the four weeks before it.
WEEKS: Final = sql("briefs/weeks.sql")
JUDGED: Final = sql("briefs/judged.sql")
COMING: Final = sql("briefs/coming.sql")
COHORTS: Final = sql("briefs/cohorts.sql")
FUNNELS: Final = sql("briefs/funnels.sql")
WRONG: Final = sql("briefs/wrong.sql")
PULSE: Final = sql("catalog/summary/pulse.sql")

EXPERIMENTS: Final = sql("catalog/summary/experiments.sql")

EXPERIMENTS_SEEN: Final = sql("catalog/summary/experiments_seen.sql")

EFFECTS: Final = sql("catalog/summary/effects.sql")

DEGRADATIONS: Final = sql("catalog/summary/degradations.sql")

FILLED: Final = "SELECT filled FROM telemetry.day_quality WHERE events > 0"

NEWEST_ACTIONS: Final = sql("catalog/summary/newest_actions.sql")


@dataclass(frozen=True, slots=True)
class FoundTruth:
    """A planted truth and whether the platform found it.

    Attributes:
        truth: The planted truth.
        found_on: First day on which it was found; None if it never was.
    """

    truth: PlantedTruth
    found_on: date | None

    @property
    def delay_days(self) -> int | None:
        """Return the days from the truth's first day to the day it was found; negative where it was found earlier."""
        return (self.found_on - self.truth.starts_on).days if self.found_on else None


def found_truths(
    truths: Sequence[PlantedTruth], degraded: pl.DataFrame, faulty: Sequence[date], *, last_day: date
) -> list[FoundTruth]:
    """Return each planted trouble that had begun by `last_day` with the day on which it was found.

    The trouble of a feature is found when the feature is degraded on a day between the first sign and the day after the end;
    a pipeline fault is found on a faulty day. Experiments and confounded features are no trouble and are left out.

    Args:
        truths: What was planted.
        degraded: Degraded days with feature and event_date.
        faulty: Days of faulty telemetry.
        last_day: Last complete day.
    """
    found = []
    for truth in truths:
        if not truth.is_trouble or truth.starts_on > last_day:
            continue
        first, last = truth.precursor_from or truth.starts_on, truth.ends_on + timedelta(days=1)
        days = (
            list(faulty)
            if truth.feature is None
            else degraded.filter(pl.col("feature") == truth.feature)["event_date"].to_list()
        )
        found.append(FoundTruth(truth, min((day for day in days if first <= day <= last), default=None)))
    return found


def false_alarms(truths: Sequence[PlantedTruth], degraded: pl.DataFrame) -> list[str]:
    """Return the features that were assessed as degraded although no trouble was planted on them, sorted.

    Args:
        truths: What was planted.
        degraded: Degraded days with feature and event_date.
    """
    troubled = {truth.feature for truth in truths if truth.kind in ("bad_release", "slow_decay", "bad_answers")}
    return sorted(set(degraded["feature"].to_list()) - troubled)


@dataclass(frozen=True, slots=True)
class PlantedAndFound:
    """Planted truths compared with findings, up to the last complete day.

    Attributes:
        found: The planted troubles and when they were found.
        false_alarms: Features that were degraded without planted trouble.
        features: Number of simulated features.
    """

    found: tuple[FoundTruth, ...]
    false_alarms: tuple[str, ...]
    features: int


@dataclass(frozen=True, slots=True)
class RiskSummary:
    """Forecasts of the risk models, and how well the model did in its evaluation.

    Attributes:
        day: Day of the scores; None where there are none.
        top: The features with the highest risk.
        leaving: Numbers of users by risk of leaving.
        verdict: Why there are no scores; None where there are some.
        backtest: Measures of the model, the other candidate models and the baselines.
        decays: Planted slow decays with the day on which the model flagged them.
        judged_days: First and last day on which the model was evaluated.
        choice: How the model was chosen among the candidate models, in a sentence.
    """

    day: date | None
    top: pl.DataFrame
    leaving: pl.DataFrame
    verdict: str | None
    backtest: tuple["BacktestLine", ...]
    decays: tuple["CaughtDecay", ...]
    judged_days: tuple[date, date] | None
    choice: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionSummary:
    """The decisions of the newest day and their actions.

    Attributes:
        day: The day that was decided.
        shown: Decisions other than `monitor`.
        monitored: Number of features that are only monitored.
        actions: The newest actions.
        backtest: Backtest of the policy on planted truths with its first and last day; None without planted truths.
    """

    day: date
    shown: pl.DataFrame
    monitored: int
    actions: pl.DataFrame
    backtest: "tuple[PolicyBacktest, date, date] | None"


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a lake.

    Attributes:
        totals: Counts of files and rows over all batches.
        left_out: Number of events of bots, and number of bots.
        like_bots: Users who look like a bot since the last complete day.
        waiting: Rows in quarantine, by reason.
        faults: Days of faulty telemetry.
        last_day: Last complete day; None where there is none, and then there is no health, risk or decision.
        worst: The feature-days with the most bad events beyond the promise.
        trouble: Features that are at risk or degraded on the last complete day.
        evidence: Number of features of that day by the column `evidence` of feature_health: `enough`, or why not.
        planted: Planted truths compared with findings; None without a simulator.
        risk: Forecasts; None where no model was trained.
        decisions: Decisions; None where none was made.
        gaps: What is missing in the lake.
        pulse: The product on its newest day.
        brief: The brief of the last complete day; None where there is none.
        conflicts: Rows with the id of another event, by source.
        experiments: The newest verdict on each variant of each experiment.
        effects: What features do to their users, where the evidence carries it.
        degradations: Where the change of each degraded feature lies, in a sentence.
        planted_causes: What the simulator planted, by experiment and by confounded feature; empty without a simulator.
    """

    totals: pl.DataFrame
    left_out: pl.DataFrame
    like_bots: pl.DataFrame
    waiting: pl.DataFrame
    faults: pl.DataFrame
    last_day: date | None
    worst: pl.DataFrame
    trouble: pl.DataFrame
    evidence: Mapping[str, int]
    planted: PlantedAndFound | None
    risk: RiskSummary | None
    decisions: DecisionSummary | None
    gaps: tuple[Gap, ...] = ()
    pulse: Mapping[str, Any] | None = None
    brief: Brief | None = None
    conflicts: pl.DataFrame = field(default_factory=pl.DataFrame)
    experiments: pl.DataFrame = field(default_factory=pl.DataFrame)
    effects: pl.DataFrame = field(default_factory=pl.DataFrame)
    degradations: pl.DataFrame = field(default_factory=pl.DataFrame)
    planted_causes: Mapping[str, str] = field(default_factory=dict)


class Frame(Protocol):
    """Reads a query of the lake into a frame."""

    def __call__(self, query: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of the query."""


def summary(frame: Frame, product: Product) -> Summary:
    """Return the summary of a lake.

    Args:
        frame: Reads a query of the lake.
        product: The product of product.yaml.
    """
    last_day, faults = frame(LAST_DAY)["day"].item(), frame(FAULTY_DAYS)
    found = missing(frame, product)
    return Summary(
        totals=frame(TOTALS),
        left_out=frame(LEFT_OUT),
        like_bots=frame(LIKE_A_BOT, {"start": last_day or date.min, "end": date.max}),
        conflicts=frame(CONFLICTS),
        waiting=frame(WAITING),
        faults=faults,
        last_day=last_day,
        worst=frame(WORST_FEATURE_DAYS, {"most": WORST_SHOWN}),
        trouble=frame(IN_TROUBLE),
        evidence=dict(frame(EVIDENCE).iter_rows()),
        planted=_planted_and_found(frame, product, faults["event_date"].to_list(), last_day) if last_day else None,
        risk=_risk(frame, product) if last_day else None,
        decisions=_decisions(frame, product) if last_day else None,
        gaps=(
            *found,
            *(experiment_gaps(frame(EXPERIMENTS_SEEN), product.experiments, last_day=last_day) if last_day else ()),
        ),
        brief=day_brief(known(frame, found, product, last_day)) if last_day else None,
        pulse=next(frame(PULSE).iter_rows(named=True), None) if last_day else None,
        experiments=frame(EXPERIMENTS) if last_day else pl.DataFrame(),
        effects=frame(EFFECTS) if last_day else pl.DataFrame(),
        degradations=frame(DEGRADATIONS) if last_day else pl.DataFrame(),
        planted_causes=_planted_causes(product),
    )


def known(frame: Frame, found: Sequence[Gap], product: Product, day: date) -> Known:
    """Return what briefs of the newest day are composed of.

    Args:
        frame: Reads a query of the lake.
        found: What is missing in the lake.
        product: The product of product.yaml.
        day: The newest day with figures.
    """
    unknown = {gap.name if gap.kind == "column" else gap.kind for gap in found}
    read = {name: frame(query) for name, query in QUERIES.items()}
    return Known(day, read, unknown, product.signals.minimum_history_days)


def unjudged(frame: Frame, product: Product) -> Said:
    """Return why it cannot be said whether the newest day is unusual; empty where it can.

    Args:
        frame: Reads a query of the lake.
        product: The product of product.yaml.
    """
    judged = next(frame(JUDGED).iter_rows(named=True), None)
    return unjudged_sentence(judged, least_days=product.signals.minimum_history_days)


def _planted_causes(product: Product) -> Mapping[str, str]:
    """Return what was planted in words, by the name of the experiment or of the confounded feature; empty without a simulator."""
    simulated = [source.simulate for source in product.sources if source.simulate]
    if not simulated:
        return {}
    from intelligence.simulation.stream import planted_truths

    truths = planted_truths(simulated[0].plan())
    of_experiments = (truth.detail.partition(": ") for truth in truths if truth.kind == "experiment")
    adopted = {truth.feature: truth.detail for truth in truths if truth.kind == "confounded_feature" and truth.feature}
    return adopted | {name: words for name, _, words in of_experiments}


def missing(frame: Frame, product: Product, *, rejected: bool = True) -> list[Gap]:
    """Return what is missing in a lake: sources, features, promises, conversion events and columns without any data.

    Args:
        frame: Reads a query of the lake.
        product: The product of product.yaml.
        rejected: Whether features of which only rejected rows came are looked for, which takes longer than all else.
    """
    filled = [row for row in frame(FILLED)["filled"].to_list() if row]
    sums = {name: sum(day[place] for day in filled if place < len(day)) for place, name in enumerate(OPTIONAL_COLUMNS)}
    return [
        *gaps(
            sources=[source.name for source in (*product.sources, *product.aliases)],
            declared=tuple(product.features),
            conversion_events=product.conversion_events,
            delivered=frame(DELIVERED_SOURCES),
            seen=frame(SEEN_FEATURES)["feature"].to_list(),
            rejected=frame(REJECTED_FEATURES if rejected else f"FROM ({REJECTED_FEATURES}) LIMIT 0"),
            event_types=_event_types(frame, product.conversion_events),
        ),
        *(empty_columns(sums) if filled else ()),
    ]


def _event_types(frame: Frame, asked: Sequence[str]) -> Sequence[str]:
    """Return the types of events, the most frequent first; only those that are asked for where each of them came."""
    if all(frame(ONE_OF_TYPE, {"event_type": name}).height for name in asked):
        return asked
    types: list[str] = frame(EVENT_TYPES)["event_type"].to_list()
    return types


def _decisions(frame: Frame, product: Product) -> DecisionSummary | None:
    decided = frame(NEWEST_DECISIONS)
    if decided.is_empty():
        return None
    return DecisionSummary(
        day=decided["event_date"][0],
        shown=decided.filter(pl.col("action") != "monitor"),
        monitored=decided.filter(pl.col("action") == "monitor", pl.col("scope") == "feature").height,
        actions=frame(NEWEST_ACTIONS),
        backtest=_policy_backtest(frame, product),
    )


def _policy_backtest(frame: Frame, product: Product) -> "tuple[PolicyBacktest, date, date] | None":
    planted = [source.simulate for source in product.sources if source.simulate and source.simulate.planted]
    if not planted:
        return None
    from intelligence.decisions.replay import policy_backtest

    return policy_backtest(frame, _planted(product), settings=product.decisions)


def _risk(frame: Frame, product: Product) -> RiskSummary | None:
    verdicts, unseen = frame(RISK_VERDICT), frame("FROM risk.feature_training")
    if verdicts.is_empty():
        return None
    top = frame(TOP_RISKS, {"most": RISKS_SHOWN})
    is_evaluated = not unseen.is_empty()
    backtest, decays = _evaluated(unseen, product) if is_evaluated else ((), ())
    return RiskSummary(
        day=top["event_date"][0] if top.height else None,
        top=top,
        leaving=frame(LEAVING),
        verdict=None if top.height else f"{verdicts['decision'][0].replace('_', ' ')}: {verdicts['reason'][0]}",
        backtest=backtest,
        decays=decays,
        judged_days=unseen.select(first=pl.col("event_date").min(), last=pl.col("event_date").max()).row(0)
        if is_evaluated
        else None,
        choice=unseen["choice"][0] if is_evaluated else None,
    )


def _evaluated(unseen: pl.DataFrame, product: Product) -> "tuple[tuple[BacktestLine, ...], tuple[CaughtDecay, ...]]":
    from intelligence.risk.backtest import backtest, caught_decays
    from intelligence.simulation.stream import planted_truths

    lines = backtest(unseen, unit="feature", capacity=product.risk.capacity)
    simulated = [source.simulate for source in product.sources if source.simulate]
    return tuple(lines), tuple(caught_decays(unseen, planted_truths(simulated[0].plan())) if simulated else ())


def _planted_and_found(frame: Frame, product: Product, faulty: list[date], last_day: date) -> PlantedAndFound | None:
    simulated = [source.simulate for source in product.sources if source.simulate]
    if not simulated:
        return None
    truths, degraded = _planted(product), frame(DEGRADED_DAYS)
    found = found_truths(truths, degraded, faulty, last_day=last_day)
    return PlantedAndFound(tuple(found), tuple(false_alarms(truths, degraded)), simulated[0].features)


def _planted(product: Product) -> tuple[PlantedTruth, ...]:
    """Return everything that is planted in the simulated events and answers of the product."""
    from intelligence.simulation.answers import truths_of_answers
    from intelligence.simulation.stream import planted_truths

    events = next(source.simulate for source in product.sources if source.simulate)
    answers = [source.simulate for source in product.answer_sources if source.simulate]
    return (
        *planted_truths(events.plan()),
        *(truth for each in answers for truth in truths_of_answers(each.plan())),
    )
