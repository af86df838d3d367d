"""A small product fed from a folder of files, whose sensors are ticked by hand."""

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as hour
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.test_utils import create_run_for_test

from assets.definitions import definitions
from assets.graph.partitions import Calendar
from intelligence.simulation.stream import SimulationPlan, simulated_day
from resources.intake.product_file import product_at
from tests.platforms import platform_in

FIRST = date(2026, 5, 4)
PLAN = SimulationPlan(features=4, events_per_day=150, seed=3, first_day=FIRST)
Tick = list[dg.RunRequest] | str


class Deployment:
    """A lake, a registry, a landing folder and a Dagster instance of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.landing = folder, folder / "landing"
        self.landing.mkdir(parents=True)
        self.today = datetime.now(UTC).date()
        (folder / "product.yaml").write_text(
            f"name: Small\nstart: {FIRST}\nsources: [{{name: app, files: '{self.landing}/*.parquet'}}]\n"
        )
        self.platform = platform_in(
            folder, product_file=folder / "product.yaml", clock=lambda: datetime.combine(self.today, hour(12), UTC)
        )
        self.lake, self.registry, self.reports = (
            self.platform.lake,
            self.platform.registry,
            self.platform.drift_reports,
        )
        self.announcer = self.platform.announcer
        self.calendar: Calendar | None = None
        self.open()
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))

    def open(self) -> None:
        """Define the graph over the platform as it is now."""
        self.defs = definitions(self.platform)

    def reload(self) -> None:
        """Read product.yaml anew, as a reload of the code location does."""
        product_at.cache_clear()
        self.platform = replace(self.platform, product=product_at(self.folder / "product.yaml"))
        self.open()

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

    def resources(self) -> dict[str, Any]:
        """Return what sensors and schedules are given."""
        return {**(self.defs.resources or {}), **({"calendar": self.calendar} if self.calendar else {})}

    def tick(self, sensor: dg.SensorDefinition, *, cursor: str | None = None) -> Tick:
        """Return what the sensor asks for, or why for nothing."""
        named = self.resources()
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
        self.lake = replace(self.lake)
        self.platform = replace(self.platform, lake=self.lake)
        self.open()
