"""Effects at a terminal: what features do to their users, and where the change of a degraded feature lies."""

from collections.abc import Iterator, Mapping

import polars as pl
from rich.console import RenderableType
from rich.text import Text

from intelligence.core.foreign import harmless
from intelligence.interfaces.cli.table import add, table


def effects_table(found: pl.DataFrame, truths: Mapping[str, str]) -> RenderableType:
    """Return what features do to their users, with the plain difference beside it and, where it was planted, the truth.

    Args:
        found: What `catalog/summary/effects.sql` returns.
        truths: What the simulator planted, by feature; empty for any other product.
    """
    planted = ("planted",) if truths else ()
    shown = table(
        "What features do to their users, without an experiment",
        *("feature", "of", "on", "effect", "plain difference", "grade"),
        *planted,
        texts=planted,
    )
    for row in found.iter_rows(named=True):
        add(
            shown,
            row["feature"],
            row["treatment"].replace("_", " "),
            row["outcome"].replace("_", " "),
            f"{row['estimate']:+.3g} ({row['low']:+.3g} to {row['high']:+.3g})",
            f"{row['naive']:+.3g}",
            row["grade"],
            *((truths.get(row["feature"], ""),) if planted else ()),
        )
    return shown


def degradation_parts(found: pl.DataFrame) -> Iterator[RenderableType]:
    """Yield a sentence for each degraded feature that says where its change lies, with its evidence grade."""
    for row in found.iter_rows(named=True):
        yield Text(harmless(f"{row['feature']}: {row['answer']}"))
