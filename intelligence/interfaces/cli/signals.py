"""The commands `intelligence signals`: what is unusual now, and what each sensitivity would have flagged in the past."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text

from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import AsJson
from intelligence.interfaces.cli.table import add, table

if TYPE_CHECKING:
    from intelligence.signals.backtest import Replayed

STYLES: Final = {"severe": "red", "notable": "yellow"}
app = typer.Typer(help="Signals: what is unusual, and how often that would have been said.", no_args_is_help=True)


@app.command("list", epilog="Example: intelligence signals list --json")
def listed(as_json: AsJson = False) -> None:
    """List the episodes that are open on the newest day: what is unusual, since when, and what came at the same time."""
    service = session.platform().signals
    found = service.open_episodes()
    if as_json:
        session.print_json(found)
    elif found.is_empty():
        session.say(service.unjudged() or "Nothing is unusual on the newest day.")
    else:
        session.console.print(episodes_table(found))


@app.command("backtest", epilog="Example: intelligence signals backtest --rate 0.5 --rate 2")
def backtest(
    rate: Annotated[
        list[float] | None,
        typer.Option(help="False alarms per week; more than once for several. Else a choice of them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each rate of false alarms would have flagged on the product's own past, each day from what was known then.

    Nothing is changed: `signals: {false_alarms_per_week: ...}` in product.yaml is what counts. On a past with troubles there are
    more episodes than false alarms; a past without any should have no more than asked for.
    """
    from intelligence.core.errors import SignalError
    from intelligence.signals.backtest import RATES

    wrong = [each for each in rate or () if not 0 < each <= 100]
    if wrong:
        raise SignalError(
            "--rate", f"{wrong[0]:g} is no rate.", hint="Give false alarms per week, above 0 and up to 100."
        )
    found = session.platform().signals.backtest(rate or RATES)
    if as_json:
        session.print_json([record(each) for each in found])
        return
    for part in backtest_parts(found):
        session.console.print(part)
        session.console.print()


def episodes_table(found: pl.DataFrame) -> RenderableType:
    """Return the open episodes as a table.

    Args:
        found: Rows of signals.episodes of one day.
    """
    shown = table(
        "Unusual now", "severity", "since", "days", "what", "at the same time", texts=("what", "at the same time")
    )
    for row in found.iter_rows(named=True):
        add(
            shown,
            Text(row["severity"], STYLES.get(row["severity"], "")),
            str(row["first_day"]),
            str(row["days"]),
            row["title"],
            row["likely_cause"] or "",
        )
    return shown


def backtest_parts(found: "list[Replayed]") -> Iterator[RenderableType]:
    """Yield the episodes per week at every rate, and the largest ones of the last rate.

    Args:
        found: What each rate would have flagged.
    """
    numbers = ("asked per week", "episodes per week", "episodes", "for the worse", "severe")
    first = found[0]
    if first.first_day is None:
        yield Text(
            "Nothing could have been flagged: each day needs enough history before it, and sound telemetry of its own."
        )
        return
    shown = table(f"From {first.first_day} to {first.last_day}", *numbers, numbers=numbers)
    for each in found:
        add(
            shown,
            f"{each.rate:g}",
            f"{each.per_week or 0:.2f}",
            str(each.episodes),
            str(each.adverse),
            str(each.severe),
        )
    yield shown
    largest = table(
        f"The largest at {found[-1].rate:g} per week", "severity", "from", "to", "what", "at the same time",
        texts=("what", "at the same time"),
    )  # fmt: skip
    for row in found[-1].largest:
        end = "open" if row["is_open"] else str(row["last_day"])
        style = STYLES.get(row["severity"], "")
        add(largest, Text(row["severity"], style), str(row["first_day"]), end, row["title"], row["likely_cause"] or "")
    yield largest


def record(found: "Replayed") -> dict[str, Any]:
    """Return what one rate would have flagged for another program."""
    return {
        "rate": found.rate,
        "first_day": found.first_day,
        "last_day": found.last_day,
        "weeks": round(found.weeks, 2),
        "episodes": found.episodes,
        "episodes_per_week": found.per_week,
        "adverse": found.adverse,
        "severe": found.severe,
        "largest": list(found.largest),
    }
