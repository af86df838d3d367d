"""Plots for the pages of the Dagster UI, as PNG bytes."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from intelligence.core.marks import RULE_COLOUR, Mark, draw_marks

STATE_COLOURS: Final = {"unknown": "#d0d4da", "healthy": "#8fd19e", "at_risk": "#f6c453", "degraded": "#d64545"}
MOST_FEATURES: Final = 40
LONGEST_NAME: Final = 48


def png(figure: Figure, *, colours: int = 32) -> bytes:
    """Return the figure as a PNG with a palette, which is small enough to be stored with every run.

    Args:
        figure: The drawn figure.
        colours: Size of the palette; small marks keep their colour in a large one.
    """
    canvas, encoded = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    drawn = Image.frombytes("RGBA", canvas.get_width_height(), pixels)
    drawn.convert("RGB").quantize(colours).save(encoded, format="png", optimize=True)
    return encoded.getvalue()


def kpi_picture(kpis: pl.DataFrame, marks: Sequence[Mark] = ()) -> bytes:
    """Return a plot over time: DAU, WAU and MAU of all users, and stickiness and conversion below them.

    Args:
        kpis: Rows of `metrics.kpi_day`; only the segment `all` is drawn.
        marks: What happened.
    """
    everybody = kpis.filter(segment="all").sort("event_date")
    days = everybody["event_date"].to_numpy()
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    users, shares = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    for name, colour in (("mau", "#9db4d3"), ("wau", "#5b84b8"), ("dau", "#1f4e8c")):
        users.plot(days, everybody[name].cast(pl.Float64).to_numpy(), label=name.upper(), color=colour, linewidth=1.8)
    for name, label, colour in (
        ("stickiness", "stickiness (DAU / MAU)", "#7a5ea8"),
        ("conversion_rate", "conversion", "#2f9e73"),
    ):
        shares.plot(days, everybody[name].cast(pl.Float64).to_numpy(), label=label, color=colour, linewidth=1.4)
    users.set_ylabel("users")
    shares.set_ylabel("share of users")
    for axes in (users, shares):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(loc="lower left", frameon=False, ncols=3, fontsize=8)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    shares.xaxis.set_major_locator(locator)
    shares.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    # Room for the labels above the lines.
    users.set_ylim(0, users.get_ylim()[1] * (1.18 if marks else 1))
    for axes in (users, shares):
        draw_marks(axes, marks, labels=axes is users)
    return png(figure)


def health_picture(health: pl.DataFrame, marks: Sequence[Mark] = ()) -> bytes:
    """Return a grid of health states with one line per feature and one column per day, the features with most trouble first.

    Args:
        health: Rows of `metrics.feature_health`; at most `MOST_FEATURES` features are drawn.
        marks: What happened; each is written below the column of its day.
    """
    trouble = (
        health.group_by("feature")
        .agg(
            degraded=(pl.col("state") == "degraded").sum(),
            at_risk=(pl.col("state") == "at_risk").sum(),
            excess=pl.col("excess_bad_events").sum(),
        )
        .sort(["degraded", "at_risk", "excess", "feature"], descending=[True, True, True, False])
        .head(MOST_FEATURES)["feature"]
        .to_list()
    )
    days = health["event_date"].unique().sort().to_list()
    codes = {state: code for code, state in enumerate(STATE_COLOURS)}
    grid = np.full((len(trouble), len(days)), np.nan)
    line, column = {name: i for i, name in enumerate(trouble)}, {day: j for j, day in enumerate(days)}
    for feature, day, state in health.select("feature", "event_date", "state").iter_rows():
        if feature in line:
            grid[line[feature], column[day]] = codes[state]
    figure = Figure(figsize=(10, 1.6 + 0.2 * len(trouble)), layout="constrained")
    axes = figure.subplots()
    axes.pcolormesh(
        grid, cmap=ListedColormap(list(STATE_COLOURS.values())), vmin=-0.5, vmax=3.5, edgecolor="white", linewidth=0.2
    )
    names = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in trouble]
    axes.set_yticks(np.arange(len(trouble)) + 0.5, names, fontsize=7, parse_math=False)
    shown = range(0, len(days), max(1, len(days) // 10))
    axes.set_xticks([j + 0.5 for j in shown], [f"{days[j]:%d %b}" for j in shown], fontsize=7)
    axes.invert_yaxis()
    for place, mark in enumerate(each for each in marks if each.day in column):
        axes.axvline(column[mark.day] + 0.5, color=RULE_COLOUR, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{mark.day:%d %b}: {mark.short}",
            (1.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 4 + 9 * place),
            textcoords="offset points",
            ha="right",
            fontsize=6.5,
            color=RULE_COLOUR,
            parse_math=False,
        )
    axes.legend(
        handles=[Patch(color=colour, label=state.replace("_", " ")) for state, colour in STATE_COLOURS.items()],
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=4,
        frameon=False,
        fontsize=8,
    )
    return png(figure)
