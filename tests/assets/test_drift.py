"""From a champion to its verdicts, the one retraining, the page and the message, over a real lake and a real registry."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from assets.graph.runner import _follow_drift
from assets.graph.tables import key_of
from intelligence.catalog.changes import Outcome
from intelligence.catalog.layers import WATCH
from intelligence.core.tables import Days
from intelligence.drift.tables import BASELINE_STATS, DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT
from intelligence.risk.predictors import FEATURE_PREDICTORS, names_of
from resources.reports.drift import INDEX, DriftReports
from resources.twins.recorded import recorded_messages
from tests.assets.test_models import FIRST, LENGTH, MODEL, Installation, once_trained
from tests.watched_reads import undeclared, watched_reads

pytestmark = pytest.mark.proof

TRAINED_DAYS = LENGTH
CALM_DAYS, MOVED_DAYS = 10, 9
# The champion was judged as of day 70; so late a training is allowed again and has outcomes that it had not seen.
NEWEST = FIRST + timedelta(days=TRAINED_DAYS + CALM_DAYS - 1)


class Story:
    """An installation whose days go on after its training, as they were or shifted."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation, self.folder = installation, folder
        self.lake, self.instance = self.installation.lake, self.installation.instance
        self.reports = DriftReports(root=str(folder / "pages"))

    def go_on(self, days: int, *, shift: float = 0.0, shifted_from: date | None = None) -> None:
        """Write panel and health of so many days in all; from a day on one important predictor is shifted."""
        self.installation.fill(days)
        if shifted_from:
            self.lake.commit(
                lambda connection: connection.execute(
                    "UPDATE risk.feature_panel SET slow_rise_7d = slow_rise_7d + $shift WHERE event_date >= $day",
                    {"shift": shift, "day": shifted_from},
                )
            )

    def look(self, first: date, last: date, *, with_pages: bool = False) -> None:
        """Materialize the drift assets of the days in one run."""
        result = self.installation.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[key_of(table) for table in WATCH if with_pages or table != DRIFT_PAGES],
            tags={"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)},
        )
        assert result.success

    def follow(self) -> Outcome:
        """Return what came of following the drift as of the newest day of the lake."""
        outcome, newest = Outcome(), self.lake.frame("SELECT max(event_date) AS d FROM metrics.feature_health").item()
        today = newest + timedelta(days=1)
        _follow_drift(
            self.installation.defs, self.installation.platform, self.instance, outcome, lambda *_: None, today=today
        )
        assert outcome.error is None
        return outcome

    def watch(self) -> pl.DataFrame:
        return self.lake.frame(f"FROM {MODEL_WATCH.path} WHERE model = '{MODEL}' ORDER BY event_date, model_version")

    def pages(self) -> pl.DataFrame:
        return self.lake.frame(f"FROM {DRIFT_PAGES.path} ORDER BY event_date, model_version")

    def messages(self) -> list[tuple[str | None, str]]:
        return [(each.thread, each.text) for each in recorded_messages(self.folder)]

    def close(self) -> None:
        self.lake.close()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Calm days after the training and then those on which the world has moved, followed once."""
    folder = tmp_path_factory.mktemp("story")
    made = Story(once_trained(folder, tmp_path_factory), folder)
    with watched_reads() as made.reads:
        made.go_on(TRAINED_DAYS + CALM_DAYS)
        made.look(NEWEST - timedelta(days=2), NEWEST)
        made.calm = (made.watch(), made.follow())
        made.baseline_before = made.lake.frame(f"FROM {BASELINE_STATS.path}")
        made.go_on(TRAINED_DAYS + CALM_DAYS + MOVED_DAYS, shift=8.0, shifted_from=NEWEST + timedelta(days=1))
        made.look(NEWEST + timedelta(days=1), NEWEST + timedelta(days=MOVED_DAYS), with_pages=True)
        made.before = (made.watch(), made.lake.frame(f"FROM {BASELINE_STATS.path}"))
        made.versions_before = len(made.installation.registry.versions(MODEL))
        made.first, made.second = made.follow(), made.follow()
    yield made
    made.close()


def test_what_is_read_on_the_way_is_what_the_graph_shows(story: Story) -> None:
    assert undeclared(story.reads, story.installation.defs) == {}
    seen = {asset.to_user_string() for asset in story.reads}
    drift = {"drift/baseline_stats", "drift/feature_drift", "drift/model_watch", "drift/drift_pages"}
    assert seen >= drift | {"risk/feature_training", "risk/feature_verdict", "risk/feature_risk"}
    assert "actions.action_log" in story.reads[key_of(FEATURE_DRIFT)]


def test_a_champion_gets_its_baseline_once(story: Story) -> None:
    before, after = story.baseline_before, story.before[1]
    assert after.equals(before)
    assert set(after["model_version"]) == {1}
    assert {*names_of(FEATURE_PREDICTORS)} <= set(after["predictor"])
    assert set(after["last_day"]) == {FIRST + timedelta(days=TRAINED_DAYS - 1 - 7)}


def test_a_world_that_goes_on_as_it_was_is_steady_and_sets_nothing_off(story: Story) -> None:
    watch, outcome = story.calm
    assert set(watch["state"]) == {"steady"}, watch["reason"].to_list()
    assert (outcome.runs, outcome.told) == (0, [])


def test_a_shift_is_found_within_days_and_named(story: Story) -> None:
    watch = story.before[0].filter(pl.col("event_date") > NEWEST)
    assert watch["state"].to_list()[-3:] == ["moved"] * 3
    last = watch.row(-1, named=True)
    assert "slow_rise_7d" in last["that_matter"]
    assert "slow_rise_7d by " in last["reason"]
    drift = story.lake.frame(
        f"FROM {FEATURE_DRIFT.path} WHERE event_date = $day AND is_moved", {"day": last["event_date"]}
    )
    assert "slow_rise_7d" in drift["predictor"].to_list()


def test_the_shift_is_trained_for_exactly_once_and_the_next_look_says_and_trains_nothing(story: Story) -> None:
    assert story.first.runs > 0
    assert (story.second.runs, story.second.told) == (0, [])
    trainings = story.lake.frame("SELECT as_of FROM risk.feature_verdict ORDER BY as_of")["as_of"].to_list()
    assert len(trainings) == 2
    assert len(story.installation.registry.versions(MODEL)) == story.versions_before + 1


def test_the_cause_with_the_link_to_the_alarms_page_stands_where_the_training_is_told(story: Story) -> None:
    tags = [run.tags.get("intelligence/cause", "") for run in story.instance.get_runs()]
    (cause,) = {tag for tag in tags if tag.startswith("drift since")}
    (link,) = re.findall(r"Page: (\S+)", cause)
    alarm = story.pages().filter(kind="alarm").row(0, named=True)
    assert link == story.reports.url(alarm["drift_page"])
    assert (Path(story.reports.root) / alarm["drift_page"]).exists()
    newest = story.lake.frame("FROM risk.feature_verdict ORDER BY as_of").row(-1, named=True)
    move = story.installation.registry.history(MODEL)[-1]
    assert (move.cause == cause) == bool(newest["is_promoted"])


def test_people_are_told_once_with_the_outcome_in_the_same_thread(story: Story) -> None:
    opened = [text for thread, text in story.messages() if thread is None]
    (message,) = opened
    assert "Feature risk: the world has moved since" in message
    assert "slow_rise_7d" in message
    replies = [text for thread, text in story.messages() if thread is not None]
    assert len(replies) == 1
    assert "retrained" in replies[0]


def test_what_another_champion_was_told_of_a_day_stays_beside(story: Story) -> None:
    day = NEWEST + timedelta(days=MOVED_DAYS)
    before = story.watch().filter(event_date=day)
    as_if = "UPDATE {} SET model_version = 99 WHERE event_date = $day AND model_version = 1"
    for table in (MODEL_WATCH, FEATURE_DRIFT):
        story.lake.commit(lambda connection, of=table: connection.execute(as_if.format(of.path), {"day": day}))
    story.look(day, day)
    after = story.watch().filter(event_date=day)
    assert after["model_version"].to_list() == [1, 99]
    told = ["state", "reason", "that_matter"]
    assert after.filter(model_version=99).select(told).equals(before.filter(model_version=1).select(told))
    drift = story.lake.frame(
        f"SELECT DISTINCT model_version FROM {FEATURE_DRIFT.path} WHERE event_date = $day", {"day": day}
    )
    assert set(drift["model_version"]) == {1, 99}


class Outward(HTMLParser):
    """What a page fetches from elsewhere when it is opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags = 0
        self.title = html.split("<title>")[1].split("</title>", maxsplit=1)[0]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags += 1
        named = dict(attrs)
        source = (
            named.get("src") if tag in ("script", "img", "iframe") else named.get("href") if tag == "link" else None
        )
        if source and not source.startswith("data:"):
            self.fetched.append(source)


