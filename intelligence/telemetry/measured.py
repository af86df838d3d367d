"""What was measured on each day, by part of the product: source, platform and release."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.sql import sql
from intelligence.core.tables import Days

Floats = NDArray[np.float64]

LEVELS: Final = ("latency_ms", "duration_s", "value")
FLAGS: Final[Mapping[str, str]] = {"error_count": "failed", "crashed": "crashes"}
# Columns that describe how an event went: results that use one of them can be set aside without the others.
COLUMNS: Final = (*FLAGS, *LEVELS, "rating", "session_id")
SUMS: Final = (
    "events",
    *COLUMNS,
    *FLAGS.values(),
    "conversions",
    *(f"{name}_{what}" for name in LEVELS for what in ("zero", "log", "log2")),
    *(f"{name}_round" for name in ("latency_ms", "duration_s")),
    *(f"rating_{what}" for what in ("1", "5", "sum")),
)
_PLACE: Final = {name: place for place, name in enumerate(SUMS)}
LEAST_FOR_A_TOP: Final = 30
_EVENTS: Final = "FROM telemetry.events"
_EVENTS_OF_OTHERS: Final = (
    f"{_EVENTS} ANTI JOIN (SELECT unnest($outsize, recursive := true)) AS outsize USING (event_date, user_id)"
)
_PART: Final = ("source", "platform", "app_version")


class Part(NamedTuple):
    """A source, platform and release whose events are measured in one way."""

    source: str | None
    platform: str | None
    release: str | None


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts and sums of `measurement_cells.sql` over some events."""

    values: Floats

    def __getitem__(self, name: str) -> float:
        return float(self.values[_PLACE[name]])

    def share(self, name: str, of: str) -> float:
        """Return one count divided by another, 0 where the other is 0.

        Args:
            name: The numerator, one of SUMS.
            of: The denominator, one of SUMS.
        """
        return self[name] / self[of] if self[of] else 0.0

    def log_mean(self, level: str) -> float:
        """Return the mean natural logarithm of the level's values above 0; 0 where there are none."""
        count = self[level] - self[f"{level}_zero"]
        return self[f"{level}_log"] / count if count > 0 else 0.0

    def log_variance(self, level: str) -> float:
        """Return the variance of the natural logarithm of the level's values above 0; 0 where there are none."""
        count = self[level] - self[f"{level}_zero"]
        return max(self[f"{level}_log2"] / count - self.log_mean(level) ** 2, 0.0) if count > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Identities:
    """The number of events of a part, and approximate numbers of different users, sessions and moments among them."""

    events: float
    users: float
    sessions: float
    moments: float


@dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints of a day's events, from a sample of a quarter of all users.

    Attributes:
        timed: The least hashes of user, feature, type and time of day, sorted, each once.
        measured: The least hashes of user, feature, type and measurements, sorted, each once.
        repeats: Share of the `measured` hashes that repeat another, in [0, 1].
        events: Events of the sampled users.
        users: Number of sampled users.
    """

    timed: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    measured: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    repeats: float = 0.0
    events: float = 0.0
    users: float = 0.0


@dataclass(frozen=True, slots=True)
class DayMeasured:
    """What was measured on one day.

    Attributes:
        sums: Counts and sums by part.
        cells: The same by part and feature, one row each, with the columns of `measurement_cells.sql`.
        events: Number of all events.
        features: Number of events by feature.
        tops: By level column the greatest value of each feature with at least LEAST_FOR_A_TOP values.
        hours: By part an array of shape (3, 24): events, failed and crashed events in each hour (UTC).
        identities: Approximate numbers of users, sessions and moments by part.
        regions: Number of events by region.
        prints: Fingerprints of the events.
    """

    sums: Mapping[Part, Sums]
    cells: pl.DataFrame
    events: float
    features: Mapping[str, float]
    tops: Mapping[str, Sequence[float]]
    hours: Mapping[Part, Floats]
    identities: Mapping[Part, Identities] = field(default_factory=dict)
    regions: Mapping[str, float] = field(default_factory=dict)
    prints: Prints = Prints()

    def by_hour(self, parts: Iterable[Part]) -> Floats:
        """Return an array of shape (3, 24) for these parts together: events, failed and crashed events in each hour."""
        found: Floats = sum((self.hours[part] for part in parts if part in self.hours), np.zeros((3, 24)))
        return found


class Frame(Protocol):
    """Reads a query of the lake into a frame."""

    def __call__(self, query: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of the query.

        Args:
            query: SQL of one SELECT.
            parameters: Values of its named parameters.
        """


def measured_from(frame: Frame, days: Days, *, conversions: Sequence[str]) -> dict[date, DayMeasured]:
    """Return what was measured on each of the days.

    Users with outsize numbers of events would hide all others: they are left out of everything but the identities.

    Args:
        frame: Reads a query of the lake.
        days: The days to read.
        conversions: The event types that count as conversion.
    """
    span = dict(days.parameters)
    outsize = frame(sql("telemetry/outsize_users.sql"), span).to_dicts()
    more = {"outsize": outsize} if outsize else {}

    def of_the_others(query: str) -> str:
        return query.replace(_EVENTS, _EVENTS_OF_OTHERS) if outsize else query

    return measured_days(
        frame(
            of_the_others(sql("telemetry/measurement_cells.sql")), {**span, **more, "conversions": list(conversions)}
        ),
        frame(of_the_others(sql("telemetry/measurement_hours.sql")), {**span, **more}),
        frame(sql("telemetry/measurement_identities.sql"), span),
        frame(of_the_others(sql("telemetry/measurement_regions.sql")), {**span, **more}),
        frame(of_the_others(sql("telemetry/measurement_prints.sql")), {**span, **more}),
    )


