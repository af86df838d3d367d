"""A simulated product with a planted bad release: what its features do, where its change lies, and what the graph says it read."""

import json
import re
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
from intelligence.catalog.layers import BUILT_BY_DAY
from intelligence.causality.graph import OUTCOMES
from intelligence.causality.tables import DEGRADATIONS, FEATURE_EFFECTS
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.tables import Days
from intelligence.interfaces.cli.commands import app
from intelligence.simulation.stream import SimulationPlan, planted_truths, simulated_day
from resources.platform import Platform
from resources.services.due import DueService
from tests.platforms import platform_in
from tests.watched_reads import undeclared, watched_reads

pytestmark = pytest.mark.proof

# The release is planted four days before the end of the quarter, of which the last weeks are delivered.
QUARTER = date(2026, 5, 4)
PLAN = SimulationPlan(features=12, days=90, events_per_day=4_000, seed=7, first_day=QUARTER)
DAYS, LAST = 21, date(2026, 8, 1)
FIRST = LAST - timedelta(days=DAYS - 1)
CLAIM = re.compile(r"\b(caused|won|better)\b")


@dataclass(frozen=True)
class Built:
    platform: Platform
    instance: dg.DagsterInstance
    reads: dict[dg.AssetKey, set[str]]
    folder: Path

    def frame(self, query: str) -> pl.DataFrame:
        return self.platform.lake.frame(query)

    def update(self) -> Any:
        """Bring the lake up to date; models are not trained, and nothing is decided."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DueService, "model_steps", lambda *_, **__: [])
            today = LAST + timedelta(days=1)
            return brought_up_to_date(definitions, self.platform, self.instance, today=today, listener=lambda *_: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("causes")
    (folder / "landing").mkdir()
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        simulated_day(PLAN, day).write_parquet(folder / "landing" / f"{day}.parquet")
    product = folder / "product.yaml"
    product.write_text(
        f"name: Causes\nstart: {FIRST}\nconversion_events: [complete]\n"
        f"sources: [{{name: app, files: '{folder}/landing/*.parquet'}}]\n"
    )
    platform = platform_in(folder, product_file=product)
    with watched_reads() as reads:
        made = Built(platform, dg.DagsterInstance.ephemeral(), reads, folder)
        outcome = made.update()
    assert outcome.error is None
    assert not [check for check in outcome.failed_checks if check[0].startswith("causality")]
    yield made
    platform.lake.close()


def test_few_days_have_a_row_and_a_reason_for_every_question(built: Built) -> None:
    found = built.frame(f"FROM {FEATURE_EFFECTS.path}")
    assert set(found["event_date"]) == {LAST}
    assert found.height == 12 * 2 * len(OUTCOMES)
    assert found["estimate"].null_count() == found.height
    assert set(found["grade_reason"]) == {"not enough evidence: 21 days of data are too few. One trial takes 85 days."}


def test_the_degraded_feature_names_the_planted_release_and_its_platform(built: Built) -> None:
    (truth,) = [each for each in planted_truths(PLAN) if each.kind == "bad_release"]
    assert truth.detail.startswith("release 3.11.0 on ios")
    (row,) = built.frame(f"FROM {DEGRADATIONS.path} WHERE feature = '{truth.feature}'").to_dicts()
    assert (row["platform"], row["release"], row["metric"]) == ("ios", "3.11.0", "error_rate")
    assert row["accounts_for"] > 0.8
    assert row["low"] > 0
    assert row["rate"] > 10 * row["elsewhere"]
    assert abs(row["mix"] + row["within"] - row["change"]) < 1e-9
    assert "release 3.11.0 on ios" in row["at_the_time"]
    every = built.frame(f"FROM {DEGRADATIONS.path}")
    assert set(every["grade"]) == {"D"}
    assert not [text for text in every["answer"] if CLAIM.search(text)]
    degraded = built.frame("FROM metrics.feature_health WHERE state = 'degraded'").filter(event_date=LAST)
    assert set(every["feature"]) == set(degraded["feature"])


def test_the_command_names_the_release_by_itself(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intelligence.interfaces.cli.session.platform", lambda: built.platform)
    day = ["--day", str(LAST), "--days", "3"]
    said = CliRunner().invoke(app, ["why", "error_rate", "--feature", "reading_import", *day])
    assert said.exit_code == 0
    answer = " ".join(said.stdout.split())
    assert "release 3.11.0" in answer
    assert "platform ios" in answer
    assert "grade D" in answer
    assert not CLAIM.search(answer)
    record = json.loads(
        CliRunner().invoke(app, ["why", "error_rate", "--feature", "reading_import", *day, "--json"]).stdout
    )
    assert (record["suspect"]["platform"], record["suspect"]["release"]) == ("ios", "3.11.0")
    for each in record["decompositions"]:
        assert abs(each["mix"] + each["within"] - record["change"]["value"]) < 1e-9
        assert abs(sum(part["mix"] + part["within"] for part in each["parts"]) - record["change"]["value"]) < 1e-9
    assert record["at_the_time"][0]["what"] == "release 3.11.0 on ios"


@pytest.mark.parametrize(
    "metric", ["error_rate", "crash_rate", "slow_rate", "bad_rating_rate", "conversion_rate", "events_per_user"]
)
def test_every_metric_is_that_of_the_telemetry(built: Built, metric: str) -> None:
    found = built.platform.causes.why(metric, day=LAST)
    of_day = built.frame(f"FROM metrics.fact_feature_metrics WHERE event_date = DATE '{LAST}'")
    users = built.frame(f"FROM metrics.user_day WHERE event_date = DATE '{LAST}'")
    wanted = {
        "error_rate": of_day["failed_events"].sum() / of_day["usage_count"].sum(),
        "crash_rate": of_day["crashed_events"].sum() / of_day["usage_count"].sum(),
        "slow_rate": of_day["slow_events"].sum() / of_day["timed_events"].sum(),
        "bad_rating_rate": of_day["bad_ratings"].sum() / of_day["ratings"].sum(),
        "conversion_rate": (users["conversions"] > 0).mean(),
        "events_per_user": users["events"].mean(),
    }
    assert found.why.decompositions[0].after.value == pytest.approx(wanted[metric])


def test_a_week_before_the_trouble_is_compared_where_none_is_named(built: Built) -> None:
    (row,) = built.frame(f"FROM {DEGRADATIONS.path} WHERE feature = 'reading_import'").to_dicts()
    found = built.platform.causes.why("error_rate", feature="reading_import", day=LAST)
    assert found.periods.before.end == row["since"] - timedelta(days=3)
    named = built.platform.causes.why(
        "error_rate", feature="reading_import", day=LAST, days=2, before=date(2026, 7, 20)
    )
    assert named.periods.before == Days(date(2026, 7, 14), date(2026, 7, 21))
    assert named.periods.after == Days(LAST - timedelta(days=1), LAST + timedelta(days=1))


def test_what_cannot_be_asked_is_refused_with_what_can(built: Built) -> None:
    causes = built.platform.causes
    for problem, call in {
        "error_rate, crash_rate": lambda: causes.why("nonsense"),
        "no known feature": lambda: causes.why("error_rate", feature="nope"),
        "Name an earlier day": lambda: causes.why("error_rate", day=LAST, before=LAST),
        "Take one day or more": lambda: causes.why("error_rate", day=LAST, days=0),
    }.items():
        with pytest.raises(CausalityError, match=problem):
            call()
    with pytest.raises(NotEnoughEvidence):
        causes.why("error_rate", day=FIRST - timedelta(days=30))


def test_the_graph_says_what_the_assets_read(built: Built) -> None:
    assert {".".join(key.path) for key in built.reads} >= {table.path for table in BUILT_BY_DAY}
    assert undeclared(built.reads, definitions(built.platform)) == {}


def test_pages_show_the_graph_the_forest_and_the_answers(built: Built) -> None:
    (effects,) = built.instance.fetch_materializations(dg.AssetKey(["causality", "feature_effects"]), limit=1).records
    shown = effects.asset_materialization.metadata
    for name in ("causal_graph", "largest_effects"):
        assert str(shown[name].value).startswith("![")
    (moved,) = built.instance.fetch_materializations(dg.AssetKey(["causality", "degradations"]), limit=1).records
    assert "platform ios" in str(moved.asset_materialization.metadata["why reading_import"].value)


def test_a_second_run_builds_nothing(built: Built) -> None:
    before = built.platform.lake.snapshot_id()
    assert built.platform.due.steps_to_build(today=LAST + timedelta(days=1)) == []
    assert built.update().error is None
    assert built.platform.lake.snapshot_id() == before
