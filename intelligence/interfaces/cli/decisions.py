"""Decisions and actions at a terminal: what would be done, why, why nothing stronger, and the state of each action."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from intelligence.catalog.reading.decisions import why_not_more
from intelligence.catalog.summary import DecisionSummary
from intelligence.interfaces.cli.table import add, table

STYLES: Final = {
    "rollback": "red",
    "advance": "green",
    "throttle": "yellow",
    "hold": "yellow",
    "alert": "cyan",
    "ticket": "cyan",
}
STANDING_STYLES: Final = {
    "confirmed": "green",
    "failed": "red",
    "unconfirmed": "red",
    "overridden": "yellow",
    "planned": "yellow",
}


def decision_parts(found: DecisionSummary, *, most: int | None = None) -> Iterator[RenderableType]:
    """Yield the decisions of the newest day and the newest actions.

    Args:
        found: The decisions and actions.
        most: Greatest number of decisions; None for all of them.
    """
    if found.shown.is_empty():
        yield Text(f"Nothing is to be done on {found.day}: {found.monitored:,} features are watched.", "green")
    else:
        yield decisions_table(found, most=most)
    waiting = found.actions.filter(pl.col("standing") == "planned").height
    if found.actions.height:
        yield actions_table(found.actions.iter_rows(named=True))
    if waiting:
        yield f"{waiting:,} wait: `intelligence approve ID` lets one be done, `intelligence reject ID` refuses it."


def decisions_table(found: DecisionSummary, *, most: int | None = None) -> RenderableType:
    """Return the decisions other than `monitor`, and how many more there are.

    Args:
        found: The decisions and actions.
        most: Greatest number of decisions; None for all of them.
    """
    shown = table(
        f"Decisions of {found.day}", "feature", "decision", "as", "why", "why not more", texts=("why", "why not more")
    )
    for row in (found.shown.head(most) if most else found.shown).iter_rows(named=True):
        add(
            shown,
            row["feature"],
            Text(row["action"], STYLES[row["action"]]),
            row["level"],
            row["reasons"],
            why_not_more(row["action"], row["why_not"]),
        )
    shadow = found.shown.filter(pl.col("level") == "shadow").height
    rest = found.shown.height - most if most else 0
    more = f"{rest:,} more decisions stand in decisions.feature_decisions. " if rest > 0 else ""
    note = f"{more}{found.monitored:,} features are watched and left alone."
    if shadow:
        note += " Decisions in shadow are written down and send nothing; `decisions` in product.yaml lets them act."
    return Group(shown, Text(note))


def actions_table(actions: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return actions with their states."""
    shown = table("Actions", "id", "what", "target", "stands at", "because", texts=("because",))
    for row in actions:
        standing = Text(row["standing"], STANDING_STYLES.get(row["standing"], ""))
        add(shown, row["action_id"][:12], row["title"], row["target"], standing, row["reason"] or "")
    return shown


def backtest_text(found: DecisionSummary) -> RenderableType:
    """Return precision and recall of the policy on planted troubles, had it been allowed to act."""
    assert found.backtest
    result, first, last = found.backtest
    answered = sum(each.answered_on is not None for each in result.truths)
    wrong = (
        f"{result.false_touches} touched a feature without trouble"
        if result.false_touches
        else "none touched a sound feature"
    )
    precision = "" if result.precision is None else f", precision {result.precision:.0%}"
    recall = "" if result.recall is None else f", recall {result.recall:.0%}"
    return Text(
        f"The policy on {first} to {last}, had it been allowed to act: {answered} of {len(result.truths)} planted troubles"
        f" answered with {result.actions} actions{precision}{recall}; {wrong}.",
        "bold",
    )


def explanation_parts(story: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield the complete explanation of a decision, from its outcome back to the rows on which it is based."""
    row = story["decision"]
    head = f"{row['action']} {row['feature']} on {row['event_date']}"
    yield Group(
        Text(head, f"bold {STYLES.get(row['action'], '')}"),
        Text(row["reasons"]),
        Text(f"decision {row['decision_id']}  policy {row['policy_version']}  level {row['level'] or 'none'}"),
    )
    if story["earlier"]:
        past = story["earlier"]
        yield Text(f"Before that, on {past['event_date']}: {past['action']}, decision {past['decision_id'][:12]}.")
    yield _candidates(row)
    yield _listed("Why not", json.loads(row["why_not"]).items())
    if row["lowered_by"]:
        yield _listed("Rules that lowered it", ((name, story["rules"].get(name, "")) for name in row["lowered_by"]))
    yield _listed(
        "Evidence",
        ((name, _formatted(value)) for name, value in json.loads(row["evidence"]).items() if value is not None),
    )
    if row["missing"]:
        yield Text(f"Not known: {', '.join(row['missing'])}.", "yellow")
    yield _listed("Where it comes from", story["origin"])
    if story["actions"]:
        yield actions_table(story["actions"])
        entries = (
            (f"{each.at:%Y-%m-%d %H:%M:%S}", f"{each.event} by {each.actor}: {each.reason}")
            for each in story["history"]
        )
        yield _listed("History", entries)
    if story["outcomes"]:
        achieved = ((each["kind"], f"{each['verdict']}. {each['reason']}") for each in story["outcomes"])
        yield _listed("What it achieved", achieved)


def _candidates(row: Mapping[str, Any]) -> RenderableType:
    shown = table("Candidates", "action", "probability", "confidence", "benefit", "cost", "score")
    for each in json.loads(row["candidates"]):
        add(
            shown,
            each["kind"],
            *(_formatted(each.get(name)) for name in ("probability", "confidence", "benefit", "cost", "score")),
        )
    return shown


def _listed(title: str, items: Iterable[tuple[str, Any]]) -> RenderableType:
    shown = table(title, "", " ", texts=(" ",))
    for name, value in items:
        add(shown, str(name), str(value))
    return shown


def _formatted(value: object) -> str:
    if value is None:
        return "not known"
    return f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
