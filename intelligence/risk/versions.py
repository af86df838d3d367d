"""The versions of a model and the history of its champions, as people read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One line of the table of a model's versions."""

    version: str
    aliases: tuple[str, ...]
    created_at: datetime
    kind: str
    metrics: Mapping[str, float]
    trained_through: str
    verdict: str | None
    run_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """One line of the history of the alias `champion`; a version is None where the alias was on none.

    `overruled` is what the gate had said of a version that was made champion although the gate did not let it pass:
    "hold", "reject", "not_enough_evidence", or "unjudged"; None where it let it pass. `gate_reason` is why.
    """

    sequence: int
    at: datetime
    model: str
    from_version: str | None
    to_version: str | None
    actor: str
    cause: str
    reason: str
    run_id: str | None = None
    overruled: str | None = None
    gate_reason: str = ""


@dataclass(frozen=True, slots=True)
class Overruling:
    """What people are told once of a champion that the gate did not let pass; `key` is the same for the same move."""

    key: str
    title: str
    text: str


def overruled_by(verdict: str | None, to_version: str | None) -> str | None:
    """Return what a move of the alias to this version overrules, None where it overrules nothing.

    >>> overruled_by("promote", "3"), overruled_by("hold", "3"), overruled_by(None, "3"), overruled_by(None, None)
    (None, 'hold', 'unjudged', None)
    """
    if to_version is None or verdict == "promote":
        return None
    return verdict or "unjudged"


def verdict_overruled(move: Move) -> str | None:
    """Return in a sentence what the gate had said of a champion that it did not let pass; None where it let it pass."""
    if move.overruled is None:
        return None
    if move.overruled == "unjudged":
        return f"The gate has not judged version {move.to_version}."
    said = _SAID.get(move.overruled, f"said {move.overruled} of")
    reason = f" {move.gate_reason}" if move.gate_reason else ""
    return f"Against its verdict: the gate {said} version {move.to_version}.{reason}"


def overruling(move: Move) -> Overruling | None:
    """Return what people are told of the move; None where the gate let the version pass."""
    said = verdict_overruled(move)
    if said is None:
        return None
    # Spelt with the time, since a history that was begun anew counts its moves from 1 again.
    key = f"champion {move.model} {move.to_version} against the gate, move {move.sequence} of {move.at.isoformat()}"
    name = move.model.replace("_", " ").capitalize()
    against = "without a verdict" if move.overruled == "unjudged" else "against its verdict"
    title = f"{name}: version {move.to_version} was made champion {against}"
    why = f": {move.reason}" if move.reason else "."
    back = f"Back to version {move.from_version}: intelligence revert {move.model}" if move.from_version else ""
    return Overruling(key, title, "\n".join(filter(None, (said, f"By {move.actor}, {move.cause}{why}", back))))


_SAID = {
    "hold": "held back",
    "reject": "rejected",
    "not_enough_evidence": "had not enough evidence to judge",
}
