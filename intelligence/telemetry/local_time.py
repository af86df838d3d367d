"""Time zones: the local time of moments in UTC, as SQL for events and as dates and hours for days.

Event times are stored in UTC; the day of an event is its date on the product's clock. All conversions use the IANA data
that Python reads: DuckDB's own conversion costs 3 µs per event, the SQL of this module a hundredth of that.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import polars as pl

from intelligence.core.tables import Days

UTC_NAME: Final = "UTC"
# Changes of clocks are known between these years; before and after them the offset stays the same.
FIRST_YEAR, LAST_YEAR = 1970, 2050
_LOCAL: Final = re.compile(r"\blocal_time\(([\w.]+)\)")


def known_zone(name: str) -> str:
    """Return the name if it is an IANA time zone; otherwise raises ValueError with the most similar names.

    >>> known_zone("Europe/Berlin")
    'Europe/Berlin'
    """
    if name in _names():
        return name
    by_fold = {known.casefold(): known for known in _names()}
    folded = name.strip().casefold().replace(" ", "_")
    places = {known.rsplit("/", 1)[-1].casefold(): known for known in sorted(_names(), reverse=True) if "/" in known}
    near = [by_fold[found] for found in difflib.get_close_matches(folded, by_fold, n=2)]
    near = [places[folded]] if folded in places else near
    asked = f": did you mean {' or '.join(f'`{each}`' for each in near)}?" if near else ""
    raise ValueError(
        f"is {name[:60]!r}, which is no IANA time zone{asked or ' such as `Europe/Berlin` or `America/New_York`'}"
    )


@cache
def _names() -> frozenset[str]:
    # These depend on the machine or are no real zone.
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


def zone(name: str) -> ZoneInfo:
    """Return the IANA time zone; raises ValueError where this machine has no data of it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"is {name!r}, of which this machine has no data: install the package tzdata") from error


def local_time(moment: datetime, timezone: str) -> datetime:
    """Return a moment as the clock of the zone shows it, without a time zone (naive).

    Args:
        moment: The moment; a naive one is in UTC.
        timezone: IANA name of the zone.

    >>> local_time(datetime(2025, 11, 2, 4, 30), "America/New_York")
    datetime.datetime(2025, 11, 2, 0, 30)
    """
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return moment.astimezone(zone(timezone)).replace(tzinfo=None)


