"""People are told once: of an episode of drift, of faulty telemetry, and of a step for as long as it fails."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

from intelligence.drift.pages import page_name
from resources.processes.runs import STOPPED_TAG
from resources.twins.recorded import recorded_messages
from sensors.tell import tell_of_drift, tell_of_failed_runs
from tests.sensors.verdicts import BEGIN, MODEL, Watched

FAILING = {"yes": True}


def told(watched: Watched) -> list[str]:
    return [message.text for message in recorded_messages(Path(watched.folder))]


def test_an_episode_is_told_once_however_long_it_lasts(watched: Watched) -> None:
    watched.write("ss")
    assert watched.tick(tell_of_drift) == "There is nothing new to tell."
    watched.write("ssm")
    assert "Told: Feature risk: the world has moved since" in watched.tick(tell_of_drift)
    for length in range(2, 9):
        watched.write("ss" + "m" * length)
        assert watched.tick(tell_of_drift) == "There is nothing new to tell."
    (message,) = told(watched)
    assert "slow_rise_7d by 0.80, limit 0.30" in message
    assert f"Page: 127.0.0.1:8090/{page_name(BEGIN + timedelta(days=2), MODEL, watched.version)}" in message


def test_faulty_telemetry_is_told_once_and_as_such(watched: Watched) -> None:
    watched.write("sx")
    assert "Telemetry is not whole" in watched.tick(tell_of_drift)
    watched.write("sxxxxx")
    assert watched.tick(tell_of_drift) == "There is nothing new to tell."
    (message,) = told(watched)
    assert "the world has moved" not in message


def test_a_failing_step_is_told_once_until_it_has_succeeded_in_between(watched: Watched) -> None:
    @dg.asset(key_prefix="risk")
    def fragile() -> None:
        if FAILING["yes"]:
            raise ValueError("the disk is full")

    defs = dg.Definitions(assets=[fragile])

    def run(*, stopped: bool = False) -> None:
        job = defs.resolve_implicit_global_asset_job_def()
        tags = {STOPPED_TAG: "true"} if stopped else {}
        result = job.execute_in_process(instance=watched.instance, raise_on_error=False, tags=tags)
        if result.success:
            return
        with dg.build_run_status_sensor_context(
            sensor_name="tell_of_failed_runs",
            dagster_instance=watched.instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
            resources={"announcer": watched.announcer, "product_file": watched.platform.product_file},
        ) as context:
            tell_of_failed_runs(context.for_run_failure())

    run(stopped=True)
    assert told(watched) == [], "whoever stops the daemon knows"
    run()
    run()
    (message,) = told(watched)
    assert "risk/fragile failed" in message
    assert "the disk is full" in message
    FAILING["yes"] = False
    run()
    FAILING["yes"] = True
    run()
    assert len(told(watched)) == 2
