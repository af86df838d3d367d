"""Fan charts for the pages of the Dagster UI, as PNG bytes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

from intelligence.core.marks import Mark, draw_marks
from intelligence.core.plots import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What is drawn: series of the whole product, with their title.
SHOWN: Final = {
    "dau": "daily active users",
    "mau": "monthly active users",
    "conversion_rate": "conversion",
    "value": "value",
}
FAR, NEAR, MIDDLE, PAST = "#d3dff0", "#9db9de", "#1f4e8c", "#374151"


def fan_picture(forecasts: pl.DataFrame, history: pl.DataFrame, marks: Sequence[Mark] = ()) -> bytes:
    """Return fan charts of the whole product: the last weeks, the expected value, and the 80 and 95 % intervals.

    Args:
        forecasts: Rows of `forecasts.forecasts`; of those of the last day the series of SHOWN are drawn.
        history: Rows of `metrics.kpi_day`.
        marks: What happened.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    newest = forecasts.filter(pl.col("event_date") == pl.col("event_date").max())
    everybody = history.filter(segment="all")
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    for axes, (series, title) in zip(grid.flat, SHOWN.items(), strict=True):
        ahead = newest.filter(series=series, segment="all", feature="").sort("horizon_days")
        _draw_fan(axes, ahead.filter(pl.col("value").is_not_null()), everybody, series)
        axes.set_title(f"{title}{_held(ahead)}", loc="left", fontsize=9)
        axes.grid(alpha=0.2)
        axes.tick_params(labelsize=8)
        locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib has not annotated it
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    for number, axes in enumerate(grid.flat):
        draw_marks(axes, marks, labels=number < 2)
    figure.legend(
        handles=[
            Line2D([], [], color=PAST, label="what came"),
            Line2D([], [], color=MIDDLE, label="expected"),
            Patch(color=NEAR, label="80 % interval"),
            Patch(color=FAR, label="95 % interval"),
        ],
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=8,
    )
    return png(figure)


def _draw_fan(axes: "Axes", ahead: pl.DataFrame, history: pl.DataFrame, series: str) -> None:
    """Draw the past and, where there is a forecast, its fan, joined to the last day that is known."""
    past = history.select("event_date", pl.col(series).cast(pl.Float64).alias("value")).sort("event_date").drop_nulls()
    axes.plot(past["event_date"].to_numpy(), past["value"].to_numpy(), color=PAST, linewidth=1.3)
    if ahead.is_empty():
        axes.text(0.5, 0.5, "not enough evidence", transform=axes.transAxes, ha="center", color="#6b7280", fontsize=9)
        return
    days = ahead["forecast_date"].to_numpy()
    for level, colour in (("95", FAR), ("80", NEAR)):
        axes.fill_between(
            days, ahead[f"low_{level}"].to_numpy(), ahead[f"high_{level}"].to_numpy(), color=colour, linewidth=0
        )
    joined = pl.concat([past.tail(1), ahead.select(pl.col("forecast_date").alias("event_date"), "value")])
    axes.plot(joined["event_date"].to_numpy(), joined["value"].to_numpy(), color=MIDDLE, linewidth=1.3)
    # The widest bounds far ahead would press the rest into a line.
    top = max(ahead["high_80"].max() or 0, ahead["value"].max() or 0, past["value"].max() or 0)
    low = min(ahead["low_80"].min() or 0, past["value"].min() or 0)
    reach = float(top) - float(low)  # type: ignore[arg-type]
    axes.set_ylim(float(low) - 0.15 * reach, float(top) + 0.35 * reach)  # type: ignore[arg-type]


def _held(ahead: pl.DataFrame) -> str:
    """Return what the back-test measured of the intervals that reach up to four weeks ahead, for the title."""
    near = ahead.filter(pl.col("horizon_days").is_between(8, 28) & pl.col("coverage_80").is_not_null())
    if near.is_empty():
        return ""
    row = near.row(0, named=True)
    return f": 80 % intervals held {100 * row['coverage_80']:.0f} % in {row['origins']} trials"
