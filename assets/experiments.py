"""Experiments: effects of the arms of experiments. No table is built yet; the layer is used as a library."""

import dagster as dg

from assets.graph.building import Graph


def assets(graph: Graph) -> list[dg.AssetsDefinition]:  # noqa: ARG001
    """Return the assets of the layer experiments for this product."""
    return []
