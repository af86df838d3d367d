"""Part of the same work in pandas tuned by an expert: CSV files in; events, rejected rows and feature-days out, as Parquet.

It is written as pandas is written for speed today: Arrow reads the CSV and holds the text, every rule is a mask over a
whole column, repeated values are validated once each, distinct users are counted by codes, and nothing runs row by row.
It relies on properties of the files (every row has an id and a session); it keeps no ledger and uses no transactions.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.pandas_intake import taken_in

TEXT = pd.ArrowDtype(pa.string())
FORBIDDEN = r"[<>\"'`;\\\x00-\x1f\x7f]"
COLUMNS = (
    *(
        "event_id",
        "event_time",
        "user_id",
        "session_id",
        "feature",
        "event_type",
        "latency_ms",
        "error_count",
        "crashed",
    ),
    *("rating", "duration_s", "value", "platform", "app_version", "region", "segment", "experiment", "variant"),
    "properties",
)
MANY_VALUES = ("event_id", "user_id", "session_id")
BOUNDS = {
    "latency_ms": (0, 604_800_000),
    "error_count": (0, 1_000_000),
    "rating": (1, 5),
    "duration_s": (0, 86_400),
    "value": (-1e12, 1e12),
}
TYPES = {**dict.fromkeys(BOUNDS, "DOUBLE"), "error_count": "BIGINT", "event_time": "TIMESTAMP", "crashed": "BOOLEAN"}
REQUIRED = ("event_time", "user_id", "feature", "event_type")
NAMES = tuple(name for name in COLUMNS if name not in TYPES and name != "properties")
LONGEST_NAME = 256
LONGEST_PROPERTIES = 65_536
SLOW_LATENCY_MS = 3_000


def typed(column: pd.Series) -> pd.Series:
    """Return the column in its type, empty where a value cannot have it."""
    if column.name == "event_time":
        return pd.to_datetime(column, errors="coerce", format="ISO8601")
    if column.name == "crashed":
        return (
            column if column.dtype == "bool[pyarrow]" else column.map({"true": True, "false": False}).astype("boolean")
        )
    if column.name in BOUNDS:
        return (
            pd.to_numeric(column.astype("str"), errors="coerce") if column.dtype == TEXT else column.astype("float64")
        )
    return column


def is_json_object(text: str) -> bool:
    """Return whether the text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def true_or_not(mask: pd.Series) -> pd.Series:
    """Return the mask with unknown taken as not."""
    return mask.fillna(False).astype(bool)


def breaches(raw: pd.DataFrame, rows: pd.DataFrame, start: date) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield each rule of the contract as its column, its reason and a mask of the rows that break it, in order."""
    latest = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=24)
    for name in COLUMNS:
        column = rows[name]
        if name in REQUIRED:
            yield name, "is missing", raw[name].isna()
        if name in TYPES:
            yield name, f"is not a {TYPES[name]}", column.isna() & raw[name].notna()
        if name == "event_time":
            yield name, "lies before the product's start", column < pd.Timestamp(start)
            yield name, "lies in the future or after the product's end", column > latest
        if name == "error_count":
            yield name, "is not a whole number", column.notna() & (column % 1 != 0)
        if name in BOUNDS:
            low, high = BOUNDS[name]
            yield name, f"is outside {low:g} to {high:g}", (column < low) | (column > high)
        if name in NAMES:
            values = column if name in MANY_VALUES else column.drop_duplicates()
            for reason, mask in (
                (f"is longer than {LONGEST_NAME} characters", values.str.len() > LONGEST_NAME),
                ("has characters that a name may not have", values.str.contains(FORBIDDEN, regex=True)),
            ):
                yield name, reason, mask if name in MANY_VALUES else column.isin(values[true_or_not(mask)])
        if name == "properties":
            yield name, f"is longer than {LONGEST_PROPERTIES} characters", column.str.len() > LONGEST_PROPERTIES
            texts = column.dropna().drop_duplicates()
            yield name, "is not a JSON object", column.isin([text for text in texts if not is_json_object(text)])


def judged(file: Path, start: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the file's rows that satisfy the contract, typed, and those that break it, as delivered with the reason."""
    raw = pd.read_csv(file, engine="pyarrow", dtype_backend="pyarrow", na_values=[""], keep_default_na=False)
    texts = raw.columns.difference([*BOUNDS, "event_time", "crashed"])
    raw = raw.astype(dict.fromkeys(texts, TEXT))
    rows = raw.apply(typed)
    reason = pd.Series(pd.NA, index=raw.index, dtype=TEXT)
    broken_column = reason.copy()
    for name, why, mask in breaches(raw, rows, start):
        first = true_or_not(mask) & reason.isna()
        if first.any():
            reason[first], broken_column[first] = f"{name} {why}", name
    accepted = reason.isna()
    refused = raw[~accepted].astype(TEXT)
    refused = refused.assign(
        column_name=broken_column[~accepted],
        reason=reason[~accepted],
        source_file=file.name,
        source_row=raw.index[~accepted] + 1,
    )
    return rows[accepted], refused


