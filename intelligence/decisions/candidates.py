"""Candidate actions: the expected benefit and cost of each, in users harmed for a day, and how certain it is."""

from dataclasses import dataclass
from typing import Final

from intelligence.decisions.autonomy import ACTIVE, Kind
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.settings import Decisions
from intelligence.decisions.signs import broken_now, is_ramping, lasting, release_to_blame, unusually_bad

# What a running experiment shows needs neither a risk nor figures of the feature.
_BY_EXPERIMENT: Final[dict[Kind, tuple[str, ...]]] = {
    "ticket": ("health",),
    "alert": ("health", "metadata"),
    "rollback": ("health", "metadata", "flag", "previous_actions"),
}
# The evidence that an action requires. Stronger actions require more: each list includes that of the weaker actions.
# Risk is needed where a feature is not degraded yet, figures where it is.
_TICKET: Final = ("health",)
_ALERT: Final = (*_TICKET, "metadata", "risk", "figures")
_TOUCH: Final = (*_ALERT, "flag", "panel", "previous_actions")
NEEDS: Final[dict[Kind, tuple[str, ...]]] = {
    "ticket": _TICKET,
    "alert": _ALERT,
    "hold": _TOUCH,
    "throttle": _TOUCH,
    "rollback": (*_TOUCH, "releases", "release_counts"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One action with its expected worth: benefit = probability x users x harm x effect, score = benefit - cost.

    Attributes:
        kind: Kind of action.
        probability: Probability that the action meets the trouble that it is meant for; None where it is not known.
        confidence: Lower bound of the probability; None where it is not known.
        benefit: Expected benefit, in users harmed for a day.
        cost: Expected cost, in the same unit.
        lacking: Names of the missing evidence, where probability and confidence are None.
    """

    kind: Kind
    probability: float | None
    confidence: float | None
    benefit: float
    cost: float
    lacking: tuple[str, ...]

    @property
    def score(self) -> float:
        """Return the benefit minus the cost, in users harmed for a day."""
        return self.benefit - self.cost


def candidates(facts: FeatureFacts, settings: Decisions) -> tuple[Candidate, ...]:
    """Return a candidate for every action but `monitor`, weakest first; `monitor` has no benefit and no cost.

    Args:
        facts: What is known of the feature on the day.
        settings: The policy.
    """
    return tuple(_candidate(kind, facts, settings) for kind in ACTIVE)


def _candidate(kind: Kind, facts: FeatureFacts, settings: Decisions) -> Candidate:
    terms, users = settings.of(kind), facts.users_7d or 0.0
    cost = terms.cost + terms.cost_per_user * users
    by_experiment = _by_experiment(kind, facts)
    needs = NEEDS[kind] if by_experiment is None else _BY_EXPERIMENT[kind]
    lacking = tuple(name for name in needs if name in facts.missing)
    found = None if lacking else by_experiment or _probability(kind, facts, settings)
    if found is None:
        return Candidate(kind, None, None, 0.0, cost, lacking or ("figures",))
    probability, confidence = found
    return Candidate(
        kind, probability, confidence, probability * users * settings.harm_per_user * terms.effect, cost, ()
    )


def _by_experiment(kind: Kind, facts: FeatureFacts) -> tuple[float, float] | None:
    """Return how sure an experiment is of what calls for the action; None where none calls for it.

    Harm calls for a rollback and for its owner, success for a ticket: shipping is up to people.
    """
    sure = facts.experiment_confidence
    if sure is None or facts.experiment_calls is None:
        return None
    wanted: tuple[Kind, ...] = ("rollback", "alert", "ticket") if facts.experiment_calls == "roll_back" else ("ticket",)
    return (sure, sure) if kind in wanted else None


def _probability(kind: Kind, facts: FeatureFacts, settings: Decisions) -> tuple[float, float] | None:
    """Return the probability that the action meets the trouble that it is meant for, and its lower bound."""
    now, signs = broken_now(facts), settings.signs
    if now is None:
        # A ticket needs no figures: lasting trouble is enough.
        return (max(lasting(facts, settings), unusually_bad(facts, settings)),) * 2 if kind == "ticket" else None
    # A degraded feature has no risk of degrading: it is degraded already.
    risk = 0.0 if facts.state == "degraded" else facts.risk_score or 0.0
    least_risk = 0.0 if facts.state == "degraded" else facts.risk_low or 0.0
    match kind:
        case "rollback":
            blame = release_to_blame(facts, settings)
            return None if blame is None else (now * blame,) * 2
        case "throttle":
            is_rising = (facts.error_rise_7d or 0.0) >= signs.rising
            return max(now, risk * is_rising), max(now, least_risk * is_rising)
        case "hold":
            is_recent = facts.release_age_days is not None and facts.release_age_days <= signs.ramp_days
            fits = float(is_ramping(facts) and is_recent)
            return risk * fits, least_risk * fits
        case "alert":
            unusual = unusually_bad(facts, settings)
            return max(now, risk, unusual), max(now, least_risk, unusual)
        case _:
            long = max(lasting(facts, settings), unusually_bad(facts, settings))
            return max(now, risk, long), max(now, least_risk, long)
