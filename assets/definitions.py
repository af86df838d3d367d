"""The one place where the code location is composed and the whole graph is seen, top to bottom."""

import dagster as dg

from assets import drift, metrics, risk, telemetry, warehouse
from assets.house import PRODUCT
from resources.builds import definition_version
from resources.drift_reports import DriftReports
from resources.frames import Frames
from resources.lake import Lake
from resources.mlflow_store import quiet_environment
from resources.product_file import ProductFile
from resources.registry import Registry
from resources.runs import TERMINAL, terminal_logger
from resources.settings import settings
from sensors.follow_champion import follow_champion

LAYERS = {"telemetry": telemetry, "warehouse": warehouse, "metrics": metrics, "risk": risk, "drift": drift}
SENSORS = (follow_champion,)
RANGE_IN_ONE_RUN = dg.BackfillPolicy.single_run()


def definitions(
    lake: Lake, product_file: ProductFile, registry: Registry, drift_reports: DriftReports
) -> dg.Definitions:
    """Return the code location over this lake and this registry; tests pass their own."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules(list(LAYERS.values()), backfill_policy=RANGE_IN_ONE_RUN),
        sensors=list(SENSORS),
        resources={
            "lake": lake,
            "io_manager": Frames(lake=lake),
            "product_file": product_file,
            "registry": registry,
            "drift_reports": drift_reports,
        },
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, TERMINAL: terminal_logger},
    )


quiet_environment()
SETTINGS = settings()
defs = definitions(
    Lake.of(SETTINGS, version=definition_version(PRODUCT)),
    ProductFile(path=str(SETTINGS.product_file), landing=str(SETTINGS.landing)),
    Registry.of(SETTINGS),
    DriftReports.of(SETTINGS),
)
