"""Charts: lines with bands, marks of what happened, intervals, triangles. Their titles are the findings above them.

Colours are of Okabe and Ito's palette, or near it, tell apart for every kind of colour vision, and stand out on white and on black.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal, cast

import altair as alt
import polars as pl
from altair.utils import schemapi

from intelligence.catalog.pages import Part
from intelligence.core.foreign import harmless
from intelligence.core.marks import Mark

# Altair would check every part of a chart when it is made, which takes longer than all else on a page.
schemapi.disable_debug_mode()
LINE: Final = "#2f7fc1"
BAD: Final = "#d55e00"
GOOD: Final = "#009e73"
SECOND: Final = "#cc79a7"
QUIET: Final = "#8a8f98"
HEIGHT: Final = 250
# How far an axis goes beyond the highest value, for the labels of three marks above it.
HEADROOM: Final = 1.45
Chart = alt.Chart | alt.LayerChart


def line(
    rows: pl.DataFrame,
    y: str,
    unit: str,
    *,
    x: str = "event_date",
    band: tuple[str, str] | None = None,
    limit: str | None = None,
    marks: Sequence[Mark] = (),
    percent: bool = False,
    by: str | None = None,
    zero: bool = True,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Return a line over days with its band, the promised limit, and marks of what happened.

    Args:
        rows: One row for each day, or for each day and each value of `by`.
        y: Column of the line.
        unit: What its axis says.
        x: Column of days.
        band: Columns of the lower and upper end of its interval.
        limit: Column of a limit, drawn as a dashed line.
        marks: What happened, at most three things.
        percent: Whether the values are shares.
        by: Column that tells several lines apart.
        zero: Whether its axis begins at 0.
        height: Height in pixels.
    """
    shape = ".1%" if percent else ",.4~g"
    base = alt.Chart(_plain(rows, (x, y, *(band or ()), *filter(None, (limit, by)))))
    axis = alt.X(f"{x}:T", title=None, axis=alt.Axis(format="%b %d", labelOverlap=True, grid=False))
    scale = alt.Axis(
        format=_axis_format(rows, y, percent=percent),
        title=unit,
        titleAlign="left",
        titleAngle=0,
        titleY=-8,
        titleX=0,
        tickCount=5,
    )
    colour: Any = (
        alt.Color(
            f"{by}:N",
            title=None,
            scale=alt.Scale(range=[LINE, BAD, GOOD, SECOND]),
            legend=alt.Legend(orient="bottom", symbolOpacity=1, labelLimit=280),
        )
        if by
        else alt.value(LINE)
    )
    tips = [alt.Tooltip(f"{x}:T", title="day"), alt.Tooltip(f"{y}:Q", title=unit, format=shape)]
    if by:
        tips.insert(0, alt.Tooltip(f"{by}:N", title=by))
    highest = [*(band[1:] if band else ()), y, *([limit] if limit else [])]
    ends: Any = _headroom(rows, highest, zero=zero) if marks else alt.Undefined if zero else alt.Scale(zero=False)
    layers: list[Any] = []
    if band:
        tips += [
            alt.Tooltip(f"{end}:Q", title=word, format=shape) for end, word in zip(band, ("low", "high"), strict=True)
        ]
        layers.append(
            base.mark_area(opacity=0.2).encode(
                axis, alt.Y(f"{band[0]}:Q", axis=scale, scale=ends), alt.Y2(band[1]), color=colour
            )
        )
    layers.append(
        base.mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(size=14)).encode(
            axis, alt.Y(f"{y}:Q", axis=scale, scale=ends), color=colour, tooltip=tips
        )
    )
    if limit:
        layers.append(
            base.mark_line(strokeDash=[5, 4], color=QUIET).encode(axis, alt.Y(f"{limit}:Q", axis=scale, scale=ends))
        )
    layers += _marks(marks, rows, x)
    return _layered(layers, height)


