"""The choice of an action for one feature: the best candidate, lowered rule by rule to what is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from intelligence.decisions.autonomy import STRENGTH, TOUCHING, Kind, Level, lower_level
from intelligence.decisions.candidates import Candidate, candidates
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.rules import FEATURE_RULES, Rule, broken, decisive, level_under
from intelligence.decisions.settings import Decisions, InDoubt

_STRONGEST_ALLOWED: Final[dict[InDoubt, int]] = {
    "monitor": STRENGTH["monitor"],
    "alert": STRENGTH["alert"],
    "lower_one_step": STRENGTH["rollback"],
}
_LACKS: Final = {
    "health": "its health is not known",
    "metadata": "nothing is said about it in the warehouse",
    "risk": "no risk was scored",
    "figures": "its newest figures are missing",
    "flag": "the state of its flag is not known",
    "panel": "its panel of predictors is missing",
    "previous_actions": "what was done before is not known",
    "releases": "the releases are not known",
    "release_counts": "failures were not counted by release",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The action that was chosen for a feature, and why nothing stronger and nothing else was.

    Attributes:
        facts: What is known of the feature on the day.
        action: The chosen action.
        level: Autonomy level; None for `monitor`.
        chosen: The candidate of the chosen action; None for `monitor`.
        candidates: All candidates, weakest first.
        lowered_by: Names of the rules that barred a better candidate or lowered its level, in the order of their application.
        why_not: By action that was not chosen, the reason in words.
        because: The rules of `lowered_by` in words, where they have any.
    """

    facts: FeatureFacts
    action: Kind
    level: Level | None
    chosen: Candidate | None
    candidates: tuple[Candidate, ...]
    lowered_by: tuple[str, ...]
    why_not: dict[Kind, str] = field(default_factory=dict)
    because: tuple[str, ...] = ()


def choice(facts: FeatureFacts, settings: Decisions) -> Choice:
    """Return which action to take on the feature.

    The search starts with the candidate of the highest score and only goes down: where a rule bars a candidate, or its
    confidence is too low, or it is stronger than missing or inconclusive evidence allows, the best of the weaker candidates
    is considered next; `monitor` is chosen when none remains. An action that changes the product gets the lowest level of
    all such candidates that were considered, further lowered by rules: a rollback that needs approval does not become a
    throttle that needs none.

    Args:
        facts: What is known of the feature on the day.
        settings: The policy.
    """
    scored = candidates(facts, settings)
    why_not: dict[Kind, str] = {}
    highest = _highest_in_doubt(scored, facts, settings, why_not)
    remaining = [each for each in scored if each.confidence is not None and each.score > 0]
    touching: Level = "auto"
    trace: dict[str, str | None] = {}
    while remaining:
        best = max(remaining, key=lambda each: (each.score, -STRENGTH[each.kind]))
        stronger = [each for each in remaining if STRENGTH[each.kind] > STRENGTH[best.kind]]
        remaining = [each for each in remaining if STRENGTH[each.kind] < STRENGTH[best.kind]]
        if best.kind in TOUCHING:
            touching = lower_level(touching, settings.of(best.kind).level)
        failed = broken(FEATURE_RULES, best.kind, facts, settings)
        level = touching if best.kind in TOUCHING else settings.of(best.kind).level
        allowed = level_under(level, failed)
        refusal = _refusal(best, highest, failed, facts, settings)
        trace |= {rule.name: rule.in_words(facts, settings) for rule in decisive(failed, facts, settings)}
        if refusal is None and allowed is not None:
            _explain_the_rest(why_not, scored, best, facts)
            return Choice(facts, best.kind, allowed, best, scored, tuple(trace), why_not, _distinct_words(trace))
        why_not[best.kind] = refusal or "a rule bars it"
        for each in stronger:
            worth = f"worth {each.score:.1f}, not more than {best.kind} with {best.score:.1f}"
            why_not[each.kind] = f"{worth}, which is refused, and nothing stronger is done instead"
        if refusal and not any(rule.otherwise == "barred" for rule in failed):
            trace["stronger_than_doubt_allows" if highest[1] < STRENGTH[best.kind] else "sure_enough"] = None
    _explain_the_rest(why_not, scored, None, facts)
    return Choice(facts, "monitor", None, None, scored, tuple(trace), why_not, _distinct_words(trace))


def _distinct_words(trace: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words for words in trace.values() if words))


def _highest_in_doubt(
    scored: tuple[Candidate, ...], facts: FeatureFacts, settings: Decisions, why_not: dict[Kind, str]
) -> tuple[str, int]:
    """Return the greatest strength that doubt allows, with its reason, by the settings `no_data` and `inconclusive` of each kind."""
    why, highest = "", STRENGTH["rollback"]
    for each in scored:
        terms = settings.of(each.kind)
        if each.kind not in ("ticket", "alert") and facts.flag_key is None:
            continue
        if each.confidence is None:
            # Missing evidence counts as inconclusive as well, so that losing evidence never allows more.
            allows = min(terms.no_data, terms.inconclusive, key=_STRONGEST_ALLOWED.__getitem__)
            about = " and ".join(_LACKS[name] for name in each.lacking)
            why_not[each.kind] = f"it cannot be judged: {about}"
        elif each.probability and each.confidence < terms.confidence:
            allows = terms.inconclusive
            about = f"{each.kind} is inconclusive ({each.confidence:.0%} sure)"
        else:
            continue
        if _STRONGEST_ALLOWED[allows] < highest:
            why, highest = about, _STRONGEST_ALLOWED[allows]
    return why, highest


def _refusal(
    best: Candidate,
    highest: tuple[str, int],
    failed: list[Rule[FeatureFacts]],
    facts: FeatureFacts,
    settings: Decisions,
) -> str | None:
    """Return in words why this candidate is refused; None where it is not."""
    relevant = decisive(failed, facts, settings)
    bars = [rule.in_words(facts, settings) for rule in relevant if rule.otherwise == "barred"]
    if bars:
        return "; ".join(bars)
    if STRENGTH[best.kind] > highest[1]:
        return f"{highest[0]}, so that nothing as strong is done"
    needed, sure = settings.of(best.kind).confidence, best.confidence or 0.0
    return f"{sure:.0%} sure, where {needed:.0%} is needed" if sure < needed else None


def _explain_the_rest(
    why_not: dict[Kind, str],
    scored: tuple[Candidate, ...],
    taken: Candidate | None,
    facts: FeatureFacts,
) -> None:
    for each in scored:
        if each.kind in why_not or (taken and each.kind == taken.kind):
            continue
        if taken and each.score > 0:
            why_not[each.kind] = f"worth {each.score:.1f}, less than {taken.kind} with {taken.score:.1f}"
        elif each.kind not in ("ticket", "alert") and facts.flag_key is None:
            why_not[each.kind] = "no flag steers it"
        elif not each.probability:
            why_not[each.kind] = _why_worthless(each.kind)
        else:
            why_not[each.kind] = f"it would cost {each.cost:.1f} and bring {each.benefit:.1f}"
    if taken:
        why_not["monitor"] = f"{taken.kind} is worth {taken.score:.1f}"


def _why_worthless(kind: Kind) -> str:
    return {
        "rollback": "no release is to blame for trouble that is there today",
        "throttle": "it is not degraded, and no rising errors come with a risk",
        "hold": "no ramp after a new release comes with a risk",
        "alert": "it is not degraded and nothing is foreseen",
    }.get(kind, "there is no trouble, now or foreseen")
