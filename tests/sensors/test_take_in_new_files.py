"""New files are asked for once, when they are whole; refused ones are not tried again until something changes."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from intelligence.catalog.layers import DELIVERED
from resources.intake import settling
from sensors.take_in_new_files import take_in_new_files
from tests.sensors.house import Deployment


@pytest.fixture(autouse=True)
def settling_takes_time(monkeypatch: pytest.MonkeyPatch, settled_at_once: None) -> None:
    monkeypatch.setattr(settling, "SETTLED_S", 60.0)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path / "product")
    yield made
    made.lake.close()


def test_an_empty_folder_asks_for_nothing(deployment: Deployment) -> None:
    assert deployment.tick(take_in_new_files) == "No file waits."


def test_new_files_are_taken_in_once(deployment: Deployment) -> None:
    deployment.deliver(range(2))
    (request,) = deployment.tick(take_in_new_files)
    assert [key.path for key in request.asset_selection] == [[each.layer, each.name] for each in DELIVERED]
    assert request.partition_key is None
    assert deployment.tick(take_in_new_files)[0].run_key == request.run_key
    assert deployment.carry_out(request).success
    assert deployment.lake.frame("SELECT count(*) AS n FROM telemetry.batches").item() == 2
    assert deployment.tick(take_in_new_files) == "No file waits."


def test_the_same_bytes_under_another_name_are_no_new_file(deployment: Deployment) -> None:
    deployment.deliver([0])
    deployment.carry_out(deployment.tick(take_in_new_files)[0])
    (known,) = deployment.landing.glob("*.parquet")
    again = deployment.landing / "again.parquet"
    again.write_bytes(known.read_bytes())
    deployment.settle(again)
    assert deployment.tick(take_in_new_files) == "No file waits."


def test_a_file_that_somebody_still_writes_is_left_alone(deployment: Deployment) -> None:
    deployment.deliver([0], settled=False)
    assert deployment.tick(take_in_new_files) == "No file waits."
    (path,) = deployment.landing.glob("*.parquet")
    deployment.settle(path)
    assert isinstance(deployment.tick(take_in_new_files), list)


def test_what_a_run_takes_is_what_woke_it_and_nothing_that_grows(deployment: Deployment) -> None:
    deployment.deliver([0])
    deployment.deliver([1], settled=False)
    (request,) = deployment.tick(take_in_new_files)
    result = deployment.carry_out(request)
    assert deployment.lake.frame("SELECT parse_filename(source_file) AS name FROM telemetry.batches")[
        "name"
    ].to_list() == ["2026-05-04.parquet"]
    (readable,) = (each for each in result.get_asset_check_evaluations() if each.check_name == "every_file_is_readable")
    assert readable.passed
    assert [Path(str(row.data["file"])).name for row in readable.metadata["left"].records] == ["2026-05-05.parquet"]
    assert deployment.tick(take_in_new_files) == "No file waits."


def test_a_refused_file_is_not_tried_again_until_something_changes(deployment: Deployment) -> None:
    deployment.put("wrong.parquet", pl.DataFrame({"nothing": ["that", "fits"]}))
    (request,) = deployment.tick(take_in_new_files)
    assert deployment.carry_out(request).success
    assert "A run was made for telemetry.raw_events already" in deployment.tick(take_in_new_files)
    deployment.deliver([0])
    (both,) = deployment.tick(take_in_new_files)
    assert both.run_key != request.run_key
    deployment.carry_out(both)
    assert deployment.lake.frame("SELECT count(*) AS n FROM telemetry.batches").item() == 1
    assert "already" in deployment.tick(take_in_new_files)
    text = (deployment.folder / "product.yaml").read_text()
    (deployment.folder / "product.yaml").write_text(text.replace("name: app", "name: web"))
    deployment.reload()
    assert isinstance(deployment.tick(take_in_new_files), list)


def test_an_intake_that_failed_is_tried_three_times_and_then_waits_for_other_files(deployment: Deployment) -> None:
    deployment.deliver([0])
    keys = []
    for _ in range(3):
        (request,) = deployment.tick(take_in_new_files)
        keys.append(request.run_key)
        deployment.leave_run(request, dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == 3
    assert "failed 3 times" in deployment.tick(take_in_new_files)
    deployment.deliver([1])
    assert isinstance(deployment.tick(take_in_new_files), list)


def test_while_a_run_works_on_the_lake_nothing_is_asked_for(deployment: Deployment) -> None:
    deployment.deliver([0])
    (request,) = deployment.tick(take_in_new_files)
    deployment.leave_run(request, dg.DagsterRunStatus.STARTED)
    assert "is under way" in deployment.tick(take_in_new_files)
