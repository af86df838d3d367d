"""Feature flags in flagd's JSON format: the document after a flag is rolled back, throttled, held, advanced or restored.

flagd assigns a user to a variant by a hash that is scaled to the sum of all weights. A share is therefore taken from within
the range of its variant and the sum of the weights is kept: every user who is not affected keeps the same variant.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from intelligence.actions.action import FLAG_KINDS, Kind
from intelligence.core.errors import ActionError

VERSION = "intelligence_version"
CHANGED_BY = "intelligence_action"
HELD = "held"
SAFE = "safe_variant"
ON = "on_variant"
WHOLE = 1_000
STEP = 0.5
# Weights are whole numbers: a share is met to one part of `WHOLE`.
ROUNDED = 0.5 / WHOLE + 1e-9
_RULE = ("state", "variants", "defaultVariant", "targeting")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FlagChange:
    """A requested change of one flag.

    Attributes:
        flag: Key of the flag.
        kind: `rollback`, `throttle`, `hold` or `advance`.
        action_id: Id of the action that requested the change, which is recorded in the metadata of the flag.
        step: Share of all users, in (0, 1], who lose the feature when it is throttled.
        safe: Variant without the feature; None to find it by the metadata of the flag or the values of its variants.
        on: Variant with the feature; None to find it in the same way.
        share: Share of all users, in (0, 1], who have the feature after an advance.
        former_share: Share who have to have it before an advance, so that one which waited too long is not made; None for any.
    """

    flag: str
    kind: Kind
    action_id: str
    step: float = STEP
    safe: str | None = None
    on: str | None = None
    share: float | None = None
    former_share: float | None = None


def changed_document(document: Document, change: FlagChange) -> dict[str, Any]:
    """Return the document with the change.

    Args:
        document: flagd's document; it is not modified.
        change: The requested change.

    Raises:
        ActionError: The change cannot be made without guessing, or the kind of action does not change flags.
    """
    if change.kind not in FLAG_KINDS:
        raise _error(change.flag, f"a {change.kind} does not change a flag.", "Send it to another target.")
    flag = flag_in(document, change.flag)
    if flag.get("state") != "ENABLED":
        raise _error(change.flag, f"its state is {flag.get('state')}, set by a person.", "It serves nobody as it is.")
    safe, on = _variants(flag, change)
    rule: dict[str, Any] = {}
    if change.kind is Kind.ROLLBACK:
        rule = {"defaultVariant": safe, "targeting": {}}
    elif change.kind is Kind.THROTTLE:
        rule = {"targeting": _throttled(flag, change, safe=safe, on=on)}
    elif change.kind is Kind.ADVANCE:
        rule = {"targeting": _advanced(flag, change, safe=safe, on=on)}
    held = change.kind is Kind.HOLD or flag.get("metadata", {}).get(HELD, False)
    return _with(document, change.flag, rule, {CHANGED_BY: change.action_id, HELD: held, SAFE: safe, ON: on})


def former_rule(document: Document, flag: str) -> dict[str, Any]:
    """Return the part of the flag that restores it to its present state.

    Args:
        document: flagd's document.
        flag: Key of the flag.

    Returns:
        `defaultVariant` and `targeting`, where the flag has them, and whether it is held.
    """
    present = flag_in(document, flag)
    rule = {name: copy.deepcopy(present[name]) for name in ("defaultVariant", "targeting") if name in present}
    return {**rule, HELD: present.get("metadata", {}).get(HELD, False)}


def restored_document(document: Document, flag: str, former: Mapping[str, Any], *, action_id: str) -> dict[str, Any]:
    """Return the document with the former rule of a flag and an increased version.

    Args:
        document: flagd's document; it is not modified.
        flag: Key of the flag.
        former: The rule to restore, as returned by `former_rule`.
        action_id: Id of the action that is undone, which is recorded in the metadata of the flag.
    """
    rule = {name: copy.deepcopy(former[name]) for name in ("defaultVariant", "targeting") if name in former}
    bare = dict(flag_in(document, flag))
    for name in ("defaultVariant", "targeting"):
        bare.pop(name, None)
    flags = {**document["flags"], flag: bare}
    return _with({**document, "flags": flags}, flag, rule, {CHANGED_BY: action_id, HELD: former.get(HELD, False)})


def exposure(document: Document, flag: str) -> float | None:
    """Return the share of users who are served the variant with the feature; None where it depends on the user.

    Args:
        document: flagd's document.
        flag: Key of the flag.

    >>> flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    >>> exposure({"flags": {"f": {**flag, "targeting": {"fractional": [["on", 30], ["off", 70]]}}}}, "f")
    0.3
    """
    present = flag_in(document, flag)
    on, targeting = on_variant(document, flag), present.get("targeting") or {}
    if not targeting:
        return float(present.get("defaultVariant") == on)
    if set(targeting) != {"fractional"}:
        return None
    return _share(_weights(targeting["fractional"], flag), on)


def on_variant(document: Document, flag: str) -> str:
    """Return the variant with the feature; raises ActionError where neither metadata nor values identify it.

    Args:
        document: flagd's document.
        flag: Key of the flag.
    """
    return _variants(flag_in(document, flag), FlagChange(flag, Kind.HOLD, ""))[1]


def safe_variant(document: Document, flag: str) -> str:
    """Return the safe variant; raises ActionError where neither metadata nor values identify it.

    Args:
        document: flagd's document.
        flag: Key of the flag.
    """
    return _variants(flag_in(document, flag), FlagChange(flag, Kind.HOLD, ""))[0]


def off_variant(document: Document, flag: str) -> str | None:
    """Return the safe variant where it hides the feature; None where it is a reduced form of the feature, which is used too.

    Args:
        document: flagd's document.
        flag: Key of the flag.
    """
    present = flag_in(document, flag)
    safe = _variants(present, FlagChange(flag, Kind.HOLD, ""))[0]
    return safe if present["variants"][safe] is False else None


def flag_in(document: Document, flag: str) -> Mapping[str, Any]:
    """Return the part of the document on one flag; raises ActionError where it is missing or this is no flagd document.

    Args:
        document: flagd's document.
        flag: Key of the flag.
    """
    flags = document.get("flags")
    if not isinstance(flags, Mapping):
        raise _error(flag, "the file has no object `flags`.", "Write it in flagd's format.")
    if not isinstance(flags.get(flag), Mapping):
        raise _error(flag, "the file has no such flag.", "Add it, or mend `flag_key` in product.yaml.")
    present: Mapping[str, Any] = flags[flag]
    return present


def version_of(document: Document, flag: str) -> int:
    """Return how often the platform has changed the flag, as recorded in the metadata of the flag.

    Args:
        document: flagd's document.
        flag: Key of the flag.
    """
    version = flag_in(document, flag).get("metadata", {}).get(VERSION, 0)
    return version if isinstance(version, int) else 0


def digest_of(document: Document, flag: str) -> str:
    """Return a SHA-256 of everything that determines which variant a user is served.

    Args:
        document: flagd's document.
        flag: Key of the flag.
    """
    present = flag_in(document, flag)
    held = present.get("metadata", {}).get(HELD, False)
    rule = {**{name: present.get(name) for name in _RULE}, HELD: held, VERSION: version_of(document, flag)}
    return sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()


def first_document(flags: Iterable[str]) -> dict[str, Any]:
    """Return a flagd document in which each of the flags is on for everybody."""
    return {"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": {flag: _first_flag() for flag in flags}}


def _first_flag() -> dict[str, Any]:
    return {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "on",
        "targeting": {},
        "metadata": {SAFE: "off", ON: "on"},
    }


def _with(document: Document, flag: str, rule: Mapping[str, Any], marks: Mapping[str, Any]) -> dict[str, Any]:
    new = copy.deepcopy(dict(document))
    version = version_of(document, flag) + 1
    metadata = {**new["flags"][flag].get("metadata", {}), VERSION: version, **marks}
    new["flags"][flag] = {**new["flags"][flag], **rule, "metadata": metadata}
    return new


def _variants(flag: Mapping[str, Any], change: FlagChange) -> tuple[str, str]:
    variants, metadata = flag.get("variants", {}), flag.get("metadata", {})
    found: dict[str, str] = {}
    for name, requested, value in ((SAFE, change.safe, False), (ON, change.on, True)):
        by_value = [variant for variant, its in variants.items() if its is value]
        chosen = requested or metadata.get(name) or (by_value[0] if len(by_value) == 1 else None)
        if chosen not in variants:
            problem = f"`{name}` is {chosen}, which is none of its variants." if chosen else f"it names no `{name}`."
            raise _error(change.flag, problem, f"Write `{name}` into the metadata of the flag.")
        found[name] = str(chosen)
    return found[SAFE], found[ON]


def _throttled(flag: Mapping[str, Any], change: FlagChange, *, safe: str, on: str) -> dict[str, Any]:
    if not 0 < change.step <= 1:
        raise _error(change.flag, f"a step of {change.step} is no share of users.", "Give one above 0, up to 1.")
    targeting: dict[str, Any] = copy.deepcopy(dict(flag.get("targeting") or {}))
    if not targeting:
        served = flag.get("defaultVariant")
        if served != on:
            raise _error(change.flag, f"it serves {served} to everybody.", "There is nothing to throttle.")
        targeting = {"fractional": [[on, 100]]}
    splits = list(_splits(targeting))
    if not splits:
        raise _error(change.flag, "its targeting has no `fractional` rule.", "Give it one, or roll it back.")
    for split in splits:
        weights = _weights(split, change.flag)
        if _share(weights, on) > 0:
            begin = len(split) - len(weights)
            split[begin:] = _reduced(weights, on=on, safe=safe, step=change.step)
    return targeting


def _advanced(flag: Mapping[str, Any], change: FlagChange, *, safe: str, on: str) -> dict[str, Any]:
    if change.share is None or not 0 < change.share <= 1:
        raise _error(change.flag, f"a share of {change.share} is none of its users.", "Give one above 0, up to 1.")
    if flag.get("metadata", {}).get(HELD, False):
        raise _error(change.flag, "it is held.", "Undo the hold before it is shown to more users.")
    targeting: dict[str, Any] = copy.deepcopy(dict(flag.get("targeting") or {}))
    if not targeting:
        targeting = {"fractional": [[flag.get("defaultVariant"), WHOLE]]}
    if set(targeting) != {"fractional"}:
        raise _error(
            change.flag,
            "its targeting is more than one `fractional` rule.",
            "Its share is not known; raise it by hand.",
        )
    split = targeting["fractional"]
    weights = _weights(split, change.flag)
    present = _share(weights, on)
    if change.share <= present:
        raise _error(change.flag, f"{present:.0%} of its users have it already.", "Nobody loses it by an advance.")
    if change.former_share is not None and abs(present - change.former_share) > ROUNDED:
        raise _error(
            change.flag,
            f"{present:.4g} of its users have it, and {change.former_share:.4g} had it when the step was decided.",
            "The next day decides.",
        )
    begin = len(split) - len(weights)
    split[begin:] = _raised(weights, on=on, safe=safe, share=change.share)
    if _share(_weights(split, change.flag), on) < change.share - ROUNDED:
        raise _error(
            change.flag, f"too few of its users have {safe}.", "A variant of a test is not taken away; end that first."
        )
    return targeting


def _splits(rule: Any) -> Iterator[list[Any]]:
    """Yield the arguments of every `fractional` operation in the rule."""
    if isinstance(rule, Mapping):
        for name, inner in rule.items():
            if name == "fractional" and isinstance(inner, list):
                yield inner
            else:
                yield from _splits(inner)
    elif isinstance(rule, list):
        for inner in rule:
            yield from _splits(inner)


def _weights(split: list[Any], flag: str) -> list[tuple[str, int]]:
    parts = split if split and isinstance(split[0], list) else split[1:]
    try:
        weights = [(part[0], max(0, part[1]) if len(part) > 1 else 1) for part in parts]
    except (TypeError, IndexError) as error:
        raise _error(flag, "a weight is computed, not written.", "Write its weights as numbers.") from error
    if not weights or not all(isinstance(variant, str) and type(weight) is int for variant, weight in weights):
        raise _error(flag, "its weights are not whole numbers.", "Write [variant, weight] for each.")
    return weights


def _share(weights: list[tuple[str, int]], variant: str) -> float:
    whole = sum(weight for _, weight in weights)
    return sum(weight for name, weight in weights if name == variant) / whole if whole else 0.0


def _reduced(weights: list[tuple[str, int]], *, on: str, safe: str, step: float) -> list[list[Any]]:
    whole = sum(weight for _, weight in weights)
    # Larger weights in the same proportion leave every user with the same variant.
    factor = -(-WHOLE // whole) if whole < WHOLE else 1
    taken = round(step * whole * factor)
    parts: list[list[Any]] = []
    for variant, weight in reversed([(name, weight * factor) for name, weight in weights]):
        moved = min(taken, weight) if variant == on else 0
        taken -= moved
        for name, share in ((safe, moved), (variant, weight - moved)):
            if share:
                parts.append([name, share])
    return _joined(parts[::-1])


def _raised(weights: list[tuple[str, int]], *, on: str, safe: str, share: float) -> list[list[Any]]:
    """Return the weights in which users of the safe variant move to the one that is on, next to those who have it."""
    whole = sum(weight for _, weight in weights)
    factor = -(-WHOLE // whole) if whole < WHOLE else 1
    wanted = round(share * whole * factor) - sum(weight * factor for name, weight in weights if name == on)
    parts: list[list[Any]] = []
    for place, (variant, weight) in enumerate((name, each * factor) for name, each in weights):
        moved = min(max(wanted, 0), weight) if variant == safe else 0
        wanted -= moved
        is_before = place + 1 < len(weights) and weights[place + 1][0] == on
        is_after = place > 0 and weights[place - 1][0] == on
        halves = [(on, moved), (variant, weight - moved)]
        for name, part in halves[::-1] if is_before and not is_after else halves:
            if part:
                parts.append([name, part])
    return _joined(parts)


def _joined(parts: list[list[Any]]) -> list[list[Any]]:
    joined: list[list[Any]] = []
    for name, share in parts:
        if joined and joined[-1][0] == name:
            joined[-1][1] += share
        else:
            joined.append([name, share])
    return joined


def _error(flag: str, problem: str, hint: str) -> ActionError:
    return ActionError(f"flag {flag}", problem, hint=hint)
