"""Late and repeated deliveries: only the days they touch are built again, and the result is that of an orderly run."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.definitions import definitions
from assets.graph.runner import brought_up_to_date
from assets.graph.tables import key_of
from intelligence.answers import tables as of_answers
from intelligence.catalog.layers import DAILY_TABLES, DELIVERED, NEWEST_DAY_TABLES, WITH_THE_DAY
from intelligence.core.tables import ALWAYS, Days
from intelligence.forecasts.tables import ACCURACY
from intelligence.signals.tables import ANOMALIES, EPISODES
from intelligence.simulation.stream import SimulationPlan, simulated_day
from intelligence.telemetry.tables import BATCHES
from intelligence.warehouse.tables import FACT_ANSWERS
from resources.intake.product_file import product_at
from resources.lake.door import Lake
from resources.services.due import DueService, Step
from tests.platforms import platform_in

pytestmark = pytest.mark.proof

FIRST = date(2026, 5, 4)
DAYS = 32
TODAY = date(2026, 6, 8)
PLAN = SimulationPlan(features=5, days=DAYS, events_per_day=400, seed=5, first_day=FIRST)
LATE_DAY = FIRST + timedelta(days=2)


class Installation:
    """A product fed from a folder of files, with a lake and a code location of its own."""

    def __init__(self, folder: Path, *, of_source: str = "") -> None:
        folder.mkdir()
        self.landing = folder / "landing"
        self.landing.mkdir()
        (folder / "product.yaml").write_text(
            f"name: Late\nstart: {FIRST}\nsources: [{{name: app, files: '{self.landing}/*.parquet'{of_source}}}]\n"
            "funnels: [{name: success, steps: [{event_type: view}, {event_type: use}, {event_type: complete}], days: 3}]\n"
        )
        self.platform = platform_in(
            folder,
            product_file=folder / "product.yaml",
        )
        self.lake, self.registry = self.platform.lake, self.platform.registry
        self.runs: list[tuple[str, str]] = []

    def deliver(self, name: str, events: pl.DataFrame) -> None:
        events.write_parquet(self.landing / f"{name}.parquet")

    def run(self) -> None:
        """Bring everything up to date."""
        self.instance = dg.DagsterInstance.ephemeral()
        outcome = brought_up_to_date(definitions, self.platform, self.instance, today=TODAY, listener=lambda *_: None)
        assert outcome.error is None
        assert not [check for check in outcome.failed_checks if check[2] == "ERROR"]

    def build(self) -> None:
        """Take in what is new and build the days; so few days train no model."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DueService, "model_steps", lambda *_, **__: [])
            self.run()

    def contents(self) -> dict[str, pl.DataFrame]:
        origin = ("ingested_at", "source_file", "source_row", "batch_id", "source", "lake_snapshot")
        tables = DAILY_TABLES
        frames = {table.path: self.lake.frame(f"FROM {table.path}").drop(origin, strict=False) for table in tables}
        return {
            path: frame.sort([c for c, t in frame.schema.items() if not isinstance(t, pl.List)])
            for path, frame in frames.items()
        }


@pytest.fixture(scope="module")
def days() -> dict[date, pl.DataFrame]:
    # Every fifth user's events bring no session, so that visits have to be found.
    session = pl.when(pl.col("user_id").hash(2) % 5 > 0).then("session_id").alias("session_id")
    return {
        day: simulated_day(PLAN, day).with_columns(session) for day in (FIRST + timedelta(days=n) for n in range(DAYS))
    }


@pytest.fixture(scope="module")
def orderly(days: dict[date, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("orderly") / "product")
    for day, events in days.items():
        installation.deliver(str(day), events)
    installation.run()
    yield installation
    installation.lake.close()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "product")
    yield made
    made.lake.close()


