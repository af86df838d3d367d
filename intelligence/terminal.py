"""What the platform says at a terminal, as rich renderables."""

from collections.abc import Sequence
from datetime import date

import polars as pl
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from intelligence.errors import PlatformError
from intelligence.summary import FoundTruth
from intelligence.telemetry.examined import ExaminedSource


def _table(title: str, *columns: str, numbers: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return table


def _add(table: Table, *cells: str | Text) -> None:
    """Add a row whose texts are shown as they are: names and values come from data, and rich reads `[x]` as a style."""
    table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))


def error_text(error: PlatformError) -> RenderableType:
    """Return the error with its culprit first and the next step last."""
    return Text.assemble((f"{error.culprit}: ", "bold red"), f"{error.problem} ", (error.hint, "bold"))


def totals_table(totals: pl.DataFrame) -> RenderableType:
    """Return rows in, accepted, duplicates and rejected."""
    row = totals.row(0, named=True)
    table = _table("Telemetry", "files", "rows in", "accepted", "duplicates", "rejected")
    _add(table, *(f"{row[name]:,}" for name in ("files", "rows_in", "accepted", "duplicates", "rejected")))
    return table


def trouble_table(trouble: pl.DataFrame, day: date) -> RenderableType:
    """Return the features that are degraded or at risk on the day, the most harmful first."""
    if trouble.is_empty():
        return Text(f"No feature is in trouble on {day}.", style="green")
    table = _table(f"Features in trouble on {day}", "feature", "state", "since", "owner", "why")
    for row in trouble.iter_rows(named=True):
        style = "red" if row["state"] == "degraded" else "yellow"
        _add(
            table,
            row["feature"],
            Text(row["state"].replace("_", " "), style),
            str(row["since"]),
            row["owner"],
            row["reason"],
        )
    return table


def worst_table(worst: pl.DataFrame) -> RenderableType | None:
    """Return the feature-days with the most bad events beyond what was promised; None where there is none."""
    if worst.is_empty():
        return None
    table = _table("Worst feature-days", "day", "feature", "excess bad", "why", numbers=("excess bad",))
    for row in worst.iter_rows(named=True):
        _add(table, str(row["event_date"]), row["feature"], f"{row['excess_bad_events']:,.0f}", row["reason"])
    return table


def faults_table(faults: pl.DataFrame) -> RenderableType | None:
    """Return the days whose telemetry is at fault; None where there is none."""
    if faults.is_empty():
        return None
    table = _table("Days on which the pipeline, not the product, was at fault", "day", "verdict", "why")
    for row in faults.iter_rows():
        _add(table, *(str(cell) for cell in row))
    return table


def waiting_table(waiting: pl.DataFrame) -> RenderableType | None:
    """Return what waits in quarantine, by reason; None where nothing does."""
    if waiting.is_empty():
        return None
    table = _table("In quarantine", "source", "reason", "rows", "example", numbers=("rows",))
    for row in waiting.iter_rows(named=True):
        _add(table, row["source"], row["reason"], f"{row['rows']:,}", str(row["example"]))
    return table


def truths_table(found: Sequence[FoundTruth], alarms: Sequence[str], features: int) -> RenderableType:
    """Return what the simulator planted beside what the platform found."""
    table = _table(
        "Planted and found", "planted", "where", "from", "to", "found on", "days after", numbers=("days after",)
    )
    for item in found:
        truth = item.truth
        seen = Text(str(item.found_on), "green") if item.found_on else Text("not found", "red")
        delay = "" if item.delay_days is None else str(item.delay_days)
        kind = truth.kind.replace("_", " ")
        _add(table, kind, truth.feature or "whole product", str(truth.starts_on), str(truth.ends_on), seen, delay)
    hits = sum(item.found_on is not None for item in found)
    clean = f"False alarms on {', '.join(alarms)}." if alarms else "No feature was called degraded without cause."
    return Group(table, Text(f"Found {hits} of {len(found)} among {features} features. {clean}", "bold"))


def examined_text(examined: ExaminedSource) -> RenderableType:
    """Return what a look at a source found, with its problem or the reasons for which rows would be rejected."""
    lines = [
        Text.assemble(
            ("✗ " if examined.is_wrong else "✓ ", "red" if examined.is_wrong else "green"),
            f"{examined.name}: {examined.found}",
        )
    ]
    if examined.problem:
        lines.append(Text(f"  {examined.problem}", "red"))
    lines += [
        Text(f"  {rows:,} rows would go to quarantine: {reason}, for example {example!r}", "yellow")
        for reason, rows, example in examined.rejections
    ]
    return Group(*lines)


def failed_checks_table(failed: Sequence[tuple[str, str, str]]) -> RenderableType | None:
    """Return the checks that did not pass; None where all did."""
    if not failed:
        return None
    table = _table("Checks that did not pass", "asset", "check", "severity")
    for asset, check, severity in failed:
        _add(table, asset, check, Text(severity, "red" if severity == "ERROR" else "yellow"))
    return table


def next_steps(lines: Sequence[str]) -> RenderableType:
    """Return where to look next."""
    return Panel("\n".join(lines), title="Where to look next", title_align="left", border_style="dim", expand=False)
