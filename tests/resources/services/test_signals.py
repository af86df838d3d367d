"""What the service reads of the lake: a day alone is the day among others, claims hold, and the commands tell what it finds."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from intelligence.answers.tables import ANSWER_DAY, QUALITY_DAY
from intelligence.briefs.composing import QUERIES, Known, incident_brief
from intelligence.core.errors import SignalError
from intelligence.core.tables import Days, standard_claims
from intelligence.interfaces.cli.signals import backtest_parts, episodes_table, record
from intelligence.metrics.tables import KPI_DAY
from intelligence.signals.tables import ANOMALIES, EPISODES
from resources.lake.door import Lake
from resources.platform import Platform
from resources.services.signals import SignalService
from tests.intelligence.signals.products import (
    MEASURES,
    Arrays,
    answer_days,
    day,
    feature_days,
    kpi_days,
    quality_days,
    span,
)
from tests.platforms import platform_in

DAYS = 60


def troubles(rows: Arrays) -> None:
    rows["failed_events"][3, 50:55] = (rows["usage_count"][3, 50:55] * 0.07).round()
    rows["p95_latency_ms"][4, 56:] *= 2


def refusals(rows: Arrays) -> None:
    for name in ("refusal", "bad"):
        rows[name][2, 52:] = (rows["scored_answers"][2, 52:] * 0.3).round()


def answer_tables() -> dict[str, pl.DataFrame]:
    """Return rows of the tables of answers: f02 refuses too much from day 52 on, with a new version of its model."""
    answers = answer_days(1, days=DAYS, change=refusals).with_columns(
        model_version=pl.when(pl.col("feature") == "f02", pl.col("event_date") >= day(52))
        .then(pl.lit("m-2"))
        .otherwise(pl.lit("m-1")),
        prompt_version=pl.lit("p-1"),
    )
    of = ("event_date", "feature", "model_version", "prompt_version")
    sums = ("total", "hits", "users", "hit_users", "hit_square_sum", "cross_sum", "total_square_sum")
    parts = [
        answers.select(
            *of,
            *(pl.col(f"{measure}_{name}").alias(name) for name in sums),
            measure=pl.lit(measure),
            segment=pl.lit("student"),
        )
        for measure in MEASURES
    ]
    return {QUALITY_DAY.path: pl.concat(parts), ANSWER_DAY.path: answers.select(*of, "cost", "priced_answers")}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = platform_in(tmp_path_factory.mktemp("lake"))
    features = feature_days(1, features=12, days=DAYS, change=troubles)
    seen = datetime(2026, 4, 21, 9)
    frames = {
        "metrics.fact_feature_metrics": features,
        "metrics.kpi_day": kpi_days(1, days=DAYS),
        "telemetry.day_quality": quality_days(DAYS),
        "warehouse.dim_feature_metadata": features.select("feature").unique().with_columns(
            max_error_rate=0.02, max_crash_rate=0.01, slow_latency_ms=3_000.0, max_slow_rate=0.05, max_bad_answer_rate=0.2,
            first_seen_date=day(0),
        ),
        "warehouse.dim_releases": pl.DataFrame(
            {"app_version": ["3.1.0"], "platform": ["ios"], "first_seen_at": [seen], "last_seen_at": [seen]}
        ),
        **answer_tables(),
        "telemetry.batches": pl.DataFrame({"batch_id": ["b"], "days": [[day(number) for number in range(DAYS)]]}),
    }  # fmt: skip

    def insert(connection: Any) -> None:
        for name, frame in frames.items():
            connection.register("rows_to_insert", frame)
            connection.execute(f"INSERT INTO {name} BY NAME FROM rows_to_insert")
            connection.unregister("rows_to_insert")

    made.lake.commit(insert)
    anomalies, _ = made.signals.anomalies_of(span(DAYS))
    made.lake.replace(ANOMALIES, span(DAYS), "FROM found", frames={"found": anomalies})
    episodes = made.signals.episodes_of(span(DAYS))
    made.lake.replace(EPISODES, span(DAYS), "FROM found", frames={"found": episodes})
    yield made
    made.lake.close()


@pytest.fixture
def signals(platform: Platform) -> SignalService:
    return platform.signals


def test_a_day_alone_is_the_day_among_others(signals: SignalService) -> None:
    whole, shown = signals.anomalies_of(span(DAYS))
    episodes = signals.episodes_of(span(DAYS))
    assert shown is not None
    for number in (50, 51, DAYS - 1):
        one = Days(day(number), day(number + 1))
        rows, _ = signals.anomalies_of(one)
        assert rows.equals(whole.filter(event_date=day(number)))
        assert signals.episodes_of(one).equals(episodes.filter(event_date=day(number)))
    assert episodes.filter(event_date=day(50)).height
    assert whole.schema == ANOMALIES.schema()
    assert episodes.schema == EPISODES.schema()


def test_the_claims_hold_and_the_pages_and_plots_can_be_read(platform: Platform) -> None:
    for table in (ANOMALIES, EPISODES):
        inspected = platform.lake.inspected(table, (*standard_claims(table), *table.claims), span(DAYS))
        assert platform.lake.is_sound(table, (*standard_claims(table), *table.claims), span(DAYS))
        assert inspected.numbers.height
        assert inspected.shown.height


def test_what_is_open_names_the_feature_and_the_release(signals: SignalService) -> None:
    found = signals.open_episodes()
    assert {name for names in found["features"] for name in names} >= {"f04"}
    of_release = signals.episodes_of(span(DAYS)).filter(pl.col("features").list.contains("f03"))
    assert of_release.filter(event_date=day(51))["likely_cause"][0] == "release 3.1.0 on ios, first seen on 2026-04-21"
    console = Console(width=200, record=True, file=StringIO())
    console.print(episodes_table(found))
    assert "f04" in console.export_text()


def test_bad_answers_are_an_incident_with_the_version_that_came_and_a_brief(signals: SignalService) -> None:
    open_now = signals.open_episodes()
    mine = open_now.filter(pl.col("features").list.contains("f02"))
    assert mine.height == 1
    assert not {"f00", "f01"} & {name for names in open_now["features"] for name in names}
    nothing = {name: pl.DataFrame() for name in QUERIES}
    told = incident_brief(Known(day(DAYS - 1), {**nothing, "incidents": mine}), mine.row(0, named=True))
    text = " ".join(map(str, told.sentences))
    assert "of f02" in text
    assert f"At the same time (a coincidence, grade D): model version m-2 of f02, first seen on {day(52)}." in text
    assert "Nothing was decided about it" in text


def test_the_backtest_says_what_each_rate_would_have_flagged(signals: SignalService) -> None:
    few, many = signals.backtest((0.1, 20.0))
    assert few.first_day == day(28)
    assert few.weeks == pytest.approx(32 / 7)
    assert 0 < few.episodes <= many.episodes
    assert few.episodes >= 2, "both planted troubles stand out at any rate"
    assert record(few)["episodes_per_week"] == pytest.approx(few.episodes * 7 / 32)
    assert {row["severity"] for row in few.largest} <= {"mild", "notable", "severe"}
    assert len(list(backtest_parts([few, many]))) == 2


def test_a_holiday_of_the_product_explains_volumes_on_its_day_and_on_no_other(
    platform: Platform, tmp_path: Path
) -> None:
    easter_monday, later = day(35), day(45)
    shutil.copytree(Path(platform.lake.store).parent, tmp_path / "copy")
    lake = Lake(catalog=f"sqlite:{tmp_path}/copy/catalog.sqlite", store=f"{tmp_path}/copy/files")
    kpis = kpi_days(1, days=DAYS, activity={35: 0.5, 45: 0.5})
    lake.replace(KPI_DAY, Days(day(0), day(DAYS)), "FROM kpis", frames={"kpis": kpis})

    def explained(*holidays: str) -> dict[date, str | None]:
        product = platform.product.model_copy(update={"holidays": holidays})
        rows, _ = SignalService(product, lake).anomalies_of(Days(day(28), day(DAYS)))
        of_users = rows.filter(metric="dau", segment="all", kind="point")
        return dict(of_users.select("event_date", "suppressed_by").iter_rows())

    plain, german = explained(), explained("DE")
    assert (plain[easter_monday], plain[later]) == (None, None)
    assert (german[easter_monday], german[later]) == ("known day", None)
    lake.close()


def test_an_empty_lake_and_a_short_history_say_so(signals: SignalService, platform: Platform, tmp_path: Any) -> None:
    empty = platform_in(tmp_path)
    for ask in (empty.signals.open_episodes, lambda: empty.signals.backtest((1.0,))):
        with pytest.raises(SignalError, match="holds no day"):
            ask()
    early = Days(day(0), day(20))
    assert signals.anomalies_of(early)[0].is_empty()
    assert signals.episodes_of(early).is_empty()
    assert platform.product.signals.minimum_history_days == (day(28) - day(0)) // timedelta(days=1)
    empty.lake.close()
