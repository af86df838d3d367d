"""Retention, funnels and lifecycle computed plainly in pandas from events, to compare the tables of the lake with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from intelligence.metrics.settings import Funnel, Retention

SILENCE = 28
WEEK = 7


def as_frame(events: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return events as `warehouse.fact_events` has them, in order of time."""
    frame = pd.DataFrame(events)
    frame["day"] = frame["event_time"].dt.date
    frame["segment"] = frame["segment"].fillna("unknown")
    frame["platform"] = frame["platform"].fillna("unknown")
    frame["app_version"] = frame["app_version"].fillna("unknown")
    return frame.sort_values(["event_time", "event_id"], kind="stable").reset_index(drop=True)


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def days_of_use(events: pd.DataFrame) -> dict[tuple[str, str, str], list[date]]:
    """The days of use of each user of the product and of each feature."""
    found = {("all", "all", user): sorted(set(rows["day"])) for user, rows in events.groupby("user_id")}
    for (feature, user), rows in events.groupby(["feature", "user_id"]):
        found["feature", feature, user] = sorted(set(rows["day"]))
    return found


def beginnings(events: pd.DataFrame) -> dict[str, Mapping[str, str]]:
    """What the first event of each user says."""
    firsts = events.drop_duplicates("user_id").set_index("user_id")
    return {
        user: {"segment": row["segment"], "platform": row["platform"], "first_feature": row["feature"]}
        for user, row in firsts.iterrows()
    }


def members(events: pd.DataFrame, *, with_first_feature: bool) -> Iterable[tuple[str, str, list[date]]]:
    """Yield each user's days of use once for each part of the product that the user belongs to."""
    begun = beginnings(events)
    for (dimension, value, user), days in days_of_use(events).items():
        yield dimension, value, days
        if dimension == "all":
            for name in ("segment", "platform", *(("first_feature",) if with_first_feature else ())):
                yield name, begun[user][name], days


