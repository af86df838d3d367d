"""What `check` says of a product as a whole, once each of its sources was looked at."""

from collections.abc import Sequence

import polars as pl

from intelligence.catalog.product import Product
from intelligence.metrics.promises import promises_beside_history, proposal, warnings
from intelligence.telemetry.gaps import gaps

_NO_REJECTS = pl.DataFrame(schema={"feature": pl.String})
_NO_SOURCES = pl.DataFrame(schema={"source": pl.String, "rows": pl.Int64, "events": pl.Int64})


def product_warnings(
    product: Product,
    *,
    features: Sequence[str],
    lost: Sequence[str],
    event_types: Sequence[str],
    history: pl.DataFrame,
    looked_at: str,
) -> list[str]:
    """Return what is odd about the product as a whole: promises that meet nothing, or that history never kept.

    Args:
        product: What product.yaml says.
        features: Features with at least one accepted event.
        lost: Features of which every row was rejected.
        event_types: Types of accepted events, the most frequent first.
        history: Counts by feature and day; see FEATURE_DAYS.
        looked_at: What `features` and `history` were read from, such as "the rows looked at".
    """
    missing = gaps(
        sources=(),
        declared=tuple(product.features),
        conversion_events=product.conversion_events,
        delivered=_NO_SOURCES,
        seen=features,
        rejected=_NO_REJECTS,
        event_types=event_types,
    )
    said = [
        f"{gap.says.removesuffix('.')}, in {looked_at}. {gap.next_step}"
        if gap.kind == "promise"
        else f"{gap.says} {gap.next_step}"
        for gap in missing
        if gap.name not in lost
    ]
    return [*said, *warnings(promises_beside_history(history, product))] if history.height else said


def proposed_promises(product: Product, history: pl.DataFrame) -> str:
    """Return the lines of product.yaml that history suggests as promises."""
    if history.is_empty():
        return "# There is no event yet to propose promises from."
    return proposal(promises_beside_history(history, product), features=product.features)
