"""The champion that scores: fetched once and checked at every use; the last one while MLflow is silent; never another."""

import re
import resource
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from intelligence.core.errors import ModelError
from intelligence.risk.model import RiskModel
from resources.models.mlflow_store import client_of
from resources.models.registry import Registry
from tests.programs.models import free_port, model_folder, promote, registered, registry_in


def test_nothing_registered_is_no_champion_and_makes_no_store(tmp_path: Path) -> None:
    empty = registry_in(tmp_path)
    assert empty.champion("feature_risk") is None
    assert (empty.aliases("feature_risk"), empty.versions("feature_risk")) == ({}, [])
    assert empty.noticed("feature_risk") is None
    assert not Path(empty.root).exists()


def test_without_the_alias_there_is_no_champion_even_if_there_was_one(registry: Registry) -> None:
    registered(registry)
    assert registry.champion("feature_risk") is None
    promote(registry, "1")
    assert registry.champion("feature_risk")
    client_of(registry.uri).delete_registered_model_alias("feature_risk", "champion")
    assert registry.champion("feature_risk") is None
    Path(registry.root, "mlflow.db").write_text("unreadable, and long enough to be seen as no database at all")
    with pytest.raises(ModelError, match="no copy of a champion"):
        registry.champion("feature_risk")


def test_a_champion_is_fetched_once(registry: Registry) -> None:
    promote(registry, registered(registry))
    first = registry.champion("feature_risk")
    shutil.rmtree(model_folder(registry))
    again = registry.champion("feature_risk")
    assert first == again
    assert again
    assert (again.version, again.trained_through, again.snapshot, again.note) == ("1", "2026-06-30", 12, None)


def test_a_store_made_anew_scores_with_its_own_first_version_not_with_the_copy_of_the_former(
    registry: Registry, tmp_path: Path
) -> None:
    promote(registry, registered(registry, 0.7))
    former = registry.champion("feature_risk")
    anew = replace(registry, root=str(tmp_path / "anew"))
    promote(anew, registered(anew, 0.1))
    champion = anew.champion("feature_risk")
    assert former
    assert champion
    assert former.version == champion.version
    assert (champion.run_id, champion.model.linear.weights[0]) == (anew.versions("feature_risk")[0].run_id, 0.1)
    assert anew.champion("feature_risk") == champion
    assert registry.champion("feature_risk") == former


@contextmanager
def locked(database: Path) -> Iterator[None]:
    with sqlite3.connect(database) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        yield
    other.close()


def test_while_mlflow_is_silent_the_last_champion_scores_and_says_so(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(registry, registered(registry))
    expected = registry.champion("feature_risk")
    database = Path(registry.root, "mlflow.db")
    moved = database.rename(database.with_name("elsewhere.db"))
    gone = registry.champion("feature_risk")
    assert gone
    assert expected
    assert (gone.version, gone.model, gone.tags) == (expected.version, expected.model, expected.tags)
    assert re.search(
        r"MLflow cannot be reached. Scored with version 1, .* \d{4}-\d\d-\d\d \d\d:\d\d UTC", gone.note or ""
    )
    monkeypatch.setattr("resources.models.mlflow_store.PATIENCE_S", 0.1)
    for leftover in database.parent.glob("mlflow.db-*"):
        leftover.unlink()
    shutil.copy(moved, database)
    with locked(database):
        champion = registry.champion("feature_risk")
    assert champion
    assert champion.note
    database.write_text("unreadable, and long enough to be seen as no database at all")
    broken = registry.champion("feature_risk")
    assert broken
    assert broken.note


def test_a_server_that_is_down_is_told_within_seconds(registry: Registry) -> None:
    promote(registry, registered(registry))
    registry.champion("feature_risk")
    down = replace(registry, tracking_uri=f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    champion = down.champion("feature_risk")
    assert champion
    assert champion.note
    assert time.monotonic() - started < 10
    with pytest.raises(
        ModelError, match=r"MLflow: it cannot be reached .* no copy of a champion.*INTELLIGENCE_MLFLOW_URI"
    ):
        down.champion("user_churn")
    with pytest.raises(ModelError, match="cannot be reached"):
        promote(down, "1")
    assert [move.to_version for move in registry.history("feature_risk")] == ["1"]


def test_a_corrupt_artifact_is_refused_and_nothing_else_scores(registry: Registry) -> None:
    promote(registry, registered(registry))
    assert registry.champion("feature_risk")
    shutil.rmtree(registry.cache)
    (model_folder(registry) / "artifacts" / "model.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"version 1: model.json in MLflow's artifacts is not what was registered"):
        registry.champion("feature_risk")
    shutil.rmtree(model_folder(registry))
    with pytest.raises(ModelError, match="version 1"):
        registry.champion("feature_risk")
    assert [path.name for path in Path(registry.cache, "feature_risk").iterdir() if path.name != ".lock"] == []


@pytest.mark.parametrize("harm", ["other bytes", "half", "gone", "about"])
def test_a_corrupt_copy_is_fetched_again(registry: Registry, harm: str) -> None:
    promote(registry, registered(registry))
    before = registry.champion("feature_risk")
    copy = Path(registry.cache, "feature_risk", "1")
    content = (copy / "model.json").read_bytes()
    if harm == "gone":
        (copy / "model.json").unlink()
    elif harm == "about":
        (copy / "version.json").write_text("{")
    else:
        (copy / "model.json").write_bytes(content[: len(content) // 2] if harm == "half" else content + b" ")
    assert registry.champion("feature_risk") == before
    assert (copy / "model.json").read_bytes() == content


def test_a_corrupt_copy_without_mlflow_is_refused(registry: Registry) -> None:
    promote(registry, registered(registry))
    registry.champion("feature_risk")
    Path(registry.cache, "feature_risk", "1", "model.json").write_text("{}")
    Path(registry.root, "mlflow.db").unlink()
    with pytest.raises(ModelError, match=r"model.json is damaged or gone, and MLflow cannot be asked"):
        registry.champion("feature_risk")


def test_a_version_that_somebody_else_registered_is_refused(registry: Registry) -> None:
    client = client_of(registry.uri)
    client.create_registered_model("feature_risk")
    client.create_model_version("feature_risk", source="file:///nowhere", await_creation_for=0)
    client.set_registered_model_alias("feature_risk", "champion", "1")
    with pytest.raises(ModelError, match="no sha256 tags"):
        registry.champion("feature_risk")


def test_a_full_disk_leaves_no_half_of_a_copy(registry: Registry, trees: RiskModel) -> None:
    promote(registry, registered(registry, model=trees))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    Path(registry.cache, "feature_risk").mkdir(parents=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ModelError, match="File too large"):
            registry.champion("feature_risk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in Path(registry.cache, "feature_risk").iterdir() if path.name != ".lock"] == []
    assert registry.champion("feature_risk")


def test_what_a_killed_fetch_left_is_swept_away_by_the_next(registry: Registry) -> None:
    promote(registry, registered(registry))
    leftover = Path(registry.cache, "feature_risk", ".unfinished-abc", "whole")
    leftover.mkdir(parents=True)
    registry.champion("feature_risk")
    assert {path.name for path in Path(registry.cache, "feature_risk").iterdir()} == {"1", "champion.json", ".lock"}


def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(registry: Registry) -> None:
    promote(registry, registered(registry))
    Path(registry.cache).write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=f"{registry.cache}/feature_risk: they cannot be written .*INTELLIGENCE_DATA"):
        registry.champion("feature_risk")
