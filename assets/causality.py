"""Causality: what had which effect. The layer is a library and computes no table of the lake yet."""

import dagster as dg

from assets.graph.building import Graph


def assets(graph: Graph) -> list[dg.AssetsDefinition]:  # noqa: ARG001
    """Return the assets of the layer causality for this product; there are none yet."""
    return []