def assert_same(found: Installation, expected: Installation) -> None:
    wanted = expected.contents()
    for path, frame in found.contents().items():
        # So few days train no model, and so nothing is scored; and nothing unusual may have happened in them.
        may_be_empty = {
            table.path
            for table in (*NEWEST_DAY_TABLES, ACCURACY, ANOMALIES, EPISODES, FACT_ANSWERS, *of_answers.TABLES)
        }
        assert wanted[path].height > 0 or path in may_be_empty, path
        assert frame.equals(wanted[path]), f"{path} differs"


def test_late_and_repeated_deliveries_end_where_an_orderly_run_ends(
    installation: Installation, orderly: Installation, days: dict[date, pl.DataFrame]
) -> None:
    early = days[LATE_DAY].filter(pl.col("user_id").hash(1) % 3 != 0)
    late = days[LATE_DAY].filter(pl.col("user_id").hash(1) % 3 == 0)
    assert min(early.height, late.height) > 0
    for day, events in days.items():
        installation.deliver(str(day), early if day == LATE_DAY else events)
    installation.build()
    # The late events come with some that were delivered before, in a file that mixes days.
    installation.deliver("late", pl.concat([late, early.head(20), days[FIRST].tail(30)]))
    installation.run()
    ledger = installation.lake.frame(
        "SELECT accepted, duplicates FROM telemetry.batches WHERE ends_with(source_file, '/late.parquet')"
    )
    assert ledger.rows() == [(late.height, 50)]
    assert_same(installation, orderly)


def test_a_corrected_file_ends_where_an_orderly_run_ends(
    orderly: Installation, days: dict[date, pl.DataFrame], tmp_path: Path
) -> None:
    """What it said before is in no table any more: people and a feature whom only the former knew, a day that it alone had."""
    corrected = Installation(tmp_path / "product", of_source=", replaces: true")
    strange = days[LATE_DAY].with_columns(
        pl.format("nobody-{}", "user_id").alias("user_id"), pl.lit("never_there").alias("feature")
    )
    beyond = strange.head(9).with_columns(
        pl.col("event_time") + timedelta(days=DAYS + 2), pl.lit(None).alias("event_id")
    )
    for day, events in days.items():
        corrected.deliver(str(day), pl.concat([events.head(50), strange, beyond]) if day == LATE_DAY else events)
    corrected.build()
    assert corrected.lake.span() != orderly.lake.span()
    corrected.deliver(str(LATE_DAY), days[LATE_DAY])
    corrected.run()
    assert corrected.lake.frame("SELECT count(*) FROM telemetry.withdrawn_rows").item() > 100
    pages = corrected.instance.fetch_materializations(key_of(BATCHES), limit=1).records
    assert "rows of the former were taken back" in str(pages[0].asset_materialization.metadata["replaced"].value)
    assert_same(corrected, orderly)
    corrected.lake.close()


def test_days_in_any_order_end_where_an_orderly_run_ends(
    installation: Installation, orderly: Installation, days: dict[date, pl.DataFrame]
) -> None:
    backwards = list(days)[::-1]
    for part in (backwards[:10], backwards[10:11], backwards[11:]):
        for day in part:
            installation.deliver(f"{(TODAY - day).days:04d}", days[day])
        installation.build()
    installation.run()
    assert_same(installation, orderly)


