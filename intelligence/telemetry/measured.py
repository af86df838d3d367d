"""What was measured on each day, by the parts of the product that measure: source, platform and release."""

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
# Columns that say how an event went: what rests on one of them can be set aside by itself.
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
        """Return one count over another, 0 where the other is 0."""
        return self[name] / self[of] if self[of] else 0.0

    def log_mean(self, level: str) -> float:
        """Return the mean logarithm of the values above 0."""
        count = self[level] - self[f"{level}_zero"]
        return self[f"{level}_log"] / count if count > 0 else 0.0

    def log_variance(self, level: str) -> float:
        """Return the variance of that logarithm."""
        count = self[level] - self[f"{level}_zero"]
        return max(self[f"{level}_log2"] / count - self.log_mean(level) ** 2, 0.0) if count > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Identities:
    """Events of a part with about how many users, sessions and moments they have."""

    events: float
    users: float
    sessions: float
    moments: float


@dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints of a day's events, sorted, and the events and users of a quarter of all users."""

    timed: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    measured: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    repeats: float = 0.0
    events: float = 0.0
    users: float = 0.0


@dataclass(frozen=True, slots=True)
class DayMeasured:
    """One day: by part its sums, its hours (events, failed, crashed) and its identities; `cells` has the sums by feature too.

    `events` counts them all, `features` by feature, and `tops` has the greatest value of each feature with enough of them.
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
        """Return events, failed and crashed events in each of 24 hours, together for these parts."""
        found: Floats = sum((self.hours[part] for part in parts if part in self.hours), np.zeros((3, 24)))
        return found


class Frame(Protocol):
    """Reads a query of the lake into a frame."""

    def __call__(self, query: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of the query."""


def measured_from(frame: Frame, days: Days, *, conversions: Sequence[str]) -> dict[date, DayMeasured]:
    """Return what was measured on each of the days, from the lake that `frame` reads.

    A client that sends outsize numbers of events speaks for no other: it is left out, but where identities are counted.
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
    """Return what was measured on each day, from the rows of the five `measurement_*.sql` queries."""
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
    """Return the sums of several parts or days together."""
    found: Floats = sum((each.values for each in sums), np.zeros(len(SUMS)))
    return Sums(found)


def by_feature(days: Sequence[DayMeasured], is_in: Callable[[Part], bool]) -> dict[str, Sums]:
    """Return the sums of each feature over these days, of the parts that `is_in` lets through."""
    parts = {part for day in days for part in day.sums if is_in(part)}
    chosen = pl.DataFrame(sorted(parts, key=str), schema=dict.fromkeys(_PART, pl.String), orient="row")
    rows = pl.concat([day.cells for day in days]).join(chosen, on=_PART, how="semi", nulls_equal=True)
    rows = rows.group_by("feature").agg(pl.col(SUMS).sum()).sort("feature")
    return dict(zip(rows["feature"], map(Sums, rows.select(SUMS).to_numpy()), strict=True))


def in_words(affected: Iterable[Part], all_parts: Iterable[Part]) -> str:
    """Return what the affected parts have in common, as said behind a column's name; nothing where it is everything.

    >>> web, app = Part("app", "web", "3.8"), Part("app", "ios", "3.8")
    >>> in_words([app], [web, app]), in_words([web, app], [web, app])
    (' of release 3.8 on ios', '')
    """
    hit, everything = set(affected), set(all_parts) | set(affected)
    if hit == everything:
        return ""
    if len(hit) == 1 and (only := next(iter(hit))).release and only.platform:
        return f" of release {only.release} on {only.platform}"
    for place, said in ((0, "of source {}"), (1, "on {}"), (2, "of release {}")):
        values = {part[place] for part in hit}
        if {part for part in everything if part[place] in values} == hit and len(values) <= 3:
            return " " + said.format(_listed(values))
    if len(hit) <= 3:
        return " of " + _listed(
            f"release {part.release or 'unnamed'}" + (f" on {part.platform}" if part.platform else "") for part in hit
        )
    return f" of {len(hit)} of {len(everything)} releases"


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join(sorted(name or "no name" for name in names))
