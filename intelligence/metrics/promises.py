"""Promises compared with history: how often each would have been broken, and which promises the data suggest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import polars as pl

from intelligence.metrics.settings import Health
from intelligence.warehouse.settings import Promises

# By objective: the promise, the columns of its bad and of all its events, and the bad events in words.
_OBJECTIVES: Final = (
    ("max_error_rate", "failed_events", "usage_count", "events fail"),
    ("max_crash_rate", "crashed_events", "usage_count", "events crash"),
    ("max_slow_rate", "slow_events", "timed_events", "timed events are slow"),
    ("max_bad_rating_rate", "bad_ratings", "ratings", "ratings are bad"),
)
COUNTS: Final = tuple(dict.fromkeys(name for _, bad, total, _ in _OBJECTIVES for name in (bad, total)))
# A promise broken on a larger share of feature-days is too strict; a proposed one is broken on about this share.
BROKEN_TOO_OFTEN: Final = 0.05
LEAST_EVENTS: Final = 10
LEAST_FEATURE_DAYS: Final = 5
NAMED_AT_MOST: Final = 20
_STEPS: Final = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)

FEATURE_DAYS: Final = f"SELECT event_date, feature, {', '.join(COUNTS)} FROM metrics.fact_feature_metrics"
FEATURE_DAYS_OF_EVENTS: Final = """
SELECT
    event_date,
    feature,
    count(*) AS usage_count,
    count(*) FILTER (error_count > 0 OR crashed) AS failed_events,
    count(*) FILTER (crashed) AS crashed_events,
    count(latency_ms) AS timed_events,
    count(*) FILTER (latency_ms > coalesce(limits.slow_latency_ms, $slow_latency_ms)) AS slow_events,
    count(rating) AS ratings,
    count(*) FILTER (rating <= 2) AS bad_ratings
