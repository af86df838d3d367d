"""Answers: the quality of what language models answer; the scores themselves are in the warehouse."""

import dagster as dg
import polars as pl

from assets.graph.building import Graph
from assets.graph.partitions import days_of, looking_back
from assets.graph.tables import key_of
from intelligence.answers.tables import ANSWER_DAY, CHANGE_LOOK_BACK_DAYS, QUALITY_DAY, VERSION_CHANGES
from intelligence.core.sql import sql
from intelligence.warehouse.tables import FACT_ANSWERS
from resources.lake.door import Lake


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer answers for this product."""

    @dg.asset(**graph.table_asset(QUALITY_DAY, kinds={"duckdb"}), deps=[key_of(FACT_ANSWERS)])
    def quality_day(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """How many answers show each fault, of how many it can be told, and what people rate, by feature, version and segment."""
        days = days_of(context)
        written = lake.replace(QUALITY_DAY, days, sql("answers/quality_day.sql"))
        return graph.materialized(lake, QUALITY_DAY, days, written=written)

    @dg.asset(**graph.table_asset(ANSWER_DAY, kinds={"duckdb"}), deps=[key_of(FACT_ANSWERS)])
    def answer_day(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """Answers of each feature and version: how many, how long they took, and what a good one cost."""
        days = days_of(context)
        written = lake.replace(ANSWER_DAY, days, sql("answers/answer_day.sql"))
        return graph.materialized(lake, ANSWER_DAY, days, written=written)

    @dg.asset(
        **graph.table_asset(VERSION_CHANGES, kinds={"polars"}),
        ins={
            "quality": dg.AssetIn(key_of(QUALITY_DAY), partition_mapping=looking_back(CHANGE_LOOK_BACK_DAYS)),
        },
    )
    def version_changes(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], quality: pl.DataFrame
    ) -> dg.MaterializeResult:
        """What changed in the answers with a new version of a model or a prompt, beside the two weeks before it.

        What came at the same time may be the reason as well, so that the evidence is of grade D.
        """
        from intelligence.answers.changes import version_changes as changes

        days = days_of(context)
        written = lake.replace(VERSION_CHANGES, days, "FROM found", frames={"found": changes(quality, days=days)})
        return graph.materialized(lake, VERSION_CHANGES, days, written=written)

    return [quality_day, answer_day, version_changes]
