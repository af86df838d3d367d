"""The registry of metrics: what is measured for each user or unit, in which direction it is wanted, and who owns it.

A metric is defined by columns of a frame with one row per unit. For a product these columns are the sums of `UNIT_VALUES` over
metrics.user_day, from the day of exposure on; the same sums over the days before it have the prefix `pre_` and serve as
covariates. A metric that shares its name with a column of metrics.kpi_day is that column: the same numerator over the same
denominator, summed over the units and days of the experiment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from intelligence.core.errors import ExperimentError

Kind = Literal["mean", "ratio", "proportion", "quantile", "retention"]
Direction = Literal["increase", "decrease"]
Role = Literal["goal", "guardrail", "signal"]

PRE: Final = "pre_"
OWNER: Final = "team:product-intelligence"

# SQL over the rows of one unit in metrics.user_day; kpi_day counts users of a day by the same conditions.
UNIT_VALUES: Final[Mapping[str, str]] = {
    "active_days": "count(*)",
    "events": "sum(events)",
    "sessions": "sum(sessions)",
    "duration_s": "sum(duration_s)",
    "errors": "sum(errors)",
    "crashed_days": "count(*) FILTER (crashed_events > 0)",
    "crash_free_days": "count(*) - count(*) FILTER (crashed_events > 0)",
    "converted_days": "count(*) FILTER (conversions > 0)",
    "has_converted": "CAST(count(*) FILTER (conversions > 0) > 0 AS INTEGER)",
    "ratings": "sum(ratings)",
    "rating_sum": "sum(rating_sum)",
    "value": "sum(value)",
}
# The same of events on the feature that an experiment is on, over the rows of warehouse.fact_events.
FEATURE_VALUES: Final[Mapping[str, str]] = {
    "feature_events": "count(*)",
    "feature_conversions": "count(*) FILTER (list_contains($conversion_events, event_type))",
    "feature_failed_events": "count(*) FILTER (error_count > 0 OR crashed)",
    "feature_crashed_events": "count(*) FILTER (crashed)",
    "feature_latency_sum": "coalesce(sum(CAST(latency_ms AS DECIMAL(18, 3))), 0)",
    "feature_timed_events": "count(latency_ms)",
}
# The same of what a language model answered there, over the rows of warehouse.fact_answers.
ANSWER_VALUES: Final[Mapping[str, str]] = {
    "scored_answers": "count(*) FILTER (is_scored)",
    "bad_answers": "count(*) FILTER (is_bad)",
    "readable_answers": "count(refusal)",
    "refused_answers": "count(*) FILTER (refusal)",
    "answer_ratings": "sum(fact_answers.ratings)",
    "good_answer_ratings": "sum(good_ratings)",
}
VALUES: Final = (*UNIT_VALUES, *FEATURE_VALUES, *ANSWER_VALUES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is compared between the arms of an experiment.

    Attributes:
        name: Name of the metric.
        kind: How it is computed from the units' values. `mean`: mean of `column`. `ratio`: sum of `column` over sum of
            `denominator`, with intervals clustered by unit. `proportion`: share of units whose `column` is 1.
            `quantile`: quantile of `column`. `retention`: share of units that are active in the `window_days` days that
            begin `after_days` days after their exposure; `column` is null until that window has passed.
        column: Column of the frame with one row per unit.
        denominator: Column of the denominator of a ratio.
        covariate: Column of the same quantity before exposure, by which the variance is reduced (CUPED); None for none.
        denominator_covariate: The same for the denominator.
        direction: Which change is wanted.
        role: `goal` decides whether to ship, `guardrail` must not be harmed, `signal` is shown and decides nothing.
        owner: Who answers for its definition.
        unit: Unit of the metric, for people; `share of …` for one whose value lies in [0, 1].
        description: A sentence on what it measures.
        quantile: Which quantile, in (0, 1).
        after_days: Days from exposure to the first day of the window of retention.
        window_days: Length of that window in days.
    """

    name: str
    kind: Kind
    column: str
    denominator: str | None = None
    covariate: str | None = None
    denominator_covariate: str | None = None
    direction: Direction = "increase"
    role: Role = "signal"
    owner: str = OWNER
    unit: str = ""
    description: str = ""
    quantile: float | None = None
    after_days: int | None = None
    window_days: int = 7

    def __post_init__(self) -> None:
        for wrong, problem in (
            ((self.kind == "ratio") != bool(self.denominator), "a ratio, and nothing else, has a `denominator`"),
            (self.kind == "quantile" and not 0 < (self.quantile or 0) < 1, "a quantile needs `quantile` in (0, 1)"),
            (self.kind == "retention" and (self.after_days or 0) < 1, "retention needs `after_days` of 1 or more"),
            (
                self.kind == "ratio" and bool(self.covariate) != bool(self.denominator_covariate),
                "a ratio needs both covariates or none",
            ),
            (self.kind == "quantile" and bool(self.covariate), "a quantile has no `covariate`"),
        ):
            if wrong:
                raise ExperimentError(self.name, f"{problem}.", hint="Correct the definition of the metric.")

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that must be there for each unit."""
        return (self.column, *((self.denominator,) if self.denominator else ()))

    @property
    def covariates(self) -> tuple[str, ...]:
        """Return the columns from before the exposure; none where the variance is not reduced."""
        return tuple(each for each in (self.covariate, self.denominator_covariate) if each)

    @property
    def sign(self) -> int:
        """Return 1 where an increase is wanted and -1 where a decrease is."""
        return 1 if self.direction == "increase" else -1

    @property
    def is_share(self) -> bool:
        """Return whether each unit counts as 0 or 1."""
        return self.kind in ("proportion", "retention")

    @property
    def is_at_most_one(self) -> bool:
        """Return whether its value lies in [0, 1], as the unit of a ratio says too."""
        return self.is_share or self.unit.startswith("share of ")

    @property
    def matures_after_days(self) -> int:
        """Return how many days after its exposure the value of a unit can be counted."""
        return (self.after_days or 0) + self.window_days if self.kind == "retention" else 0


def _mean(column: str, *, unit: str, description: str, name: str | None = None) -> Metric:
    return Metric(
        name=name or f"{column}_per_unit",
        kind="mean",
        column=column,
        covariate=f"{PRE}{column}",
        unit=unit,
        description=description,
    )


def _ratio(
    name: str,
    over: tuple[str, str],
    *,
    unit: str,
    description: str,
    direction: Direction = "increase",
    role: Role = "signal",
) -> Metric:
    numerator, denominator = over
    return Metric(
        name=name,
        kind="ratio",
        column=numerator,
        denominator=denominator,
        covariate=f"{PRE}{numerator}",
        denominator_covariate=f"{PRE}{denominator}",
        direction=direction,
        role=role,
        unit=unit,
        description=description,
    )


def _retention(days: int) -> Metric:
    return Metric(
        name=f"retention_{days}d",
        kind="retention",
        column=f"retained_{days}d",
        after_days=days,
        unit="share of units",
        description=f"Units that are active in the seven days that begin {days} days after their exposure.",
    )


_DEFINED: Final = (
    _ratio(
        "conversion_rate",
        ("converted_days", "active_days"),
        role="goal",
        unit="share of user-days",
        description="Days on which a user converted, of the days on which the user was active.",
    ),
    Metric(
        name="converted_unit_rate",
        kind="proportion",
        column="has_converted",
        covariate=f"{PRE}has_converted",
        role="goal",
        unit="share of units",
        description="Units that converted on at least one day since their exposure.",
    ),
    _mean("value", unit="value", description="Value of all events since the exposure."),
    _mean("events", unit="events", description="Events since the exposure."),
    _mean("active_days", unit="days", description="Days with an event since the exposure."),
    _ratio("sessions_per_user", ("sessions", "active_days"), unit="sessions", description="Sessions per active day."),
    _ratio("session_depth", ("events", "sessions"), unit="events", description="Events per session."),
    _ratio("mean_rating", ("rating_sum", "ratings"), unit="rating", description="Mean of all ratings given."),
    _ratio(
        "crash_free_user_rate",
        ("crash_free_days", "active_days"),
        role="guardrail",
        unit="share of user-days",
        description="Days without a crash, of the days on which the user was active.",
    ),
    _ratio(
        "errors_per_event",
        ("errors", "events"),
        direction="decrease",
        role="guardrail",
        unit="errors",
        description="Errors per event.",
    ),
    _ratio(
        "feature_conversion_rate",
        ("feature_conversions", "feature_events"),
        role="goal",
        unit="share of events",
        description="Conversions, of the events on the feature that the experiment is on.",
    ),
    _ratio(
        "feature_error_rate",
        ("feature_failed_events", "feature_events"),
        direction="decrease",
        role="guardrail",
        unit="share of events",
        description="Failed events, of the events on the feature that the experiment is on; error_rate of its feature-days.",
    ),
    _ratio(
        "feature_crash_rate",
        ("feature_crashed_events", "feature_events"),
        direction="decrease",
        role="guardrail",
        unit="share of events",
        description="Crashed events, of the events on the feature that the experiment is on.",
    ),
    _ratio(
        "feature_latency_ms",
        ("feature_latency_sum", "feature_timed_events"),
        direction="decrease",
        role="guardrail",
        unit="ms",
        description="Mean latency of the events on the feature that the experiment is on.",
    ),
    _ratio(
        "bad_answer_rate",
        ("bad_answers", "scored_answers"),
        direction="decrease",
        role="guardrail",
        unit="share of answers",
        description="Answers that show a harm, of the scored answers of the feature that the experiment is on.",
    ),
    _ratio(
        "refusal_rate",
        ("refused_answers", "readable_answers"),
        direction="decrease",
        unit="share of answers",
        description="Answers that refuse, of the answers with a text of the feature that the experiment is on.",
    ),
    _ratio(
        "good_rating_rate",
        ("good_answer_ratings", "answer_ratings"),
        unit="share of ratings",
        description="Ratings of 4 and more, of the ratings of answers of the feature that the experiment is on.",
    ),
    _mean("feature_events", unit="events", description="Events on the feature that the experiment is on."),
    Metric(
        name="median_duration_s",
        kind="quantile",
        column="duration_s",
        quantile=0.5,
        unit="s",
        description="Median of the time that a unit spent since its exposure.",
    ),
    _retention(7),
    _retention(28),
)
METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _DEFINED}
RETENTIONS: Final = tuple(metric for metric in METRICS.values() if metric.kind == "retention")
# Days from an exposure until the retention of its unit is known, at most.
LONGEST_DAYS: Final = max(metric.matures_after_days for metric in RETENTIONS)


def metric_named(name: str) -> Metric:
    """Return the metric of the registry with that name; raises ExperimentError where there is none.

    >>> metric_named("conversion_rate").kind
    'ratio'
    """
    if name not in METRICS:
        raise ExperimentError(name, "is no metric of the registry.", hint=f"Use one of {', '.join(METRICS)}.")
    return METRICS[name]


def required_columns(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """Return the columns that the metrics need, covariates included, each once and in order."""
    return tuple(dict.fromkeys(column for each in metrics for column in (*each.columns, *each.covariates)))