def fan(
    past: pl.DataFrame, ahead: pl.DataFrame, unit: str, *, percent: bool, marks: Sequence[Mark] = ()
) -> alt.LayerChart:
    """Return what was, and the forecast of what comes with its bands of 80 % and 95 %.

    Args:
        past: `event_date` and `figure`.
        ahead: A forecast with `forecast_date`, `value`, `low_80`, `high_80`, `low_95` and `high_95`.
        unit: What its axis says.
        percent: Whether the values are shares.
        marks: What happened.
    """
    columns = ("forecast_date", "value", "low_80", "high_80", "low_95", "high_95")
    shape = ".1%" if percent else ",.4~g"
    base = alt.Chart(_plain(ahead, columns))
    axis = alt.X("forecast_date:T", title=None, axis=alt.Axis(format="%b %d", labelOverlap=True, grid=False))
    scale = alt.Axis(
        format=_axis_format(ahead, "value", percent=percent),
        title=unit,
        titleAlign="left",
        titleAngle=0,
        titleY=-8,
        titleX=0,
        tickCount=5,
    )
    tips = [
        alt.Tooltip("forecast_date:T", title="day"),
        *(alt.Tooltip(f"{name}:Q", title=name.replace("_", " "), format=shape) for name in columns[1:]),
    ]
    # What happened lies in the past: its labels need room above what was, and none above what comes.
    highest, past_highest = ahead["high_95"].max() or 0.0, past["figure"].max() or 0.0 if past.height and marks else 0.0
    most = max(float(cast(float, highest)), HEADROOM * float(cast(float, past_highest)))
    zero = alt.Scale(domainMax=most, zero=False) if most > 0 else alt.Scale(zero=False)
    layers: list[Any] = [
        base.mark_area(opacity=opacity, color=BAD).encode(axis, alt.Y(f"{low}:Q", axis=scale, scale=zero), alt.Y2(high))
        for low, high, opacity in (("low_95", "high_95", 0.13), ("low_80", "high_80", 0.22))
    ]
    layers.append(
        base.mark_line(color=BAD, strokeDash=[6, 3]).encode(
            axis, alt.Y("value:Q", axis=scale, scale=zero), tooltip=tips
        )
    )
    if past.height:
        layers.append(
            alt.Chart(_plain(past, ("event_date", "figure")))
            .mark_line(color=LINE, strokeWidth=1.8)
            .encode(
                alt.X("event_date:T"),
                alt.Y("figure:Q", axis=scale, scale=zero),
                tooltip=["event_date:T", alt.Tooltip("figure:Q", format=shape)],
            )
        )
        layers += _marks(marks, past, "event_date")
    return _layered(layers, 300)


def intervals(
    rows: pl.DataFrame,
    name: str,
    value: str,
    low: str,
    high: str,
    unit: str,
    *,
    percent: bool = False,
    beside: str | None = None,
) -> alt.LayerChart:
    """Return intervals one below the other: effects with their uncertainty, and a line at 0 (a forest plot).

    Args:
        rows: One row for each interval.
        name: Column of its label.
        value: Column of its middle.
        low: Column of its lower end.
        high: Column of its upper end.
        unit: What its axis says.
        percent: Whether the values are shares.
        beside: Column of another value to show as a hollow point, such as an unadjusted one.
    """
    shape = "+.1%" if percent else "+,.3~g"
    data = _plain(rows, (name, value, low, high, *filter(None, (beside,)))).with_columns(
        sign=pl.when(pl.col(low) > 0)
        .then(pl.lit("above 0"))
        .when(pl.col(high) < 0)
        .then(pl.lit("below 0"))
        .otherwise(pl.lit("touches 0"))
    )
    base = alt.Chart(data)
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=170, labelOverlap=False, labelFlush=False))
    colour = alt.Color(
        "sign:N",
        title=None,
        scale=alt.Scale(domain=["above 0", "below 0", "touches 0"], range=[LINE, BAD, QUIET]),
        legend=alt.Legend(orient="bottom", symbolOpacity=1, columns=2),
    )
    axis = alt.Axis(format="+.0%" if percent else "~g", title=unit, tickCount=5)
    tips = [
        alt.Tooltip(f"{name}:N", title=""),
        *(
            alt.Tooltip(f"{each}:Q", format=shape, title=word)
            for each, word in ((value, "effect"), (low, "low"), (high, "high"))
        ),
    ]
    layers: list[Any] = [
        alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=QUIET, strokeDash=[4, 3]).encode(x="zero:Q"),
        base.mark_rule(strokeWidth=2.4).encode(
            alt.X(f"{low}:Q", axis=axis), alt.X2(high), y, color=colour, tooltip=tips
        ),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            alt.X(f"{value}:Q", axis=axis), y, color=colour, tooltip=tips
        ),
    ]
    if beside:
        layers.append(
            base.mark_point(filled=False, size=70, shape="diamond", color=QUIET, opacity=1).encode(
                alt.X(f"{beside}:Q", axis=axis),
                y,
                tooltip=[alt.Tooltip(f"{name}:N", title=""), alt.Tooltip(f"{beside}:Q", format=shape, title="plain")],
            )
        )
    return _layered(layers, max(170, 34 * rows[name].n_unique() + 100))


