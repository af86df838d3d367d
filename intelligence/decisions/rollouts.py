"""The decision on a guarded rollout: advance to the next step, hold, roll back, or finished. A pure function of what is known.

An advance needs proof that nothing became worse by more than its margin; whatever is missing, faulty or not decided yet holds the
rollout where it is. The levels and the rules of the policy that do not depend on how a feature fares apply to it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from intelligence.decisions.autonomy import Level
from intelligence.decisions.facts import FeatureFacts, SharedFacts
from intelligence.decisions.rollout_evidence import StepEvidence
from intelligence.decisions.rollout_settings import Rollout
from intelligence.decisions.rules import FEATURE_RULES, SHARED_RULES, Rule, broken, decisive, level_under
from intelligence.decisions.settings import Decisions

Word = Literal["advance", "hold", "roll_back", "finished"]
WORDS: Final = {"advance": "advance", "hold": "hold", "roll_back": "roll back", "finished": "finished"}
# The rules of the policy that apply to a rollout; the others are about the trouble of a feature, or the time since it was touched.
RULES: Final = tuple(
    rule
    for rule in FEATURE_RULES
    if rule.name
    in {
        "telemetry_is_whole",
        "telemetry_is_not_in_doubt",
        "no_human_lock",
        "freeze",
        "vital_needs_a_person",
        "quiet_hours",
        "day_is_known_whole",
    }
)
# A share is met to one part of a thousand, the weights of a flag.
SAME_SHARE: Final = 1e-3
_ANSWERS: Final[Mapping[str, str]] = {
    "planned": "it waits for a person's approval",
    "approved": "it waits to be sent",
    "sent": "it was sent and is not confirmed yet",
    "confirmed": "it was carried out already",
    "unconfirmed": "nobody can tell whether it was carried out; `intelligence settle` says so",
    "rejected": "a person refused it",
    "undone": "a person took it back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStanding:
    """Where a rollout stands.

    Attributes:
        share: Share of users, in [0, 1], at which the rollout left the flag.
        began: First whole day of the step; None while nobody has the feature by the rollout.
        evidence: What the step shows so far; None where no day of it is known.
        answers: Standing of the newest action of each kind, `advance` to the next step or `rollback`, that was not lost.
        was_rolled_back: Whether the flag was rolled back since the rollout began.
    """

    share: float
    began: date | None = None
    evidence: StepEvidence | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    was_rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """What to do about a rollout.

    Attributes:
        word: What to do.
        reason: Why, in a sentence.
        share: Share of users to whom the flag is to show the feature; None where nothing is to change.
        level: Autonomy level; None where nothing is to change.
        lowered_by: Names of the rules that barred it or lowered its level.
    """

    word: Word
    reason: str
    share: float | None = None
    level: Level | None = None
    lowered_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        to = f" to {self.share:.4g}" if self.word == "advance" else ""
        return f"{WORDS[self.word]}{to}: {self.reason}"


def rollout_decision(
    rollout: Rollout, standing: RolloutStanding, facts: FeatureFacts, settings: Decisions
) -> RolloutDecision:
    """Return what to do about a rollout at the end of a day.

    Args:
        rollout: The rollout.
        standing: Where it stands, with the evidence of its step.
        facts: What is known of the flag and the day: exposure, lock, hold, telemetry, tier, hour, and used-up limits.
        settings: The policy.
    """
    share = rollout.share_after(standing.share)
    elsewhere = _elsewhere(standing, facts)
    if elsewhere:
        return RolloutDecision("hold", elsewhere)
    if share is None:
        return RolloutDecision("finished", "everybody has the feature, and nobody is left to compare with")
    harm = _harm(standing.evidence)
    if harm:
        return _allowed(RolloutDecision("roll_back", harm, 0.0, settings.rollback.level), standing, facts, settings)
    if facts.is_held is not False:
        known = "the flag is held" if facts.is_held else "whether the flag is held is not known"
        return RolloutDecision("hold", known, lowered_by=("is_not_held",))
    waits = "; ".join(_lacking(rollout, standing, facts.event_date))
    if waits:
        return RolloutDecision("hold", waits)
    return _allowed(
        RolloutDecision("advance", _shown(standing, share), share, settings.advance.level), standing, facts, settings
    )


def _elsewhere(standing: RolloutStanding, facts: FeatureFacts) -> str | None:
    """Return why the flag is not where the rollout left it; None where it is."""
    if standing.was_rolled_back:
        return f"it was rolled back; `intelligence rollout start {facts.flag_key}` begins again"
    if facts.exposure is None:
        return "to how many the flag shows it is not known"
    if abs(facts.exposure - standing.share) > SAME_SHARE:
        return (
            f"the flag shows it to {facts.exposure:.4g} of all users, and the rollout left it at {standing.share:.4g}:"
            f" what somebody else changed stays; `intelligence rollout start {facts.flag_key}` goes on from there"
        )
    return None


def _harm(evidence: StepEvidence | None) -> str | None:
    if evidence is None or evidence.blocking:
        return None
    harmed = [each.sentence for each in evidence.guardrails if each.is_harmed]
    return f"worse by more than the margin: {'; '.join(harmed)}" if harmed else None


def _lacking(rollout: Rollout, standing: RolloutStanding, day: date) -> Iterator[str]:
    """Yield what the step lacks for an advance; the first step needs nothing, since nobody has the feature before it."""
    if standing.share == 0:
        return
    evidence = standing.evidence
    if standing.began is None or evidence is None:
        yield "no whole day of the step is known yet"
        return
    lasted = (day - standing.began).days + 1
    if min(lasted, evidence.days) < rollout.dwell_days:
        yield f"{max(0, min(lasted, evidence.days))} of {rollout.dwell_days} whole days of the step are known"
    if evidence.blocking:
        yield f"the step is not healthy: {'; '.join(evidence.blocking)}"
        return
    for name, count in evidence.units.items():
        if count < rollout.minimum_units:
            yield f"{name} has {count} of {rollout.minimum_units} users"
    unsure = [each.sentence for each in evidence.guardrails if not each.is_kept]
    if unsure or not evidence.guardrails:
        yield f"not shown to be within its margin yet: {'; '.join(unsure) or 'no guardrail'}"


def _shown(standing: RolloutStanding, share: float) -> str:
    if standing.evidence is None:
        return f"nobody has the feature yet; the first step shows it to {share:.4g} of all users"
    return f"every guardrail is within its margin: {'; '.join(each.sentence for each in standing.evidence.guardrails)}"


def _allowed(
    wanted: RolloutDecision, standing: RolloutStanding, facts: FeatureFacts, settings: Decisions
) -> RolloutDecision:
    """Return the decision at the level that the rules allow, or a hold where they bar it or it was answered already."""
    kind = "rollback" if wanted.word == "roll_back" or "rollback" in standing.answers else "advance"
    answer = standing.answers.get(kind)
    if answer is not None:
        what = "a rollback" if kind == "rollback" else f"the step to {wanted.share or 0:.4g}"
        return RolloutDecision("hold", f"{what} was decided: {_ANSWERS.get(answer, answer)}. {wanted.reason}")
    # To the rules an advance is a change of exposure like a throttle.
    acts = "rollback" if kind == "rollback" else "throttle"
    failed = broken(RULES, acts, facts, settings)
    level = level_under(wanted.level or "shadow", failed)
    used = [] if level != "auto" else broken(SHARED_RULES, acts, _requested(wanted, standing, facts), settings)
    names = (*(rule.name for rule in failed), *(rule.name for rule in used))
    because = "; ".join((*_words(failed, facts, settings), *(rule.says for rule in used)))
    if level is None:
        return RolloutDecision("hold", f"{because}. {wanted.reason}", lowered_by=names)
    level = level_under(level, used)
    reason = f"{wanted.reason}. Not more: {because}" if because else wanted.reason
    return RolloutDecision(wanted.word, reason, wanted.share, level, names)


def _words(failed: list[Rule[FeatureFacts]], facts: FeatureFacts, settings: Decisions) -> Iterator[str]:
    for rule in decisive(failed, facts, settings):
        yield rule.in_words(facts, settings)


def touched_by(made: RolloutDecision, standing: RolloutStanding, facts: FeatureFacts) -> float:
    """Return the share of the product's users whom the decision touches; an unknown reach of the feature counts as 1.

    Args:
        made: The decision.
        standing: Where the rollout stands.
        facts: What is known of the flag and the day.
    """
    reach = 1.0 if facts.share_of_users is None else facts.share_of_users
    return 0.0 if made.share is None else reach * abs(made.share - standing.share)


def _requested(wanted: RolloutDecision, standing: RolloutStanding, facts: FeatureFacts) -> SharedFacts:
    """Return what the shared limits would be used up to."""
    touched = touched_by(wanted, standing, facts)
    return SharedFacts(
        share_now=facts.share_this_hour + touched,
        share_today=facts.share_this_day + touched,
        touches_today=facts.touches_this_day + 1,
        messages_today=facts.messages_this_day,
    )
