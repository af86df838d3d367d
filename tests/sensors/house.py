"""A small product fed from a folder of files, whose sensors are ticked by hand."""

import os
import time
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
from dagster._core.test_utils import create_run_for_test

from assets.definitions import definitions
from intelligence.telemetry.simulation import SimulationPlan, simulated_day
from resources.announcer import Announcer
from resources.drift_reports import DriftReports
from resources.lake import Lake
from resources.product_file import ProductFile
from resources.registry import Registry
from tests.lakes import lake_in

FIRST = date(2026, 5, 4)
PLAN = SimulationPlan(features=4, events_per_day=150, seed=3, first_day=FIRST)
Tick = list[dg.RunRequest] | str


class House:
    """A lake, a registry, a landing folder and a Dagster instance of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.landing = folder, folder / "landing"
        self.landing.mkdir(parents=True)
        (folder / "product.yaml").write_text(
            f"name: Small\nstart: {FIRST}\nsources: [{{name: app, files: '{self.landing}/*.parquet'}}]\n"
        )
        self.lake = lake_in(folder)
        state = f"sqlite:///{folder}/state.db"
        self.product_file = ProductFile(path=str(folder / "product.yaml"), landing=str(self.landing))
        self.registry = Registry(root=str(folder / "mlruns"), cache=str(folder / "models"), state=state)
        self.reports = DriftReports(root=str(folder / "pages"))
        self.announcer = Announcer(product_file=self.product_file.path, state=state, data=str(folder))
        self.defs = definitions(self.lake, self.product_file, self.registry, self.reports, self.announcer)
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))

    def deliver(self, days: Iterable[int], *, settled: bool = True) -> None:
        """Write the files of these days into the landing folder, as if it had been a minute ago or just now."""
        for number in days:
            day = FIRST + timedelta(days=number)
            self.put(f"{day}.parquet", simulated_day(PLAN, day), settled=settled)

    def put(self, name: str, events: pl.DataFrame, *, settled: bool = True) -> Path:
        path = self.landing / name
        events.write_parquet(path)
        if settled:
            self.settle(path)
        return path

    def settle(self, path: Path) -> None:
        os.utime(path, (time.time() - 90,) * 2)

    def tick(self, sensor: dg.SensorDefinition, *, cursor: str | None = None) -> Tick:
        """Return what the sensor asks for, or why for nothing."""
        named = {
            "lake": self.lake,
            "registry": self.registry,
            "product_file": self.product_file,
            "drift_reports": self.reports,
            "announcer": self.announcer,
        }
        wanted = {name: named[name] for name in sensor.required_resource_keys}
        with dg.build_sensor_context(instance=self.instance, cursor=cursor, resources=wanted) as context:
            found = sensor(context)
        if isinstance(found, dg.SkipReason):
            return found.skip_message or ""
        return found if isinstance(found, list) else [found]

    def carry_out(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Return what came of the request, run as the daemon would, but in this process."""
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=list(request.asset_selection or []),
            partition_key=request.partition_key,
            tags={**request.tags, "dagster/run_key": request.run_key or ""},
            raise_on_error=False,
        )

    def leave_run(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
        """Leave a run of the request behind that stands as `status` says."""
        create_run_for_test(self.instance, job_name="by_hand", status=status, tags=dict(request.tags))

    def restart(self) -> None:
        """Open the lake anew, as another process would; runs stay."""
        self.lake.close()
        self.lake = Lake(catalog=self.lake.catalog, store=self.lake.store)