def levels(rows: pl.DataFrame, name: str, value: str, low: str, high: str, unit: str) -> alt.LayerChart:
    """Return levels one below the other, each a point with its interval.

    Args:
        rows: One row for each level.
        name: Column of its label.
        value: Column of its middle.
        low: Column of its lower end.
        high: Column of its upper end.
        unit: What its axis says.
    """
    base = alt.Chart(_plain(rows, (name, value, low, high)))
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=170, labelOverlap=False, labelFlush=False))
    axis, scale = (
        alt.Axis(title=unit, tickCount=5, format=_axis_format(rows, high, percent=False)),
        alt.Scale(zero=False, nice=True, padding=12),
    )
    tips = [f"{name}:N", *(alt.Tooltip(f"{each}:Q", format=",.4~g") for each in (value, low, high))]
    return _layered(
        [
            base.mark_rule(strokeWidth=2.4, color=LINE).encode(
                alt.X(f"{low}:Q", axis=axis, scale=scale), alt.X2(high), y, tooltip=tips
            ),
            base.mark_point(filled=True, size=70, opacity=1, color=LINE).encode(
                alt.X(f"{value}:Q", axis=axis, scale=scale), y, tooltip=tips
            ),
        ],
        36 * rows[name].n_unique() + 60,
    )


def triangle(rows: pl.DataFrame) -> alt.LayerChart:
    """Return cohorts below each other and the weeks after beside each other, with the share that was there.

    Args:
        rows: `cohort`, `first_age`, `rate`, `low`, `high`, `users` and `is_mature`.
    """
    data = _plain(rows.filter("is_mature"), ("cohort", "first_age", "rate", "low", "high", "users")).with_columns(
        pl.col("cohort").cast(pl.String)
    )
    base = alt.Chart(data).encode(
        alt.X("first_age:O", title="weeks after the first", axis=alt.Axis(labelAngle=0, orient="top")),
        alt.Y("cohort:O", title=None, sort="descending", axis=alt.Axis(labelFlush=False)),
        tooltip=[
            alt.Tooltip("cohort:N", title="week from"),
            alt.Tooltip("first_age:O", title="week"),
            alt.Tooltip("rate:Q", format=".0%"),
            alt.Tooltip("low:Q", format=".0%"),
            alt.Tooltip("high:Q", format=".0%"),
            alt.Tooltip("users:Q", format=","),
        ],
    )
    cells = base.mark_rect(stroke="white", strokeOpacity=0.3).encode(
        alt.Color("rate:Q", title=None, scale=alt.Scale(scheme="blues", domain=[0, 1]), legend=None)
    )
    words = base.mark_text(fontSize=11).encode(
        alt.Text("rate:Q", format=".0%"),
        color=alt.condition("datum.rate > 0.55", alt.value("white"), alt.value("#1b2733")),
    )
    return _layered([cells, words], max(120, 26 * data["cohort"].n_unique() + 40))


def bars(
    rows: pl.DataFrame,
    name: str,
    value: str,
    unit: str,
    *,
    percent: bool = False,
    low: str | None = None,
    high: str | None = None,
) -> alt.LayerChart:
    """Return bars one below the other, with their interval where there is one.

    Args:
        rows: One row for each bar.
        name: Column of its label.
        value: Column of its length.
        unit: What its axis says.
        percent: Whether the values are shares.
        low: Column of the lower end of the interval.
        high: Column of the upper end.
    """
    shape = ".1%" if percent else ",.4~g"
    base = alt.Chart(_plain(rows, (name, value, *filter(None, (low, high)))))
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=170, labelOverlap=False, labelFlush=False))
    axis = alt.Axis(format=".0%" if percent else "~s", title=unit, tickCount=5)
    tips = [
        alt.Tooltip(f"{name}:N", title=""),
        *(alt.Tooltip(f"{each}:Q", format=shape) for each in filter(None, (value, low, high))),
    ]
    layers: list[Any] = [
        base.mark_bar(color=LINE, opacity=0.75, height={"band": 0.6}).encode(
            alt.X(f"{value}:Q", axis=axis), y, tooltip=tips
        )
    ]
    if low and high:
        layers.append(base.mark_rule(strokeWidth=2, color=BAD).encode(alt.X(f"{low}:Q", axis=axis), alt.X2(high), y))
    return _layered(layers, max(80, 32 * rows[name].n_unique() + 40))


def stacked(rows: pl.DataFrame, names: dict[str, str], unit: str, *, marks: Sequence[Mark] = ()) -> alt.LayerChart:
    """Return counts by day, those that are gains above 0 and those that are losses below it.

    Args:
        rows: One row for each day.
        names: Columns with their label; those whose label begins with a minus sign count as losses.
        unit: What its axis says.
        marks: What happened.
    """
    long = pl.concat(
        [
            rows.select(
                "event_date",
                pl.lit(label.removeprefix("-")).alias("kind"),
                (pl.col(name) * (-1 if label.startswith("-") else 1)).cast(pl.Float64).alias("users"),
            )
            for name, label in names.items()
        ]
    )
    gains = [name for name, label in names.items() if not label.startswith("-")]
    top = float(rows.select(pl.sum_horizontal(gains).max()).item() or 0)
    base = (
        alt.Chart(long)
        .mark_bar(opacity=0.85)
        .encode(
            alt.X("event_date:T", title=None, axis=alt.Axis(format="%b %d", labelOverlap=True, grid=False)),
            alt.Y(
                "users:Q",
                scale=alt.Scale(domainMax=top * HEADROOM) if marks and top > 0 else alt.Undefined,
                axis=alt.Axis(title=unit, titleAlign="left", titleAngle=0, titleY=-8, titleX=0, tickCount=5),
            ),
            alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(range=[BAD, LINE, GOOD]),
                legend=alt.Legend(orient="bottom", symbolOpacity=1, labelLimit=280),
            ),
            tooltip=[alt.Tooltip("event_date:T", title="day"), "kind:N", "users:Q"],
        )
    )
    return _layered([base, *_marks(marks, rows, "event_date")], HEIGHT)