def different(group: np.ndarray, what: np.ndarray, groups: int) -> np.ndarray:
    """Return how many different values of `what`, codes from 0, each group has."""
    span = int(what.max(initial=0)) + 1
    return np.bincount(pd.unique(group * span + what) // span, minlength=groups)


def feature_days(events: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of each feature and day, with the columns of the platform's table."""
    by = events.groupby([events["event_time"].dt.normalize().rename("event_date"), "feature"], sort=True)
    crashed = true_or_not(events["crashed"])
    errors = events["error_count"].fillna(0)
    flags = pd.DataFrame(
        {
            "timed_events": events["latency_ms"].notna(),
            "slow_events": events["latency_ms"] > SLOW_LATENCY_MS,
            "failed_events": (errors > 0) | crashed,
            "errors": errors,
            "crashed_events": crashed,
            "ratings": events["rating"].notna(),
            "bad_ratings": events["rating"] <= 2,
            "duration_s": events["duration_s"],
            "value": events["value"],
        }
    )
    group = by.ngroup().to_numpy()
    found = pd.concat([flags, events[["latency_ms", "rating"]]], axis=1).groupby(group)
    days = found[list(flags)].sum()
    means = found[["latency_ms", "rating"]].mean()
    quantiles = found["latency_ms"].quantile([0.5, 0.95, 0.99]).unstack()
    user = pd.factorize(events["user_id"])[0]
    session = pd.factorize(events["session_id"])[0]
    visit = pd.factorize(user.astype("int64") * (int(session.max()) + 1) + session)[0]
    days = days.assign(
        usage_count=found.size(),
        users=different(group, user, len(days)),
        sessions=different(group, visit, len(days)),
        crashed_sessions=different(group[crashed], visit[crashed], len(days)),
        mean_latency_ms=means["latency_ms"],
        p50_latency_ms=quantiles[0.5],
        p95_latency_ms=quantiles[0.95],
        p99_latency_ms=quantiles[0.99],
        mean_rating=means["rating"],
    )
    days = days.assign(
        crash_free_session_rate=1 - days["crashed_sessions"] / days["sessions"],
        slow_rate=days["slow_events"] / days["timed_events"],
        error_rate=days["failed_events"] / days["usage_count"],
        crash_rate=days["crashed_events"] / days["usage_count"],
        bad_rating_rate=days["bad_ratings"] / days["ratings"],
    )
    first = events[~pd.Series(group).duplicated().to_numpy()]
    keys = pd.DataFrame(
        {"event_date": first["event_time"].dt.date.to_numpy(), "feature": first["feature"].to_numpy()},
        index=pd.unique(group),
    )
    return keys.join(days)


def main() -> None:
    events, out = taken_in(judged, __doc__)
    feature_days(events).to_parquet(out / "feature_days.parquet", index=False)


if __name__ == "__main__":
    main()
