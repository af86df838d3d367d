"""The lake as Dagster sees it: a DuckDBResource that gives each run a lake of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from typing_extensions import override

from resources.config.fixed import Fixed
from resources.lake.door import Lake


class LakeResource(Fixed, DuckDBResource):
    """The lake of one product; assets and sensors take it as `lake: dg.ResourceParam[Lake]`.

    The lake itself knows nothing of Dagster, so that the command line can read it without importing Dagster.

    Attributes:
        lake: The lake.
    """

    database: str = ":memory:"
    lake: dg.ResourceDependency[Lake]

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        """Return the lake of one run."""
        return self.lake.of_a_run()

    @override
    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection whose default database is the lake."""
        with self.lake.get_connection() as connection:
            yield connection
