"""Frames from the lake as parameters of assets, limited to the days that the asset depends on."""

from typing import Any

import dagster as dg
import polars as pl
from typing_extensions import override

from intelligence.core.sql import identifier
from resources.config.fixed import Fixed
from resources.lake.door import Lake


class Frames(Fixed, dg.ConfigurableIOManager):
    """Loads an upstream table as a polars frame, limited to the partitions that the asset depends on.

    Assets write through the lake themselves, so that their checks see the written rows; there is no output to handle.
    """

    lake: dg.ResourceDependency[Lake]

    @override
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Raise TypeError for any value: an asset of this platform returns a result with metadata, not a frame."""
        if obj is not None:
            raise TypeError(
                f"{context.asset_key.to_user_string()} returned a value; write it with Lake.replace instead."
            )

    @override
    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """Return the upstream table's rows of the requested days, or all rows of a table that is not partitioned by day."""
        table = ".".join(map(identifier, context.asset_key.path))
        if not (context.definition_metadata or {}).get("by_day", context.has_asset_partitions):
            return self.lake.frame(f"FROM {table}")
        if not context.asset_partition_keys:
            return self.lake.frame(f"FROM {table} LIMIT 0")
        window = context.asset_partitions_time_window
        days = {"start": window.start.date(), "end": window.end.date()}
        return self.lake.frame(f"FROM {table} WHERE event_date >= $start AND event_date < $end", days)