def plain_retention(events: pd.DataFrame, rules: Retention, *, first_day: date, newest: date) -> dict[Any, Any]:
    """Users, retained users and maturity by grain, dimension, value, cohort, definition and ages."""
    found: dict[Any, Any] = {}
    cohorts = defaultdict(list)
    for dimension, value, days in members(events, with_first_feature=True):
        if dimension not in ("feature", "first_feature"):
            cohorts["day", dimension, value, days[0]].append({(day - days[0]).days for day in days})
        weeks = {(monday(day) - monday(days[0])).days // WEEK for day in days}
        cohorts["week", dimension, value, monday(days[0])].append(weeks)
    for (grain, dimension, value, cohort), people in cohorts.items():
        ages, brackets = (rules.days, rules.day_brackets) if grain == "day" else (rules.weeks, rules.week_brackets)
        exact = "n_day" if grain == "day" else "n_week"
        asked = [
            *((exact, age, age) for age in ages),
            *(("rolling", age, None) for age in ages),
            *(("bracket", *bracket) for bracket in brackets),
        ]
        for definition, first, last in asked:
            until = first if last is None else last
            over = cohort + timedelta(days=until if grain == "day" else WEEK * until + WEEK - 1)
            is_mature = over <= newest
            retained = sum(any(first <= age and (last is None or age <= last) for age in each) for each in people)
            found[grain, dimension, value, cohort, definition, first, last] = (
                len(people),
                retained if is_mature else None,
                is_mature,
                cohort >= first_day + timedelta(days=SILENCE),
            )
    return found


def plain_lifecycle(events: pd.DataFrame, *, first_day: date, newest: date) -> dict[Any, Any]:
    """Active, new, returned, resurrected, dormant and current users by day, dimension and value."""
    calendar = [first_day + timedelta(days=n) for n in range((newest - first_day).days + 1)]
    by_part = defaultdict(list)
    for dimension, value, days in members(events, with_first_feature=False):
        by_part[dimension, value].append(days)
    found = {}
    for (dimension, value), people in by_part.items():
        begin = min(days[0] for days in people)
        for day in calendar:
            if day < begin:
                continue
            counts = dict.fromkeys(("active", "new", "returned", "resurrected", "dormant", "current"), 0)
            for days in people:
                before = [each for each in days if each < day]
                if day in days:
                    counts["active"] += 1
                    if not before:
                        counts["new"] += 1
                    elif (day - before[-1]).days > SILENCE:
                        counts["resurrected"] += 1
                    else:
                        counts["returned"] += 1
                elif before and (day - before[-1]).days == SILENCE:
                    counts["dormant"] += 1
                counts["current"] += any(0 <= (day - each).days < SILENCE for each in days)
            found[day, dimension, value] = tuple(counts.values())
    return found


def plain_waits(events: pd.DataFrame) -> dict[tuple[date, str], float]:
    """Median days from the first day in the product to that of a feature, by day of first use and feature."""
    days = days_of_use(events)
    waits = defaultdict(list)
    for (dimension, value, user), mine in days.items():
        if dimension == "feature":
            waits[mine[0], value].append((mine[0] - days["all", "all", user][0]).days)
    return {key: float(np.median(each)) for key, each in waits.items()}


def plain_adoption(events: pd.DataFrame, *, first_day: date, newest: date) -> dict[Any, Any]:
    """Breadth and the power-user curve by day and segment of the day."""
    found = {}
    per_day = events.groupby(["day", "user_id"]).agg(segment=("segment", "min"), features=("feature", "nunique"))
    per_day = per_day.reset_index()
    for day in (first_day + timedelta(days=n) for n in range((newest - first_day).days + 1)):
        window = per_day[(per_day["day"] <= day) & (per_day["day"] > day - timedelta(days=SILENCE))]
        for segment in {"all", *window["segment"]}:
            mine = window if segment == "all" else window[window["segment"] == segment]
            today = mine[mine["day"] == day]["features"]
            curve = None
            if day >= first_day + timedelta(days=SILENCE - 1) and len(mine):
                days = mine.groupby("user_id").size()
                curve = [int((days == n).sum()) for n in range(1, SILENCE + 1)]
            if len(today) or curve or segment == "all":
                found[day, segment] = (
                    len(today),
                    int(today.sum()),
                    float(today.median()) if len(today) else None,
                    float(today.quantile(0.9)) if len(today) else None,
                    curve,
                )
    return found


def _matches(row: Mapping[str, Any], step: Any) -> bool:
    return step.event_type in (None, row["event_type"]) and step.feature in (None, row["feature"])


def plain_entries(events: Sequence[Mapping[str, Any]], funnel: Funnel) -> list[list[datetime]]:
    """The times at which one user's entries reached each step, one list for each entry, from the user's events in order."""
    found, barred_until = [], None
    steps = funnel.steps
    for row in events:
        begins = _matches(row, steps[0]) if funnel.order == "strict" else any(_matches(row, each) for each in steps)
        if not begins or (barred_until and row["event_time"] < barred_until):
            continue
        barred_until = row["event_time"] + funnel.window
        inside = [each for each in events if row["event_time"] <= each["event_time"] < barred_until]
        if funnel.order == "strict":
            times, taken = [row["event_time"]], [row]
            for step in steps[1:]:
                later = (
                    each
                    for each in inside
                    if each["event_time"] >= taken[-1]["event_time"]
                    and each["event_id"] not in [one["event_id"] for one in taken]
                    and _matches(each, step)
                )
                following = next(later, None)
                if following is None:
                    break
                times.append(following["event_time"])
                taken.append(following)
        else:
            firsts = [next((each["event_time"] for each in inside if _matches(each, step)), None) for step in steps]
            times = sorted(each for each in firsts if each is not None)
        found.append(times)
    return found


def plain_funnel(events: pd.DataFrame, funnel: Funnel, *, newest: date) -> dict[Any, Any]:
    """Entered, users, converted, times and completeness by day of entry, step, dimension and value."""
    entries = []
    for user, rows in events.groupby("user_id"):
        mine = rows.to_dict("records")
        for times in plain_entries(mine, funnel):
            first = next(
                row
                for row in mine
                if row["event_time"] == times[0]
                and any(
                    _matches(row, step) for step in (funnel.steps[:1] if funnel.order == "strict" else funnel.steps)
                )
            )
            entries.append({**first, "user_id": user, "times": times})
    found = {}
    groups = defaultdict(list)
    for entry in entries:
        for dimension in ("all", *funnel.breakdown):
            groups[entry["day"], dimension, "all" if dimension == "all" else entry[dimension]].append(entry)
    for (day, dimension, value), mine in groups.items():
        users = len({each["user_id"] for each in mine})
        if day + timedelta(days=funnel.days_open(of_equal_length=True)) > newest:
            found[day, 1, dimension, value] = (len(mine), users, None, None, None, False)
            continue
        for position in range(1, len(funnel.steps) + 1):
            there = [each["times"] for each in mine if len(each["times"]) >= position]
            since = [(times[position - 1] - times[position - 2]).total_seconds() for times in there if position > 1]
            found[day, position, dimension, value] = (
                len(mine),
                users,
                len(there),
                float(np.quantile(since, 0.5)) if since else None,
                float(np.quantile(since, 0.9)) if since else None,
                True,
            )
    return found
