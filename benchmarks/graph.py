"""Runs the asset graph in this process, on the lake and the Dagster instance of this process's environment."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import MEMORY_LIMIT

if TYPE_CHECKING:
    import dagster as dg

    from intelligence.core.tables import Table
    from resources.platform import Platform

FIRST_DAY = date(2025, 1, 1)


def environment_of(folder: Path, product: str) -> Mapping[str, str]:
    """Return the environment of a process whose product, lake and runs lie in `folder`; writes the product file."""
    folder.mkdir(parents=True, exist_ok=True)
    product_file = folder / "product.yaml"
    product_file.write_text(product, encoding="utf-8")
    return {
        "INTELLIGENCE_PRODUCT": str(product_file),
        "INTELLIGENCE_DATA": str(folder),
        "INTELLIGENCE_LAKE_CATALOG": f"sqlite:{folder}/lake/catalog.sqlite",
        "INTELLIGENCE_LAKE_STORE": f"{folder}/lake/files",
        "INTELLIGENCE_MEMORY_LIMIT": MEMORY_LIMIT,
        "INTELLIGENCE_SIMULATED_DAYS": "",
    }


def spans(first: date, days: int, at_once: int) -> Iterator[tuple[date, date]]:
    """Yield the days in ranges of at most `at_once`, each as its first and last day.

    >>> [last.day for _, last in spans(date(2025, 1, 1), 5, 2)]
    [2, 4, 5]
    """
    for start in range(0, days, at_once):
        end = min(start + at_once, days)
        yield first + timedelta(days=start), first + timedelta(days=end - 1)


def materialize(tables: Sequence["Table"], days: tuple[date, date] | None = None) -> None:
    """Run the assets of these tables, with all their checks, for the days from first to last; raises where one fails."""
    run(_definitions(), _instance(), tables, days)


@cache
def platform() -> "Platform":
    """Return the platform of this process's environment."""
    from resources.config.settings import settings
    from resources.models.mlflow_store import quiet_environment
    from resources.platform import Platform

    quiet_environment()
    return Platform.of(settings())


@cache
def _definitions() -> "dg.Definitions":
    from assets.definitions import definitions

    return definitions(platform())


@cache
def _instance() -> "dg.DagsterInstance":
    from resources.config.settings import settings
    from resources.processes.runs import instance_for

    return instance_for(settings())


def run(
    definitions: "dg.Definitions",
    instance: "dg.DagsterInstance",
    tables: Sequence["Table"],
    days: tuple[date, date] | None = None,
) -> None:
    """Run the assets of these tables as `materialize` does, of other definitions on another instance."""
    from assets.graph.tables import key_of
    from resources.processes.runs import TERMINAL

    tags = {}
    if days:
        tags = {
            "dagster/asset_partition_range_start": days[0].isoformat(),
            "dagster/asset_partition_range_end": days[1].isoformat(),
        }
    definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[key_of(table) for table in tables],
        run_config={"loggers": {TERMINAL: {}}},
        tags=tags,
    )
