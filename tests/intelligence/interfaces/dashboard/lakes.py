"""Lakes for the dashboard's tests, written by hand: each a folder with a product and the rows that its pages read."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl

from intelligence.core.sql import identifier, literal
from intelligence.core.tables import Days, Table
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.experiments.tables import EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS, FACT_EXPOSURES
from intelligence.forecasts.tables import FORECASTS
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, KPI_DAY, USER_DAY
from intelligence.risk.tables import FEATURE_RISK
from intelligence.telemetry.tables import BATCHES, DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA
from resources.lake.door import Lake
from tests.lakes import lake_in

FIRST = date(2026, 5, 4)
# Names as a stranger's events may bring them.
MARKUP = "<script>alert(1)</script>"
LINK = "[quiz](javascript:alert(1)) :red[a] $x$ www.evil.example"
ESCAPE = "quiz\x1b[31m\u202e"
HOSTILE = (MARKUP, LINK, ESCAPE)
_DEFAULTS: Mapping[type, Any] = {
    int: 0,
    float: 0.0,
    str: "",
    bool: False,
    date: FIRST,
    datetime: datetime(2026, 6, 20, 6),
}
# Tables of single events: pages read none of their texts.
_EVENTS = (
    *("telemetry.events", "telemetry.raw_events", "telemetry.raw_answers"),
    *("warehouse.fact_events", "warehouse.fact_visit_events", "warehouse.fact_answers"),
)
# No page shows them, and DuckDB 1.5 cannot update long lists in an open transaction.
_IDS_OF_FACTS = "briefs.briefs.facts"


def product_in(folder: Path) -> Path:
    """Return the product's file in the folder, which is written; its data are in `data`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "product.yaml"
    file.write_text("name: Tiny\nsources: [{name: app, files: 'in/*.csv'}]\n")
    return file


def lake_at(folder: Path) -> Lake:
    """Return the lake that the settings of this folder name."""
    return Lake(catalog=f"sqlite:{folder}/data/lake/catalog.sqlite", store=f"{folder}/data/lake/files")