def local_times(frame: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Return the frame with all its times converted from UTC to the clock of the zone.

    Args:
        frame: Any frame; its columns of type Datetime are in UTC, the others stay.
        timezone: IANA name of the zone.
    """
    if timezone == UTC_NAME:
        return frame
    shown = [
        pl.Series(name, [None if at is None else local_time(at, timezone) for at in frame[name]], frame.schema[name])
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime)
    ]
    return frame.with_columns(shown)


def local_date(moment: datetime, timezone: str) -> date:
    """Return the day in the zone to which a moment belongs.

    Args:
        moment: The moment; a naive one is in UTC.
        timezone: IANA name of the zone.
    """
    return local_time(moment, timezone).date()


def start_of_day(day: date, timezone: str) -> datetime:
    """Return the first moment of the day, in UTC and naive; of a day that the zone skipped, that of the day after it.

    Args:
        day: The day on the zone's clock.
        timezone: IANA name of the zone.

    Raises:
        AssertionError: Never, since the last span of one offset has no end.

    >>> start_of_day(date(2023, 4, 28), "Africa/Cairo"), start_of_day(date(2025, 11, 2), "America/New_York")
    (datetime.datetime(2023, 4, 27, 22, 0), datetime.datetime(2025, 11, 2, 4, 0))
    """
    steps = _steps(timezone)
    midnight = datetime.combine(day, time.min)
    # The first span of one offset in which the clock has reached that midnight.
    for number, (begins, offset) in enumerate(steps):
        ends = steps[number + 1][0] if number + 1 < len(steps) else datetime.max
        if midnight - offset < ends:
            return max(midnight - offset, begins)
    raise AssertionError("unreachable: the last span has no end")


def skipped_days(timezone: str, days: Days) -> list[date]:
    """Return the days that did not exist in the zone, because it moved across the date line.

    Args:
        timezone: IANA name of the zone.
        days: The days to search.

    >>> skipped_days("Pacific/Apia", Days(date(2011, 12, 1), date(2012, 2, 1)))
    [datetime.date(2011, 12, 30)]
    """
    skipped = []
    for begins, before, after in _changes(timezone):
        first = (begins + before - timedelta(microseconds=1)).date() + timedelta(days=1)
        last = (begins + after).date()
        while first < last:
            if days.start <= first < days.end:
                skipped.append(first)
            first += timedelta(days=1)
    return skipped


def uneven_hours(timezone: str, days: Days) -> Mapping[date, Sequence[int]]:
    """Return, for each day that does not have 24 full hours, the minutes in each of its hours 0 to 23.

    Args:
        timezone: IANA name of the zone.
        days: The days to search.

    >>> found = uneven_hours("Australia/Lord_Howe", Days(date(2025, 4, 1), date(2025, 4, 30)))
    >>> {day: sum(minutes) for day, minutes in found.items()}
    {datetime.date(2025, 4, 6): 1470}
    """
    uneven: dict[date, Sequence[int]] = dict.fromkeys(skipped_days(timezone, days), (0,) * 24)
    for begins, before, after in _changes(timezone):
        for moment in {(begins + before - timedelta(microseconds=1)).date(), (begins + after).date()}:
            if days.start <= moment < days.end:
                minutes = _minutes(moment, timezone)
                if minutes != (60,) * 24:
                    uneven[moment] = minutes
    return uneven


@cache
def changes_of_clocks(first: datetime, end: datetime) -> Mapping[tuple[datetime, float], str]:
    """Return the changes of clocks of all zones in a span of time.

    Args:
        first: Beginning of the span, in UTC and naive.
        end: End of the span, in UTC and naive.

    Returns:
        The name of one zone with the change, by its moment in UTC and the number of hours by which the same local time is
        later in UTC from then on.
    """
    found: dict[tuple[datetime, float], str] = {}
    for name in sorted(_names()):
        rules = zone(name)
        before, after = _offset(rules, first), _offset(rules, end)
        if before != after:
            moment = _change(rules, first, end)
            found.setdefault((moment, (before - after).total_seconds() / 3600), name)
    return found


def _minutes(day: date, timezone: str) -> tuple[int, ...]:
    """Return the minutes in each local hour of the day, summed over the spans of one offset."""
    midnight = datetime.combine(day, time.min)
    minutes = [0] * 24
    steps = _steps(timezone)
    for number, (begins, offset) in enumerate(steps):
        ends = steps[number + 1][0] if number + 1 < len(steps) else datetime.max
        if ends < midnight - timedelta(days=2) or begins > midnight + timedelta(days=3):
            continue
        for hour in range(24):
            first = midnight + timedelta(hours=hour) - offset
            shared = min(first + timedelta(hours=1), ends) - max(first, begins)
            minutes[hour] += max(0, round(shared.total_seconds() / 60))
    return tuple(minutes)


def in_zone(query: str, timezone: str) -> str:
    """Return the query with each `local_time(column)` replaced by SQL for the clock of the zone.

    Args:
        query: SQL in which `local_time(column)` stands for the local time of a UTC time.
        timezone: IANA name of the zone; in UTC the replacement is the column itself.

    >>> in_zone("SELECT hour(local_time(event_time))", "UTC")
    'SELECT hour(event_time)'
    """
    return _LOCAL.sub(lambda found: local_time_sql(found.group(1), timezone), query)


def local_time_sql(column: str, timezone: str) -> str:
    """Return SQL for what the zone's clock shows at a UTC time.

    Args:
        column: SQL expression of the UTC time.
        timezone: IANA name of the zone.

    >>> local_time_sql("t", "Etc/GMT-2")
    '(t + INTERVAL (7200) SECOND)'
    """
    steps = _steps(timezone)
    if {offset for _, offset in steps} == {timedelta()}:
        return column
    return _branch(column, steps)


def utc_time_sql(value: str, timezone: str) -> str:
    """Return SQL for the UTC time at which the zone's clock shows a local time.

    A local time that the clock shows twice is taken for the later one; one that it skips yields NULL.

    Args:
        value: SQL expression of the local time.
        timezone: IANA name of the zone.
    """
    spans = _steps(timezone)
    if {offset for _, offset in spans} == {timedelta()}:
        return value
    shown: list[tuple[datetime, timedelta | None]] = [(datetime.min, -spans[0][1])]
    for begins, before, after in _changes(timezone):
        if after > before:
            shown.append((begins + before, None))
        shown.append((begins + after, -after))
    return _branch(value, shown)


def _branch(column: str, steps: Sequence[tuple[datetime, timedelta | None]]) -> str:
    """Return SQL that adds the offset of the step in which `column` lies, by binary search; NULL where it has none."""
    if len({offset for _, offset in steps}) == 1:
        if steps[0][1] is None:
            return "NULL"
        return f"({column} + INTERVAL ({round(steps[0][1].total_seconds())}) SECOND)"
    middle = len(steps) // 2
    before, after = _branch(column, steps[:middle]), _branch(column, steps[middle:])
    return f"CASE WHEN {column} < TIMESTAMP '{steps[middle][0]}' THEN {before} ELSE {after} END"


def _changes(timezone: str) -> list[tuple[datetime, timedelta, timedelta]]:
    """Return each change of the zone's offset: its moment in UTC, the offset before and the offset after."""
    steps = _steps(timezone)
    return [(steps[n][0], steps[n - 1][1], steps[n][1]) for n in range(1, len(steps))]


@cache
def _steps(timezone: str) -> tuple[tuple[datetime, timedelta], ...]:
    """Return the spans of one offset in order: the beginning in UTC and the offset of each."""
    if timezone == UTC_NAME:
        return ((datetime.min, timedelta()),)
    rules = zone(timezone)
    moment, end, step = datetime(FIRST_YEAR, 1, 1), datetime(LAST_YEAR, 1, 1), timedelta(days=1)
    steps = [(datetime.min, _offset(rules, moment))]
    while moment < end:
        later = moment + step
        if _offset(rules, later) != steps[-1][1]:
            begins = _change(rules, moment, later)
            steps.append((begins, _offset(rules, begins)))
        moment = later
    return tuple(steps)


def _change(rules: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first second at which the offset is no longer that of `before`."""
    old, low, high = _offset(rules, before), 0, round((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(rules, before + timedelta(seconds=middle)) == old else (low, middle)
    return before + timedelta(seconds=high)


def _offset(rules: ZoneInfo, moment: datetime) -> timedelta:
    return moment.replace(tzinfo=UTC).astimezone(rules).utcoffset() or timedelta()
