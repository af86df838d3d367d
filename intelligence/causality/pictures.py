"""Pictures of effects for the pages of the Dagster UI, as PNG bytes."""

from typing import Final

import polars as pl

from intelligence.core.plots import LONGEST_NAME, png

MOST_EFFECTS: Final = 24
COLOURS: Final = {"A": "#1f4e8c", "B": "#1f4e8c", "C": "#2f9e73", "D": "#9aa3af"}


def forest_picture(effects: pl.DataFrame) -> bytes:
    """Return a forest plot: what is claimed, and then the estimates that lie furthest from 0 by their errors.

    All outcomes share one scale: standard errors of the estimate.

    Args:
        effects: Rows of `causality.feature_effects`; at most `MOST_EFFECTS` are drawn.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    error = (pl.col("high") - pl.col("low")) / 3.92
    shown = (
        effects.filter(pl.col("estimate").is_not_null() & (error > 0))
        .with_columns(claimed=(pl.col("grade") != "D") & ((pl.col("low") > 0) | (pl.col("high") < 0)))
        .with_columns(error=error, size=(pl.col("estimate") / error).abs())
        .sort(["claimed", "size", "feature", "treatment", "outcome"], descending=[True, True, False, False, False])
        .head(MOST_EFFECTS)
    )
    figure = Figure(figsize=(9, 1.4 + 0.24 * max(shown.height, 1)), layout="constrained")
    axes = figure.subplots()
    names = []
    for row, each in enumerate(shown.iter_rows(named=True)):
        scale, colour = each["error"], COLOURS[each["grade"]]
        axes.plot([each["low"] / scale, each["high"] / scale], [row, row], color=colour, linewidth=1.6)
        axes.plot(each["estimate"] / scale, row, "o", color=colour, markersize=5)
        axes.plot(each["naive"] / scale, row, "x", color="#d64545", markersize=4)
        name = f"{each['treatment'].replace('_', ' ')} {each['feature']} → {each['outcome']}"
        names.append(name if len(name) <= 2 * LONGEST_NAME else f"{name[: 2 * LONGEST_NAME - 1]}…")
    axes.axvline(0, color="#4b5563", linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=7, parse_math=False)
    axes.set_xlabel("standard errors from no effect", fontsize=8)
    axes.invert_yaxis()
    grades = [Line2D([], [], color=COLOURS[each], marker="o", label=f"grade {each}") for each in ("C", "D")]
    plain = Line2D([], [], color="#d64545", marker="x", linestyle="", label="plain difference")
    axes.legend(handles=[*grades, plain], loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize=8)
    return png(figure)
