"""The commands `intelligence forecast`: what comes, with the coverage that was measured, and what would come after a change."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer
from rich.console import RenderableType
from rich.text import Text
from typer.core import TyperGroup
from typing_extensions import override

from intelligence.core.errors import ForecastError
from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import AsJson
from intelligence.interfaces.cli.table import add, table

if TYPE_CHECKING:
    from intelligence.forecasts.scenarios import Scenario

SHOW = "show"
# Figures between 0 and 1, which are shown in per cent.
RATES = ("conversion_rate", "retention_7d")


class ShownByDefault(TyperGroup):
    """A group of commands in which a word that is none of them is an argument of the command `show`."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the arguments that are left, with `show` before them where no command is named."""
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else [SHOW, *args])


app = typer.Typer(
    cls=ShownByDefault, help="What comes next, with the coverage that was measured, and what would come after a change."
)


@app.command(SHOW, epilog="Example: intelligence forecast dau --days 28")
def show(
    series: Annotated[
        str | None, typer.Argument(help="Such as dau, conversion_rate or a feature; everything where it is left out.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=90, help="How many days ahead.")] = 28,
    segment: Annotated[str, typer.Option(help="Kind of user.")] = "all",
    as_json: AsJson = False,
) -> None:
    """Say what is expected of each figure, with intervals of 80 and 95 per cent and how often such intervals held so far."""
    service = session.platform().forecasts
    made = chosen(service.newest(), series, segment, days)
    if as_json:
        session.print_json(made)
        return
    for part in forecast_parts(made, series, days):
        session.console.print(part)
    for sentence in service.wrong():
        session.say(harmless(sentence))


@app.command("scenario", epilog="Example: intelligence forecast scenario 'conversion_rate +2 points' --days 28")
def scenario(
    change: Annotated[
        str, typer.Argument(help="'conversion_rate +2 points', 'new_users -50 %' or 'rollback FEATURE'.")
    ],
    on: Annotated[
        str | None, typer.Option(help="Series to look at; else the one that the change is usually asked for.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=90, help="How many days ahead.")] = 28,
    as_json: AsJson = False,
) -> None:
    """Say what would come after a change, beside what is expected without it, by effects that were measured or are assumed."""
    found = session.platform().forecasts.scenario(change, series=on, days=days)
    if as_json:
        session.print_json(
            {"change": str(found.change), "series": found.series, "link": found.link, "days": found.days}
        )
        return
    for part in scenario_parts(found):
        session.console.print(part)


def chosen(made: pl.DataFrame, series: str | None, segment: str, days: int) -> pl.DataFrame:
    """Return the rows of `forecasts.forecasts` that are asked for.

    Args:
        made: The forecasts of one day.
        series: A series, or a feature whose users are forecast; None for all series.
        segment: Kind of user, or `all`.
        days: How many days ahead.

    Raises:
        ForecastError: There is no such series or segment.
    """
    near = made.filter(pl.col("horizon_days") <= days)
    if series is None:
        found = near.filter(segment=segment)
    else:
        found = near.filter(
            ((pl.col("series") == series) | (pl.col("feature") == series)) & (pl.col("segment") == segment)
        )
    if found.is_empty():
        names = sorted({*made["series"].to_list(), *filter(None, made["feature"].to_list())})
        segments = ", ".join(sorted(set(made["segment"].to_list())))
        raise ForecastError(
            f"{series or 'everything'} of {segment}",
            "is not forecast.",
            hint=f"Forecast are {', '.join(names)}; segments: {segments}.",
        )
    return found


def forecast_parts(made: pl.DataFrame, series: str | None, days: int) -> Iterator[RenderableType]:
    """Yield a table: the days ahead of one series, or the last day of each.

    Args:
        made: What `chosen` returns.
        series: The series that was asked for.
        days: How many days ahead were asked for.
    """
    told, lacking = made.filter(pl.col("horizon_days") > 0), made.filter(horizon_days=0)
    names = told.select("series", "feature").unique()
    is_path = series is not None and names.height == 1
    if not told.is_empty():
        day = told["event_date"][0]
        title = f"Expected {'in the days' if is_path else f'{days} days'} after {day}"
        first = "day" if is_path else "figure"
        shown = table(
            title,
            first,
            "expected",
            "80 % interval",
            "95 % interval",
            "80 % held so far",
            "model",
            numbers=("expected",),
        )
        rows = told.sort("horizon_days") if is_path else _last_days(told)
        for row in rows.iter_rows(named=True):
            name = f"{row['forecast_date']:%a %Y-%m-%d}" if is_path else _name(row, days)
            add(shown, name, *_cells(row), row["model"].replace("_", " "))
        yield shown
        notes = told.unique("note", maintain_order=True)["note"].drop_nulls() if is_path else pl.Series([])
        for note in notes:
            yield Text(harmless(note))
    for row in lacking.iter_rows(named=True):
        yield Text(harmless(f"{_name(row, 0)}: {row['note']}"), "yellow")


def _last_days(told: pl.DataFrame) -> pl.DataFrame:
    """Return the last day ahead of each figure, in the order in which they are stored."""
    key = ["series", "segment", "feature"]
    return (
        told.sort("horizon_days")
        .group_by(key, maintain_order=True)
        .last()
        .sort("feature", "series", maintain_order=True)
    )


def _name(row: dict[str, Any], days: int) -> str:
    of = row["feature"] or ("" if row["segment"] == "all" else row["segment"])
    sooner = f" (in {row['horizon_days']} days)" if 0 < row["horizon_days"] < days else ""
    return f"{row['series']}{f' {of}' if of else ''}{sooner}"


def _cells(row: dict[str, Any]) -> list[str]:
    name = row["series"]
    near, far = (f"{number(row[f'low_{each}'], name)} to {number(row[f'high_{each}'], name)}" for each in ("80", "95"))
    held = "not measured"
    if row["coverage_80"] is not None:
        held = f"{row['coverage_80']:.0%} of {row['origins']} ({row['coverage_80_low']:.0%} to {row['coverage_80_high']:.0%})"
    return [number(row["value"], name), near, far, held]


def number(value: float, series: str, *, sign: str = "") -> str:
    """Return a value of a series for people.

    Args:
        value: The value.
        series: What it is of.
        sign: `+` where a plus is written too.

    >>> number(0.1234, "conversion_rate"), number(12345.6, "dau"), number(-0.02, "conversion_rate", sign="+")
    ('12.3%', '12,346', '-2.0%')
    """
    if series in RATES:
        return f"{value:{sign}.1%}"
    return f"{value:{sign}.3f}" if series == "mean_rating" else f"{value:{sign},.0f}"


def difference(value: float, series: str) -> str:
    """Return a difference of two values of a series for people; of two rates in points.

    Args:
        value: The difference.
        series: What it is of.

    >>> difference(0.02, "conversion_rate"), difference(-12.0, "dau")
    ('+2.0 points', '-12')
    """
    return f"{100 * value:+.1f} points" if series in RATES else number(value, series, sign="+")


def scenario_parts(found: "Scenario") -> Iterator[RenderableType]:
    """Yield the table of a scenario, week by week and as the mean of all days, and what it rests on."""
    name, last = found.series, int(found.days["horizon_days"].to_numpy().max())
    shown = table(
        f"{name} after {found.change}",
        "day ahead",
        "expected",
        "with the change",
        "difference",
        "80 % interval",
        "95 % interval",
    )
    wanted = found.days.filter(
        (pl.col("horizon_days") % 7 == 0) & (pl.col("horizon_days") > 0) | (pl.col("horizon_days") == last)
    )
    for row in pl.concat([wanted, found.days.filter(horizon_days=0)]).iter_rows(named=True):
        bounds = [
            f"{difference(row[f'difference_low_{each}'], name)} to {difference(row[f'difference_high_{each}'], name)}"
            for each in ("80", "95")
        ]
        add(
            shown,
            str(row["horizon_days"] or f"mean of {last}"),
            number(row["base_value"], name),
            number(row["scenario_value"], name),
            difference(row["difference_value"], name),
            *bounds,
        )
    yield shown
    grade = f" (grade {found.link.grade})" if found.link.grade else ""
    yield Text(harmless(f"{found.link.how.capitalize()}{grade}: {found.link.text}"))
