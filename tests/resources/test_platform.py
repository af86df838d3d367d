"""Platforms are values: two products live in one process, and every door gets the same rows of one service."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.definitions import definitions
from assets.graph.runner import _all_ran
from intelligence.catalog.changes import Outcome
from intelligence.catalog.layers import DELIVERED
from intelligence.risk.tables import FEATURE_RISK
from intelligence.simulation.stream import SimulationPlan, simulated_day
from resources.config.settings import ROOT
from resources.platform import Platform
from resources.services.due import Step
from tests.platforms import platform_in

pytestmark = pytest.mark.proof

FIRST = date(2026, 5, 4)
DAYS = 2


def built(folder: Path, name: str, *, seed: int, timezone: str, gap: int) -> Platform:
    """Return the platform of a product whose days are built up to its metrics."""
    folder.mkdir()
    product_file = folder / "product.yaml"
    product_file.write_text(
        f"name: {name}\nowner: {name.lower()}@example.org\nstart: {FIRST}\ntimezone: {timezone}\n"
        f"session_gap_minutes: {gap}\nsources: [{{name: app, files: '*.parquet'}}]\n"
    )
    plan = SimulationPlan(features=3, events_per_day=200, seed=seed, first_day=FIRST, planted=False)
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        events = simulated_day(plan, day).with_columns(user_id=pl.format(f"{name}-{{}}", "user_id"))
        events.with_columns(session_id=pl.lit(None, dtype=pl.String)).write_parquet(folder / f"{day}.parquet")
    noon = datetime(2026, 5, 6, 12, tzinfo=UTC)
    return platform_in(folder, product_file=product_file, clock=lambda: noon)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Platform]]:
    folder = tmp_path_factory.mktemp("both")
    platforms = (
        built(folder / "one", "One", seed=1, timezone="UTC", gap=30),
        built(folder / "two", "Two", seed=1, timezone="Asia/Tokyo", gap=1),
    )
    graphs = [definitions(platform) for platform in platforms]
    # Both are defined before either runs, and they run in turn.
    for work in ("take in", "build"):
        for platform, graph in zip(platforms, graphs, strict=True):
            steps = [Step(DELIVERED)] if work == "take in" else platform.due.steps_to_build(today=date(2026, 5, 6))
            with dg.DagsterInstance.ephemeral() as instance:
                outcome = Outcome()
                _all_ran(graph, instance, steps, outcome, lambda *_: None)
            assert outcome.error is None
    yield platforms
    for platform in platforms:
        platform.lake.close()


def test_each_product_has_its_own_people_clock_and_rules(both: tuple[Platform, Platform]) -> None:
    users = [
        set(each.lake.frame("SELECT user_id FROM warehouse.dim_users")["user_id"].str.slice(0, 3)) for each in both
    ]
    assert users == [{"One"}, {"Two"}]
    query = "SELECT hour(min(event_time)) AS first_hour FROM telemetry.events WHERE event_date = DATE '2026-05-05'"
    first, second = (each.lake.frame(query).item() for each in both)
    assert first < 15 <= second, "a day of Tokyo begins at 15:00 UTC"
    visits = "SELECT count(*) / sum(events) AS rate FROM warehouse.fact_sessions"
    rates = [each.lake.frame(visits).item() for each in both]
    assert rates[0] < rates[1], "a shorter gap ends visits sooner"


def test_each_graph_names_its_own_owner_and_calendar(both: tuple[Platform, Platform]) -> None:
    key = dg.AssetKey(["metrics", "kpi_day"])
    nodes = [definitions(each).resolve_asset_graph().get(key) for each in both]
    assert [node.owners for node in nodes] == [["one@example.org"], ["two@example.org"]]
    assert [node.partitions_def.timezone for node in nodes] == ["UTC", "Asia/Tokyo"]


def test_a_script_gets_the_rows_that_the_graph_wrote(both: tuple[Platform, Platform]) -> None:
    """What the graph calls, a program without Dagster calls as well."""
    for platform in both:
        days = platform.lake.newest_day()
        snapshot, rows = platform.panels.present_rows(FEATURE_RISK, days)
        program = (
            "import sys\nfrom datetime import date\nfrom pathlib import Path\n"
            "from intelligence.risk.tables import FEATURE_RISK\nfrom intelligence.core.tables import Days\n"
            "from resources.lake.door import Lake\nfrom resources.intake.product_file import product_at\n"
            "from resources.services.panels import Panels\n"
            f"lake = Lake(catalog={platform.lake.catalog!r}, store={platform.lake.store!r}, timezone={platform.lake.timezone!r})\n"
            f"panels = Panels(product_at(Path({platform.product_file.path!r})), lake)\n"
            f"days = Days(date.fromisoformat('{days.start}'), date.fromisoformat('{days.end}'))\n"
            "print(panels.present_rows(FEATURE_RISK, days)[1].write_json())\n"
        )
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
        assert snapshot > 0
        assert said.stdout.strip() == rows.write_json()
