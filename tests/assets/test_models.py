"""From telemetry to scores by the champion, over a real lake and a real registry."""

import os
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from dagster._core.test_utils import create_run_for_test
from filelock import FileLock

import assets.graph.runner
from assets.definitions import definitions
from assets.graph.requests import CAUSE_TAG, MOST_ATTEMPTS
from assets.graph.runner import rescored, trained_anew
from intelligence.catalog.layers import WATCH
from intelligence.core.tables import Days, Table
from intelligence.risk.model import Linear, Platt, RiskModel
from intelligence.risk.predictors import FEATURE_PREDICTORS, names_of
from intelligence.risk.tables import FEATURE_PANEL, FEATURE_TRAINING
from resources.lake.door import Lake
from resources.models.versions import LoggedTraining
from sensors.follow_champion import follow_champion
from tests.platforms import platform_in

pytestmark = pytest.mark.proof

FIRST, LENGTH, FEATURES = date(2026, 5, 4), 70, 60
LAST = FIRST + timedelta(days=LENGTH - 1)
NEWEST = Days(LAST, LAST + timedelta(days=1))
TODAY = LAST + timedelta(days=2)
MODEL = "feature_risk"


class Installation:
    """A lake with a panel and health in which a rise of errors foretells degradation, and an empty registry."""

    def __init__(self, folder: Path) -> None:
        self.platform = platform_in(folder)
        self.lake, self.registry = self.platform.lake, self.platform.registry
        self.defs = definitions(self.platform)
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))

    def fill(self, length: int = LENGTH) -> None:
        """Write panel, health and ledger of the first `length` days."""
        panel, health = foretold(length)
        days = Days(FIRST, FIRST + timedelta(days=length))
        self.lake.replace(FEATURE_PANEL, days, "FROM panel", frames={"panel": panel})
        self.lake.commit(
            lambda connection: (
                connection.register("health", health),
                connection.execute("DELETE FROM metrics.feature_health"),
                connection.execute("INSERT INTO metrics.feature_health BY NAME FROM health"),
                connection.execute("DELETE FROM telemetry.batches"),
                connection.execute(
                    "INSERT INTO telemetry.batches BY NAME SELECT 'b' AS batch_id, 'app' AS source, 'f' AS source_file,"
                    " 1 AS rows_in, 1 AS accepted, 0 AS duplicates, 0 AS rejected, $days AS days,"
                    " TIMESTAMP '2026-07-01' AS ingested_at, 0 AS bytes, '{}' AS columns",
                    {"days": [FIRST + timedelta(days=n) for n in range(length)]},
                ),
            )
        )

    def train(self, cause: str = "test") -> None:
        outcome = trained_anew(
            self.defs, self.platform, self.instance, today=TODAY, cause=cause, listener=lambda kind, text: None
        )
        assert outcome.error is None

    def judge(self) -> None:
        """Ask the gate about the newest version again."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(
            instance=self.instance, asset_selection=[dg.AssetKey(["risk", "feature_verdict"])]
        ).success

    def scores(self) -> pl.DataFrame:
        return self.lake.frame("FROM risk.feature_risk ORDER BY feature").drop("lake_snapshot")

    def tick(self) -> list[dg.RunRequest]:
        """Return what the sensor asks for; nothing where it skips."""
        resources = {"lake": self.lake, "registry": self.registry, "models": self.platform.models}
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            result = follow_champion(context)
        return result if isinstance(result, list) else []

    def made_by_hand(self, predictors: tuple[str, ...] = names_of(FEATURE_PREDICTORS)[:2]) -> str:
        """Return a version that knows nothing."""
        useless = Linear((0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.01, 0.01), -3.0)
        model = RiskModel("logistic_regression", predictors, Platt(1.0, 0.0), useless)
        logged = LoggedTraining(question="", summary="", snapshot=1, trained_through=str(FIRST), tables=())
        return self.registry.registered(MODEL, model, logged=logged, tags={}).version


def foretold(length: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a panel and the health of features of which each third degrades once, after days of rising errors."""
    rng = np.random.default_rng(5)
    onset = {feature: 20 + (feature * 7) % 46 for feature in range(0, FEATURES, 3)}
    rows, states = [], []
    for feature in range(FEATURES):
        for day in range(length):
            ahead = onset.get(feature, 10_000) - day
            degraded = -6 <= ahead <= 0
            state = "degraded" if degraded else "healthy"
            key = {"event_date": FIRST + timedelta(days=day), "feature": f"f{feature:02}"}
            rise = max(0, 7 - ahead) if ahead > 0 else 0
            drawn = dict(zip(names_of(FEATURE_PREDICTORS), rng.normal(size=len(FEATURE_PREDICTORS)), strict=True))
            rows.append(
                {**key, "state": state, "users_7d": 10.0 + feature, **drawn, "slow_rise_7d": rise + 2.5 * rng.normal()}
            )
            told = {"evidence": "enough", "reason": "", "since": key["event_date"], "stage": "Adopted"}
            counts = dict.fromkeys(("calm_days", "unjudged_days", "usage_count", "users"), 100)
            floats = {"excess_bad_events": 0.0, "peak_share_7d": 0.1}
            states.append({**key, "state": state, **told, **counts, **floats})
    return pl.DataFrame(rows), pl.DataFrame(states)


