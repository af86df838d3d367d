"""A small product and a day more: forecasts, what came of them, and charts with what happened."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.definitions import definitions
from assets.graph.runner import brought_up_to_date
from intelligence.catalog.layers import CAUSES
from intelligence.core.errors import ForecastError, StateError
from intelligence.core.tables import Days
from intelligence.forecasts.tables import TABLES
from intelligence.interfaces.cli.commands import app
from intelligence.simulation.stream import SimulationPlan, simulated_day
from resources.platform import Platform
from resources.services import causes
from resources.services.due import DueService
from tests.platforms import platform_in
from tests.watched_reads import undeclared, watched_reads

pytestmark = pytest.mark.proof

FIRST = date(2026, 5, 11)
# A week is built from telemetry; as many more before it hold its metrics once more, and each of the next two days is forecast from.
DAYS, EARLIER_WEEKS = 7, 7
LAST = FIRST + timedelta(days=DAYS)
PLAN = SimulationPlan(features=4, days=DAYS, events_per_day=400, seed=7, first_day=FIRST)


@dataclass(frozen=True)
class Built:
    platform: Platform
    instance: dg.DagsterInstance
    reads: dict[dg.AssetKey, set[str]]
    folder: Path

    def frame(self, query: str) -> pl.DataFrame:
        return self.platform.lake.frame(query)

    def deliver(self, first: int, last: int) -> None:
        """Deliver days in one file: each is a part of the first one, larger on some weekdays, with ids of its own."""
        base = simulated_day(PLAN, FIRST)
        parts = [
            base.sample(fraction=(0.9, 0.85, 0.8, 0.85, 0.7, 0.4, 0.5)[number % 7], seed=number).with_columns(
                pl.col("event_time") + timedelta(days=number), event_id=pl.col("event_id") + f"-{number}"
            )
            for number in range(first, last + 1)
        ]
        pl.concat(parts).write_parquet(self.folder / "landing" / f"{first}.parquet")

    def repeat(self) -> None:
        """Let the weeks before the first one have had the same metrics."""
        for table in ("metrics.kpi_day", "metrics.fact_feature_metrics"):
            for weeks in range(1, EARLIER_WEEKS + 1):
                earlier = (
                    f"SELECT * REPLACE (event_date - {7 * weeks} AS event_date) FROM {table} WHERE event_date >= $first"
                )
                self.platform.lake.commit(
                    lambda connection, table=table, earlier=earlier: connection.execute(
                        f"INSERT INTO {table} {earlier} AND event_date < $first + 7", {"first": FIRST}
                    )
                )

    def update(self, today: date) -> Any:
        """Bring the lake up to date; models are not trained, nothing is decided, and effects are another test's."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DueService, "model_steps", lambda *_, **__: [])
            for table in CAUSES:
                name = {"estimator_record": "record_of_days", "feature_effects": "effects_of_days"}
                method = name.get(table.name, "degradations_of_days")
                empty = pl.DataFrame(schema=table.schema())
                patch.setattr(causes.CauseService, method, lambda *_, empty=empty: empty)
            return brought_up_to_date(definitions, self.platform, self.instance, today=today, listener=lambda *_: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("forecasts")
    (folder / "landing").mkdir()
    product = folder / "product.yaml"
    product.write_text(
        f"name: Forecasts\nstart: {FIRST}\nholidays: DE\nforecasts: {{days: 28, features: 2}}\n"
        f"sources: [{{name: app, files: '{folder}/landing/*.parquet'}}]\n"
    )
    platform = platform_in(folder, product_file=product)
    with watched_reads() as reads:
        made = Built(platform, dg.DagsterInstance.ephemeral(), reads, folder)
        made.deliver(0, DAYS - 1)
        assert made.update(LAST).error is None
        made.repeat()
        made.deliver(DAYS, DAYS)
        outcome = made.update(LAST + timedelta(days=1))
        platform.annotations.noted("price raised", day=LAST - timedelta(days=5), by="ann")
    assert outcome.error is None
    assert not [check for check in outcome.failed_checks if check[0].startswith("forecasts")]
    yield made
    platform.lake.close()


def test_each_newest_day_keeps_what_was_forecast_at_its_end(built: Built) -> None:
    made = built.frame(
        "SELECT event_date, series, segment, max(horizon_days) AS days FROM forecasts.forecasts GROUP BY ALL"
    )
    assert set(made["event_date"]) == {LAST - timedelta(days=1), LAST}
    found = dict(made.filter(segment="all", event_date=LAST).select("series", "days").iter_rows())
    assert {found[name] for name in ("dau", "conversion_rate", "mean_rating", "feature_users")} == {28}
    assert "value" not in found, "no event has any"
    assert {found[name] for name in ("wau", "mau") if name in found} == {0}
    early = built.frame(f"FROM forecasts.forecasts WHERE event_date = DATE '{LAST - timedelta(days=1)}'")
    assert set(early["horizon_days"]) == {0}
    assert early["value"].null_count() == early.height
    (said,) = set(early.filter(series="dau")["note"])
    assert said == "Not enough evidence: It has 7 days of history, and a forecast needs 42."


def test_what_came_is_held_against_it(built: Built) -> None:
    day = LAST + timedelta(days=1)
    built.platform.lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO metrics.kpi_day SELECT * REPLACE ($day AS event_date) FROM metrics.kpi_day WHERE event_date = $day - 7",
            {"day": day},
        )
    )
    rows = built.platform.forecasts.accuracy_of_days(Days(day, day + timedelta(days=1)))
    row = rows.filter(series="dau", segment="all").row(0, named=True)
    (came,) = built.frame(f"SELECT dau FROM metrics.kpi_day WHERE event_date = DATE '{day}' AND segment = 'all'").row(0)
    (forecast,) = built.frame(
        f"SELECT value FROM forecasts.forecasts WHERE event_date = DATE '{LAST}' AND series = 'dau' AND segment = 'all'"
        " AND horizon_days = 1"
    ).row(0)
    assert (row["actual"], row["forecast"], row["band"]) == (came, forecast, "1-7")
    assert row["relative_error"] == pytest.approx(came / forecast - 1)
    assert not row["is_signal"]


