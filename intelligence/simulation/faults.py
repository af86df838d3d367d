"""Faults of measurement that can be planted by name, and a real outage: how each changes the events of a day."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import polars as pl

FLAT_LATENCY_MS: Final = 250.0
OUTAGE_HOURS: Final = (12, 18)
_FAILING_SHARE: Final = 0.85
_TEN: Final = 10

Change = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


def _where(events: pl.DataFrame, condition: pl.Expr, **values: pl.Expr) -> pl.DataFrame:
    return events.with_columns(
        **{name: pl.when(condition).then(value).otherwise(pl.col(name)) for name, value in values.items()}
    )


def _main_release(events: pl.DataFrame) -> pl.Expr:
    used = events.drop_nulls("app_version").group_by("platform", "app_version").len()
    platform, release, _ = used.sort("len", "platform", "app_version").row(-1)
    return pl.col("platform").eq(platform).and_(pl.col("app_version").eq(release))


def _drawn(of: str, seed: int) -> pl.Expr:
    """Return a number from 0 to 9 for each event, drawn by the hash of the column."""
    return pl.col(of).hash(seed) % _TEN


def _unit_of_one_release(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return _where(events, _main_release(events), latency_ms=pl.col("latency_ms") * 1_000)


def _unit_of_one_platform(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return _where(events, pl.col("platform") == "ios", latency_ms=pl.col("latency_ms") / 1_000)


def _unit(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col("latency_ms") * 1_000)


def _stuck_errors(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(error_count=pl.lit(1, dtype=pl.Int64))


def _stuck_crashes(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(crashed=pl.lit(value=True))


def _one_rating(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return _where(events, pl.col("rating").is_not_null(), rating=pl.lit(1.0))


def _one_platform(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(platform=pl.lit("unknown"))


def _silent_platform(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return events.filter(pl.col("platform") != "ios")


def _replayed(events: pl.DataFrame, yesterday: pl.DataFrame) -> pl.DataFrame:
    again = yesterday.with_columns(
        event_id=pl.lit("again-") + pl.col("event_id"), event_time=pl.col("event_time") + timedelta(days=1)
    )
    return pl.concat([events, again]).sort("event_time", maintain_order=True)


def _sent_twice(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    last_moment = pl.col("event_time").dt.truncate("1d") + timedelta(days=1) - timedelta(microseconds=1)
    again = events.with_columns(
        event_id=pl.lit("again-") + pl.col("event_id"),
        event_time=pl.min_horizontal(pl.col("event_time") + timedelta(seconds=2), last_moment),
    )
    return pl.concat([events, again]).sort("event_time", maintain_order=True)


def _one_user(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(user_id=pl.lit("u000000"))


def _capped(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col("latency_ms").clip(upper_bound=300))


def _mixed_up_names(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    names = sorted(events["feature"].unique())
    return events.with_columns(pl.col("feature").replace_strict(names, [*names[1:], names[0]]))


def _emptied_for_one_platform(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    return _where(events, pl.col("platform") == "ios", latency_ms=pl.lit(None, dtype=pl.Float64))


def _outage(events: pl.DataFrame, _: pl.DataFrame) -> pl.DataFrame:
    """Return the day with hours in which most events really fail: few are completed, and many visits end at the first failure."""
    during = pl.col("event_time").dt.hour().is_between(*OUTAGE_HOURS, closed="left")
    fails = during & (_drawn("event_id", 5) < _FAILING_SHARE * _TEN)
    failed = _where(
        events,
        fails,
        error_count=pl.lit(2, dtype=pl.Int64),
        crashed=_drawn("event_id", 6) < 1,
        event_type=pl.when(pl.col("event_type").is_in(["complete", "subscribe"]))
        .then(pl.lit("use"))
        .otherwise(pl.col("event_type")),
        value=pl.lit(None, dtype=pl.Float64),
    )
    # Seven of ten sessions end at their first failure: their later events during the outage do not happen.
    first = pl.when(fails).then(pl.col("event_time")).min().over("session_id")
    leaves = _drawn("session_id", 7) < 7
    return failed.filter(~(during & leaves & (pl.col("event_time") > first)).fill_null(value=False))


CHANGES: Final[Mapping[str, Change]] = {
    "unit": _unit,
    "unit_of_one_release": _unit_of_one_release,
    "unit_of_one_platform": _unit_of_one_platform,
    "stuck_errors": _stuck_errors,
    "stuck_crashes": _stuck_crashes,
    "one_rating": _one_rating,
    "one_platform": _one_platform,
    "silent_platform": _silent_platform,
    "replayed": _replayed,
    "sent_twice": _sent_twice,
    "one_user": _one_user,
    "capped": _capped,
    "mixed_up_names": _mixed_up_names,
    "emptied_for_one_platform": _emptied_for_one_platform,
    "outage": _outage,
}