def whole(table: Table, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows of a table in which what is required and not given has a value that says nothing."""
    schema = pl.DataFrame(schema=table.schema()).schema
    needed = {column.name for column in table.columns if column.required}

    def value(name: str, row: Mapping[str, Any]) -> Any:
        if name in row or name not in needed:
            return row.get(name)
        kind = schema[name]
        return [] if kind.is_nested() else _DEFAULTS.get(kind.to_python(), "")

    return pl.DataFrame([{name: value(name, row) for name in schema} for row in rows], schema=schema)


def put(lake: Lake, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of a table."""
    days = [row[table.day] for row in rows] if table.day else [FIRST]
    span = Days(min(days), max(days) + timedelta(days=1))
    lake.replace(table, span, "FROM rows", frames={"rows": whole(table, rows)})


def filled(folder: Path, *, days: int, features: Sequence[str], verdict: str = "whole") -> Path:
    """Return the folder of a product with so many days of figures; the last day's telemetry has the verdict.

    The first feature is degraded on the last day, and was decided about; there are no model, no experiment and no forecast.
    """
    product_in(folder)
    lake = lake_in(folder / "data" / "lake")
    span = [FIRST + timedelta(days=each) for each in range(days)]
    last = span[-1]
    batch = {"batch_id": "b", "source": "app", "days": span, "rows_in": 100, "accepted": 100}
    put(lake, BATCHES, [batch])
    put(
        lake,
        DAY_QUALITY,
        [
            {
                **{"event_date": day, "events": 100, "expected_events": 120.0, "events_by_hour": [4] * 24},
                "verdict": verdict if day == last else "whole",
                "reason": "no event in 12 hours" if day == last and verdict != "whole" else "",
            }
            for day in span
        ],
    )
    put(
        lake,
        KPI_DAY,
        [
            {
                **{"event_date": day, "segment": segment, "dau": 90 + place % 7, "wau": 200, "mau": 300, "events": 900},
                **{"sessions": 100, "converted_users": 30, "conversion_rate": 30 / (90 + place % 7), "stickiness": 0.3},
                **{
                    "crash_free_user_rate": 0.99,
                    "ratings": 20,
                    "mean_rating": 4.2,
                    "value": 10.0,
                    "sessions_per_user": 1.1,
                },
            }
            for place, day in enumerate(span)
            for segment in ("all", "student")
        ],
    )
    put(
        lake,
        DIM_FEATURE_METADATA,
        [
            {
                **{"feature": name, "owner": "team-quiz", "tier": 1, "first_seen_date": FIRST, "lifecycle": "general"},
                **{"max_error_rate": 0.02, "max_crash_rate": 0.01, "slow_latency_ms": 3000.0, "max_slow_rate": 0.05},
                "max_bad_rating_rate": 0.4,
                "max_bad_answer_rate": 0.2,
            }
            for name in features
        ],
    )
    shown = span[-40:]
    put(
        lake,
        FACT_FEATURE_METRICS,
        [
            {
                **{"event_date": day, "feature": name, "usage_count": 100, "users": 50, "failed_events": failed},
                **{
                    "error_rate": failed / 100,
                    "failed_users": failed,
                    "failed_square_sum": failed,
                    "failed_cross_sum": 2 * failed,
                },
                **{"usage_square_sum": 220, "failed_share_sum": failed / 2, "failed_share_square_sum": failed / 4},
            }
            for day in (shown if len(features) < 10 else shown[-1:])
            for name in features
            for failed in [30 if day == last and name == features[0] else 1]
        ],
    )
    put(
        lake,
        FEATURE_HEALTH,
        [
            {
                **{"event_date": last, "feature": name, "usage_count": 100, "users": 50, "since": last},
                **{
                    "evidence": "enough",
                    "worst_objective": "errors",
                    "burn_1d": 15.0 if place == 0 else 0.5,
                    "burn_3d": 5.0,
                },
                **{
                    "state": "degraded" if place == 0 else "healthy",
                    "reason": f"errors: 30 of 100 events of {name} were bad",
                },
            }
            for place, name in enumerate(features)
        ],
    )
    put(
        lake,
        FEATURE_DECISIONS,
        [
            {
                **{"decision_id": f"{place:064d}", "event_date": last, "scope": "feature", "feature": name},
                **{"action": "rollback" if place == 0 else "monitor", "level": "approve" if place == 0 else None},
                **{
                    "reasons": f"Roll back {name}: it is degraded",
                    "why_not": '{"monitor": "worth less"}',
                    "evidence": "{}",
                },
                "candidates": '[{"kind": "rollback", "score": 12.5, "confidence": 1.0}, {"kind": "monitor", "score": 0.0}]',
            }
            for place, name in enumerate(features)
        ],
    )
    lake.close()
    return folder


def scored(folder: Path, features: Sequence[str], day: date) -> None:
    """Add scores of the features to the lake of the folder, the first of them the greatest."""
    lake = lake_at(folder)
    put(
        lake,
        FEATURE_RISK,
        [
            {
                **{"event_date": day, "feature": name, "risk_score": 0.5 / (1 + place), "risk_low": 0.4 / (1 + place)},
                **{
                    "risk_high": 0.6 / (1 + place),
                    "risk_bucket": "low",
                    "users_7d": 50.0,
                    "impact_score": 25.0 / (1 + place),
                },
                **{"impact_low": 20.0 / (1 + place), "impact_high": 30.0 / (1 + place), "reason_1": "errors rise"},
                **{"model_kind": "xgboost", "model_version": 3, "trained_through": day},
            }
            for place, name in enumerate(features)
        ],
    )
    lake.close()


def forecast(folder: Path, day: date) -> None:
    """Add forecasts of a day to the lake of the folder: of daily users, value and conversion."""
    lake = lake_at(folder)
    put(
        lake,
        FORECASTS,
        [
            {
                **{"event_date": day, "series": series, "segment": "all", "feature": "", "horizon_days": ahead},
                **{"forecast_date": day + timedelta(days=ahead), "value": value, "model": "seasonal_naive"},
                **{"low_80": 0.9 * value, "high_80": 1.1 * value, "low_95": 0.8 * value, "high_95": 1.2 * value},
            }
            for series, value in (("dau", 93.0), ("value", 10.0), ("conversion_rate", 0.32))
            for ahead in range(1, 29)
        ],
    )
    lake.close()


def tried(folder: Path, name: str, day: date, *, units: int, problem: str = "") -> None:
    """Add an experiment on the whole product to the lake of the folder, whose units convert alike in both arms.

    It shows no effect where it has a problem.
    """
    lake = lake_at(folder)
    begin, random = day - timedelta(days=20), Random(5)
    of_both = {"event_date": day, "experiment": name, "variant": "treatment"}
    put(
        lake,
        EXPERIMENT_VERDICTS,
        [
            {
                **of_both,
                **{
                    "control": "control",
                    "verdict": "keep_running",
                    "reason": "nothing is decided yet",
                    "is_healthy": not problem,
                    "problems": [problem] if problem else [],
                },
                **{"grade": "B", "confidence": 0.95, "design": "always_valid", "starts_on": begin},
                **{"units_control": units, "units_variant": units},
            }
        ],
    )
    effect = {
        "effect": 0.01,
        "low": -0.02,
        "high": 0.04,
        "relative": 0.03,
        "relative_low": -0.06,
        "relative_high": 0.12,
    }
    put(
        lake,
        EXPERIMENT_RESULTS,
        [
            {
                **of_both,
                **({} if problem else effect),
                "metric": "conversion_rate",
                "segment": "all",
                "role": "goal",
                "direction": "increase",
            }
        ],
    )
    people = [(f"u{place:04d}", ("control", "treatment")[place % 2]) for place in range(2 * units)]
    put(
        lake,
        FACT_EXPOSURES,
        [
            {
                **{"event_date": begin + timedelta(days=1), "experiment": name, "user_id": user, "variant": variant},
                **{"segment": ("student", "teacher")[place % 3 == 0], "platform": "ios", "is_first": True},
                "feature": ("quiz", "chat")[place % 5 == 0],
            }
            for place, (user, variant) in enumerate(people)
        ],
    )
    put(
        lake,
        USER_DAY,
        [
            {
                **{
                    "event_date": begin + timedelta(days=ago),
                    "user_id": user,
                    "events": random.randint(1, 9),
                    "sessions": 1,
                },
                "conversions": random.randint(0, 1),
            }
            for user, _ in people
            for ago in (-38, -2, 1, 2, 20)
        ],
    )
    lake.close()


def renamed(lake: Lake, names: Mapping[str, str]) -> None:
    """Write these names instead of others into every text of the lake's tables, those of single events left out."""

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_catalog, table_schema, table_name) WHERE table_catalog = 'lake' AND table_type = 'BASE TABLE'"
            " AND data_type IN ('VARCHAR', 'VARCHAR[]') ORDER BY ALL"
        ).fetchall()
        for schema, table, column, kind in columns:
            if f"{schema}.{table}" not in _EVENTS and f"{schema}.{table}.{column}" != _IDS_OF_FACTS:
                place, text = f"lake.{schema}.{table}", identifier(column)
                plain, quoted = _with_names("each", names), _with_names("each", names, quoted=True)
                made = f"CASE WHEN each[1] IN ('{{', '[') THEN {quoted} ELSE {plain} END"
                one = f"list_transform({text if kind.endswith('[]') else f'[{text}]'}, lambda each: {made})"
                whole = one if kind.endswith("[]") else f"{one}[1]"
                connection.execute(f"UPDATE {place} SET {text} = {whole} WHERE {text} IS DISTINCT FROM {whole}")

    lake.commit(work)


def _with_names(text: str, names: Mapping[str, str], *, quoted: bool = False) -> str:
    """Return SQL that writes the names into a text, or into one that is JSON."""
    for old, new in names.items():
        text = f"replace({text}, {literal(old)}, {literal(json.dumps(new)[1:-1] if quoted else new)})"
    return text
