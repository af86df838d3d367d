"""Folders as people name them hold everything; what cannot is refused before anything is written; stores are made once."""

import multiprocessing
import os
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from intelligence.core.errors import PlatformError
from intelligence.core.foreign import harmless
from resources.config.settings import settings
from resources.lake.door import Lake
from resources.models.mlflow_store import client_of, make_store, store_uri
from resources.processes.runs import instance_for
from resources.state.store import state_at
from resources.twins.store import TwinStore


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path.cwd())
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE", "INTELLIGENCE_MLRUNS", "INTELLIGENCE_REPORTS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "name", ["with space", "o'brien", 'quote"d', "-lead", """it's {a} "test": ü, $HOME; & ~ | =<>!"""]
)
def test_a_folder_of_any_usual_name_holds_the_lake_and_the_stores(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / name / "data"
    monkeypatch.setenv("INTELLIGENCE_DATA", str(data))
    now = settings()
    lake = Lake.of(now)
    lake.commit(
        lambda connection: connection.execute("INSERT INTO bookkeeping.day_builds BY NAME SELECT 'x' AS table_name")
    )
    assert lake.frame("FROM bookkeeping.day_builds").height == 1
    with lake.staging() as connection:
        scratch = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    assert scratch == (str(data / "scratch"),)
    lake.close()
    state_at(now.state).close()
    with instance_for(now) as instance:
        instance.add_run(dg.DagsterRun(job_name="everything"))
        assert instance.get_runs_count() == 1
    assert {each.name for each in tmp_path.iterdir()} == {name}
    found = {str(each.relative_to(data)) for each in data.rglob("*")}
    assert {"lake/catalog.sqlite", "state.db", "dagster/dagster.yaml", "dagster/storage/history/runs.db"} <= found


def test_a_model_is_logged_beside_data_of_an_odd_name(tmp_path: Path) -> None:
    root = tmp_path / """o'brien's "ü"; $HOME & {x}: y""" / "mlruns"
    make_store(root)
    client = client_of(store_uri(root))
    made = client.create_run(client.create_experiment("odd", artifact_location=str(root / "artifacts")))
    client.log_text(made.info.run_id, "hello", "greeting.txt")
    assert [each.read_text() for each in root.rglob("greeting.txt")] == ["hello"]
    assert {each.name for each in tmp_path.iterdir()} == {root.parent.name}


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("100%", "%"),
        ("a%20b", "%"),
        ("what?", "?"),
        ("a?mode=ro", "?"),
        ("no#1", "#"),
        ("[old]", "["),
        ("old]", "]"),
        ("*", "*"),
        ("back\\slash", "\\"),
        ("two\nlines", "\n"),
        ("a\tb", "\t"),
        ("bell\x07", "\x07"),
        ("clear\x1b[2J", "\x1b"),
        ("turned\u202e", "\u202e"),
        ("hidden\u200b", "\u200b"),
        ("no break\xa0", "\xa0"),
        ("not text\udcff", "\udcff"),
    ],
)
@pytest.mark.parametrize("variable", ["INTELLIGENCE_DATA", "INTELLIGENCE_MLRUNS", "INTELLIGENCE_REPORTS"])
def test_a_sign_that_means_something_else_in_a_path_is_refused_by_name(
    variable: str, name: str, sign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTELLIGENCE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(variable, str(tmp_path / name))
    with pytest.raises(PlatformError, match=f"{re.escape(ascii(sign))}.*{variable}") as told:
        settings()
    assert harmless(str(told.value)) == str(told.value)
    assert list(tmp_path.iterdir()) == []


def _first_use(data: str, what: str, gate: Any, said: Any) -> None:
    os.environ["INTELLIGENCE_DATA"] = data
    gate.wait()
    try:
        if what == "dagster":
            instance_for(settings()).get_runs()
        elif what == "state":
            state_at(settings().state).close()
        else:
            TwinStore(Path(data) / "twins.db").added("slack", "place", {"text": "hello"})
    except BaseException as error:
        said.put(f"{type(error).__name__}: {error}")
    else:
        said.put("well")


@pytest.mark.proof
@pytest.mark.parametrize("what", ["dagster", "state", "twins"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_three_processes_that_are_the_first_make_the_stores_once(what: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(3):
        gate, said = context.Barrier(3), context.Queue()
        arguments = (str(tmp_path / f"{what}-{attempt}"), what, gate, said)
        processes = [context.Process(target=_first_use, args=arguments) for _ in range(3)]
        for process in processes:
            process.start()
        assert [said.get(timeout=120) for _ in processes] == ["well"] * 3
        for process in processes:
            process.join()
