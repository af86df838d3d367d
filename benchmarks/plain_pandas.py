"""The same work in plain pandas: CSV files in; events, quarantine, sessions, feature-days, user-days and KPIs out, as Parquet.

It is written as the pandas documentation teaches: read_csv and to_parquet with their defaults, to_numeric and
to_datetime with errors="coerce", a mask over a whole column for each rule, drop_duplicates, groupby and agg. Nothing
runs row by row. It keeps no ledger, uses no transactions and checks none of its tables.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd

from benchmarks.pandas_intake import taken_in

NUMBERS = {
    "latency_ms": ("DOUBLE", 0, 604_800_000),
    "error_count": ("BIGINT", 0, 1_000_000),
    "rating": ("DOUBLE", 1, 5),
    "duration_s": ("DOUBLE", 0, 86_400),
    "value": ("DOUBLE", -1e12, 1e12),
}
CRASHED = {"true": True, "false": False}
REQUIRED = ("event_time", "user_id", "feature", "event_type")
FORBIDDEN = r"[<>\"'`;\\\x00-\x1f\x7f]"
LONGEST_NAME = 256
LONGEST_PROPERTIES = 65_536
SLOW_LATENCY_MS = 3_000
SESSION_GAP = pd.Timedelta(minutes=30)
CONVERSIONS = ("complete", "subscribe")
VISIT = ["event_date", "user_id", "session_id"]


def typed(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each column in its type, empty where a value cannot have it."""
    rows = raw.copy()
    rows["event_time"] = pd.to_datetime(raw["event_time"], errors="coerce", format="ISO8601")
    rows["crashed"] = raw["crashed"].map(CRASHED).astype("boolean")
    for name in NUMBERS:
        rows[name] = pd.to_numeric(raw[name], errors="coerce")
    return rows


def is_json_object(text: str) -> bool:
    """Return whether the text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def breaches(raw: pd.DataFrame, rows: pd.DataFrame, start: date) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield each rule of the contract as its column, its reason and a mask of the rows that break it, in order."""
    latest = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=24)
    for name in raw.columns:
        column = rows[name]
        if name in REQUIRED:
            yield name, "is missing", raw[name].isna()
        if name == "event_time":
            yield name, "is not a TIMESTAMP", column.isna() & raw[name].notna()
            yield name, "lies before the product's start", column < pd.Timestamp(start)
            yield name, "lies in the future or after the product's end", column > latest
        elif name == "crashed":
            yield name, "is not a BOOLEAN", column.isna() & raw[name].notna()
        elif name in NUMBERS:
            type_, low, high = NUMBERS[name]
            yield name, f"is not a {type_}", column.isna() & raw[name].notna()
            if type_ == "BIGINT":
                yield name, "is not a whole number", column.notna() & (column % 1 != 0)
            yield name, f"is outside {low:g} to {high:g}", column.notna() & ~column.between(low, high)
        elif name == "properties":
            yield name, f"is longer than {LONGEST_PROPERTIES} characters", column.str.len() > LONGEST_PROPERTIES
            objects = {text: is_json_object(text) for text in column.dropna().unique()}
            yield name, "is not a JSON object", column.notna() & ~column.map(objects).fillna(True).astype(bool)
        else:
            yield name, f"is longer than {LONGEST_NAME} characters", column.str.len() > LONGEST_NAME
            yield name, "has characters that a name may not have", column.str.contains(FORBIDDEN, regex=True, na=False)


def judged(file: Path, start: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the file's rows that satisfy the contract, typed, and those that break it, as delivered with the reason."""
    raw = pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""])
    rows = typed(raw)
    broken = pd.DataFrame(index=raw.index, columns=["column_name", "reason", "value"], dtype="str")
    for name, reason, mask in breaches(raw, rows, start):
        first = mask & broken["reason"].isna()
        if not first.any():
            continue
        broken.loc[first, "column_name"] = name
        broken.loc[first, "reason"] = f"{name} {reason}"
        broken.loc[first, "value"] = raw.loc[first, name].str[:1000]
    accepted = broken["reason"].isna()
    rows = rows.assign(event_date=rows["event_time"].dt.normalize(), source_file=file.name, source_row=raw.index + 1)
    refused = broken[~accepted].assign(source_file=file.name, source_row=raw.index[~accepted] + 1)
    refused["payload"] = raw[~accepted].to_json(orient="records", lines=True).splitlines()
    return rows[accepted], refused


def in_sessions(events: pd.DataFrame) -> pd.DataFrame:
    """Return the events, those without a session id in the visits that 30 minutes of silence and midnight part."""
    loose = events[events["session_id"].isna()].sort_values(["event_date", "user_id", "event_time", "event_id"])
    if not loose.empty:
        by = ["event_date", "user_id"]
        pause = loose.groupby(by)["event_time"].diff()
        visit = (pause.isna() | (pause > SESSION_GAP)).groupby([loose[name] for name in by]).cumsum()
        day = loose["event_date"].dt.strftime("%Y-%m-%d")
        events.loc[loose.index, "session_id"] = loose["user_id"] + "@" + day + "#" + visit.astype(str)
    return events.assign(
        error_count=events["error_count"].fillna(0).astype("int64"),
        crashed=events["crashed"].fillna(False).astype(bool),
        segment=ordered(events["segment"].fillna("unknown").replace("all", "segment all")),
        platform=ordered(events["platform"]),
        app_version=ordered(events["app_version"]),
        converted=events["event_type"].isin(CONVERSIONS),
    )


def ordered(texts: pd.Series) -> pd.Series:
    """Return the texts as ordered categories: of those groupby finds the least in compiled code, of text it does not."""
    return texts.astype(pd.CategoricalDtype(sorted(texts.dropna().unique()), ordered=True))


