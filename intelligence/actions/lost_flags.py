"""Detection of a lost flag file: one that is older than the changes made to it, or that lacks flags known to be in it."""

from collections.abc import Mapping
from typing import Any, Final

from intelligence.actions.flags import CHANGED_BY, Document, first_document, version_of

SHOWN: Final = 3


def loss(
    document: Document | None, *, known: Document | None, least: Mapping[str, int], actions: frozenset[str]
) -> str | None:
    """Return what was lost of the flags, in words that follow the name of their file; None where nothing was.

    Args:
        document: The present content of the file; None where it is missing or empty.
        known: The content when it was last seen; None if it never was.
        least: By flag, the least number of changes by the platform, where no person has changed it since.
        actions: Ids of all recorded actions that have changed a flag.
    """
    flags = (document or {}).get("flags", {})
    known_marks = frozenset(_marks((known or {}).get("flags", {})).values())
    losses = {
        "bears no trace of what the platform did to": [flag for flag in least if not _version(flags, flag)],
        "is older than what the platform did last to": [
            flag for flag, v in least.items() if 0 < _version(flags, flag) < v
        ],
        "lacks": [flag for flag in _restricted(known) if flag not in flags and flag not in least],
        "bears changes that the store of actions knows nothing of, at": _unknown(flags, actions | known_marks),
    }
    found = [f"{words} {_listed(flags)}" for words, flags in losses.items() if flags]
    if document is None and found:
        return f"is gone or empty, and the platform knows what stood in it of {_listed([*least, *losses['lacks']])}"
    return " and ".join(found) or None


def _version(flags: Mapping[str, Any], flag: str) -> int:
    present = flags.get(flag)
    if not isinstance(present, Mapping) or not isinstance(present.get("metadata", {}), Mapping):
        return 0
    return version_of({"flags": flags}, flag)


def _restricted(known: Document | None) -> list[str]:
    """Return the known flags that are not simply on for everybody: recreated, they would show features that were hidden."""
    rules = ("state", "variants", "defaultVariant")
    (usual,) = first_document(["usual"])["flags"].values()
    return [
        flag
        for flag, present in (known or {}).get("flags", {}).items()
        if not isinstance(present, Mapping)
        or present.get("targeting")
        or any(present.get(rule) != usual[rule] for rule in rules)
    ]


def _unknown(flags: Mapping[str, Any], actions: frozenset[str]) -> list[str]:
    return [flag for flag, mark in _marks(flags).items() if mark not in actions]


def _marks(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return by flag the id of the action that changed it last."""
    found = {
        flag: present["metadata"].get(CHANGED_BY)
        for flag, present in flags.items()
        if isinstance(present, Mapping) and isinstance(present.get("metadata"), Mapping)
    }
    return {flag: mark for flag, mark in found.items() if isinstance(mark, str)}


def _listed(flags: list[str]) -> str:
    more = len(flags) - SHOWN
    return ", ".join(sorted(flags)[:SHOWN]) + (f" and {more} more" if more > 0 else "")
