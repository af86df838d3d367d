"""Why did a metric of the product move: which metrics there are, which periods are compared, and what happened at the time.

The decomposition says where the change lies. What happened at the time is laid beside it and is no part of the claim, which is
an association (grade D).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

import polars as pl

from intelligence.causality.decomposition import MISSING, Decomposition, Suspect, Why, why
from intelligence.core.errors import CausalityError
from intelligence.core.tables import Days

Rows = Literal["events", "user_days"]

DIMENSIONS: Final = ("segment", "platform", "release", "region", "feature", "variant")
DAYS_BEFORE: Final = 7
MOST_DAYS_AFTER: Final = 7
# A state is known up to so many days after what brought it about began, on few events.
KNOWN_AFTER_DAYS: Final = 3
GRADE: Final = "D"
# A suspect is named with the platform, or release, in which at least this share of what rose in it lies.
SAME_FROM: Final = 0.9
FEWEST_SAME: Final = 5
SOFTWARE: Final = ("platform", "release")
SHOWN_EVENTS: Final = 6


@dataclass(frozen=True, slots=True)
class Metric:
    """A ratio of two sums over the rows of one query.

    Attributes:
        name: Its name on the command line and in tables.
        numerator: Column that is summed above the line.
        denominator: Column that is summed below it.
        rows: What it is counted over: `events`, or `user_days`, days on which a user was active.
    """

    name: str
    numerator: str
    denominator: str
    rows: Rows

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return what it can be split by; a day of a user belongs to no single feature."""
        return DIMENSIONS if self.rows == "events" else tuple(name for name in DIMENSIONS if name != "feature")


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("error_rate", "failed_events", "events", "events"),
        Metric("crash_rate", "crashed_events", "events", "events"),
        Metric("slow_rate", "slow_events", "timed_events", "events"),
        Metric("bad_rating_rate", "bad_ratings", "ratings", "events"),
        Metric("conversion_rate", "converted_user_days", "user_days", "user_days"),
        Metric("events_per_user", "events", "user_days", "user_days"),
    )
}
# By the objective that metrics.feature_health names.
OF_OBJECTIVE: Final[Mapping[str, str]] = {
    "errors": "error_rate",
    "crashes": "crash_rate",
    "latency": "slow_rate",
    "ratings": "bad_rating_rate",
}


@dataclass(frozen=True, slots=True)
class Periods:
    """The two periods that are compared."""

    before: Days
    after: Days

    @property
    def parameters(self) -> Mapping[str, date]:
        """Return the first and last day of both, as SQL parameters."""
        return {"first_day": self.before.start, "last_day": self.after.end - timedelta(days=1)}


@dataclass(frozen=True)
class Movement:
    """Why a metric moved, and what happened at the time.

    Attributes:
        metric: Name of the metric.
        feature: The feature that it is about; empty for the whole product.
        periods: The periods that are compared.
        why: The decompositions and the suspect.
        parts: The suspect by dimension, with the platform and release that hold nearly all of it; empty without one.
        at_the_time: Rows of `day`, `kind`, `feature` and `what`, and whether a row `names_suspect`; those that do come first.
        answer: The answer in sentences.
    """

    metric: str
    feature: str
    periods: Periods
    why: Why
    parts: Mapping[str, str]
    at_the_time: pl.DataFrame
    answer: str

    @property
    def ranked(self) -> list[Decomposition]:
        """Return the decompositions by one dimension each, those first in which one part holds most of the change."""
        single = [each for each in self.why.decompositions if len(each.dimensions) == 1]
        return sorted(single, key=lambda each: (-abs(each.parts[0].total), each.dimensions))


def metric_named(name: str) -> Metric:
    """Return the metric of this name.

    Raises:
        CausalityError: There is no such metric.
    """
    if name not in METRICS:
        raise CausalityError(name, "is no metric that can be split.", hint=f"Choose one of {', '.join(METRICS)}.")
    return METRICS[name]


def periods_of(day: date, *, days: int = 1, before: date | None = None, days_before: int = DAYS_BEFORE) -> Periods:
    """Return the period that ends on a day, and an earlier one.

    Args:
        day: Last day of the later period.
        days: Its length in days.
        before: Last day of the earlier period; the day before the later one where it is not given.
        days_before: Length of the earlier period in days.

    Raises:
        CausalityError: The periods overlap, or one of them has no day.

    >>> found = periods_of(date(2026, 8, 1))
    >>> str(found.before.start), str(found.after.start)
    ('2026-07-25', '2026-08-01')
    """
    if min(days, days_before) < 1:
        raise CausalityError("periods", f"of {min(days, days_before)} days hold nothing.", hint="Take one day or more.")
    after = Days(day - timedelta(days=days - 1), day + timedelta(days=1))
    end = before + timedelta(days=1) if before else after.start
    if end > after.start:
        raise CausalityError(
            str(before), f"lies in the later period, which begins on {after.start}.", hint="Name an earlier day."
        )
    return Periods(Days(end - timedelta(days=days_before), end), after)


def since_trouble(day: date, since: date) -> Periods:
    """Return the days of a feature's present state, at most the last seven, and a week before it began to show.

    Args:
        day: The newest day.
        since: First day of the state.
    """
    days = min((day - since).days + 1, MOST_DAYS_AFTER)
    return periods_of(day, days=days, before=before_trouble(since))


def before_trouble(since: date) -> date:
    """Return the last day before a state that is taken as untouched by it, given the first day of the state.

    >>> str(before_trouble(date(2026, 7, 30)))
    '2026-07-26'
    """
    return since - timedelta(days=KNOWN_AFTER_DAYS + 1)


