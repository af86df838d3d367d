"""The versions of a model, the history of its champions, and the words about a champion that the gate did not approve."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One row of the table of a model's versions.

    Attributes:
        version: Version in the registry.
        aliases: Aliases that point to it, such as `champion`.
        created_at: When it was registered, in UTC.
        kind: Kind of model.
        metrics: Logged measures by name.
        trained_through: Last day whose outcome it had seen, in ISO format.
        verdict: The gate's decision on it; None where there is none.
        run_id: Run that trained it.
    """

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
    """One move of the alias `champion`.

    Attributes:
        sequence: Number of the move; later moves have greater numbers.
        at: When it was made, in UTC.
        model: Name of the model in the registry.
        from_version: Version that was champion before; None where there was none.
        to_version: Version that became champion; None where the alias was removed.
        actor: Who moved the alias.
        cause: What the move was, such as a promotion or a reversal.
        reason: Why, in words.
        run_id: Run that moved it; None where no run did.
        overruled: The gate's decision where it had not approved the new champion: "hold", "reject", "not_enough_evidence", or
            "unjudged" where it had made none; None where it had approved it.
        gate_reason: Why the gate decided so, in words.
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
    """The notice about a champion that the gate did not approve; `key` identifies the move, so that it is sent once."""

    key: str
    title: str
    text: str


def overruled_by(verdict: str | None, to_version: str | None) -> str | None:
    """Return which decision a move of the alias to this version overrules; None where it overrules none.

    Args:
        verdict: The gate's decision on the version; None where there is none.
        to_version: Version that becomes champion; None where the alias is removed.

    >>> overruled_by("promote", "3"), overruled_by("hold", "3"), overruled_by(None, "3"), overruled_by(None, None)
    (None, 'hold', 'unjudged', None)
    """
    if to_version is None or verdict == "promote":
        return None
    return verdict or "unjudged"


def verdict_overruled(move: Move) -> str | None:
    """Return in a sentence what the gate had decided on a champion that it did not approve; None where it approved it."""
    if move.overruled is None:
        return None
    if move.overruled == "unjudged":
        return f"The gate has not judged version {move.to_version}."
    decided = _DECIDED.get(move.overruled, f"said {move.overruled} of")
    reason = f" {move.gate_reason}" if move.gate_reason else ""
    return f"Against its verdict: the gate {decided} version {move.to_version}.{reason}"


def overruling(move: Move) -> Overruling | None:
    """Return the notice about the move; None where the gate approved the version."""
    overruled = verdict_overruled(move)
    if overruled is None:
        return None
    # The key contains the time, since a new history numbers its moves from 1 again.
    key = f"champion {move.model} {move.to_version} against the gate, move {move.sequence} of {move.at.isoformat()}"
    name = move.model.replace("_", " ").capitalize()
    against = "without a verdict" if move.overruled == "unjudged" else "against its verdict"
    title = f"{name}: version {move.to_version} was made champion {against}"
    why = f": {move.reason}" if move.reason else "."
    back = f"Back to version {move.from_version}: intelligence revert {move.model}" if move.from_version else ""
    return Overruling(key, title, "\n".join(filter(None, (overruled, f"By {move.actor}, {move.cause}{why}", back))))


_DECIDED = {
    "hold": "held back",
    "reject": "rejected",
    "not_enough_evidence": "had not enough evidence to judge",
}