def sessions(events: pd.DataFrame) -> pd.DataFrame:
    """Return one row per visit of a user on a day."""
    found = events.groupby(VISIT).agg(
        started_at=("event_time", "min"),
        ended_at=("event_time", "max"),
        events=("event_id", "size"),
        features=("feature", "nunique"),
        errors=("error_count", "sum"),
        crashed=("crashed", "any"),
        converted=("converted", "any"),
        segment=("segment", "min"),
        platform=("platform", "min"),
        app_version=("app_version", "min"),
    )
    found["duration_s"] = (found["ended_at"] - found["started_at"]).dt.total_seconds()
    return found.reset_index()


def feature_days(events: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of each feature and day."""
    key = ["event_date", "feature"]
    events = events.assign(
        session=events["user_id"] + "\0" + events["session_id"],
        slow=events["latency_ms"] > SLOW_LATENCY_MS,
        failed=(events["error_count"] > 0) | events["crashed"],
        bad=events["rating"] <= 2,
    )
    by = events.groupby(key)
    found = by.agg(
        usage_count=("event_id", "size"),
        users=("user_id", "nunique"),
        sessions=("session", "nunique"),
        timed_events=("latency_ms", "count"),
        mean_latency_ms=("latency_ms", "mean"),
        slow_events=("slow", "sum"),
        failed_events=("failed", "sum"),
        errors=("error_count", "sum"),
        crashed_events=("crashed", "sum"),
        ratings=("rating", "count"),
        mean_rating=("rating", "mean"),
        bad_ratings=("bad", "sum"),
        duration_s=("duration_s", "sum"),
        value=("value", "sum"),
    )
    quantiles = by["latency_ms"].quantile([0.5, 0.95, 0.99]).unstack()
    crashed_sessions = events[events["crashed"]].groupby(key)["session"].nunique()
    found = found.assign(
        crashed_sessions=crashed_sessions.reindex(found.index, fill_value=0),
        p50_latency_ms=quantiles[0.5],
        p95_latency_ms=quantiles[0.95],
        p99_latency_ms=quantiles[0.99],
        slow_rate=found["slow_events"] / found["timed_events"],
        error_rate=found["failed_events"] / found["usage_count"],
        crash_rate=found["crashed_events"] / found["usage_count"],
        bad_rating_rate=found["bad_ratings"] / found["ratings"],
    )
    found["crash_free_session_rate"] = 1 - found["crashed_sessions"] / found["sessions"]
    return found.reset_index()


def user_days(events: pd.DataFrame) -> pd.DataFrame:
    """Return one row per user and day with activity."""
    found = events.groupby(["event_date", "user_id"]).agg(
        segment=("segment", "min"),
        events=("event_id", "size"),
        sessions=("session_id", "nunique"),
        features=("feature", "nunique"),
        duration_s=("duration_s", "sum"),
        errors=("error_count", "sum"),
        crashed_events=("crashed", "sum"),
        conversions=("converted", "sum"),
        ratings=("rating", "count"),
        rating_sum=("rating", "sum"),
        value=("value", "sum"),
    )
    return found.reset_index()


def kpi_days(users: pd.DataFrame) -> pd.DataFrame:
    """Return the product's figures by day and segment; a window longer than the data is empty."""
    key = ["event_date", "segment"]
    users = users.assign(segment=users["segment"].astype("str"))
    activity = pd.concat([users, users.assign(segment="all")])
    activity = activity.assign(crashed=activity["crashed_events"] > 0, converted=activity["conversions"] > 0)
    totals = activity.groupby(key).agg(
        dau=("user_id", "size"),
        events=("events", "sum"),
        sessions=("sessions", "sum"),
        crashed_users=("crashed", "sum"),
        converted_users=("converted", "sum"),
        ratings=("ratings", "sum"),
        rating_sum=("rating_sum", "sum"),
        value=("value", "sum"),
    )
    first = users["event_date"].min()
    reached = []
    for day in pd.date_range(first, users["event_date"].max()):
        month = activity[activity["event_date"].between(day - pd.Timedelta(days=27), day)]
        week = month[month["event_date"] > day - pd.Timedelta(days=7)]
        active = pd.DataFrame(
            {"wau": week.groupby("segment")["user_id"].nunique(), "mau": month.groupby("segment")["user_id"].nunique()}
        )
        reached.append(active.assign(event_date=day).reset_index())
    found = pd.concat(reached).set_index(key).join(totals, how="left").reset_index()
    counts = ["wau", "dau", "events", "sessions", "crashed_users", "converted_users", "ratings", "value"]
    found[counts] = found[counts].fillna(0)
    found["wau"] = found["wau"].where(found["event_date"] >= first + pd.Timedelta(days=6))
    found["mau"] = found["mau"].where(found["event_date"] >= first + pd.Timedelta(days=27))
    return found.assign(
        stickiness=found["dau"] / found["mau"],
        sessions_per_user=found["sessions"] / found["dau"],
        session_depth=found["events"] / found["sessions"],
        crash_free_user_rate=1 - found["crashed_users"] / found["dau"],
        conversion_rate=found["converted_users"] / found["dau"],
        mean_rating=found["rating_sum"] / found["ratings"],
    )


def main() -> None:
    events, out = taken_in(judged, __doc__)
    facts = in_sessions(events)
    del events
    sessions(facts).to_parquet(out / "sessions.parquet", index=False)
    feature_days(facts).to_parquet(out / "feature_days.parquet", index=False)
    users = user_days(facts)
    users.to_parquet(out / "user_day.parquet", index=False)
    kpi_days(users).to_parquet(out / "kpi_day.parquet", index=False)


if __name__ == "__main__":
    main()
