"""Usage at a terminal: which share of each cohort came back, and where funnels lose their users."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from intelligence.core.errors import UsageError
from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import EVERY_DAY, AsJson
from intelligence.interfaces.cli.table import add, table
from intelligence.metrics.usage_findings import added_up, less_retained_cohorts, widest_drop
from resources.lake.without_pandas import without_pandas

SHOWN_COHORTS = 14
TOO_YOUNG = "·"
app = typer.Typer()


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
        numbers = ("entered", "reached", "of all", "of the step before", "median of daily medians")
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


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence retention --weekly --segment teacher")
@without_pandas()
def retention(
    feature: Annotated[str, typer.Option(help="Only users of this feature, who return to it; always by week.")] = "",
    segment: Annotated[str, typer.Option(help="Only users whose first event was in this segment.")] = "",
    definition: Annotated[Definition, typer.Option(help="What counts as coming back.")] = Definition.exact,
    weekly: Annotated[bool, typer.Option("--weekly", help="By calendar week instead of by day.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which share of each cohort came back: on day N, on day N or later, or within a bracket of days."""
    if feature and segment:
        raise UsageError("--feature", "and --segment are two different parts.", hint="Give one of them.")
    grain = "week" if weekly or feature else "day"
    found = session.platform().usage.cohorts(grain=grain, definition=definition, feature=feature, segment=segment)
    if as_json:
        session.print_json(found)
    elif found.is_empty():
        session.say("No cohort yet: run `intelligence ingest` first.")
    else:
        of_whom = f"users of {feature}" if feature else f"the segment {segment}" if segment else "all users"
        for part in retention_parts(found, of_whom=of_whom, definition=definition):
            session.console.print(part, soft_wrap=True)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence funnel first_success")
@without_pandas()
def funnel(
    name: Annotated[str, typer.Argument(help="Funnel of product.yaml; all of them where it is left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say how many of those who enter a funnel go on at each step, how long it takes them, and where they are lost."""
    found = session.platform().usage.funnels(name)
    if as_json:
        session.print_json(found)
    elif found.is_empty():
        session.say("Nobody has entered a funnel yet.")
    else:
        for part in funnel_parts(found):
            session.console.print(part, soft_wrap=True)