def test_the_alarms_page_needs_no_network_and_is_kept_although_a_newer_one_came(story: Story) -> None:
    alarm = story.pages().filter(kind="alarm").row(0, named=True)
    page = Outward((Path(story.reports.root) / alarm["drift_page"]).read_text())
    assert page.tags > 10
    assert page.fetched == []
    assert f"week to {alarm['event_date']}: moved · " in page.title
    index = (Path(story.reports.root) / INDEX).read_text()
    for row in story.pages().iter_rows(named=True):
        assert row["drift_page"] in index
        assert row["bytes"] > 0


def test_old_pages_give_way_and_a_deleted_one_is_not_listed(story: Story) -> None:
    root = Path(story.reports.root)
    old = story.pages().row(0, named=True) | {"event_date": NEWEST - timedelta(days=60), "kind": "alarm"}
    (root / "2026-05-30-old-drift.html").write_text("old")
    old |= {"drift_page": "2026-05-30-old-drift.html", "report": "2026-05-30-old-drift.html"}
    gone = "2026-07-25-deleted-drift.html"
    deleted = story.pages().row(0, named=True) | {"event_date": NEWEST, "kind": "alarm", "drift_page": gone}
    rows = pl.concat([story.pages(), pl.DataFrame([old, deleted], schema=story.pages().schema)])
    story.lake.replace(DRIFT_PAGES, Days(date(1, 1, 1), date(9999, 12, 31)), "FROM rows", frames={"rows": rows})
    newest = NEWEST + timedelta(days=MOVED_DAYS)
    story.look(newest, newest, with_pages=True)
    assert not (root / "2026-05-30-old-drift.html").exists()
    assert gone not in story.pages()["drift_page"].to_list()
    assert gone not in (root / INDEX).read_text()
    listed = {
        row[name] for row in story.pages().iter_rows(named=True) for name in ("drift_page", "quality_page", "report")
    }
    there = {path.name for path in root.iterdir()} - {INDEX}
    assert there == listed - {None}