@pytest.fixture(scope="module", autouse=True)
def without_pages() -> Iterator[None]:
    """Champions are looked after and decided on as always; tests/assets/test_drift.py opens the pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assets.graph.runner, "WATCH", WATCH[:-1])
        yield


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    made.fill()
    yield made
    made.lake.close()


def once_trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Return a copy, in `folder`, of the one installation that is trained for all tests of all processes."""
    # Each process of pytest-xdist has a folder of its own in one of them all.
    base = tmp_path_factory.getbasetemp()
    original = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained-once"
    whole = original / "whole"
    with FileLock(original.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
        if not whole.exists():
            original.mkdir()
            patch.setattr(assets.graph.runner, "WATCH", WATCH[:-1])
            made = Installation(original)
            made.fill()
            made.train()
            made.lake.close()
            whole.touch()
    shutil.copytree(original, folder, dirs_exist_ok=True)
    return Installation(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all tests: each finds what the training left, and only the last breaks it."""
    made = once_trained(tmp_path_factory.mktemp("trained"), tmp_path_factory)
    yield made
    made.lake.close()


def test_a_first_model_above_the_floors_becomes_champion_and_scores_the_newest_day(trained: Installation) -> None:
    champion = trained.registry.champion(MODEL)
    assert champion is not None
    scores = trained.lake.frame("FROM risk.feature_risk")
    assert set(scores["event_date"]) == {LAST}
    assert set(scores["model_version"]) == {int(champion.version)}
    assert set(scores["trained_through"]) == {LAST - timedelta(days=7)}
    assert scores["impact_score"].to_list() == (scores["risk_score"] * scores["users_7d"]).to_list()
    move = trained.registry.history(MODEL)[-1]
    assert (move.from_version, move.to_version, move.actor, move.cause) == (None, champion.version, "the gate", "test")


def test_the_version_names_the_run_the_snapshot_and_the_verdict(trained: Installation) -> None:
    (row,) = trained.registry.versions(MODEL)
    verdict = trained.lake.frame("FROM risk.feature_verdict").row(0, named=True)
    assert (row.verdict, verdict["decision"], verdict["is_promoted"]) == ("promote", "promote", True)
    champion = trained.registry.champion(MODEL)
    assert champion is not None
    assert champion.snapshot == verdict["lake_snapshot"]
    assert champion.tags["dagster.run_id"]
    assert row.metrics["pr_auc"] == pytest.approx(verdict["pr_auc"], abs=1e-9)


def test_a_second_training_on_the_same_data_gives_the_same_version_and_decides_nothing(trained: Installation) -> None:
    before, scores = trained.lake.frame("FROM risk.feature_verdict"), trained.scores()
    unseen = trained.lake.frame("FROM risk.feature_training").drop("lake_snapshot").sort("event_date", "feature")
    trained.train()
    again = trained.lake.frame("FROM risk.feature_training").drop("lake_snapshot").sort("event_date", "feature")
    assert again.equals(unseen)
    assert [row.version for row in trained.registry.versions(MODEL)] == ["1"]
    assert trained.lake.frame("FROM risk.feature_verdict").equals(before)
    assert trained.scores().equals(scores)
    assert len(trained.registry.history(MODEL)) == 1


def test_a_gate_that_was_killed_after_moving_the_alias_is_taken_up_by_the_next_training(trained: Installation) -> None:
    verdict = trained.lake.frame("FROM risk.feature_verdict").drop("lake_snapshot")
    trained.lake.commit(lambda connection: connection.execute("DELETE FROM risk.feature_verdict"))
    assert [
        step.cause for step in trained.platform.due.model_steps(today=TODAY) if FEATURE_TRAINING in step.tables
    ] == ["no model was trained yet"]
    trained.train()
    assert trained.lake.frame("FROM risk.feature_verdict").drop("lake_snapshot").equals(verdict)
    assert len(trained.registry.history(MODEL)) == 1
    assert [row.version for row in trained.registry.versions(MODEL)] == ["1"]


def test_a_gate_that_was_killed_compares_with_the_former_champion_and_a_revert_outlasts_the_next_training(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    installation = once_trained(tmp_path / "copy", tmp_path_factory)
    registry, lake = installation.registry, installation.lake
    registry.promoted(MODEL, installation.made_by_hand(), actor="ada", cause="promoted by hand", reason="")
    lake.commit(lambda connection: connection.execute("DELETE FROM risk.feature_verdict"))
    registry.promoted(MODEL, "1", actor="the gate", cause="test", reason="")  # and killed before the verdict is written
    installation.judge()
    verdict = lake.frame("FROM risk.feature_verdict")
    assert verdict.select("champion", "challenger", "decision", "is_promoted").row(0) == (2, 1, "promote", True)
    registry.reverted(MODEL, actor="ada", reason="too nervous")
    installation.judge()
    assert [move.to_version for move in registry.history(MODEL)] == ["1", "2", "1", "2"]
    assert lake.frame("FROM risk.feature_verdict").equals(verdict)
    unusable = installation.made_by_hand(("p99_of_old", "tier"))
    registry.promoted(MODEL, unusable, actor="ada", cause="promoted by hand", reason="a slip")
    installation.judge()  # as the error of a champion on other predictors advises
    assert [move.to_version for move in registry.history(MODEL)] == ["1", "2", "1", "2", "3", "1"]
    installation.lake.close()


def test_a_run_that_was_to_follow_the_alias_and_was_killed_is_asked_for_again_but_not_for_ever(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    installation = once_trained(tmp_path / "copy", tmp_path_factory)
    installation.registry._promotions(MODEL).move_alias(installation.made_by_hand())
    keys = set()
    for _ in range(MOST_ATTEMPTS):
        (request,) = installation.tick()
        keys.add(request.run_key)
        create_run_for_test(
            installation.instance, job_name="by_hand", status=dg.DagsterRunStatus.FAILURE, tags=dict(request.tags)
        )
    assert len(keys) == MOST_ATTEMPTS
    assert installation.tick() == []
    installation.lake.close()


def test_scores_follow_the_alias_and_a_revert_brings_the_old_ones_back_exactly(installation: Installation) -> None:
    installation.fill(LENGTH - 14)
    installation.train()
    installation.fill()
    installation.train("more days")
    newest = max((row.version for row in installation.registry.versions(MODEL)), key=int)
    if installation.registry.champion(MODEL).version != newest:
        # Fourteen more days are too few for the gate to find it ahead.
        installation.registry.promoted(MODEL, newest, actor="ada", cause="promoted by hand", reason="newer")
        rescored(installation.defs, installation.platform, installation.instance, listener=lambda *_: None)
    champion = installation.registry.champion(MODEL)
    assert installation.instance.get_run_by_id(champion.tags["dagster.run_id"]).tags[CAUSE_TAG] == "more days"
    first = champion.version
    other = next(row.version for row in installation.registry.versions(MODEL) if row.version != first)
    before = installation.scores()
    assert installation.tick() == []
    installation.registry._promotions(MODEL).move_alias(other)  # as a person does in MLflow
    (request,) = installation.tick()
    assert (request.partition_key, request.asset_selection) == (str(LAST), [dg.AssetKey(["risk", "feature_risk"])])
    assert [again.run_key for again in installation.tick()] == [request.run_key]
    create_run_for_test(
        installation.instance, job_name="by_hand", status=dg.DagsterRunStatus.FAILURE, tags=dict(request.tags)
    )
    (second,) = installation.tick()
    assert second.run_key != request.run_key, "a run that failed is asked for again"
    move = installation.registry.history(MODEL)[-1]
    assert (move.to_version, move.actor) == (other, "a person in MLflow")
    rescored(installation.defs, installation.platform, installation.instance, listener=lambda *_: None)
    assert set(installation.scores()["model_version"]) == {int(other)}
    assert installation.tick() == []
    installation.registry.reverted(MODEL, actor="ada", reason="too nervous")
    (back,) = installation.tick()
    assert back.run_key != request.run_key
    rescored(installation.defs, installation.platform, installation.instance, listener=lambda *_: None)
    assert installation.scores().equals(before)


def test_without_a_champion_nothing_is_scored_and_the_page_says_so(installation: Installation) -> None:
    result = installation.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=installation.instance,
        asset_selection=[dg.AssetKey(["risk", "feature_risk"])],
        partition_key=str(LAST),
    )
    assert result.success
    (event,) = result.get_asset_materialization_events()
    assert "There is no champion of feature_risk yet" in event.materialization.metadata["note"].value
    assert installation.scores().is_empty()
    assert installation.tick() == []


def test_too_little_history_is_a_verdict_and_no_failure(installation: Installation) -> None:
    installation.fill(20)
    installation.train()
    verdict = installation.lake.frame("FROM risk.feature_verdict").row(0, named=True)
    assert (verdict["decision"], verdict["challenger"], verdict["is_promoted"]) == ("not_enough_evidence", 0, False)
    assert installation.registry.versions(MODEL) == []
    assert installation.lake.frame("FROM risk.feature_training").is_empty()


def test_trainings_fall_due_by_absence_age_and_new_predictors_only(trained: Installation) -> None:
    def due(today: date) -> list[str | None]:
        return [step.cause for step in trained.platform.due.model_steps(today=today) if FEATURE_TRAINING in step.tables]

    assert due(TODAY) == []
    trained.lake.commit(
        lambda connection: connection.execute("UPDATE risk.feature_verdict SET as_of = as_of - INTERVAL 28 DAY")
    )
    assert due(TODAY) == ["the last one is 28 days old"]
    trained.lake.commit(lambda connection: connection.execute("UPDATE risk.feature_verdict SET predictors = 'tier'"))
    assert due(TODAY) == ["the last one looked at other predictors"]
    trained.lake.commit(lambda connection: connection.execute("DELETE FROM risk.feature_verdict"))
    assert due(TODAY) == ["no model was trained yet"]


def test_a_silent_mlflow_leaves_the_last_champion_and_a_check_that_says_so(trained: Installation) -> None:
    before = trained.scores()
    database = Path(trained.registry.root) / "mlflow.db"
    database.write_bytes(b"this is no database any more" * 100)
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    result = trained.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=trained.instance, asset_selection=[dg.AssetKey(["risk", "feature_risk"])], partition_key=str(LAST)
    )
    assert result.success
    (check,) = [each for each in result.get_asset_check_evaluations() if each.check_name == "the_registry_answered"]
    assert not check.passed
    assert "MLflow cannot be reached" in str(check.description)
    assert trained.scores().equals(before)


def test_scores_say_which_telemetry_their_run_had_seen(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []
    plain = Lake.replace

    def noted(lake: Lake, table: Table, *what: Any, **more: Any) -> int:
        seen.append((table.path, lake.is_of_a_run))
        return plain(lake, table, *what, **more)

    monkeypatch.setattr(Lake, "replace", noted)
    installation.train()
    assert {"risk.feature_risk", "drift.feature_drift", "drift.model_watch"} <= {path for path, _ in seen}
    assert [path for path, is_of_a_run in seen if not is_of_a_run] == []