def movement(
    rows: pl.DataFrame, metric: Metric, periods: Periods, *, feature: str = "", at_the_time: pl.DataFrame
) -> Movement:
    """Return why a metric moved between two periods.

    Args:
        rows: Rows that the metric is counted over, of both periods and of the feature alone where one is named.
        metric: The metric.
        periods: The periods.
        feature: The feature; empty for the whole product.
        at_the_time: Rows of `causality/at_the_time.sql`.

    Raises:
        NotEnoughEvidence: A period has no rows to count.
    """
    names = [name for name in metric.dimensions if not (feature and name == "feature")]
    day = pl.col("event_date")
    before, after = (
        rows.filter(day.is_between(each.start, each.end, "left")) for each in (periods.before, periods.after)
    )
    varying = [name for name in names if pl.concat([before, after])[name].n_unique() > 1]
    found = why(
        before,
        after,
        dimensions=varying or names[:1],
        numerator=metric.numerator,
        denominator=metric.denominator,
        unit="user_id",
        metric=metric.name,
    )
    concerned = pl.col("feature").is_null() | (pl.col("feature") == feature) if feature else pl.lit(True)
    counted = metric.numerator if found.decompositions[0].change.value > 0 else metric.denominator
    parts = _parts(found.suspect, after, counted)
    told = at_the_time.filter(concerned).with_columns(names_suspect=_names(parts))
    told = told.sort("names_suspect", "day", "kind", "what", descending=[True, False, False, False])
    more = {name: part for name, part in parts.items() if found.suspect and name not in found.suspect.dimensions}
    wholly = "".join(
        f" At least {SAME_FROM:.0%} of {counted} in it are on {name} {part}." for name, part in more.items()
    )
    answer = " ".join([f"{found.words}{wholly}", _told(told)]).strip()
    return Movement(metric.name, feature, periods, found, parts, told, answer)


def degradation(found: Movement, since: date) -> dict[str, Any]:
    """Return the row of causality.degradations of a feature, but for the day itself.

    Args:
        found: Why its worst metric moved.
        since: First day of its present state.
    """
    whole, suspect = found.why.decompositions[0], found.why.suspect
    row: dict[str, Any] = {
        **_asked(found.feature, found.metric, found.periods, since),
        "before": whole.before.value,
        "after": whole.after.value,
        "change": whole.change.value,
        "low": whole.change.low,
        "high": whole.change.high,
        "answer": found.answer,
    }
    if suspect is not None:
        own = found.why.by(*suspect.dimensions)
        row |= {name: part for name, part in found.parts.items() if name != "feature"}
        row |= {
            "suspect": " × ".join(f"{name} {part}" for name, part in found.parts.items()),
            "accounts_for": min(suspect.accounts_for / whole.change.value, 1.0),
            "share": suspect.share,
            "rate": suspect.rate.value,
            "rate_low": suspect.rate.low,
            "rate_high": suspect.rate.high,
            "elsewhere": suspect.elsewhere.value,
            "mix": own.mix,
            "within": own.within,
        }
    return row | {"at_the_time": _told(found.at_the_time)}


def unexplained(feature: str, metric: str, periods: Periods, since: date, reason: str) -> dict[str, Any]:
    """Return the row of causality.degradations of a feature without enough evidence.

    Args:
        feature: The feature.
        metric: Name of its worst metric.
        periods: The periods that were to be compared.
        since: First day of its present state.
        reason: What is missing, in words.
    """
    answer = f"{metric} of {feature}: not enough evidence. {reason}"
    return _asked(feature, metric, periods, since) | {"answer": answer, "at_the_time": ""}


def _asked(feature: str, metric: str, periods: Periods, since: date) -> dict[str, Any]:
    return {
        "feature": feature,
        "metric": metric,
        "since": since,
        "before_first": periods.before.start,
        "before_last": periods.before.end - timedelta(days=1),
        "after_first": periods.after.start,
        "grade": GRADE,
    }


def _parts(suspect: Suspect | None, after: pl.DataFrame, counted: str) -> dict[str, str]:
    """Return the suspect by dimension, with the platform and release that hold nearly all of what is counted in it."""
    if suspect is None:
        return {}
    found = dict(zip(suspect.dimensions, suspect.names, strict=True))
    own = after.filter(pl.col(name).cast(pl.String).fill_null(MISSING) == part for name, part in found.items())
    whole = float(own[counted].sum())
    for name in (name for name in SOFTWARE if name not in found):
        held = own.drop_nulls(name).group_by(pl.col(name).cast(pl.String)).agg(pl.col(counted).sum())
        most = held.sort(counted, name, descending=[True, False]).head(1).rows()
        if most and most[0][1] >= max(FEWEST_SAME, SAME_FROM * whole):
            found[name] = most[0][0]
    return found


def _names(parts: Mapping[str, str]) -> pl.Expr:
    """Return whether a row at the time is about the suspect: its release, on its platform where it has one, or its experiment."""
    what = pl.lit(None, pl.String)
    if "release" in parts:
        what = pl.lit(f"release {parts['release']} on {parts.get('platform', '')}")
    elif "variant" in parts:
        what = pl.lit(f"experiment {parts['variant'].rsplit(': ', 1)[0]}")
    return pl.col("what").str.starts_with(what).fill_null(False)


def _told(at_the_time: pl.DataFrame) -> str:
    if at_the_time.is_empty():
        return ""
    shown = [f"{row['day']} {row['what']}" for row in at_the_time.head(SHOWN_EVENTS).iter_rows(named=True)]
    more = at_the_time.height - len(shown)
    return f"At the time: {'; '.join(shown)}{f'; and {more} more' if more else ''}."
