"""The policy for one user, session or device: allow, throttle or block, in microseconds and without a frame.

It uses the same kind of rules as the policy for features. Hard rules limit what the score can lead to, and when anything
fails or is missing the configured fallback is returned and marked as such.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from intelligence.decisions.autonomy import Level
from intelligence.decisions.rules import Rule, broken
from intelligence.decisions.settings import Decisions

Answer = Literal["allow", "throttle", "block"]
ANSWERS: Final[tuple[Answer, ...]] = ("allow", "throttle", "block")
EntityFacts = Mapping[str, Any]

# Where a rule does not hold, the answers that it applies to are barred and the next milder one is given.
ENTITY_RULES: Final[tuple[Rule[EntityFacts], ...]] = (
    Rule(
        "not_exempt",
        "who is exempt is let through",
        ("throttle", "block"),
        "barred",
        lambda facts, _: facts.get("is_exempt", False) is False,
    ),
    Rule(
        "block_needs_certainty",
        "nobody is blocked on a score that a drifting or missing champion gave",
        ("block",),
        "barred",
        lambda facts, _: facts.get("drift") == "steady" and facts.get("model_version") is not None,
    ),
    Rule(
        "block_needs_narrow_interval",
        "nobody is blocked on a score with a wide interval",
        ("block",),
        "barred",
        lambda facts, settings: (
            facts["risk_high"] - facts["risk_low"] <= settings.doubt.widest_interval
            if "risk_low" in facts and "risk_high" in facts
            else None
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class EntityDecision:
    """What to do with one entity.

    Attributes:
        answer: The decision.
        level: Autonomy level; below `auto` everybody is let through and the answer is only recorded.
        reason: The risk, or why the fallback was returned.
        lowered_by: Names of the rules that made the answer milder, in the order of their application.
        is_fallback: Whether the answer is the configured fallback.
    """

    answer: Answer
    level: Level
    reason: str
    lowered_by: tuple[str, ...]
    is_fallback: bool

    @property
    def is_enforced(self) -> bool:
        """Return whether the answer is carried out and not only recorded."""
        return self.level == "auto"


def entity_decision(
    risk_score: float | None,
    *,
    facts: EntityFacts,
    settings: Decisions,
    hard_rules: Sequence[Rule[EntityFacts]] = ENTITY_RULES,
) -> EntityDecision:
    """Return what to do with an entity; never raises.

    Without a score in [0, 1], or when a rule raises an error, the answer is `settings.entities.fallback`.

    Args:
        risk_score: Probability of harm in [0, 1]; None where the entity was not scored.
        facts: What is known: `drift`, `model_version`, `risk_low`, `risk_high` and `is_exempt`; any may be absent.
        settings: The policy.
        hard_rules: Rules that can only make the answer milder.

    >>> facts = {"drift": "steady", "model_version": 3, "risk_low": 0.9, "risk_high": 0.99}
    >>> entity_decision(0.95, facts=facts, settings=Decisions()).answer
    'block'
    >>> entity_decision(None, facts=facts, settings=Decisions()).is_fallback
    True
    """
    terms = settings.entities
    try:
        if risk_score is None or not 0 <= risk_score <= 1:
            return _fallback(settings, "no risk score")
        asked = 2 if risk_score >= terms.block else 1 if risk_score >= terms.throttle else 0
        lowered: list[str] = []
        while asked:
            failed = broken(hard_rules, ANSWERS[asked], facts, settings)
            if not failed:
                break
            lowered += [rule.name for rule in failed if rule.name not in lowered]
            asked -= 1
    except Exception as error:  # the online path always returns an answer
        return _fallback(settings, f"{type(error).__name__} while deciding")
    return EntityDecision(ANSWERS[asked], terms.level, f"a risk of {risk_score:.2f}", tuple(lowered), False)


def _fallback(settings: Decisions, why: str) -> EntityDecision:
    terms = settings.entities
    return EntityDecision(terms.fallback, terms.level, f"{why}: the fallback holds", (), True)