def test_the_graph_says_what_the_assets_read(built: Built) -> None:
    mine = {key: paths for key, paths in built.reads.items() if key.path[0] in ("forecasts", "metrics")}
    assert {table.path for table in TABLES} <= {".".join(key.path) for key in mine}
    defs = definitions(built.platform)
    assert undeclared(mine, defs) == {}


def test_pages_show_the_fan_and_the_marks(built: Built) -> None:
    for table, name in (
        ("forecasts/forecasts", "outlook"),
        ("metrics/kpi_day", "plot"),
        ("metrics/feature_health", "plot"),
    ):
        (found,) = built.instance.fetch_materializations(dg.AssetKey(table.split("/")), limit=1).records
        assert str(found.asset_materialization.metadata[name].value).startswith("![")
    labels = [each.label for each in built.platform.annotations.marks(FIRST, LAST)]
    assert "price raised" in labels
    assert 1 < len(labels) <= 3


def test_what_happened_is_found_by_kind_and_feature(built: Built) -> None:
    annotations = built.platform.annotations
    found = annotations.between(FIRST, LAST)
    assert {"note", "holiday", "release"} <= {each.kind for each in found}
    assert [each.text for each in found if each.kind == "holiday"] == ["DE: Ascension Day"]
    assert [each.day for each in found] == sorted(each.day for each in found)
    (feature,) = built.frame("SELECT min(feature) FROM warehouse.dim_feature_metadata").row(0)
    annotations.noted("a banner", day=LAST, feature=feature, by="bob")
    assert "a banner" in {each.text for each in annotations.between(LAST, LAST, feature=feature)}
    assert "a banner" not in {each.text for each in annotations.between(LAST, LAST, feature="another")}
    with pytest.raises(StateError, match="no known feature"):
        annotations.noted("x", feature="another", by="bob")
    with pytest.raises(StateError, match="empty"):
        annotations.noted("  ", by="bob")


def test_the_commands_say_it(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Platform, "of", lambda _: built.platform)
    run = CliRunner()
    shown = run.invoke(app, ["forecast", "--days", "14"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "Expected 14 days after" in shown.output
    assert "Not enough evidence" in shown.output
    path = json.loads(run.invoke(app, ["forecast", "dau", "--days", "7", "--json"]).output)
    assert [row["horizon_days"] for row in path] == list(range(1, 8))
    asked = ["forecast", "scenario", "conversion +2 points", "--on", "conversion_rate", "--json"]
    moved = json.loads(run.invoke(app, asked).output)
    assert (moved["series"], moved["link"]["how"]) == ("conversion_rate", "given")
    refused = run.invoke(app, ["forecast", "scenario", "conversion +2 points"])
    assert isinstance(refused.exception, ForecastError), refused.output
    assert run.invoke(app, ["annotate", "sale begins", "--day", str(LAST), "--by", "ann"]).exit_code == 0
    noted = json.loads(run.invoke(app, ["annotations", "--json"]).output)
    assert {
        "day": str(LAST),
        "kind": "note",
        "text": "sale begins",
        "feature": None,
        "by": "ann",
        "about": None,
    } in noted
    assert "sale begins" in run.invoke(app, ["annotations"], env={"COLUMNS": "200"}).output


def test_what_is_not_forecast_is_refused_with_what_is(built: Built) -> None:
    from intelligence.interfaces.cli.forecasts import chosen

    with pytest.raises(ForecastError, match="conversion_rate, dau"):
        chosen(built.platform.forecasts.newest(), "karma", "all", 28)
    with pytest.raises(ForecastError, match="is not forecast"):
        built.platform.forecasts.scenario("karma +5 %")
