"""The only place that composes the code location and contains the whole graph, from the first layer to the last."""

import gc
from importlib import import_module

import dagster as dg

from assets.graph.building import Graph
from assets.graph.tables import key_of, until_yesterday
from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.catalog.layers import ACT, LAYERS, WATCH
from resources.config.fixed import fixed
from resources.config.settings import settings
from resources.lake.frames import Frames
from resources.lake.resource import LakeResource
from resources.models.mlflow_store import quiet_environment
from resources.platform import Platform
from resources.processes.runs import TERMINAL, terminal_logger
from sensors.build_stale_days import build_stale_days
from sensors.close_the_night import nightly_close
from sensors.deliver_actions import deliver_actions
from sensors.follow_champion import follow_champion
from sensors.retrain_on_drift import retrain_on_drift
from sensors.take_in_new_files import take_in_new_files
from sensors.tell import tell_of_drift, tell_of_failed_runs, tell_of_overruled_verdicts
from sensors.train_when_due import train_when_due

# Assets that follow an automation condition: champions are compared, features are decided on and actions are
# carried out once the day that they read is built.
WATCH_BY_ITSELF = dg.AutomationConditionSensorDefinition(
    "watch_decide_and_act",
    target=dg.AssetSelection.assets(*map(key_of, (*WATCH, *ACT))),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Watches models, decides about features and acts once the day that these look at is built.",
)
SENSORS = (
    take_in_new_files,
    build_stale_days,
    train_when_due,
    follow_champion,
    WATCH_BY_ITSELF,
    retrain_on_drift,
    tell_of_drift,
    tell_of_overruled_verdicts,
    tell_of_failed_runs,
    deliver_actions,
)


# Tables of later layers that earlier ones read as they were before the run; otherwise the graph would have a cycle.
LOOKED_BACK_AT = (ACTION_LOG, OUTCOMES)
RANGE_IN_ONE_RUN = dg.BackfillPolicy.single_run()


def looks_back(owner: str) -> list[dg.AssetSpec]:
    """Return the nodes of the graph for tables of later layers that are read as they were before the run."""
    return [
        dg.AssetSpec(
            until_yesterday(table),
            description=f"What {table.path} held before the run: an earlier layer looks at it, and never at what follows from it.",
            group_name=table.layer,
            kinds={"view"},
            owners=[owner],
        )
        for table in LOOKED_BACK_AT
    ]


def definitions(platform: Platform) -> dg.Definitions:
    """Return the code location of one product: its whole graph with its own lake, registry and messages."""
    graph = Graph.of(platform)
    # Objects that are loaded by now live as long as the process, so the garbage collector skips them; it also runs less often.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    assets = [
        each.with_attributes(backfill_policy=RANGE_IN_ONE_RUN)
        for layer in LAYERS
        for each in import_module(f"assets.{layer}").assets(graph)
    ]
    return dg.Definitions(
        assets=[*assets, *looks_back(platform.product.owner)],
        sensors=list(SENSORS),
        schedules=[nightly_close(graph)],
        resources={
            "lake": LakeResource(lake=platform.lake),
            "io_manager": Frames(lake=platform.lake),
            "product_file": fixed(platform.product_file),
            "registry": fixed(platform.registry),
            "drift_reports": fixed(platform.drift_reports),
            "announcer": fixed(platform.announcer),
            "calendar": fixed(graph.calendar),
            "intake": fixed(platform.intake),
            "signals": fixed(platform.signals),
            "models": fixed(platform.models),
            "drift": fixed(platform.drift),
            "page_service": fixed(platform.drift_pages),
            "people": fixed(platform.people),
            "usage": fixed(platform.usage),
            "experiments": fixed(platform.experiments),
            "annotations": fixed(platform.annotations),
            "forecasts": fixed(platform.forecasts),
            "causes": fixed(platform.causes),
            "decisions": fixed(platform.decisions),
            "entity_decisions": fixed(platform.entity_decisions),
            "explanations": fixed(platform.explanations),
            "actions": fixed(platform.actions),
            "outcome_service": fixed(platform.outcomes),
            "brief_service": fixed(platform.briefs),
            "retraining": fixed(platform.retraining),
            "due": fixed(platform.due),
        },
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, TERMINAL: terminal_logger},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the code location of the product that the environment names; Dagster calls it when it loads this module."""
    quiet_environment()
    return definitions(Platform.of(settings()))
