"""Pictures of signals: series with what was expected of them, what was unusual, and the days of releases."""

from typing import Final

import polars as pl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from intelligence.core.plots import png

BAND: Final = "#c9d7ea"
LINE: Final = "#1f4e8c"
EXPECTED: Final = "#7d9cc6"
BAD: Final = "#d64545"
OTHER: Final = "#2f9e73"
GUARDED: Final = "#8a8f98"
RELEASE: Final = "#b08ac9"
LONGEST_NAME: Final = 60


def bands_picture(shown: pl.DataFrame, releases: pl.DataFrame) -> bytes:
    """Return a plot of each series over time: the band of 95 % of what was expected, the days, and the anomalies among them.

    Args:
        shown: Rows of `intelligence.signals.bands.bands`.
        releases: Columns app_version, platform and first_seen_at; each is a vertical line.
    """
    names = shown["series"].unique(maintain_order=True).to_list()
    figure = Figure(figsize=(9.5, 0.7 + 1.9 * len(names)), layout="constrained")
    rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    first, last = shown["event_date"].min(), shown["event_date"].max()
    seen = releases.select(pl.col("first_seen_at").dt.date().alias("day"))["day"].unique().sort().to_list()
    for axes, name in zip(rows, names, strict=True):
        of_one = shown.filter(series=name).sort("event_date")
        days = of_one["event_date"].to_numpy()
        low, high, expected, observed = (
            of_one[column].cast(pl.Float64).to_numpy() for column in ("low", "high", "expected", "observed")
        )
        for day in seen:
            if first <= day <= last:
                axes.axvline(day, color=RELEASE, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        axes.fill_between(days, low, high, color=BAND, linewidth=0, zorder=1)
        axes.plot(days, expected, color=EXPECTED, linewidth=0.9, zorder=2)
        axes.plot(days, observed, color=LINE, linewidth=1.3, zorder=3)
        for colour, chosen in (
            (GUARDED, pl.col("suppressed")),
            (OTHER, ~pl.col("suppressed") & ~pl.col("is_adverse")),
            (BAD, ~pl.col("suppressed") & pl.col("is_adverse")),
        ):
            marked = of_one.filter(pl.col("suppressed").is_not_null() & chosen)
            axes.plot(
                marked["event_date"].to_numpy(),
                marked["observed"].cast(pl.Float64).to_numpy(),
                linestyle="none",
                marker="o",
                markersize=5,
                color=colour,
                zorder=4,
            )
        title = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        axes.set_title(title, loc="left", fontsize=9, parse_math=False)
        axes.set_ylim(bottom=0, top=_top(of_one))
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.2)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    rows[-1].xaxis.set_major_locator(locator)
    rows[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    figure.legend(
        handles=[
            Line2D([], [], color=LINE, label="observed"),
            Patch(color=BAND, label="95 % of what was expected"),
            *(
                Line2D([], [], color=colour, marker="o", linestyle="none", markersize=4.5, label=label)
                for colour, label in ((BAD, "anomaly"), (OTHER, "for the better"), (GUARDED, "guarded"))
            ),
            Line2D([], [], color=RELEASE, linestyle=(0, (2, 2)), label="release"),
        ],
        loc="outside upper center",
        ncols=6,
        frameon=False,
        fontsize=8,
    )
    return png(figure, colours=128)


def _top(of_one: pl.DataFrame) -> float | None:
    """Return where the axis ends: above every value, and not far above where the band is very wide."""
    observed, high = of_one["observed"].max(), of_one["high"].quantile(0.9)
    tops = [float(each) for each in (observed, high) if isinstance(each, int | float) and each > 0]
    return 1.1 * max(tops) if tops else None
