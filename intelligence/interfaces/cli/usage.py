"""Usage at a terminal: which share of each cohort came back, and where funnels lose their users."""

from collections.abc import Iterator
from enum import StrEnum

import polars as pl
from rich.console import RenderableType
from rich.text import Text

from intelligence.core.foreign import harmless
from intelligence.interfaces.cli.table import add, table
from intelligence.metrics.usage_findings import added_up, less_retained_cohorts, widest_drop

SHOWN_COHORTS = 14
TOO_YOUNG = "·"


class Definition(StrEnum):
    """What counts as coming back."""

    exact = "exact"
    rolling = "rolling"
    bracket = "bracket"


def retention_parts(found: pl.DataFrame, *, of_whom: str, definition: Definition) -> Iterator[RenderableType]:
    """Yield the cohorts with the share that came back at each age, and the cohorts that stay less than others.

    Args:
        found: Rows of `metrics.retention_cohorts` of one grain, one part of the product and one definition.
        of_whom: Whose retention it is.
        definition: What counts as coming back.
    """
    grain = found["grain"][0]
    ages = found.select("first_age", "last_age").unique().sort("first_age", "last_age").rows()
    names = {age: _age(grain, definition, *age) for age in ages}
    title = f"Retention of {of_whom} by {grain} of first use, known on {found['known_on'][0]}"
    shown = table(title, "cohort", "users", *names.values(), numbers=("users", *names.values()))
    cohorts = found["cohort"].unique().sort().tail(SHOWN_COHORTS)
    for cohort in cohorts:
        mine = {(row["first_age"], row["last_age"]): row for row in found.filter(cohort=cohort).iter_rows(named=True)}
        first = next(iter(mine.values()))
        mark = "" if first["is_surely_new"] else " *"
        cells = [TOO_YOUNG if mine[age]["rate"] is None else f"{mine[age]['rate']:.0%}" for age in names]
        add(shown, f"{cohort}{mark}", f"{first['users']:,}", *cells)
    yield shown
    notes = [f"{TOO_YOUNG} too young for it"]
    if not found.filter(pl.col("cohort").is_in(cohorts.implode()) & ~pl.col("is_surely_new")).is_empty():
        notes.append("* may have used the product before the data begin")
    yield Text("; ".join(notes), "dim")
    for gap in less_retained_cohorts(found):
        yield Text(harmless(gap.sentence()))


def _age(grain: str, definition: Definition, first: int, last: int | None) -> str:
    if definition is Definition.rolling:
        return f"{grain} {first}+"
    return f"{grain} {first}" if last == first else f"{grain} {first}-{last}"


def funnel_parts(found: pl.DataFrame) -> Iterator[RenderableType]:
    """Yield the funnels with how many went on at each step and how long it took, their parts, and the widest drop.

    Args:
        found: Rows of `metrics.funnel_day`; rates are of all complete days in them together.
    """
    complete = found.filter("is_complete")
    for name in found["funnel"].unique().sort():
        mine, still_open = (
            complete.filter(funnel=name),
            found.filter(~pl.col("is_complete"), funnel=name, dimension="all"),
        )
        if mine.is_empty():
            yield Text(harmless(f"{name}: no window is over yet."))
            continue
        entered_on = mine["event_date"].unique().sort().to_list()
        days = f"{entered_on[0]} to {entered_on[-1]}"
        numbers = ("entered", "reached", "of all", "of the step before", "median time")
        shown = table(f"{name}: entries of {days}", "step", "part", *numbers, numbers=numbers)
        for row in added_up(mine).iter_rows(named=True):
            before = row["reached_before"]
            add(
                shown,
                f"{row['step']} {row['step_name']}",
                "all" if row["dimension"] == "all" else f"{row['dimension']} {row['value']}",
                f"{row['entered']:,}",
                f"{row['converted']:,}",
                f"{row['converted'] / row['entered']:.1%}",
                f"{row['converted'] / before:.1%}" if before else "",
                _time(row["median_s"]),
            )
        yield shown
        if still_open.height:
            yield Text(f"{still_open['entered'].sum():,} entries since then have windows that are not over", "dim")
    drop = widest_drop(found)
    if drop is not None:
        yield Text(harmless(drop.sentence()))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