def test_what_moved_only_where_the_platform_acted_is_its_own_doing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = Story(once_trained(tmp_path, tmp_path_factory), tmp_path)
    made.go_on(TRAINED_DAYS + CALM_DAYS)
    touched = {"features": [f"f{number:02}" for number in range(0, 60, 3)], "day": NEWEST - timedelta(days=6)}
    made.lake.commit(
        lambda connection: connection.execute(
            "UPDATE risk.feature_panel SET slow_rise_7d = slow_rise_7d + 30"
            " WHERE list_contains($features, feature) AND event_date >= $day",
            touched,
        )
    )
    made.look(NEWEST, NEWEST)
    assert "slow_rise_7d" in made.watch().row(-1, named=True)["that_matter"]
    made.lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO actions.action_log BY NAME SELECT 'throttle' AS kind, 'confirmed' AS standing, $day AS day,"
            " unnest($features) AS feature, now()::TIMESTAMP AS changed_at",
            touched,
        )
    )
    made.look(NEWEST, NEWEST)
    after = made.watch().row(-1, named=True)
    assert after["state"] == "steady"
    assert "slow_rise_7d" in after["own_doing"]
    made.lake.commit(
        lambda connection: connection.execute(
            "UPDATE actions.action_log SET standing = 'undone', changed_at = $day", {"day": touched["day"]}
        )
    )
    assert made.installation.platform.drift.acted_on(FEATURE_DRIFT, NEWEST - timedelta(days=1)) == touched["features"]
    assert made.installation.platform.drift.acted_on(FEATURE_DRIFT, NEWEST + timedelta(days=1)) == []
    assert made.installation.platform.drift.acted_on(USER_DRIFT, NEWEST - timedelta(days=1)) == []
    made.close()
