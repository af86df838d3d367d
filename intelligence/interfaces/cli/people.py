"""People at a terminal: who pays, how declared segments differ, which groups the data sets apart, and what goes with leaving."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import RenderableType
from rich.text import Text

from intelligence.core.errors import PlatformError
from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import EVERY_DAY, AsJson
from intelligence.interfaces.cli.table import add, table

if TYPE_CHECKING:
    import polars as pl

QUERIES: Final[Mapping[str, str]] = {
    "payers": """FROM metrics.payer_day WHERE cohort = 'all'
                 AND event_date > (SELECT max(event_date) - 7 FROM metrics.payer_day) ORDER BY event_date""",
    "differences": """FROM metrics.segment_differences
                      WHERE event_date = (SELECT max(event_date) FROM metrics.segment_differences)
                      ORDER BY q NULLS LAST, segment, metric""",
    "groups": """FROM metrics.behaviour_segments
                 WHERE event_date = (SELECT max(event_date) FROM metrics.behaviour_segments) ORDER BY users DESC""",
}
SHOWN_DRIVERS: Final = 8
app = typer.Typer()


def people_parts(found: "Mapping[str, pl.DataFrame]") -> Iterator[RenderableType]:
    """Yield what is known of people, part by part; a part without rows is a sentence that says so.

    Args:
        found: The results of `QUERIES`, by name.
    """
    yield from _payers(found["payers"])
    yield from _differences(found["differences"])
    yield from _groups(found["groups"])


def _payers(payers: "pl.DataFrame") -> Iterator[RenderableType]:
    if not payers.height or not payers["value"].sum():
        yield "Nobody pays: no event of the last 7 days has a value."
        return
    shown = table(
        "Who pays, last 7 days",
        "day",
        "began",
        "paid again",
        "came back",
        "stopped",
        "value",
        "came back with",
        "went with",
    )
    for row in payers.iter_rows(named=True):
        counts = (row[f"{name}_payers"] for name in ("new", "repeat", "recovered", "stopped"))
        values = (row[name] for name in ("value", "recovered_value", "stopped_value"))
        add(shown, str(row["event_date"]), *(f"{each:,}" for each in counts), *(f"{each:,.2f}" for each in values))
    yield shown
    began, unpaid = (int(payers[name].sum()) for name in ("new_payers", "unpaid_users"))
    yield f"Of {unpaid:,} user-days of those who had not paid, {began:,} brought a first payment ({began / max(unpaid, 1):.2%})."


def _differences(rows: "pl.DataFrame") -> Iterator[RenderableType]:
    from intelligence.metrics.segments import difference_sentence

    if not rows.height:
        yield "No segments are declared: map a column to `segment`, and each is compared with all other users."
        return
    beyond = [row for row in rows.iter_rows(named=True) if row["q"] is not None and row["q"] <= 0.05]
    segments = ", ".join(rows["segment"].unique().sort())
    if not beyond:
        yield Text(
            harmless(
                f"{segments}: like all other users in all of {rows.height} comparisons over 28 days, as far as chance allows to see."
            )
        )
    else:
        yield Text(
            f"Segments beside all other users over 28 days, {len(beyond)} of {rows.height} comparisons beyond chance"
        )
    for row in beyond:
        yield Text(harmless(difference_sentence(row)))


def _groups(rows: "pl.DataFrame") -> Iterator[RenderableType]:
    for row in rows.iter_rows(named=True):
        if row["note"]:
            yield f"Groups by behaviour: {row['note']}."
        else:
            yield f"Group by behaviour: {row['segment']}: {row['users']:,} users ({row['share']:.0%}), stability {row['stability']:.2f}."


def drivers_parts(found: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Yield what goes with users' not coming back, marked as an association.

    Args:
        found: What `ModelService.churn_drivers` returns.
    """
    if not found:
        yield "No churn model is champion: what goes with leaving is not known."
        return
    shown = table(
        "What goes with leaving and coming back (association, grade D: nothing follows about changing it)",
        *("predictor", "share", "more of it goes with", "measured effect"),
        texts=("measured effect",),
    )
    for row in found[:SHOWN_DRIVERS]:
        add(
            shown,
            row["predictor"].replace("_", " "),
            f"{row['share']:.0%}",
            row["more_goes_with"],
            row["effect"] or "none",
        )
    yield shown


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence people --drivers")
def people(
    drivers: Annotated[
        bool, typer.Option("--drivers", help="Also show what goes with leaving, which takes some seconds.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show who pays, how declared segments differ, and which groups the data sets apart."""
    lake = session.lake()
    if not lake.exists() or lake.is_empty():
        raise PlatformError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")
    _, found = lake.read(QUERIES)
    driven = session.platform().models.churn_drivers() if drivers else None
    if as_json:
        session.print_json({**found, **({"drivers": driven} if driven is not None else {})})
        return
    for part in (*people_parts(found), *(drivers_parts(driven) if driven is not None else ())):
        session.console.print(part, soft_wrap=isinstance(part, str))
        session.console.print()
