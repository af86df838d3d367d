"""Experiments at a terminal: what should become of each variant, with its effect and what is wrong."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from intelligence.experiments.tables import WORDS
from intelligence.interfaces.cli.table import add, table

STYLES: Final = {"ship": "green", "roll_back": "red", "review": "yellow"}


def experiments_table(found: pl.DataFrame, truths: Mapping[str, str]) -> RenderableType:
    """Return the newest verdict on each variant, with its effect on the goal and, where it was planted, with the truth.

    Args:
        found: What `catalog/summary/experiments.sql` returns.
        truths: What the simulator planted, by experiment; empty for any other product.
    """
    planted = ("planted",) if truths else ()
    shown = table(
        "Experiments",
        "experiment",
        "day",
        "verdict",
        "effect on the goal",
        "grade",
        "why",
        *planted,
        texts=("why", *planted),
    )
    for row in found.iter_rows(named=True):
        undeclared = "" if row["is_declared"] else " (not declared)"
        add(
            shown,
            f"{row['experiment']} · {row['variant']}{undeclared}",
            str(row["event_date"]),
            Text(f"{WORDS[row['verdict']]}{_until(row)}", STYLES.get(row["verdict"], "")),
            _effect(row),
            row["grade"],
            "; ".join((row["reason"], *(each for each in row["problems"] if each not in row["reason"]))),
            *((truths.get(row["experiment"], ""),) if planted else ()),
        )
    return Group(shown)


def _until(row: Mapping[str, Any]) -> str:
    return f" until {row['until']}" if row["until"] else ""


def _effect(row: Mapping[str, Any]) -> str:
    if row["relative"] is None:
        return "none shown"
    if row["relative_low"] is None or row["relative_high"] is None:
        return f"{row['metric']} {row['relative']:+.1%}, no interval at this look"
    return f"{row['metric']} {row['relative']:+.1%} ({row['relative_low']:+.1%} to {row['relative_high']:+.1%})"
