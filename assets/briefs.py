"""Briefs: what happened, why, what comes next and what was done, in sentences whose every number is a fact."""

from collections.abc import Iterator

import dagster as dg

from assets.graph.automation import when_updated
from assets.graph.building import Graph
from assets.graph.partitions import deps_of
from intelligence.actions.tables import OUTCOMES
from intelligence.briefs.brief import in_markdown
from intelligence.briefs.tables import BRIEFS
from intelligence.catalog.layers import TOLD
from intelligence.core.tables import ALWAYS
from resources.lake.door import Lake
from resources.services.briefs import READS, BriefService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer briefs for this product."""

    @dg.multi_asset(
        name="told",
        specs=[
            graph.table_spec(table, kinds={"polars"}).replace_attributes(
                deps=deps_of(READS[table], daily=False), automation_condition=when_updated(OUTCOMES)
            )
            for table in TOLD
        ],
        check_specs=[spec for table in TOLD for spec in graph.check_specs(table)],
    )
    def told(
        lake: dg.ResourceParam[Lake], brief_service: dg.ResourceParam[BriefService]
    ) -> Iterator[dg.MaterializeResult]:
        """What is said of the newest day, and what it rests on: no number stands in a sentence outside a fact.

        There is a brief of the day and of the week, and one for each decision, experiment and incident. Those of earlier days stay
        as they were.
        """
        found, written = brief_service.over(lake).keep()
        brief_service.announced(found)
        pages = {each.id: dg.MetadataValue.md(in_markdown(each)) for each in found.briefs if not each.subject}
        for table in TOLD:
            yield graph.materialized(lake, table, ALWAYS, written=written[table], **(pages if table == BRIEFS else {}))

    return [told]
