"""Pictures of experiments: the effects on all metrics beside each other, and an effect over time with its boundary."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from intelligence.core.plots import png

ROLES: Final = {"goal": "#1f4e8c", "guardrail": "#b5651d", "signal": "#8a9099"}
MOST_EXPERIMENTS: Final = 6
_NO_EVIDENCE: Final = "No experiment has an effect to show on this day."


def forest_picture(results: pl.DataFrame) -> bytes:
    """Return the relative effects on all metrics with their intervals, one panel for each experiment and variant.

    Args:
        results: Rows of `experiments.experiment_results`, of which the last day of each experiment is drawn; at most
            `MOST_EXPERIMENTS` variants.
    """
    newest = results.filter(pl.col("event_date") == pl.col("event_date").max().over("experiment"))
    shown = newest.filter((pl.col("segment") == "all") & pl.col("relative").is_not_null())
    groups = [
        (f"{name[0]} · {name[1]}", rows) for name, rows in shown.group_by("experiment", "variant", maintain_order=True)
    ]
    if not groups:
        return _said(_NO_EVIDENCE)
    groups = sorted(groups, key=lambda each: each[0])[:MOST_EXPERIMENTS]
    heights = [max(rows.height, 2) for _, rows in groups]
    figure = Figure(figsize=(9, 0.9 + 0.42 * sum(heights) + 0.5 * len(groups)), layout="constrained")
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, rows) in zip(panels, groups, strict=True):
        _forest(axes, title, rows)
    label = "change relative to the control in per cent, with the interval of the design; bar: accepted harm"
    panels[-1].set_xlabel(label, fontsize=8)
    return png(figure)


def _forest(axes: Axes, title: str, rows: pl.DataFrame) -> None:
    ordered = rows.with_columns(
        pl.col("role").replace_strict({name: place for place, name in enumerate(ROLES)}).alias("place")
    )
    reach = _reach(rows)
    for height, row in enumerate(ordered.sort("place", "metric", descending=True).iter_rows(named=True)):
        colour = ROLES[row["role"]]
        low, high = (row[f"relative_{end}"] for end in ("low", "high"))
        if low is not None and high is not None:
            ends = [max(-reach, 100 * low), min(reach, 100 * high)]
            axes.plot(ends, [height, height], color=colour, linewidth=2.2)
            for end, mark in zip(ends, ("<", ">"), strict=True):
                if abs(end) == reach:
                    axes.plot([end], [height], mark, color=colour, markersize=7, clip_on=False)
        if abs(100 * row["relative"]) < reach:
            axes.plot([100 * row["relative"]], [height], "o", color=colour, markersize=5)
        harm = _harm(row)
        if harm is not None and abs(harm) < reach:
            axes.plot([harm, harm], [height - 0.35, height + 0.35], color="#d64545", linewidth=2)
    names = [
        f"{row['metric']} ({row['role']})"
        for row in ordered.sort("place", "metric", descending=True).iter_rows(named=True)
    ]
    axes.set_xlim(-1.02 * reach, 1.02 * reach)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.axvline(0, color="#444444", linewidth=0.8)
    axes.grid(axis="x", alpha=0.25)
    axes.set_title(title, loc="left", fontsize=9)


def _reach(rows: pl.DataFrame) -> float:
    """Return up to where the axis goes, in per cent: goals and signals are seen whole, and a wide guardrail ends in an arrow."""
    shown = rows.filter(pl.col("role") != "guardrail")
    ends = shown.select(pl.max_horizontal(pl.col("relative", "relative_low", "relative_high").abs())).to_series()
    return max(10.0, 130 * float(ends.drop_nulls().max() or 0.0))  # type: ignore[arg-type]


def _harm(row: Mapping[str, Any]) -> float | None:
    """Return the largest harm that is accepted of a guardrail, in per cent of the control; None where there is none."""
    if row["role"] != "guardrail" or not row["margin"]:
        return None
    margin = row["margin"] if row["scale"] == "relative" else row["margin"] / row["control"] if row["control"] else None
    return None if margin is None else float(100 * margin * (-1 if row["direction"] == "increase" else 1))


def path_picture(results: pl.DataFrame) -> bytes:
    """Return the effects on the goals day by day, with the interval of the design and the always-valid one around it.

    Where the inner band leaves zero, the design allows the conclusion on that day, however often one has looked.

    Args:
        results: Rows of `experiments.experiment_results`; at most `MOST_EXPERIMENTS` goals are drawn, the newest first.
    """
    goals = results.filter((pl.col("segment") == "all") & (pl.col("role") == "goal"))
    # An experiment that has become unhealthy shows no effect of its earlier days either.
    last = pl.col("effect").sort_by("event_date").last().over("experiment", "variant", "metric")
    goals = goals.filter(last.is_not_null() & pl.col("effect").is_not_null())
    groups = [(name, rows.sort("event_date")) for name, rows in goals.group_by("experiment", "variant", "metric")]
    if not groups:
        return _said(_NO_EVIDENCE)
    groups = sorted(groups, key=lambda each: (each[1]["event_date"].max(), each[0]), reverse=True)[:MOST_EXPERIMENTS]
    figure = Figure(figsize=(9, 1.9 * len(groups) + 0.4), layout="constrained")
    for axes, (name, rows) in zip(figure.subplots(len(groups), 1, squeeze=False)[:, 0], groups, strict=True):
        _path(axes, " · ".join(map(str, name)), rows)
    return png(figure)


def _path(axes: Axes, title: str, rows: pl.DataFrame) -> None:
    days = rows["event_date"].to_numpy()
    seen = rows.select(pl.col("effect", "low", "high", "watched_low", "watched_high").cast(pl.Float64))
    # Intervals of the first looks are too wide to draw; the picture is as high as what is known at the end.
    reach = 2.5 * max(
        float(seen["high"].drop_nulls().tail(1).sum()) - float(seen["low"].drop_nulls().tail(1).sum()), 1e-9
    )
    axes.fill_between(
        days,
        seen["watched_low"].to_numpy(),
        seen["watched_high"].to_numpy(),
        color="#c9d6e8",
        alpha=0.6,
        label="always valid",
    )
    axes.fill_between(
        days,
        seen["low"].to_numpy(),
        seen["high"].to_numpy(),
        color="#7fa3cf",
        alpha=0.7,
        label="interval of the design",
    )
    axes.plot(days, seen["effect"].to_numpy(), color="#1f4e8c", linewidth=1.6, label="effect")
    axes.axhline(0, color="#444444", linewidth=0.8)
    last = float(seen["effect"][-1])
    axes.set_ylim(min(last, 0) - reach, max(last, 0) + reach)
    axes.set_title(title, loc="left", fontsize=9)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper right", frameon=False, fontsize=7, ncols=3)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # matplotlib has not annotated it


def _said(text: str) -> bytes:
    figure = Figure(figsize=(9, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center", color="#666666")
    return png(figure)
