"""The metrics that are watched: how each is computed from counts, which way is bad, and how large a change has to be.

It imports nothing heavy, since every product.yaml is validated with it.
"""

from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal["feature", "kpi"]
Kind = Literal["count", "rate", "level"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalMetric:
    """A metric of features, or of the product by segment.

    Attributes:
        name: Its name, which is its column.
        words: What it is called in a sentence.
        scope: Whether it is kept for each feature, or for each segment of the product.
        kind: A count of events or people, a rate with numerator and denominator, or a level such as a latency.
        numerator: Column above the line, of a rate.
        denominator: Column below the line; of a level the number of values that it is made of.
        objective: Promise of the health layer with the sums over users of this rate, in `metrics.spread.OBJECTIVES`.
        measure: Measure of `answers.quality_day` with the sums over users of this rate.
        is_logarithmic: Whether a level is compared by its ratio, such as a latency, and not by its difference, such as a rating.
        bad: 1 where more is worse, -1 where less is worse.
        is_volume: Whether it says how much is used: on a holiday less is expected.
        telemetry: Columns of the events that it rests on; it is not assessed while one of them is in doubt.
        relative_floor: Smallest change as a share of what is expected.
        absolute_floor: Smallest change: in events or people for counts and rates, in its own unit for other levels.
        fewest: Fewest events or values of a day.
        limit: Column of `warehouse.dim_feature_metadata` with what the promises allow; None without a promise.
    """

    name: str
    words: str
    scope: Scope
    kind: Kind
    numerator: str = ""
    denominator: str = ""
    objective: str = ""
    measure: str = ""
    is_logarithmic: bool = True
    bad: int = 1
    is_volume: bool = False
    telemetry: tuple[str, ...] = ()
    relative_floor: float
    absolute_floor: float
    fewest: int = 1
    limit: str | None = None

    @property
    def key(self) -> str:
        """Return the name with the scope, which no other metric has."""
        return f"{self.scope}.{self.name}"


def _usage(name: str, words: str) -> SignalMetric:
    return SignalMetric(
        name=name,
        words=words,
        scope="feature",
        kind="count",
        bad=-1,
        is_volume=True,
        relative_floor=0.3,
        absolute_floor=20,
    )


def _promise(
    name: str, words: str, objective: str, over: tuple[str, str], telemetry: tuple[str, ...], limit: str
) -> SignalMetric:
    return SignalMetric(
        name=name,
        words=words,
        scope="feature",
        kind="rate",
        numerator=over[0],
        denominator=over[1],
        objective=objective,
        telemetry=telemetry,
        relative_floor=0.5,
        absolute_floor=5,
        fewest=20,
        limit=limit,
    )


def _of_answers(name: str, words: str, measure: str, *, bad: int = 1, limit: str | None = None) -> SignalMetric:
    return SignalMetric(
        name=name,
        words=words,
        scope="feature",
        kind="rate",
        numerator=f"{measure}_hits",
        denominator=f"{measure}_total",
        measure=measure,
        bad=bad,
        relative_floor=0.5 if bad > 0 else 0.15,
        absolute_floor=5,
        fewest=20,
        limit=limit,
    )


FEATURE_METRICS: Final = (
    _usage("usage_count", "events"),
    _usage("users", "users"),
    _usage("sessions", "sessions"),
    _promise(
        "error_rate",
        "error rate",
        "errors",
        ("failed_events", "usage_count"),
        ("error_count", "crashed"),
        "max_error_rate",
    ),
    _promise("crash_rate", "crash rate", "crashes", ("crashed_events", "usage_count"), ("crashed",), "max_crash_rate"),
    _promise(
        "slow_rate",
        "share of slow events",
        "latency",
        ("slow_events", "timed_events"),
        ("latency_ms",),
        "max_slow_rate",
    ),
    SignalMetric(
        name="p95_latency_ms",
        words="95th percentile of the latency (ms)",
        scope="feature",
        kind="level",
        denominator="timed_events",
        telemetry=("latency_ms",),
        relative_floor=0.25,
        absolute_floor=20,
        fewest=50,
        limit="slow_latency_ms",
    ),
    _promise(
        "bad_rating_rate",
        "share of bad ratings",
        "ratings",
        ("bad_ratings", "ratings"),
        ("rating",),
        "max_bad_rating_rate",
    ),
    SignalMetric(
        name="mean_rating",
        words="mean rating",
        scope="feature",
        kind="level",
        denominator="ratings",
        is_logarithmic=False,
        bad=-1,
        telemetry=("rating",),
        relative_floor=0.04,
        absolute_floor=0.2,
        fewest=20,
    ),
    SignalMetric(
        name="duration_per_event_s",
        words="time spent per event (s)",
        scope="feature",
        kind="level",
        denominator="usage_count",
        bad=-1,
        telemetry=("duration_s",),
        relative_floor=0.25,
        absolute_floor=1,
        fewest=50,
    ),
)
# Of features that answer by a language model, from the tables of the layer answers. What a good answer costs is not among them: it
# says the same as the share of bad answers and the cost of an answer, and one trouble would be told twice.
ANSWER_METRICS: Final = (
    _of_answers("bad_answer_rate", "share of bad answers", "bad", limit="max_bad_answer_rate"),
    _of_answers("refusal_rate", "share of refusals", "refusal"),
    _of_answers("good_rating_rate", "share of good answer ratings", "good_rating", bad=-1),
    SignalMetric(
        name="cost_per_answer",
        words="cost of an answer",
        scope="feature",
        kind="level",
        denominator="priced_answers",
        relative_floor=0.25,
        absolute_floor=0,
        fewest=20,
    ),
)
KPI_METRICS: Final = (
    SignalMetric(
        name="dau",
        words="active users",
        scope="kpi",
        kind="count",
        bad=-1,
        is_volume=True,
        relative_floor=0.15,
        absolute_floor=20,
    ),
    SignalMetric(
        name="sessions_per_user",
        words="sessions per user",
        scope="kpi",
        kind="level",
        denominator="dau",
        bad=-1,
        is_volume=True,
        relative_floor=0.1,
        absolute_floor=0.1,
        fewest=100,
    ),
    SignalMetric(
        name="session_depth",
        words="events per session",
        scope="kpi",
        kind="level",
        denominator="sessions",
        bad=-1,
        is_volume=True,
        relative_floor=0.1,
        absolute_floor=0.2,
        fewest=100,
    ),
    SignalMetric(
        name="crashed_user_rate",
        words="share of users who met a crash",
        scope="kpi",
        kind="rate",
        numerator="crashed_users",
        denominator="dau",
        telemetry=("crashed",),
        relative_floor=0.3,
        absolute_floor=10,
        fewest=100,
    ),
    SignalMetric(
        name="conversion_rate",
        words="conversion",
        scope="kpi",
        kind="rate",
        numerator="converted_users",
        denominator="dau",
        bad=-1,
        is_volume=True,
        relative_floor=0.1,
        absolute_floor=10,
        fewest=100,
    ),
    SignalMetric(
        name="mean_rating",
        words="mean rating",
        scope="kpi",
        kind="level",
        denominator="ratings",
        is_logarithmic=False,
        bad=-1,
        telemetry=("rating",),
        relative_floor=0.02,
        absolute_floor=0.1,
        fewest=100,
    ),
    SignalMetric(
        name="value",
        words="value",
        scope="kpi",
        kind="level",
        denominator="dau",
        bad=-1,
        is_volume=True,
        telemetry=("value",),
        relative_floor=0.2,
        absolute_floor=1,
        fewest=100,
    ),
)
METRICS: Final = {metric.key: metric for metric in (*FEATURE_METRICS, *ANSWER_METRICS, *KPI_METRICS)}
METRIC_NAMES: Final = tuple(dict.fromkeys(metric.name for metric in METRICS.values()))