def test_a_late_event_makes_its_own_day_stale_and_later_ones_only_where_windows_reach(
    orderly: Installation, days: dict[date, pl.DataFrame], tmp_path: Path
) -> None:
    shutil.copytree(Path(orderly.lake.store).parent, tmp_path / "copy")
    lake = Lake(catalog=f"sqlite:{tmp_path}/copy/catalog.sqlite", store=f"{tmp_path}/copy/files")
    assert replace(orderly.platform, lake=lake).due.steps_to_build(today=TODAY) == []
    lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO telemetry.batches BY NAME SELECT * REPLACE ('late' AS batch_id, [$day] AS days)"
            " FROM telemetry.batches LIMIT 1",
            {"day": LATE_DAY},
        )
    )
    reach = {
        table.path: step.days
        for step in replace(orderly.platform, lake=lake).due.steps_to_build(today=TODAY)
        for table in step.tables
    }
    end = FIRST + timedelta(days=DAYS)
    for table in NEWEST_DAY_TABLES:
        newest = Days(end - timedelta(days=1), end)
        is_reached = table.lookback_days is None or LATE_DAY + timedelta(days=table.lookback_days) >= newest.start
        assert (table.path in reach) == (is_reached and table in WITH_THE_DAY), table.path
        assert lake.stale(before=TODAY).get(table.path) == ([newest] if is_reached else None)
    for table in (table for table in DAILY_TABLES if table not in NEWEST_DAY_TABLES):
        last = end if table.lookback_days is None else min(end, LATE_DAY + timedelta(days=table.lookback_days + 1))
        assert reach[table.path] == Days(LATE_DAY, last), table.path
    assert reach["warehouse.fact_events"] == Days(LATE_DAY, LATE_DAY + timedelta(days=1))
    lake.close()


def test_the_same_files_under_other_names_change_nothing(
    installation: Installation, days: dict[date, pl.DataFrame]
) -> None:
    first = dict(list(days.items())[:3])
    for day, events in first.items():
        installation.deliver(str(day), events)
    installation.build()
    before, snapshot = installation.contents(), installation.lake.snapshot_id()
    for path in list(installation.landing.iterdir()):
        shutil.copy(path, path.with_stem("again-" + path.stem))
    installation.build()
    assert installation.lake.snapshot_id() == snapshot
    assert all(frame.equals(before[path]) for path, frame in installation.contents().items())


def test_a_day_without_data_inside_the_past_is_built_as_such(
    installation: Installation, days: dict[date, pl.DataFrame]
) -> None:
    for day, events in days.items():
        if day != FIRST + timedelta(days=20):
            installation.deliver(str(day), events)
    installation.run()
    gap = {"day": FIRST + timedelta(days=20)}
    assert (
        installation.lake.frame("SELECT verdict FROM telemetry.day_quality WHERE event_date = $day", gap).item()
        == "empty"
    )
    health = installation.lake.frame("SELECT evidence FROM metrics.feature_health WHERE event_date = $day", gap)
    assert set(health["evidence"]) == {"pipeline_fault"}
    assert (
        installation.lake.frame(
            "SELECT dau FROM metrics.kpi_day WHERE event_date = $day AND segment = 'all'", gap
        ).item()
        == 0
    )


def test_a_day_that_is_not_over_waits(installation: Installation, days: dict[date, pl.DataFrame]) -> None:
    installation.deliver("today", days[FIRST].with_columns(pl.col("event_time") + timedelta(days=(TODAY - FIRST).days)))
    installation.deliver("first", days[FIRST])
    installation.run()
    assert installation.lake.frame("SELECT max(event_date) FROM telemetry.events").item() == TODAY
    assert installation.lake.frame("SELECT max(event_date) FROM warehouse.fact_sessions").item() == FIRST
    assert all(step.days.end <= TODAY for step in installation.platform.due.steps_to_build(today=TODAY) if step.days)


def test_an_empty_folder_is_an_empty_lake_and_no_error(installation: Installation) -> None:
    installation.run()
    counted = {
        table.path: installation.lake.inspected(table, (), ALWAYS).row_count for table in (*DELIVERED, *DAILY_TABLES)
    }
    # Views of days that were never built are not there yet.
    views = ("warehouse.fact_events", "metrics.retention_cohorts", "metrics.funnel_day")
    assert counted == {**dict.fromkeys(counted, 0), **dict.fromkeys(views)}
    assert installation.platform.due.steps_to_build(today=TODAY) == []
    assert Step(DELIVERED).days is None
    assert product_at.cache_info().currsize > 0
