"""Sends people one message for each episode of drift, fault of the telemetry, overruled verdict or failing step."""

import dagster as dg

from resources.intake.product_file import ProductFile
from resources.lake.door import Lake
from resources.messages.announcer import Announcer
from resources.processes.runs import STOPPED_TAG
from resources.services.retraining import RetrainingService

EVERY_S = 30


@dg.sensor(
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends one message for an episode of drift, for what its training came to, and for faulty telemetry.",
)
def tell_of_drift(lake: dg.ResourceParam[Lake], retraining: dg.ResourceParam[RetrainingService]) -> dg.SkipReason:
    """Report drift, the results of its trainings, and faulty telemetry: one message each, one thread per episode."""
    if not lake.exists():
        return dg.SkipReason("Nothing was taken in yet.")
    told = retraining.notified_of_drift()
    return dg.SkipReason(f"Told: {'; '.join(told)}." if told else "There is nothing new to tell.")


@dg.sensor(
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends one message when a person makes a version champion that the gate did not let pass.",
)
def tell_of_overruled_verdicts(retraining: dg.ResourceParam[RetrainingService]) -> dg.SkipReason:
    """Report once that a version is champion against its verdict, whether by MLflow or by `intelligence promote`."""
    told = retraining.notified_of_overruled()
    return dg.SkipReason(f"Told: {'; '.join(told)}." if told else "No verdict was overruled since the last look.")


@dg.run_failure_sensor(
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends one message for a run that failed, with the step and the reason.",
)
def tell_of_failed_runs(
    context: dg.RunFailureSensorContext,
    announcer: dg.ResourceParam[Announcer],
    product_file: dg.ResourceParam[ProductFile],
) -> None:
    """Report to the owner which step failed and why, once until it succeeds again; a stopped run is not reported."""
    if STOPPED_TAG in context.dagster_run.tags:
        return
    steps = context.get_step_failure_events()
    step = (steps[0].step_key if steps else None) or "a run"
    error = steps[0].step_failure_data.error if steps else None
    reason = (error.cause or error).message.strip() if error else context.failure_event.message or "It did not begin."
    channel = product_file.product.actions.channel_of(product_file.product.owner)
    episode = f"{step} fails since {_last_success(context.instance, step)}"
    text = f"{reason[:500]}\nRun {context.dagster_run.run_id[:8]}; the Dagster UI shows its log."
    announcer.notifier().notified(episode, f"{step.replace('__', '/')} failed", text, channel, topic=episode)


def _last_success(instance: dg.DagsterInstance, step: str) -> str:
    """Return the run of the last materialization of the step's asset, which stays the same while the step fails."""
    event = instance.get_latest_materialization_event(dg.AssetKey(step.split("__")))
    return event.run_id[:8] if event else "the beginning"
