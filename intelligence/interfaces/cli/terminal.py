"""The platform's output at a terminal, as rich renderables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from intelligence.briefs.brief import Brief
from intelligence.briefs.morning import unassessed_sentence
from intelligence.catalog.summary import PlantedAndFound, Summary
from intelligence.core.errors import PlatformError
from intelligence.core.foreign import harmless
from intelligence.interfaces.cli.decisions import backtest_text, decision_parts
from intelligence.interfaces.cli.effects import degradation_parts, effects_table
from intelligence.interfaces.cli.experiments import experiments_table
from intelligence.interfaces.cli.invocation import Invocation
from intelligence.interfaces.cli.risk import backtest_parts, risk_parts
from intelligence.interfaces.cli.table import add, table
from intelligence.telemetry.gaps import Gap
from intelligence.telemetry.mapped import mapped_text
from intelligence.telemetry.previewed import PreviewedSource, SampleFindings
from intelligence.telemetry.remedies import remedy

# About a screen; `status --all` lists everything.
SHOWN_AT_MOST: Final = 15
NAMES_SHOWN: Final = 12


def error_text(error: PlatformError, invocation: Invocation) -> Text:
    """Return the error with its culprit first and the next step last.

    Args:
        error: The error.
        invocation: How the program is called, by which the commands in the error are spelled out.
    """
    problem, hint = invocation.spelled_out(error.problem), invocation.spelled_out(error.hint)
    return Text.assemble((f"{error.culprit}: ", "bold red"), f"{problem} ", (hint, "bold"))


def refusals(refused: Iterable[tuple[str, str, str]]) -> Iterator[PlatformError]:
    """Yield one error for each problem with the number of files that have it, from file names, problems and next steps."""
    files: dict[tuple[str, str], list[str]] = {}
    for name, problem, next_step in refused:
        files.setdefault((problem, next_step), []).append(name)
    for (problem, next_step), names in files.items():
        more = f" and {len(names) - 1:,} more file{'s' if len(names) > 2 else ''}" if len(names) > 1 else ""
        yield PlatformError(f"{names[0]}{more}", problem, hint=next_step)


def summary_parts(summary: Summary, *, most: int | None = SHOWN_AT_MOST) -> Iterator[RenderableType]:
    """Yield the parts of the summary: what needs attention, decisions and actions, forecasts, and then the history.

    A part that is a plain string may contain commands in backticks, which the caller spells out.

    Args:
        summary: The summary of a lake.
        most: Greatest number of rows of a list; None for all of them.
    """
    if not summary.totals["files"].item():
        yield "Nothing has been taken in yet: `intelligence check` says what each source finds, and what to mend."
        return
    yield from _attention(summary, most)
    if summary.last_day is None:
        yield totals_table(summary.totals)
        yield (
            "No day is complete yet: a day is worked on once it has ended."
            if summary.totals["accepted"].item()
            else "No event has been accepted yet: `intelligence check` says what each source holds."
        )
        return
    if summary.decisions:
        yield from decision_parts(summary.decisions, most=most)
    if summary.risk:
        yield from risk_parts(summary.risk)
    if summary.experiments.height:
        shown = summary.experiments.head(most) if most else summary.experiments
        yield experiments_table(shown, summary.planted_causes)
        yield from _rest(summary.experiments.height, most)
    if summary.effects.height:
        yield effects_table(summary.effects.head(most) if most else summary.effects, summary.planted_causes)
        yield from _rest(summary.effects.height, most)
    if summary.pulse:
        yield pulse_text(summary.pulse)
    yield from _history(summary, most)
    if summary.brief:
        yield brief_text(summary.brief)


def brief_text(brief: Brief) -> Text:
    """Return a brief with its headings, each sentence on a line of its own."""
    told = Text(harmless(brief.title), "bold")
    for section in brief.sections:
        told.append(f"\n{section.heading}", "bold")
        for sentence in section.sentences:
            told.append(f"\n{harmless(sentence)}", "none")
    return told


def _attention(summary: Summary, most: int | None) -> Iterator[RenderableType]:
    if summary.last_day:
        trouble = summary.trouble.head(most) if most else summary.trouble
        yield trouble_table(trouble, summary.last_day, summary.evidence)
        yield from _rest(summary.trouble.height, most)
        yield from degradation_parts(summary.degradations.head(most) if most else summary.degradations)
    weighty = [gap for gap in summary.gaps if gap.kind != "column"]
    if weighty:
        yield gaps_text(weighty[:most])
        yield from _rest(len(weighty), most)
    yield from map(conflict_text, summary.conflicts.iter_rows(named=True))
    waiting = waiting_table(summary.waiting.head(most) if most else summary.waiting)
    if waiting:
        yield waiting
        yield from _rest(summary.waiting.height, most)
    if summary.waiting["is_readable"].any():
        those = "these rows" if summary.waiting["is_readable"].all() else "those of these rows whose content is kept"
        yield f"`intelligence redrive` takes {those} again once their mapping is mended."
    yield from like_bots_parts(summary.like_bots)


def _history(summary: Summary, most: int | None) -> Iterator[RenderableType]:
    yield totals_table(summary.totals)
    yield from left_out_parts(summary.left_out)
    columns = [gap for gap in summary.gaps if gap.kind == "column"]
    if columns:
        yield Text(" ".join(gap.says for gap in columns))
    newest_first = summary.faults.reverse()
    faults = faults_table(newest_first.head(most) if most else newest_first)
    if faults:
        yield faults
        yield from _rest(summary.faults.height, most)
    worst = worst_table(summary.worst)
    if worst:
        yield worst
    if summary.risk:
        yield from backtest_parts(summary.risk)
    if summary.decisions and summary.decisions.backtest:
        yield backtest_text(summary.decisions)
    if summary.planted:
        yield truths_table(summary.planted)


def _rest(total: int, most: int | None) -> Iterator[str]:
    if most and total > most:
        yield f"… and {total - most:,} more; `intelligence status --all` lists them."


def gaps_text(found: Sequence[Gap]) -> RenderableType:
    """Return what is missing in the lake, one sentence each, with what to do about it."""
    return Group(Text("Missing", "bold"), *(Text.assemble((gap.says, "yellow"), " ", gap.next_step) for gap in found))


def pulse_text(pulse: Mapping[str, Any]) -> Text:
    """Return the figures of the product on its newest day, in brackets those of the same weekday of the four weeks before."""
    said = [f"{pulse['dau']:,} users{_usual(pulse['usual_dau'], '{:,.0f}')}"]
    if pulse["mau"]:
        said.append(f"{pulse['mau']:,} in 28 days")
    if pulse["conversion_rate"] is not None:
        usual = _usual(pulse["usual_conversion_rate"], "{:.1%}")
        said.append(f"conversion {pulse['conversion_rate']:.1%}, {pulse['converted_users']:,} users{usual}")
    if pulse["mean_rating"] is not None:
        said.append(f"mean of {pulse['ratings']:,} ratings {pulse['mean_rating']:.2f}")
    if pulse["value"]:
        said.append(f"value {pulse['value']:,.2f}{_usual(pulse['usual_value'], '{:,.2f}')}")
    weeks = pulse["days_before"]
    before = f" In brackets: the mean of {weeks} same weekdays before." if weeks else ""
    return Text.assemble((f"The product on {pulse['event_date']}: ", "bold"), f"{'; '.join(said)}.{before}")


def _usual(usual: float | None, shape: str) -> str:
    return "" if usual is None else f" ({shape.format(usual)})"


def unmatched_text(source: str, glob: str, product_file: str) -> Text:
    """Return the warning that a glob of a source matches no file.

    Args:
        source: Name of the source.
        glob: The glob.
        product_file: Name of the file that holds it.
    """
    return Text.assemble(
        (f"{source}: ", "bold yellow"),
        f"no file matches {glob}. ",
        (f"Put files there, or mend the glob in {product_file}.", "bold"),
    )


def totals_table(totals: pl.DataFrame) -> RenderableType:
    """Return the numbers of files and of rows delivered, accepted, duplicate and rejected, and of withdrawn rows if any."""
    row = totals.row(0, named=True)
    names = ("files", "rows_in", "accepted", "duplicates", "rejected")
    shown = {name: name.replace("_", " ") for name in names}
    shown |= {"withdrawn": "taken back"} if row.get("withdrawn") else {}
    drawn = table("Telemetry", *shown.values())
    add(drawn, *(f"{row[name]:,}" for name in shown))
    return drawn


def left_out_parts(left_out: pl.DataFrame) -> Iterator[RenderableType]:
    """Yield how many events of bots are left out; nothing where there are none."""
    events, bots = left_out.row(0)
    if events:
        who = "1 bot" if bots == 1 else f"{bots:,} bots"
        yield Text(f"{events:,} events of {who} count in nothing but this table; they stay in telemetry.events.")


def like_bots_parts(like_bots: pl.DataFrame) -> Iterator[RenderableType]:
    """Yield a sentence for each user who looks like a bot, with the setting that leaves it out."""
    for day, user, count, share in like_bots.iter_rows():
        yield Text(
            f"{user} made {count:,} events on {day}, {share:.0%} of all. If it is a script, write `bots: [{user}]` in the"
            " product's file: its events stay in telemetry and count nowhere else.",
            style="yellow",
        )


def conflict_text(conflict: Mapping[str, Any]) -> str:
    """Return how many rows of a source have the id of an event with other content, the first of them, and what to do."""
    rows, ids, source = conflict["rows"], conflict["ids"], conflict["source"]
    return (
        f"{source}: {rows:,} {'row bears' if rows == 1 else 'rows bear'} the id of an event with other content and"
        f" {'does' if rows == 1 else 'do'} not count ({ids:,} {'id' if ids == 1 else 'ids'}; the first is"
        f" {conflict['example']} in {conflict['found_at']}). An id must belong to one event: map `event_id` to a"
        " column that is unique, or to NULL where none is."
    )


def trouble_table(trouble: pl.DataFrame, day: date, evidence: Mapping[str, int]) -> RenderableType:
    """Return the features that are degraded or at risk on a day, and how many lacked evidence.

    Args:
        trouble: Features with state, since, owner and reason, the most harmful first.
        day: The day.
        evidence: Number of features by the column `evidence` of feature_health.
    """
    unassessed = unassessed_text(day, evidence)
    if trouble.is_empty():
        calm = [Text(f"No feature is in trouble on {day}.", style="green")] if evidence.get("enough") else []
        return Group(*calm, *unassessed)
    shown = table(f"Features in trouble on {day}", "feature", "state", "since", "owner", "why", texts=("why",))
    for row in trouble.iter_rows(named=True):
        style = "red" if row["state"] == "degraded" else "yellow"
        add(
            shown,
            row["feature"],
            Text(row["state"].replace("_", " "), style),
            str(row["since"]),
            row["owner"],
            row["reason"],
        )
    return Group(shown, *unassessed)


def unassessed_text(day: date, evidence: Mapping[str, int]) -> list[Text]:
    """Return in a sentence how many features could not be assessed on a day, and why; empty where all could.

    Args:
        day: The day.
        evidence: Number of features by the column `evidence` of feature_health.
    """
    said = unassessed_sentence(day, evidence)
    return [Text(said, style="yellow")] if said else []


def worst_table(worst: pl.DataFrame) -> RenderableType | None:
    """Return the feature-days with the most bad events beyond the promise; None where there are none."""
    if worst.is_empty():
        return None
    shown = table("Worst feature-days", "day", "feature", "excess bad", "why", numbers=("excess bad",), texts=("why",))
    for row in worst.iter_rows(named=True):
        add(shown, str(row["event_date"]), row["feature"], f"{row['excess_bad_events']:,.0f}", row["reason"])
    return shown


def faults_table(faults: pl.DataFrame) -> RenderableType | None:
    """Return the days of faulty telemetry; None where there are none."""
    if faults.is_empty():
        return None
    shown = table("Days whose telemetry is in doubt", "day", "verdict", "why", texts=("why",))
    for row in faults.iter_rows():
        add(shown, *(str(cell) for cell in row))
    return shown


def waiting_table(waiting: pl.DataFrame) -> RenderableType | None:
    """Return the rows in quarantine by reason; None where there are none."""
    if waiting.is_empty():
        return None
    shown = table(
        "In quarantine", "source", "rows", "reason", "example", numbers=("rows",), texts=("reason", "example")
    )
    for row in waiting.iter_rows(named=True):
        add(shown, row["source"], f"{row['rows']:,}", row["reason"], row["example"] or "")
    return shown


def truths_table(planted: PlantedAndFound) -> RenderableType:
    """Return what the simulator planted, compared with what the platform found."""
    alarms = planted.false_alarms
    clean = f"False alarms on {', '.join(alarms)}." if alarms else "No feature was called degraded without cause."
    if not planted.found:
        return Text(f"No trouble is planted in these days. {clean}", "bold")
    shown = table(
        "Planted and found", "planted", "where", "from", "to", "found on", "days after", numbers=("days after",)
    )
    for item in planted.found:
        truth = item.truth
        seen = Text(str(item.found_on), "green") if item.found_on else Text("not found", "red")
        delay = "" if item.delay_days is None else str(item.delay_days)
        kind = truth.kind.replace("_", " ")
        add(shown, kind, truth.feature or "whole product", str(truth.starts_on), str(truth.ends_on), seen, delay)
    hits = sum(item.found_on is not None for item in planted.found)
    total = f"Found {hits} of {len(planted.found)} among {planted.features} features."
    return Group(shown, Text(f"{total} {clean}", "bold"))


def preview_text(previewed: PreviewedSource, invocation: Invocation) -> RenderableType:
    """Return the preview of a source with its problem, or with the reasons for which rows would be rejected.

    Args:
        previewed: The preview of the source.
        invocation: How the program is called, by which the commands in a problem are spelled out.
    """
    lines = [
        Text.assemble(
            ("✗ " if previewed.is_wrong else "✓ ", "red" if previewed.is_wrong else "green"),
            f"{previewed.name}: {previewed.found}",
        )
    ]
    if previewed.problem:
        lines.append(Text(f"  {invocation.spelled_out(previewed.problem)}", "red"))
    findings = previewed.found_in or SampleFindings()
    if findings.fields:
        lines.append(Text(f"  Filled: {mapped_text(findings.fields)}."))
    if previewed.unmapped:
        lines.append(Text(f"  Not mapped: {', '.join(previewed.unmapped[:NAMES_SHOWN])}{_more(previewed.unmapped)}."))
    lines += [Text(f"  {warning}", "yellow") for warning in previewed.warnings]
    for reason, rows, example in previewed.rejections:
        shown = "" if example is None else f", for example {example!r}"
        lines.append(Text(f"  {rows:,} rows would go to quarantine: {reason}{shown}", "yellow"))
        lines.append(Text(f"    {findings.next_steps.get(reason) or remedy(reason)}", "bold"))
    lines += [Text(f"  {gap.says}", "yellow") for gap in findings.lost]
    return Group(*lines)


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""


def failed_checks_table(failed: Sequence[tuple[str, str, str]]) -> RenderableType | None:
    """Return the checks that failed, from asset, check and severity; None where all passed."""
    if not failed:
        return None
    shown = table("Checks that did not pass", "asset", "check", "severity")
    for asset, check, severity in failed:
        add(shown, asset, check, Text(severity, "red" if severity == "ERROR" else "yellow"))
    return shown


def next_steps(invocation: Invocation, product_file: str) -> RenderableType:
    """Return where to look next, with each command on its own line.

    Args:
        invocation: How the program is called, for the commands.
        product_file: Name of the product file.
    """
    steps = [
        (
            invocation.command("up"),
            "the dashboard at http://127.0.0.1:8501, assets, runs and checks at http://127.0.0.1:3000",
        ),
        (invocation.command("status"), "this summary at any time"),
        (product_file, "sources, promises and rules; docs/sources.md says how to point it at your own events"),
    ]
    lines = [Text.assemble("  ", (command, "bold"), f"  {use}") for command, use in steps]
    return Group(Text("Where to look next", "bold"), *lines)