FROM telemetry.events LEFT JOIN (SELECT unnest($limits, recursive := true)) AS limits USING (feature)
GROUP BY event_date, feature
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One promise compared with history.

    Attributes:
        promise: The setting, such as `max_error_rate`.
        default: Its value in `feature_defaults`, a fraction in [0, 1].
        feature_days: Number of feature-days with enough events to compare.
        broken: Number of these feature-days on which the feature's own promise was broken.
        features: Features that broke it on more than a twentieth of their days, the worst first.
        median_rate: Median share of bad events over the feature-days, in [0, 1].
        proposed: A default that history breaks on about a twentieth of the feature-days.
        proposed_for: The proposed promise of each feature that needs one of its own.
        says: The bad events in words.
    """

    promise: str
    default: float
    feature_days: int
    broken: int
    features: tuple[str, ...]
    median_rate: float
    proposed: float
    proposed_for: Mapping[str, float]
    says: str

    @property
    def broken_rate(self) -> float:
        """Return the share of feature-days on which the promise was broken, in [0, 1]."""
        return self.broken / self.feature_days if self.feature_days else 0.0


@dataclass(frozen=True, slots=True)
class PromisesInHistory:
    """All promises compared with history, and whether feature-days have enough events to be assessed.

    Attributes:
        kept: The comparison of each promise with enough feature-days.
        typical_events: Median number of events of a feature-day.
        busiest_events: Greatest number of events of a feature-day.
        assessed_rate: Share of feature-days with at least `minimum_events`, in [0, 1].
        minimum_events: The setting `health.minimum_events` of product.yaml.
        feature_days: Number of all feature-days.
    """

    kept: tuple[Kept, ...]
    typical_events: int
    busiest_events: int
    assessed_rate: float
    minimum_events: int
    feature_days: int


class Promising(Protocol):
    """A product with features that have promises."""

    @property
    def features(self) -> Mapping[str, Promises]:
        """Return the promises of each declared feature."""

    @property
    def feature_defaults(self) -> Promises:
        """Return the promises of every other feature."""

    @property
    def health(self) -> Health:
        """Return the rules by which a feature counts as degraded."""


def promises_in_history(days: pl.DataFrame, product: Promising) -> PromisesInHistory:
    """Return each promise of the product, compared with the counts of its feature-days.

    Args:
        days: The rows of FEATURE_DAYS, one per feature and day: `event_date`, `feature` and COUNTS.
        product: The product whose promises are compared.
    """
    median, most, assessed = days.select(
        pl.col("usage_count").median().fill_null(0).cast(pl.Float64),
        most=pl.col("usage_count").max().fill_null(0).cast(pl.Float64),
        assessed=(pl.col("usage_count") >= product.health.minimum_events).mean().fill_null(0.0).cast(pl.Float64),
    ).row(0)
    return PromisesInHistory(
        kept=tuple(found for each in _OBJECTIVES if (found := _kept(days, product, *each))),
        typical_events=round(median),
        busiest_events=round(most),
        assessed_rate=assessed,
        minimum_events=product.health.minimum_events,
        feature_days=days.height,
    )


def _kept(days: pl.DataFrame, product: Promising, promise: str, bad: str, total: str, says: str) -> Kept | None:
    enough = days.filter(pl.col(total) >= LEAST_EVENTS).select("feature", rate=pl.col(bad) / pl.col(total))
    if enough.height < LEAST_FEATURE_DAYS:
        return None
    default = float(getattr(product.feature_defaults, promise))
    allowed = {name: float(getattr(own, promise)) for name, own in product.features.items()}
    rates = enough.with_columns(
        allowed=pl.col("feature").replace_strict(allowed, default=default, return_dtype=pl.Float64)
    )
    broken = rates.with_columns(is_broken=pl.col("rate") > pl.col("allowed"))
    often = (
        broken.group_by("feature")
        .agg(share=pl.col("is_broken").mean(), rate=pl.col("rate").quantile(0.95))
        .filter(pl.col("share") > BROKEN_TOO_OFTEN)
        .sort("share", "rate", "feature", descending=[True, True, False])
    )
    proposed = rounded_up(_high(rates["rate"]), least=0.001)
    high = rates.group_by("feature").agg(rate=pl.col("rate").quantile(0.95)).sort("feature")
    return Kept(
        promise=promise,
        default=default,
        feature_days=rates.height,
        broken=int(broken["is_broken"].sum()),
        features=tuple(often["feature"]),
        median_rate=float(rates.select(pl.col("rate").median()).item()),
        proposed=proposed,
        proposed_for={name: rounded_up(rate, least=0.001) for name, rate in high.iter_rows() if rate > 2 * proposed},
        says=says,
    )


def _high(rates: pl.Series) -> float:
    return float(rates.quantile(0.95) or 0.0)


def rounded_up(rate: float, *, least: float) -> float:
    """Return a round number about a quarter above the rate, at most 1.

    Args:
        rate: A fraction in [0, 1].
        least: The lower bound of the number before it is rounded up.

    >>> rounded_up(0.0163, least=0.001), rounded_up(0.0, least=0.001), rounded_up(0.97, least=0.001)
    (0.025, 0.001, 1.0)
    """
    target = max(rate * 1.25, least)
    if target >= 1:
        return 1.0
    power = next(each for each in range(6) if target >= 10.0 ** -(each + 1))
    scale = 10.0 ** -(power + 1)
    return float(round(next(step for step in _STEPS if step * scale >= target * (1 - 1e-9)) * scale, 6))


def warnings(found: PromisesInHistory) -> list[str]:
    """Return a sentence for each promise that is broken too often, and one where too few feature-days can be assessed."""
    sentences = []
    for kept in found.kept:
        if kept.broken_rate > BROKEN_TOO_OFTEN:
            who = f"{len(kept.features):,} features" if len(kept.features) != 1 else f"the feature {kept.features[0]}"
            sentences.append(
                f"{kept.promise}: {kept.broken:,} of {kept.feature_days:,} feature-days break it, {who} again and again;"
                f" on a typical one {kept.median_rate:.1%} of {kept.says}."
                " `intelligence check --propose` proposes promises from the data."
            )
    if found.feature_days and found.assessed_rate < BROKEN_TOO_OFTEN:
        sentences.append(
            f"Only {found.assessed_rate:.0%} of {found.feature_days:,} feature-days have the {found.minimum_events} events"
            f" that `health.minimum_events` asks for (typically {found.typical_events}, at most {found.busiest_events}): all"
            f" others change no feature's state. Write `health: {{minimum_events: {max(found.typical_events, LEAST_EVENTS)}}}`"
            " to assess more of them, on thinner evidence."
        )
    return sentences


def proposal(found: PromisesInHistory, *, features: Mapping[str, Promises]) -> str:
    """Return the lines of product.yaml that history suggests, each with a comment on its effect.

    Args:
        found: The promises compared with history.
        features: The features that product.yaml declares already, with their promises.
    """
    if not found.kept:
        return "# There are too few feature-days with events to propose promises from."
    lines = ["feature_defaults:"]
    lines += [f"  {kept.promise}: {kept.proposed:g}  # {_meaning(kept)}" for kept in found.kept]
    own: dict[str, list[str]] = {}
    for kept in found.kept:
        for name, rate in kept.proposed_for.items():
            own.setdefault(name, []).append(f"{kept.promise}: {rate:g}")
    if own:
        lines.append("features:")
        lines += [f"  {_key(name)}: {{{', '.join(rates)}}}{_note(name, features)}" for name, rates in _first(own)]
        if len(own) > NAMED_AT_MOST:
            lines.append(f"  # and {len(own) - NAMED_AT_MOST:,} more features that fail far more often than the rest")
    if found.assessed_rate < BROKEN_TOO_OFTEN:
        lines += [
            "health:",
            f"  minimum_events: {max(found.typical_events, LEAST_EVENTS)}  # typical events of a feature-day",
        ]
    return "\n".join(lines)


def _first(own: Mapping[str, Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    return sorted(own.items())[:NAMED_AT_MOST]


def _note(name: str, features: Mapping[str, Promises]) -> str:
    return "  # declared already: change it there" if name in features else ""


def _meaning(kept: Kept) -> str:
    now = f"{kept.default:g} is broken on {kept.broken_rate:.0%} of {kept.feature_days:,} feature-days"
    return f"{now}; typically {kept.median_rate:.2%} of {kept.says}"


def _key(name: str) -> str:
    return name if name.replace("_", "a").isalnum() and name.isascii() and not name.isdigit() else f'"{name}"'
