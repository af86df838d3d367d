"""The model registry at a terminal: versions of a model, and who made which version champion."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from intelligence.interfaces.cli.table import add, table
from intelligence.risk.versions import Move, VersionRow
from intelligence.risk.wording import MEASURES, NAMES

SHOWN: Final = {name: MEASURES.get(name, name) for name in ("pr_auc", "lift", "calibration_error")}


def models_parts(model: str, versions: Sequence[VersionRow], history: Sequence[Move]) -> Iterator[RenderableType]:
    """Yield the versions of a model and the history of its champions.

    Args:
        model: Name of the model.
        versions: Its versions, newest first.
        history: Changes of its champion, oldest first.
    """
    if not versions:
        yield Text(f"{model}: no version yet. ", "bold")
        return
    yield versions_table(model, versions)
    if history:
        yield history_table(model, history)


def versions_table(model: str, versions: Sequence[VersionRow]) -> RenderableType:
    """Return the versions with their out-of-time measures and the verdict of the promotion gate.

    Args:
        model: Name of the model.
        versions: Its versions, newest first.
    """
    shown = table(
        f"{model}: versions",
        *("version", "alias", "kind", *SHOWN.values(), "trained through", "verdict"),
        numbers=("version", *SHOWN.values()),
    )
    for row in versions:
        measured = [f"{row.metrics[name]:.3f}" if name in row.metrics else "" for name in SHOWN]
        aliases = Text(", ".join(row.aliases), "bold green")
        verdict = named_verdict(row.verdict or "")
        add(shown, row.version, aliases, NAMES.get(row.kind, row.kind), *measured, row.trained_through, verdict)
    return shown


def history_table(model: str, history: Sequence[Move]) -> RenderableType:
    """Return who moved the alias `champion`, when, from which version to which, and why; the latest change first.

    Args:
        model: Name of the model.
        history: Changes of its champion, oldest first.
    """
    shown = table(f"{model}: champions", "when (UTC)", "from", "to", "who", "cause", "why", texts=("cause", "why"))
    for move in reversed(history):
        add(
            shown,
            f"{move.at:%Y-%m-%d %H:%M}",
            move.from_version or "none",
            move.to_version or "none",
            move.actor,
            f"{move.cause}, {overruled}" if (overruled := _overruled(move)) else move.cause,
            move.reason,
        )
    return shown


def _overruled(move: Move) -> str:
    if move.overruled is None:
        return ""
    return (
        "without a verdict" if move.overruled == "unjudged" else f"against the verdict {named_verdict(move.overruled)}"
    )


def named_verdict(verdict: str) -> str:
    """Return the verdict of the promotion gate in words."""
    return verdict.replace("_", " ")
