"""Pictures of the watch: the expected performance of each champion and the performance that came true."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from intelligence.core.plots import png
from intelligence.risk.model import Floats

STATE_COLOURS = {"steady": "#2f9e73", "moved": "#b3261e", "suspended": "#d9a100", "unknown": "#b8c0c8"}


def watch_picture(watch: pl.DataFrame) -> bytes:
    """Return a PNG with a panel per model: expected PR-AUC with its interval, realised PR-AUC, and the state of each day."""
    models = sorted(watch["model"].unique().to_list())
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    panels = figure.subplots(1, max(len(models), 1), squeeze=False)[0]
    for axes, model in zip(panels, models, strict=False):
        _draw(axes, watch.filter(model=model).sort("event_date"))
        axes.set(title=model.replace("_", " ").capitalize(), ylabel="PR-AUC", ylim=(0, 1))
    return png(figure)


def _draw(axes: Axes, rows: pl.DataFrame) -> None:
    days = rows["event_date"].to_list()
    expected = [_numbers(rows, f"expected_pr_auc{bound}") for bound in ("", "_low", "_high")]
    axes.plot(days, expected[0], color="#1f4e8c", marker="o", markersize=3, label="expected, outcome unknown")
    axes.fill_between(days, expected[1], expected[2], color="#1f4e8c", alpha=0.15)
    least = _numbers(rows, "least_expected_pr_auc")
    axes.plot(days, least, color="#b3261e", linewidth=0.8, linestyle="--", label="least that is expected")
    known = (
        rows.filter(pl.col("known_through").is_not_null()).unique("known_through", keep="last").sort("known_through")
    )
    realised = _numbers(known, "pr_auc")
    axes.plot(known["known_through"].to_list(), realised, color="#c9792b", marker="s", markersize=3, label="came true")
    colours = [STATE_COLOURS[state] for state in rows["state"]]
    axes.scatter(days, [0.0] * len(days), c=colours, marker="s", s=18, clip_on=False)
    axes.tick_params(axis="x", labelrotation=30)
    axes.legend(frameon=False, fontsize=8)


def _numbers(rows: pl.DataFrame, column: str) -> Floats:
    numbers: Floats = rows[column].cast(pl.Float64).to_numpy()
    return numbers
