"""Bad answers are found through the whole graph, with their days; a product without answers has the numbers that it had."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.definitions import definitions
from assets.graph.runner import brought_up_to_date
from intelligence.simulation.answers import HONEST, planted_quality
from resources.platform import Platform
from resources.services.due import DueService
from tests.platforms import platform_in

pytestmark = pytest.mark.proof
FIRST, DAYS = date(2026, 5, 4), 44
EVENTS = f"sources: [{{name: sim, simulate: {{features: 8, days: {DAYS}, events_per_day: 1000, planted: false}}}}]\n"
ANSWERS = (
    f"answer_sources: [{{name: answers, simulate: {{days: {DAYS}, answers_per_day: 240, events_per_day: 1000}}}}]\n"
    "judge: {url: 'http://127.0.0.1:9/v1'}\n"
)


def built(folder: Path, more: str) -> Platform:
    (folder / "product.yaml").write_text(f"name: Small\n{EVENTS}{more}")
    platform = platform_in(folder, product_file=folder / "product.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DueService, "model_steps", lambda *_, **__: [])
        outcome = brought_up_to_date(
            definitions,
            platform,
            dg.DagsterInstance.ephemeral(),
            today=FIRST + timedelta(days=DAYS),
            listener=lambda *_: None,
        )
    assert outcome.error is None
    assert not [check for check in outcome.failed_checks if check[2] == "ERROR"]
    return platform


@pytest.fixture(scope="module")
def with_answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = built(tmp_path_factory.mktemp("answers"), ANSWERS)
    yield platform
    platform.lake.close()


def test_the_inventing_feature_breaks_its_promise_and_the_others_do_not(with_answers: Platform) -> None:
    (planted,) = planted_quality(FIRST, DAYS)
    degraded = with_answers.lake.frame(
        "SELECT feature, arg_min(worst_objective, event_date) AS objective, min(event_date) AS since"
        " FROM metrics.feature_health WHERE state = 'degraded' GROUP BY feature ORDER BY feature"
    )
    assert degraded.select("feature", "objective").rows() == [(planted.feature, "answers")]
    assert timedelta(0) <= degraded["since"][0] - planted.starts_on <= timedelta(days=4)
    assert HONEST in with_answers.lake.frame("FROM metrics.feature_health")["feature"].to_list()


def test_the_version_is_named_with_its_first_day_and_nothing_else_is(with_answers: Platform) -> None:
    (planted,) = planted_quality(FIRST, DAYS)
    told = with_answers.lake.frame(
        "SELECT DISTINCT feature, changed, version, since FROM answers.version_changes WHERE verdict = 'worse'"
    )
    assert told.rows() == [(planted.feature, planted.changed, planted.version, planted.starts_on)]
    (said, *_) = with_answers.reading.answers().sentences
    assert said.startswith(
        f"{planted.feature} answers worse since model version {planted.version} of {planted.starts_on}"
    )


def test_the_corrected_rate_holds_what_was_planted(with_answers: Platform) -> None:
    (planted,) = planted_quality(FIRST, DAYS)
    since = DAYS - (planted.starts_on - FIRST).days
    scores = with_answers.reading.answers(planted.feature, days=since)["scores"].rows
    row = scores.filter(measure="ungrounded_number").row(0, named=True)
    assert row["true_low"] <= planted.share <= row["true_high"]


def test_texts_stay_in_one_table(with_answers: Platform) -> None:
    (text,) = with_answers.lake.frame(
        "SELECT answer FROM telemetry.raw_answers WHERE length(answer) > 60 ORDER BY answer_id LIMIT 1"
    )["answer"]
    tables = with_answers.lake.frame(
        "SELECT schema_name || '.' || table_name AS path FROM duckdb_tables() WHERE database_name = 'lake'"
    )["path"].to_list()
    holding = [path for path in tables if text in str(with_answers.lake.frame(f"FROM {path}").to_dicts())]
    assert holding == ["telemetry.raw_answers"]


def test_a_product_without_answers_has_the_numbers_that_it_had(with_answers: Platform, tmp_path: Path) -> None:
    without = built(tmp_path, "")
    for path in ("metrics.fact_feature_metrics", "metrics.user_day", "metrics.kpi_day"):
        one, other = (each.lake.frame(f"FROM {path} ORDER BY ALL") for each in (with_answers, without))
        of_answers = [name for name in one.columns if "answer" in name or "let_down" in name]
        assert one.drop(of_answers).equals(other.drop(of_answers)), path
    assert without.lake.frame("SELECT count(*) FROM metrics.fact_feature_metrics WHERE scored_answers > 0").item() == 0
    health = without.lake.frame("FROM metrics.feature_health")
    assert "answers" not in health["worst_objective"].to_list()
    sound = with_answers.lake.frame("FROM metrics.feature_health").filter(
        ~pl.col("feature").str.contains("tutor|essay|lesson")
    )
    assert (
        sound.drop("since")
        .sort("event_date", "feature")
        .equals(
            health.join(sound.select("event_date", "feature"), on=["event_date", "feature"], how="semi")
            .drop("since")
            .sort("event_date", "feature")
        )
    )
    without.lake.close()
