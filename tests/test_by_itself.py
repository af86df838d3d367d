"""Files that drift are dropped into a folder, and without a hand come verdicts, a page, one training and one message.

The ticks are those of the daemon: every sensor in turn, then the conditions on the assets; what they ask for is run.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.graph.tables import key_of
from intelligence.catalog.layers import ACT, ENTITY_MODEL, WATCH
from intelligence.core.tables import Table
from intelligence.decisions.tables import ENTITY_DECISIONS
from intelligence.risk import due
from intelligence.simulation.stream import SimulationPlan, simulated_day
from resources.reports.drift import INDEX
from resources.twins.recorded import recorded_messages
from sensors.build_stale_days import build_stale_days
from sensors.follow_champion import follow_champion
from sensors.retrain_on_drift import retrain_on_drift
from sensors.take_in_new_files import take_in_new_files
from sensors.tell import tell_of_drift
from sensors.train_when_due import train_when_due
from tests.intelligence.telemetry.measured_product import used_again
from tests.sensors.house import FIRST, Deployment
from tests.watched_reads import undeclared, unwatched, watched_reads

pytestmark = pytest.mark.proof

MODEL = "user_churn"
# Drift lasts until the outcome of a week is known that the champion did not see: its horizon of 14 days and 7 more.
CALM_DAYS, DRIFTING_DAYS = 68, 22
PLAN = SimulationPlan(features=4, events_per_day=1_200, seed=11, first_day=FIRST, planted=False)
LOVED = ("essay_feedback", "tutor_answer")
TICKED = (take_in_new_files, build_stale_days, train_when_due, follow_champion, retrain_on_drift, tell_of_drift)
MOST_ROUNDS = 25


class Night(Deployment):
    """A house that lives by ticks alone; `today` is what its clock shows."""

    today: date = FIRST
    cursor: object = None
    looked_after: tuple[Table, ...] = WATCH

    def arrive(self, numbers: range, *, loved: int = 1) -> None:
        """Drop the files of these days, on which people use half of the features so many times as often.

        In all features alike, or in copies of the same events, it would be taken for a fault of measurement.
        """
        for number in numbers:
            day = FIRST + timedelta(days=number)
            events = simulated_day(PLAN, day)
            more = [used_again(events.filter(pl.col("feature").is_in(LOVED)), time) for time in range(1, loved)]
            self.put(f"{day}.parquet", pl.concat([events, *more]))
        self.today = FIRST + timedelta(days=numbers[-1] + 1)

    def live(self) -> list[str]:
        """Tick until nobody asks for anything any more, and return who asked for what was run."""
        asked: list[str] = []
        for _ in range(MOST_ROUNDS):
            before = len(asked)
            for sensor in TICKED:
                found = self.tick(sensor)
                for request in found if isinstance(found, list) else []:
                    assert self.carry_out(request).success
                    asked.append(sensor.name)
            asked += self.look_after_champions()
            if len(asked) == before:
                return asked
        raise AssertionError(f"it does not come to rest: {asked[-10:]}")

    def look_after_champions(self) -> list[str]:
        """Evaluate the conditions of the drift assets, run what they ask for, and return which ones."""
        noon = datetime(self.today.year, self.today.month, self.today.day, 12, tzinfo=UTC)
        result = dg.evaluate_automation_conditions(
            defs=self.defs,
            instance=self.instance,
            asset_selection=dg.AssetSelection.assets(*map(key_of, self.looked_after)),
            cursor=self.cursor,
            evaluation_time=noon,
        )
        self.cursor = result.cursor
        asked = []
        for table in self.looked_after:
            if not result.get_num_requested(key_of(table)):
                continue
            days = sorted(each for each in result.get_requested_partitions(key_of(table)) if each)
            ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
            tags = dict(zip(ends, (days[0], days[-1]), strict=True)) if days else {}
            assert self.carry_out(dg.RunRequest(asset_selection=[key_of(table)], tags=tags)).success
            asked.append(table.name)
        return asked


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    made = Night(tmp_path / "product")
    made.today = FIRST
    # So small a product lacks evidence at first; the calendar is not to train before drift does.
    monkeypatch.setattr(due, "RETRY_DAYS", 28)
    with watched_reads() as made.reads:
        yield made
    made.lake.close()


def test_files_that_drift_come_to_a_page_one_training_a_version_and_one_message(night: Night) -> None:
    night.arrive(range(CALM_DAYS))
    night.looked_after = WATCH[:-1]  # pages of calm days are made elsewhere
    night.live()
    trained = night.registry.versions(MODEL)
    assert len(trained) == 1
    if night.registry.champion(MODEL) is None:
        # So small a product may not pass the gate; a person may still decide for it.
        night.registry.promoted(
            MODEL, trained[0].version, actor="ada", cause="promoted by hand", reason="to begin with"
        )
        assert "follow_champion" in night.live()
    assert [each.text for each in recorded_messages(night.folder)] == []

    last = CALM_DAYS + DRIFTING_DAYS
    night.looked_after = WATCH
    night.arrive(range(CALM_DAYS, last), loved=6)
    asked = night.live()
    assert asked.count("retrain_on_drift") == 1
    assert asked.index("build_stale_days") < asked.index("model_watch") < asked.index("retrain_on_drift")
    watch = night.lake.frame(f"FROM drift.model_watch WHERE model = '{MODEL}' AND state = 'moved' ORDER BY event_date")
    assert watch.height >= 3

    assert len(night.registry.versions(MODEL)) == 2
    runs = night.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    (cause,) = {cause for run in runs if (cause := run.tags.get("intelligence/cause", "")).startswith("drift since")}
    pages = night.lake.frame("FROM drift.drift_pages WHERE kind = 'alarm'")
    assert pages.height == 1
    assert f"Page: {night.reports.url(pages['drift_page'][0])}" in cause
    assert (Path(night.reports.root) / pages["drift_page"][0]).stat().st_size > 10_000
    assert pages["drift_page"][0] in (Path(night.reports.root) / INDEX).read_text()

    messages = recorded_messages(night.folder)
    opened = [each.text for each in messages if each.thread is None]
    assert len(opened) == 1
    assert "User churn: the world has moved since" in opened[0]
    assert [each.text.splitlines()[0] for each in messages if each.thread] == [
        text for each in messages if each.thread and "retrained" in (text := each.text.splitlines()[0])
    ]

    assert night.live() == []
    assert undeclared(night.reads, night.defs) == {}
    # Without a stream nothing is decided on entities, and nothing learned from it.
    alone = (*ACT, ENTITY_DECISIONS, *ENTITY_MODEL)
    assert unwatched(night.reads) <= {each.to_user_string() for each in map(key_of, alone)}
    assert len(recorded_messages(night.folder)) == len(messages)