def telemetry(found: Part) -> alt.LayerChart:
    """Return the events of each day, those of faulty days in another colour and shape, beside what was expected.

    Args:
        found: Rows of telemetry.day_quality.
    """
    base = alt.Chart(_plain(found.rows, ("event_date", "events", "expected_events", "verdict")))
    x = alt.X("event_date:T", title=None, axis=alt.Axis(format="%b %d", labelOverlap=True, grid=False))
    axis = alt.Axis(format="~s", title="events", titleAlign="left", titleAngle=0, titleY=-8, titleX=0, tickCount=5)
    return _layered(
        [
            base.mark_bar(opacity=0.8).encode(
                x,
                alt.Y("events:Q", axis=axis),
                alt.Color(
                    "verdict:N",
                    title=None,
                    scale=alt.Scale(domain=["whole", "partial", "empty", "unknown"], range=[LINE, BAD, SECOND, QUIET]),
                    legend=alt.Legend(orient="bottom"),
                ),
                tooltip=[
                    "event_date:T",
                    alt.Tooltip("events:Q", format=","),
                    alt.Tooltip("expected_events:Q", format=",.0f"),
                    "verdict:N",
                ],
            ),
            base.mark_tick(color=QUIET, thickness=2).encode(x, alt.Y("expected_events:Q", axis=axis)),
        ],
        200,
    )


def _headroom(rows: pl.DataFrame, columns: Sequence[str], *, zero: bool = True) -> Any:
    """Return a scale with room for the labels of marks above the highest value."""
    most = max((float(each) for name in columns if (each := rows[name].max()) is not None), default=0.0)  # type: ignore[arg-type]
    return alt.Scale(domainMax=most * HEADROOM, zero=zero) if most > 0 else alt.Scale(zero=zero)


def _layered(layers: Sequence[Any], height: int) -> alt.LayerChart:
    """Return the layers as one chart, as wide as its place."""
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height, width="container"))


def _axis_format(rows: pl.DataFrame, column: str, *, percent: bool) -> str:
    """Return how an axis writes its values: as per cent, shortened from 1,000 on, or as they are."""
    if percent:
        return ".1~%"
    most = rows[column].cast(pl.Float64).abs().max()
    return "~s" if isinstance(most, float) and most >= 1_000 else ",.3~g"


def _marks(marks: Sequence[Mark], rows: pl.DataFrame, x: str) -> list[Any]:
    """Return a dashed rule and a label for each mark in the range of the rows, each label on a line of its own."""
    first, last = cast(date, rows[x].min()), cast(date, rows[x].max())
    shown = [each for each in marks if first <= each.day <= last]
    if not shown:
        return []
    span = (last - first).days or 1
    data = pl.DataFrame(
        {
            x: [each.day for each in shown],
            "happened": [each.short for each in shown],
            "line": [6 + 13 * place for place in range(len(shown))],
            "side": ["late" if (each.day - first).days > 0.6 * span else "early" for each in shown],
        }
    )
    base = alt.Chart(data)
    position = alt.X(f"{x}:T")
    rule = base.mark_rule(color="#a87410", strokeDash=[4, 3], strokeWidth=1).encode(
        position, tooltip=["happened:N", f"{x}:T"]
    )
    sides: tuple[tuple[str, Literal["left", "right"], int], ...] = (("early", "left", 4), ("late", "right", -4))
    labels = [
        base.transform_filter(f"datum.side == '{side}'")
        .mark_text(align=align, dx=dx, fontSize=10.5, color="#a87410", baseline="top")
        .encode(position, alt.Y("line:Q", axis=None, scale=None), alt.Text("happened:N"))
        for side, align, dx in sides
        if side in data["side"].to_list()
    ]
    return [rule, *labels]


def _plain(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return these columns, with text that is safe to show."""
    kept = rows.select(list(dict.fromkeys(columns)))
    return kept.with_columns(
        pl.Series(name, [None if each is None else harmless(each) for each in kept[name]], dtype=pl.String)
        for name in kept.columns
        if kept[name].dtype == pl.String
    )
