"""What `check` reports about a product as a whole, after each of its sources was previewed."""

from collections.abc import Sequence

import polars as pl

from intelligence.catalog.product import Product
from intelligence.metrics.promises import promises_in_history, proposal, warnings
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
    """Return warnings about the product as a whole: promises that match no feature, or that history never kept.

    Args:
        product: The product of product.yaml.
        features: Features with at least one accepted event.
        lost: Features all of whose rows were rejected; no warning is given for them.
        event_types: Types of accepted events, most frequent first.
        history: Counts with one row per feature and day; see FEATURE_DAYS.
        looked_at: Where `features` and `history` were read from, such as "the rows looked at", for the warnings.
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
    sentences = [
        f"{gap.says.removesuffix('.')}, in {looked_at}. {gap.next_step}"
        if gap.kind == "promise"
        else f"{gap.says} {gap.next_step}"
        for gap in missing
        if gap.name not in lost
    ]
    return [*sentences, *warnings(promises_in_history(history, product))] if history.height else sentences


def proposed_promises(product: Product, history: pl.DataFrame) -> str:
    """Return the lines of product.yaml with the promises that history suggests.

    Args:
        product: The product of product.yaml.
        history: Counts with one row per feature and day; see FEATURE_DAYS.
    """
    if history.is_empty():
        return "# There is no event yet to propose promises from."
    return proposal(promises_in_history(history, product), features=product.features)
