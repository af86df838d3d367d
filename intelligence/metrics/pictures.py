"""Pictures of usage: the retention triangle, the bars of funnels, the states of users over time and the power-user curve."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from intelligence.core.marks import Mark, draw_marks
from intelligence.core.plots import png

MOST_COHORTS: Final = 16
MOST_FUNNELS: Final = 4
RECENT_DAYS: Final = 28
TOO_YOUNG: Final = "#e4e6ea"
STATES: Final = {"returned": "#5b84b8", "new": "#2f9e73", "resurrected": "#f0b04a"}
DORMANT: Final = "#c45a5a"
PARTS: Final = ("#1f4e8c", "#e08a3c", "#2f9e73", "#7a5ea8", "#c45a5a", "#8a9099")


def triangle_picture(cohorts: pl.DataFrame) -> bytes:
    """Return a heat map of weekly retention: a row for each cohort, a column for each week after; grey where it is too young.

    Args:
        cohorts: Rows of `metrics.retention_cohorts`; those of week N of all users are drawn, the newest `MOST_COHORTS` cohorts.
    """
    asked = cohorts.filter(grain="week", dimension="all", definition="n_week").sort("cohort", "first_age")
    mondays = asked["cohort"].unique().sort().to_list()[-MOST_COHORTS:]
    weeks = asked["first_age"].unique().sort().to_list()
    if not mondays or not weeks:
        return _said("No cohort of users is a week old yet.")
    rates, users = np.full((len(mondays), len(weeks)), np.nan), dict.fromkeys(mondays, 0)
    surely_new = dict.fromkeys(mondays, True)
    for row in asked.filter(pl.col("cohort").is_in(mondays)).iter_rows(named=True):
        place = mondays.index(row["cohort"]), weeks.index(row["first_age"])
        rates[place] = np.nan if row["rate"] is None else row["rate"]
        users[row["cohort"]], surely_new[row["cohort"]] = row["users"], row["is_surely_new"]
    figure = Figure(figsize=(9, 1.3 + 0.34 * len(mondays)), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor(TOO_YOUNG)
    known = rates[~np.isnan(rates)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    shown = axes.imshow(rates, aspect="auto", cmap="Blues", vmin=low - (high - low + 0.1) / 2, vmax=high + 0.05)
    for (row_place, column), rate in np.ndenumerate(rates):
        if not np.isnan(rate):
            is_dark = rate > low + 0.3 * (high - low)
            axes.text(
                column,
                row_place,
                f"{rate:.0%}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if is_dark else "#1b2733",
            )
    axes.set_xticks(range(len(weeks)), [f"week {week}" for week in weeks], fontsize=8)
    marks = ["" if surely_new[monday] else " *" for monday in mondays]
    names = [f"{monday}{mark}  {users[monday]:>6,}" for monday, mark in zip(mondays, marks, strict=True)]
    axes.set_yticks(range(len(mondays)), names, fontsize=8)
    axes.set_xticks(np.arange(len(weeks) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(mondays) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.set_title("Users who came back, by week of first use and number of users", loc="left", fontsize=10)
    axes.set_xlabel(
        "grey: too young" + ("; *: may have come before the data begin" if not all(surely_new.values()) else ""),
        fontsize=8,
    )
    figure.colorbar(shown, ax=axes, format=lambda value, _: f"{value:.0%}", pad=0.01).ax.tick_params(labelsize=8)
    return png(figure)


def funnel_picture(funnels: pl.DataFrame) -> bytes:
    """Return the bars of each funnel over its last complete days: all entries, and each platform, by step.

    Args:
        funnels: Rows of `metrics.funnel_day`; at most `MOST_FUNNELS` funnels are drawn.
    """
    complete = funnels.filter("is_complete")
    if complete.is_empty():
        return _said("No window of a funnel is over yet.")
    names = complete["funnel"].unique().sort().to_list()[:MOST_FUNNELS]
    figure = Figure(figsize=(9, 2.5 * len(names) + 0.3), layout="constrained")
    for axes, name in zip(figure.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        mine = complete.filter(funnel=name)
        last = mine["event_date"].max()
        assert isinstance(last, date)
        _bars(axes, name, mine.filter(pl.col("event_date") > pl.lit(last).dt.offset_by(f"-{RECENT_DAYS}d")))
    return png(figure)


def _bars(axes: Axes, name: str, rows: pl.DataFrame) -> None:
    summed = (
        rows.filter(pl.col("dimension").is_in(["all", "platform"]))
        .group_by("step", "step_name", "dimension", "value")
        .agg(pl.col("entered", "converted", "reached_before").sum())
        .with_columns(rate=pl.col("converted") / pl.col("entered"))
        .sort("step")
    )
    entries = summed.filter(step=1).sort(pl.col("dimension") == "platform", "entered", descending=[False, True])
    parts = entries.select("dimension", "value", "entered").rows()[: len(PARTS)]
    steps = summed.filter(dimension="all")
    width = 0.84 / len(parts)
    for place, (dimension, value, entered) in enumerate(parts):
        mine = summed.filter(dimension=dimension, value=value)
        where = mine["step"].to_numpy() - 0.42 + width * (place + 0.5)
        label = f"{'all' if dimension == 'all' else value} ({entered:,})"
        bars = axes.bar(where, mine["rate"].to_numpy(), width=0.92 * width, color=PARTS[place], label=label)
        axes.bar_label(
            bars, [f"{rate:.0%}" if rate >= 0.1 else f"{rate:.1%}" for rate in mine["rate"]], fontsize=7, padding=1
        )
    names = []
    for row in steps.iter_rows(named=True):
        lost = f"\n−{1 - row['converted'] / row['reached_before']:.0%}" if row["reached_before"] else ""
        names.append(f"{row['step']} {row['step_name']}{lost}")
    axes.set_xticks(steps["step"].to_list(), names, fontsize=8)
    axes.set_ylim(0, 1.34)
    axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"], fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(
        f"{name}: share of entries that reach each step, {_span(rows)}",
        loc="left",
        fontsize=9,
    )
    axes.legend(loc="upper left", frameon=False, fontsize=8, ncols=len(parts))


def lifecycle_picture(lifecycle: pl.DataFrame, marks: Sequence[Mark] = ()) -> bytes:
    """Return active users over time by state, those who fall silent below the line, and the current users above.

    Args:
        lifecycle: Rows of `metrics.lifecycle_day`; those of all users are drawn.
        marks: What happened.
    """
    everybody = lifecycle.filter(dimension="all").sort("event_date")
    if everybody.is_empty():
        return _said("No day of use yet.")
    days = everybody["event_date"].to_numpy()
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    base = np.zeros(len(days))
    for state, colour in STATES.items():
        values = everybody[state].to_numpy()
        top.bar(days, values, bottom=base, width=0.9, color=colour, label=state)
        base = base + values
    top.plot(days, everybody["current"].to_numpy(), color="#444444", linewidth=1.2, label="active in the last 28 days")
    top.set_ylabel("users", fontsize=9)
    for state in ("new", "resurrected"):
        before = np.zeros(len(days)) if state == "new" else everybody["new"].to_numpy()
        bottom.bar(days, everybody[state].to_numpy(), bottom=before, width=0.9, color=STATES[state], label=state)
    bottom.bar(days, -everybody["dormant"].to_numpy(), width=0.9, color=DORMANT, label="dormant")
    bottom.axhline(0, color="#444444", linewidth=0.8)
    # In the first weeks everybody is new; the picture is as high as the days after them.
    later = everybody if everybody.height <= RECENT_DAYS + 7 else everybody[RECENT_DAYS:]
    gained, lost = (later["new"] + later["resurrected"]).max(), everybody["dormant"].max()
    bottom.set_ylim(-1.15 * max(_number(lost), 1), 1.6 * max(_number(gained), 1))
    bottom.set_ylabel("gained and lost", fontsize=9)
    for axes in (top, bottom):
        axes.grid(axis="y", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    top.set_ylim(0, 1.22 * max(float(base.max()), _number(everybody["current"].max()), 1))
    draw_marks(top, marks)
    draw_marks(bottom, marks, labels=False)
    top.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=4, fontsize=8)
    bottom.legend(loc="upper right", frameon=False, ncols=3, fontsize=8)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    bottom.xaxis.set_major_locator(locator)
    bottom.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call] # matplotlib has not annotated it
    return png(figure)


def power_picture(adoption: pl.DataFrame) -> bytes:
    """Return the power-user curve of the newest day and of four weeks before: users by active days in 28 days.

    Args:
        adoption: Rows of `metrics.adoption_day`; those of everybody are drawn.
    """
    curves = adoption.filter(pl.col("users_by_active_days").is_not_null(), segment="all").sort("event_date")
    if curves.is_empty():
        return _said("There are no 28 days of use yet.")
    newest = curves.row(-1, named=True)
    before = curves.filter(pl.col("event_date") == pl.lit(newest["event_date"]).dt.offset_by(f"-{RECENT_DAYS}d"))
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    days = np.arange(1, RECENT_DAYS + 1)
    axes.bar(
        days,
        _shares(newest["users_by_active_days"]),
        color="#5b84b8",
        width=0.85,
        label=f"28 days up to {newest['event_date']}",
    )
    if before.height:
        axes.step(
            np.append(days, RECENT_DAYS + 1) - 0.5,
            np.append(_shares(before["users_by_active_days"][0].to_list()), 0),
            where="post",
            color="#e08a3c",
            linewidth=1.6,
            label=f"28 days up to {before['event_date'][0]}",
        )
    axes.set_xticks([1, *range(4, RECENT_DAYS + 1, 4)])
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(labelsize=8)
    axes.set_xlabel("active days in 28 days", fontsize=9)
    axes.set_ylabel("share of users", fontsize=9)
    axes.set_title(
        f"{sum(newest['users_by_active_days']):,} users by the number of days on which they came",
        loc="left",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(loc="upper right", frameon=False, fontsize=8)
    return png(figure)


def _span(rows: pl.DataFrame) -> str:
    days = rows["event_date"].unique().sort().to_list()
    return f"{days[0]} to {days[-1]}"


def _shares(users: Sequence[int]) -> npt.NDArray[np.float64]:
    counted = np.asarray(users, dtype=np.float64)
    found: npt.NDArray[np.float64] = counted / max(counted.sum(), 1.0)
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _said(text: str) -> bytes:
    figure = Figure(figsize=(9, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center", color="#666666")
    return png(figure)