def measured_days(
    cells: pl.DataFrame, hours: pl.DataFrame, identities: pl.DataFrame, regions: pl.DataFrame, prints: pl.DataFrame
) -> dict[date, DayMeasured]:
    """Return what was measured on each day, from the rows of the five `measurement_*.sql` queries.

    Args:
        cells: One row per day, part and feature.
        hours: One row per day, part and hour.
        identities: One row per day and part.
        regions: One row per day and region.
        prints: One row per day.
    """
    cells = cells.with_columns(pl.col(SUMS).cast(pl.Float64).fill_null(0.0))
    parts = cells.group_by("event_date", *_PART).agg(pl.col(SUMS).sum()).sort("event_date", *_PART)
    sums: dict[date, dict[Part, Sums]] = {}
    for keys, values in zip(parts.select("event_date", *_PART).iter_rows(), parts.select(SUMS).to_numpy(), strict=True):
        sums.setdefault(keys[0], {})[Part(*keys[1:])] = Sums(values)
    of_hours: dict[date, dict[Part, Floats]] = {}
    for day, *names, hour, events, failed, crashes in hours.iter_rows():
        table = of_hours.setdefault(day, {}).setdefault(Part(*names), np.zeros((3, 24)))
        table[:, hour] += (events, failed, crashes)
    whose: dict[date, dict[Part, Identities]] = {}
    for day, *rest in identities.iter_rows():
        whose.setdefault(day, {})[Part(*rest[:3])] = Identities(*rest[3:])
    where: dict[date, dict[str, float]] = {}
    for day, region, events in regions.drop_nulls("region").iter_rows():
        where.setdefault(day, {})[region] = events
    printed = {row["event_date"]: _prints(row) for row in prints.iter_rows(named=True)}
    features = _by_day(cells, pl.col("events").sum())
    tops = {name: _by_day(cells, pl.col(f"{name}_most").max(), pl.col(name).sum()) for name in LEVELS}
    return {
        day: DayMeasured(
            sums[day],
            rows,
            sum(each["events"] for each in sums[day].values()),
            dict(features[day]),
            {name: [top for _, top, count in tops[name][day] if count >= LEAST_FOR_A_TOP and top] for name in LEVELS},
            of_hours.get(day, {}),
            whose.get(day, {}),
            where.get(day, {}),
            printed.get(day, Prints()),
        )
        for (day,), rows in cells.sort("event_date").partition_by("event_date", as_dict=True).items()
    }


def _by_day(cells: pl.DataFrame, *sums: pl.Expr) -> dict[date, list[tuple[Any, ...]]]:
    found: dict[date, list[tuple[Any, ...]]] = {}
    for day, *rest in cells.group_by("event_date", "feature").agg(sums).sort("event_date", "feature").iter_rows():
        found.setdefault(day, []).append(tuple(rest))
    return found


def _prints(row: Mapping[str, Any]) -> Prints:
    kinds = {name: np.unique(np.array(row[name], dtype=np.uint64)) for name in ("timed", "measured")}
    repeats = 1 - len(kinds["measured"]) / len(row["measured"])
    return Prints(kinds["timed"], kinds["measured"], repeats, float(row["events"]), float(row["users"]))


def added(sums: Iterable[Sums]) -> Sums:
    """Return the total of the sums of several parts or days."""
    found: Floats = sum((each.values for each in sums), np.zeros(len(SUMS)))
    return Sums(found)


def by_feature(days: Sequence[DayMeasured], is_in: Callable[[Part], bool]) -> dict[str, Sums]:
    """Return the sums by feature, over some days and parts.

    Args:
        days: The days to add up.
        is_in: Returns whether a part is included.
    """
    parts = {part for day in days for part in day.sums if is_in(part)}
    chosen = pl.DataFrame(sorted(parts, key=str), schema=dict.fromkeys(_PART, pl.String), orient="row")
    rows = pl.concat([day.cells for day in days]).join(chosen, on=_PART, how="semi", nulls_equal=True)
    rows = rows.group_by("feature").agg(pl.col(SUMS).sum()).sort("feature")
    return dict(zip(rows["feature"], map(Sums, rows.select(SUMS).to_numpy()), strict=True))


def in_words(affected: Iterable[Part], all_parts: Iterable[Part]) -> str:
    """Return what the affected parts have in common, as a phrase to follow a column's name; empty where all are affected.

    Args:
        affected: The affected parts.
        all_parts: The parts that were compared, affected or not.

    >>> web, app = Part("app", "web", "3.8"), Part("app", "ios", "3.8")
    >>> in_words([app], [web, app]), in_words([web, app], [web, app])
    (' of release 3.8 on ios', '')
    """
    hit, everything = set(affected), set(all_parts) | set(affected)
    if hit == everything:
        return ""
    if len(hit) == 1 and (only := next(iter(hit))).release and only.platform:
        return f" of release {only.release} on {only.platform}"
    for place, phrase in ((0, "of source {}"), (1, "on {}"), (2, "of release {}")):
        values = {part[place] for part in hit}
        if {part for part in everything if part[place] in values} == hit and len(values) <= 3:
            return " " + phrase.format(_listed(values))
    if len(hit) <= 3:
        return " of " + _listed(
            f"release {part.release or 'unnamed'}" + (f" on {part.platform}" if part.platform else "") for part in hit
        )
    return f" of {len(hit)} of {len(everything)} releases"


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join(sorted(name or "no name" for name in names))
