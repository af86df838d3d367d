"""Experiments without a verdict: declared ones that no event carries, and those in the events that cannot be compared."""

from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from intelligence.experiments.settings import MOST_VARIANTS, Experiment
from intelligence.telemetry.gaps import Gap


def experiment_gaps(seen: pl.DataFrame, declared: Sequence[Experiment], *, last_day: date) -> Iterator[Gap]:
    """Yield what is missing for a verdict, one gap for each experiment that has begun and has none.

    Args:
        seen: What `catalog/summary/experiments_seen.sql` returns.
        declared: The experiments of product.yaml.
        last_day: Last complete day.
    """
    found = {row["experiment"]: row for row in seen.iter_rows(named=True)}
    for each in declared:
        if each.name not in found and (each.start is None or each.start <= last_day):
            since = f" since {each.start}" if each.start else ""
            yield Gap(
                "experiment",
                each.name,
                f"No event carries the experiment {each.name}, which is declared{since}.",
                "Send its name in `experiment` and the variant in `variant`, or correct the name.",
            )
    for name, row in found.items():
        if not row["has_verdict"] and row["variants"] == 1:
            yield Gap(
                "experiment",
                name,
                f"The experiment {name} was seen with one variant alone, by {row['units']:,} units: nothing can be compared.",
                "Send the variant of the control too.",
            )
        elif not row["has_verdict"] and row["variants"] > MOST_VARIANTS:
            yield Gap(
                "experiment",
                name,
                f"The experiment {name} was seen with {row['variants']:,} variants, and is not declared.",
                "Declare it with the variants that count, or map `variant` to the arm and not to the unit.",
            )
