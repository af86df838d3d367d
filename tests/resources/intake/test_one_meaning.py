"""One meaning has one fate, whether it is delivered as text, as JSON or in the typed columns of Parquet."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from intelligence.telemetry.contract import RULES
from intelligence.telemetry.mapping import raw_expressions, types_query, validation_statement
from tests.resources.intake.delivered_rows import HEADER, refusal

NAN, INF = float("nan"), float("inf")
AT = datetime(2026, 5, 4, 10)
GOOD = {"event_time": "2026-05-04T10:00:00", "user_id": "u1", "feature": "search", "event_type": "use"}
NO_TRUTH = "crashed is not a BOOLEAN"

# Of each meaning: the column, how CSV, JSON and Parquet say it (a series, so that its type is known), and what becomes of it:
# the value of the event, or the reason for which the row is rejected.
MEANINGS: list[tuple[str, str, Any, pl.Series, Any]] = [
    ("crashed", "0.0", 0.0, pl.Series([0.0]), False),
    ("crashed", "1.0", 1.0, pl.Series([1.0], dtype=pl.Float32), True),
    ("crashed", "NaN", NAN, pl.Series([NAN]), None),
    ("crashed", "inf", "inf", pl.Series([INF]), None),
    ("crashed", "0.5", 0.5, pl.Series([0.5]), "rejected: " + NO_TRUTH),
    ("crashed", "2", 2, pl.Series([2], dtype=pl.Int8), "rejected: " + NO_TRUTH),
    ("crashed", "1", 1, pl.Series([1], dtype=pl.UInt8), True),
    ("crashed", "true", True, pl.Series([True]), True),
    ("crashed", "", None, pl.Series([None], dtype=pl.Boolean), None),
    ("crashed", "1.00", 1.0, pl.Series([Decimal("1.00")]), True),
    ("latency_ms", "NaN", NAN, pl.Series([NAN]), None),
    ("latency_ms", "-Infinity", "-Infinity", pl.Series([-INF], dtype=pl.Float32), None),
    ("latency_ms", " ", " ", pl.Series([" "]), None),
    ("latency_ms", "12.5", 12.5, pl.Series([Decimal("12.5")]), 12.5),
    ("latency_ms", "1e3", 1e3, pl.Series([1000], dtype=pl.UInt64), 1000.0),
    ("latency_ms", "-0.0", -0.0, pl.Series([-0.0]), 0.0),
    ("latency_ms", "-1", -1, pl.Series([-1]), "rejected: latency_ms is outside 0 to 6.048e+08"),
    ("latency_ms", "1e300", 1e300, pl.Series([1e300]), "rejected: latency_ms is outside 0 to 6.048e+08"),
    ("latency_ms", "null", "null", pl.Series(["null"]), None),
    ("latency_ms", "fast", "fast", pl.Series(["fast"]), "rejected: latency_ms is not a DOUBLE"),
    ("error_count", "true", True, pl.Series([True]), 1),
    ("error_count", "3.0", 3.0, pl.Series([3.0]), 3),
    ("error_count", "nan", NAN, pl.Series([NAN]), None),
    ("error_count", "1.5", 1.5, pl.Series([1.5]), "rejected: error_count is not a whole number"),
    ("user_id", "42.0", 42.0, pl.Series([42.0]), "42"),
    ("user_id", "42", 42, pl.Series([42], dtype=pl.Int32), "42"),
    ("user_id", "42.50", "42.50", pl.Series(["42.50"]), "42.50"),
    ("user_id", "9007199254740993", 9007199254740993, pl.Series([9007199254740993]), "9007199254740993"),
    ("user_id", "18446744073709551615", 2**64 - 1, pl.Series([2**64 - 1], dtype=pl.UInt64), str(2**64 - 1)),
    ("user_id", "", None, pl.Series([NAN]), "rejected: user_id is missing"),
    ("user_id", "ada", "ada", pl.Series([b"ada"]), "ada"),
    ("user_id", "ada", "ada", pl.Series(["ada"], dtype=pl.Categorical), "ada"),
    ("user_id", "ada", "ada", pl.Series(["ada"], dtype=pl.Enum(["ada", "ben"])), "ada"),
    ("app_version", "1.0", "1.0", pl.Series(["1.0"]), "1.0"),
    ("app_version", "1.5", 1.5, pl.Series([1.5]), "1.5"),
    ("event_time", "2026-05-04T10:00:00", "2026-05-04T10:00:00", pl.Series([AT], dtype=pl.Datetime("ns")), AT),
    ("event_time", "2026-05-04T10:00:00Z", "2026-05-04T10:00Z", pl.Series([AT], dtype=pl.Datetime("ms")), AT),
    ("event_time", "2026-05-04T12:00:00+02:00", "2026-05-04T12:00 Europe/Berlin",
     pl.Series([AT.replace(tzinfo=UTC)]).dt.convert_time_zone("Europe/Berlin"), AT),
    ("event_time", "2026-05-04", "2026-05-04", pl.Series([date(2026, 5, 4)]), datetime(2026, 5, 4)),
    ("event_time", "NaT", None, pl.Series([None], dtype=pl.Datetime("us")), "rejected: event_time is missing"),
]  # fmt: skip


def fates_in_text(bench: Any, name: str) -> list[Any]:
    bench.ingest()
    rejected = dict(bench.rows(
        "SELECT source_row, 'rejected: ' || reason FROM telemetry.rejected_events"
        f" WHERE parse_filename(source_file) = '{name}'"))  # fmt: skip
    accepted = {row.pop("source_row"): row for row in bench.lake.frame(
        f"FROM telemetry.raw_events WHERE parse_filename(source_file) = '{name}'").to_dicts()}  # fmt: skip
    return [rejected.get(row) or accepted[row][column] for row, (column, *_) in enumerate(MEANINGS, start=1)]


def test_one_meaning_has_one_fate_in_every_format(bench: Any, tmp_path: Path) -> None:
    rows = [{"event_id": f"e{number}", **GOOD} for number in range(len(MEANINGS))]
    columns = list(dict.fromkeys([*rows[0], *(column for column, *_ in MEANINGS)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({**row, column: said} for row, (column, said, *_) in zip(rows, MEANINGS, strict=True))
    bench.deliver("a.csv", text.getvalue())
    lines = [
        {**row, "event_id": f"j{row['event_id']}", column: said}
        for row, (column, _, said, *_) in zip(rows, MEANINGS, strict=True)
    ]
    bench.deliver("b.jsonl", "\n".join(map(json.dumps, lines)))
    fates = [fate for *_, fate in MEANINGS]
    assert fates_in_text(bench, "a.csv") == fates
    assert fates_in_text(bench, "b.jsonl") == fates
    assert fates_in_parquet(tmp_path / "c.parquet") == fates


def fates_in_parquet(path: Path) -> list[Any]:
    """Return what becomes of each meaning when its column is that of a Parquet file; each is validated by itself."""
    frame = pl.DataFrame([series.alias(f"c{place}") for place, (*_, series, _) in enumerate(MEANINGS)])
    frame.with_columns(**{name: pl.lit(value) for name, value in GOOD.items()}).write_parquet(path)
    bounds = {"earliest": datetime(2000, 1, 1), "latest": datetime(2027, 1, 1)}
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE VIEW delivered AS SELECT *, 0 AS __file, 1 AS __row FROM read_parquet('{path}')")
        for place, (column, *_) in enumerate(MEANINGS):
            raw = raw_expressions({column: f"c{place}"}, [*GOOD, f"c{place}"], origin="c")
            types = dict(
                connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {types_query(raw)})").fetchall()
            )
            statement = validation_statement(raw, types, table="judged", content_id="''", payload="''")
            connection.execute(statement.replace("CREATE TEMP", "CREATE OR REPLACE TEMP"), bounds)
            broken, value = connection.execute(f"SELECT broken, {column} FROM judged").fetchone() or (None, None)
            rule = RULES[broken] if broken is not None else None
            found.append(f"rejected: {rule.field} {rule.reason}" if rule else value)
    return found


@pytest.mark.parametrize(
    ("column", "series", "problem"),
    [
        ("rating", pl.Series([True]), "BOOLEAN"),
        ("crashed", pl.Series([b"1"]), "BLOB"),
        ("event_time", pl.Series([1_777_888_800.0]), "to_timestamp"),
    ],
)
def test_a_type_that_can_never_mean_the_column_is_refused(
    bench: Any, column: str, series: pl.Series, problem: str
) -> None:
    bench.deliver("a.parquet", pl.DataFrame(GOOD).with_columns(series.alias(column)))
    assert problem in str(refusal(bench.ingest()))


def test_bytes_that_are_no_text_are_no_name(bench: Any) -> None:
    bench.deliver("a.parquet", pl.DataFrame(GOOD).with_columns(pl.Series("user_id", [b"\xff\xfe"])))
    bench.ingest()
    assert bench.rejected("reason") == [("user_id is not text",)]


def test_decimals_and_thousands_are_the_sources_choice_in_every_format(bench: Any) -> None:
    bench.declare(decimal=",", thousands=".", delimiter=";")
    row = {"event_id": "e", **GOOD, "latency_ms": "1.234,5"}
    bench.deliver("a.csv", ";".join(row) + "\n" + ";".join(row.values()) + "\n")
    bench.deliver("b.jsonl", json.dumps({**row, "event_id": "f"}) + "\n" + json.dumps({**row, "latency_ms": 1.5}))
    bench.deliver("c.parquet", pl.DataFrame({**row, "event_id": "g"}))
    assert bench.ingest().refused == []
    assert bench.events("event_id, latency_ms") == [("e", 1234.5), ("f", 1234.5), ("g", 1234.5)]
    assert bench.rejected("reason, value") == [("latency_ms is not a DOUBLE", "1.5")]


def test_null_values_hold_in_every_format(bench: Any) -> None:
    bench.declare(null_values=["", "-", "n. d."])
    row = {"event_id": "e1", **GOOD, "platform": "-", "latency_ms": "n. d."}
    bench.deliver("a.csv", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    bench.deliver("b.jsonl", json.dumps({**row, "event_id": "e2"}))
    bench.deliver("c.parquet", pl.DataFrame({**row, "event_id": "e3"}))
    assert bench.ingest().refused == []
    assert bench.events("event_id, platform, latency_ms") == [(f"e{place}", None, None) for place in (1, 2, 3)]


def test_a_data_frame_whose_unknown_crashes_are_nan_crashes_nobody(bench: Any) -> None:
    crashed = [0.0 if number % 3 else NAN for number in range(60)]
    frame = pl.DataFrame({"event_id": [f"e{number}" for number in range(60)], "crashed": crashed})
    bench.deliver("a.parquet", frame.with_columns(**{name: pl.lit(value) for name, value in GOOD.items()}))
    bench.deliver("same.csv", f"{HEADER},crashed\nn,{','.join(GOOD.values())},NaN\nz,{','.join(GOOD.values())},0.0\n")
    assert bench.ingest().refused == []
    assert bench.rows("SELECT crashed, count(*) FROM telemetry.events GROUP BY ALL ORDER BY 1") == [
        (False, 41),
        (None, 21),
    ]
