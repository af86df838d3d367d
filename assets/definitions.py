"""The one place where the code location is composed and the whole graph is seen, top to bottom."""

import gc

import dagster as dg

from assets import actions, decisions, drift, metrics, risk, telemetry, warehouse
from assets.house import PRODUCT, key_of
from intelligence.layers import ACT, WATCH
from resources.announcer import Announcer
from resources.builds import definition_version
from resources.drift_reports import DriftReports
from resources.frames import Frames
from resources.lake import Lake
from resources.mlflow_store import quiet_environment
from resources.product_file import ProductFile
from resources.registry import Registry
from resources.runs import TERMINAL, terminal_logger
from resources.settings import settings
from sensors.build_stale_days import build_stale_days
from sensors.close_the_night import close_the_night
from sensors.deliver_actions import deliver_actions
from sensors.follow_champion import follow_champion
from sensors.retrain_on_drift import retrain_on_drift
from sensors.take_in_new_files import take_in_new_files
from sensors.tell import tell_of_drift, tell_of_failed_runs, tell_of_overruled_verdicts
from sensors.train_when_due import train_when_due

LAYERS = {
    "telemetry": telemetry,
    "warehouse": warehouse,
    "metrics": metrics,
    "risk": risk,
    "drift": drift,
    "decisions": decisions,
    "actions": actions,
}
# What runs by a rule on the assets themselves: champions are looked after, features are decided on and
# actions carried out when the day that they look at is built.
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
SCHEDULES = (close_the_night,)
RANGE_IN_ONE_RUN = dg.BackfillPolicy.single_run()


def definitions(
    lake: Lake, product_file: ProductFile, registry: Registry, drift_reports: DriftReports, announcer: Announcer
) -> dg.Definitions:
    """Return the code location over this lake and this registry; tests pass their own."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules(list(LAYERS.values()), backfill_policy=RANGE_IN_ONE_RUN),
        sensors=list(SENSORS),
        schedules=list(SCHEDULES),
        resources={
            "lake": lake,
            "io_manager": Frames(lake=lake),
            "product_file": product_file,
            "registry": registry,
            "drift_reports": drift_reports,
            "announcer": announcer,
        },
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, TERMINAL: terminal_logger},
    )


quiet_environment()
SETTINGS = settings()
defs = definitions(
    Lake.of(SETTINGS, version=definition_version(PRODUCT), timezone=PRODUCT.timezone),
    ProductFile(path=str(SETTINGS.product_file), landing=str(SETTINGS.landing)),
    Registry.of(SETTINGS),
    DriftReports.of(SETTINGS),
    Announcer.of(SETTINGS),
)
# What is loaded now stays: the collector need not look through it again and again, nor begin as often as in a small program.
gc.freeze()
gc.set_threshold(20_000, 20, 50)
