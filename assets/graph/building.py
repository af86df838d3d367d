"""Shared parts of all asset definitions of one product: its product file, its calendar and its checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from assets.graph.checks import check_specs
from assets.graph.partitions import Calendar
from assets.graph.results import materialized
from assets.graph.tables import key_of, table_schema
from intelligence.catalog.layers import claims_of
from intelligence.catalog.product import Product
from intelligence.core.tables import Claim, Days, Table
from resources.lake.door import Lake
from resources.platform import Platform

# While a product's data continues, these tables are expected to contain yesterday by the next noon.
RELIED_ON = ("metrics.feature_health", "metrics.kpi_day", "risk.feature_risk", "drift.model_watch")


@dataclass(frozen=True)
class Graph:
    """The product and the calendar for which assets are defined."""

    product: Product
    calendar: Calendar

    @classmethod
    def of(cls, platform: Platform) -> "Graph":
        """Return the graph of this platform, with its present calendar."""
        return cls(platform.product, Calendar.of(platform))

    @cached_property
    def days(self) -> dg.DailyPartitionsDefinition:
        """Return the product's days as partitions."""
        return self.calendar.partitions

    def table_asset(
        self,
        table: Table,
        *,
        kinds: set[str],
        daily: bool = True,
        more_checks: Sequence[dg.AssetCheckSpec] = (),
        **others: Any,
    ) -> dict[str, Any]:
        """Return the decorator arguments that give an asset its key, group, owner, kinds, schema and checks.

        Args:
            table: The definition of the table.
            kinds: Dagster's kinds, such as `polars`, shown as icons.
            daily: Whether the asset has a partition for each day.
            more_checks: Checks besides those of the table's schema and claims.
            **others: Further arguments of the decorator.
        """
        relied_on = (
            {"freshness_policy": self.calendar.freshness} if table.path in RELIED_ON and self.calendar.freshness else {}
        )
        return {
            **relied_on,
            **others,
            "name": table.name,
            "key_prefix": table.layer,
            "group_name": table.layer,
            "kinds": kinds,
            "owners": [self.product.owner],
            "metadata": table_schema(table),
            "check_specs": [*self.check_specs(table), *more_checks],
            **({"partitions_def": self.days} if daily else {}),
        }

    def table_spec(self, table: Table, *, kinds: set[str]) -> dg.AssetSpec:
        """Return the spec of a table that is one of several outputs of an asset.

        Args:
            table: The definition of the table.
            kinds: Dagster's kinds, such as `duckdb`, shown as icons.
        """
        return dg.AssetSpec(
            key=key_of(table),
            description=table.description,
            group_name=table.layer,
            kinds=kinds,
            owners=[self.product.owner],
            metadata=table_schema(table),
        )

    def claims_of(self, table: Table) -> tuple[Claim, ...]:
        """Return the claims that are checked after each write of the table."""
        return claims_of(table, max_lag_hours=self.product.max_lag_hours)

    def check_specs(self, table: Table) -> list[dg.AssetCheckSpec]:
        """Return the checks of the table, as the asset's page lists them."""
        return check_specs(table, self.claims_of(table))

    def materialized(self, lake: Lake, table: Table, days: Days, **more: Any) -> dg.MaterializeResult:
        """Return the result of a write with the table's checks; see `assets.graph.results`.

        Args:
            lake: The lake after the write.
            table: The definition of the table.
            days: The days that were written, or ALWAYS for a table without days.
            **more: Further arguments of `assets.graph.results.materialized`, and metadata.
        """
        return materialized(lake, table, days, claims=self.claims_of(table), **more)

    def parameters(self, **chosen: Any) -> Mapping[str, Any]:
        """Return SQL parameters from product.yaml together with the given ones."""
        return {
            "session_gap_minutes": self.product.session_gap_minutes,
            "conversion_events": list(self.product.conversion_events),
            "bots": list(self.product.bots),
            **chosen,
        }
