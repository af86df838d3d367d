"""Why a metric moved, at a terminal and as JSON: the answer, the parts of each dimension, and what happened at the time."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from intelligence.causality.decomposition import Decomposition
from intelligence.causality.interval import Interval, signed
from intelligence.causality.movement import GRADE, Movement
from intelligence.core.foreign import harmless
from intelligence.core.tables import Days
from intelligence.interfaces.cli.table import add, table

SHOWN_PARTS = 5
NUMBERS = ("before", "after", "mix", "within", "of the change")


def movement_parts(found: Movement) -> Iterator[RenderableType]:
    """Yield the answer, the decompositions with those first that hold most of the change in one part, and what happened."""
    periods = found.periods
    about = f" of {found.feature}" if found.feature else ""
    yield Text(
        harmless(f"{found.metric}{about}: {_said(periods.after)} against {_said(periods.before)}"),
        "bold",
    )
    yield Text(harmless(found.answer))
    for each in found.ranked:
        yield _decomposition(each)
    if found.at_the_time.height:
        shown = table("At the time, which is no part of the claim", "day", "kind", "what", texts=("what",))
        for row in found.at_the_time.iter_rows(named=True):
            style = "bold" if row["names_suspect"] else ""
            add(shown, Text(str(row["day"]), style), row["kind"], Text(row["what"], style))
        yield shown


def movement_record(found: Movement) -> dict[str, Any]:
    """Return the movement for another program, with the intervals of all values."""
    whole, suspect = found.why.decompositions[0], found.why.suspect
    pair = [found.why.by(*suspect.dimensions)] if suspect and len(suspect.dimensions) > 1 else []
    return {
        "metric": found.metric,
        "feature": found.feature or None,
        "before": {**_days(found.periods.before), **_interval(whole.before)},
        "after": {**_days(found.periods.after), **_interval(whole.after)},
        "change": _interval(whole.change),
        "grade": GRADE,
        "answer": found.answer,
        "suspect": None
        if suspect is None
        else {
            **found.parts,
            "accounts_for": min(suspect.accounts_for / whole.change.value, 1.0),
            "share": suspect.share,
            "rate": _interval(suspect.rate),
            "elsewhere": _interval(suspect.elsewhere),
        },
        "decompositions": [_record(each) for each in (*pair, *found.ranked)],
        "at_the_time": found.at_the_time,
    }


def _decomposition(found: Decomposition) -> RenderableType:
    # Shares of a change within chance say nothing.
    change = found.change.value if found.change.excludes_zero else 0.0
    name = " × ".join(found.dimensions)
    title = f"By {name}: {signed(found.mix)} is a change of the mix, {signed(found.within)} within"
    shown = table(title, name, *NUMBERS, numbers=NUMBERS)
    for part in found.parts[:SHOWN_PARTS]:
        add(
            shown,
            " × ".join(part.names),
            *("none" if rate is None else f"{rate.value:.4g}" for rate in (part.before, part.after)),
            signed(part.mix),
            signed(part.within),
            f"{part.total / change:.0%}" if change else "",
        )
    if len(found.parts) > SHOWN_PARTS:
        rest = sum(part.total for part in found.parts[SHOWN_PARTS:])
        left = f"{len(found.parts) - SHOWN_PARTS} more"
        add(shown, left, "", "", "", "", f"{rest / change:.0%}" if change else "")
    return shown


def _record(found: Decomposition) -> dict[str, Any]:
    parts = [
        {
            "names": part.names,
            "mix": part.mix,
            "within": part.within,
            "share_before": part.share_before,
            "share_after": part.share_after,
            "before": part.before and _interval(part.before),
            "after": part.after and _interval(part.after),
        }
        for part in found.parts
    ]
    return {"dimensions": found.dimensions, "mix": found.mix, "within": found.within, "parts": parts}


def _interval(found: Interval) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _days(days: Days) -> dict[str, str]:
    return {"first_day": str(days.start), "last_day": str(days.end - timedelta(days=1))}


def _said(days: Days) -> str:
    last = days.end - timedelta(days=1)
    return str(last) if days.start == last else f"{days.start} to {last}"
