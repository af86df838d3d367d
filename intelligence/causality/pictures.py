"""Pictures of effects for the pages of the Dagster UI, as PNG bytes."""

import json
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


def record_picture(record: pl.DataFrame) -> bytes:
    """Return what each method says of an effect against what the experiment says, both in standard deviations of the outcome.

    Answers on the line agree. The bars are the 95 % intervals of the methods.

    Args:
        record: Rows of `causality.estimator_record`; the newest day is drawn.
    """
    from matplotlib.figure import Figure

    newest = record.filter(pl.col("event_date") == pl.col("event_date").max()).sort("method")
    figure = Figure(figsize=(4.2 * max(newest.height, 1), 4), layout="constrained")
    for axes, row in zip(
        figure.subplots(1, max(newest.height, 1), squeeze=False, sharex=True, sharey=True)[0],
        newest.iter_rows(named=True),
        strict=False,
    ):
        pairs = json.loads(row["compared"])
        known, said, error = (
            [each[name] / each["outcome_sd"] for each in pairs] for name in ("experiment", "observed", "observed_se")
        )
        colour = "#d64545" if row["out_of_bounds"] else COLOURS["C"]
        axes.errorbar(
            known, said, yerr=[1.96 * each for each in error], fmt="o", color=colour, markersize=4, linewidth=1
        )
        reach = 1.5 * max(map(abs, [*known, 0.05]))
        axes.set_xlim(-reach, reach)
        axes.plot([-reach, reach], [-reach, reach], color="#4b5563", linewidth=0.8)
        axes.set_title(row["method"], loc="left", fontsize=9)
        axes.set_xlabel("experiment", fontsize=8)
        axes.grid(alpha=0.25)
    figure.supylabel("method", fontsize=8)
    return png(figure)
