"""The text that explains a decision to a person."""

from typing import Final

from intelligence.decisions.choice import Choice
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.history import SEVERE

_DOES: Final = {
    "rollback": "Roll back",
    "throttle": "Throttle",
    "hold": "Hold the ramp of",
    "alert": "Alert the owner of",
    "ticket": "Write a ticket about",
    "monitor": "Keep watching",
}


def reasons(made: Choice) -> str:
    """Return what is to be done and why, in one or two sentences."""
    facts = made.facts
    because = _trouble(facts)
    if made.action == "rollback" and facts.release:
        rate, rest = _share(facts.release_failed, facts.release_events), _share(facts.other_failed, facts.other_events)
        hit = (
            f" ({facts.release_failed_users} of {facts.release_users} users {'in the last hour' if facts.guarded_at else 'on one day'})"
            if facts.release_users
            else ""
        )
        because += (
            f"; release {facts.release} on {facts.platform} fails {rate} of its events{hit}, all else in use {rest}"
        )
    sentence = f"{_DOES[made.action]} {facts.feature}: {because}."
    return f"{sentence} Not more: {'; '.join(made.because)}." if made.because else sentence


def _trouble(facts: FeatureFacts) -> str:
    if facts.quality in ("partial", "empty"):
        return f"telemetry of the day is {facts.quality}"
    if facts.experiment_calls:
        shown = {"roll_back": "harm", "ship": "success"}[facts.experiment_calls]
        return (
            f"the experiment {facts.experiment} shows {shown}: {facts.experiment_reason} (evidence grade"
            f" {facts.experiment_grade})"
        )
    if facts.state in ("degraded", "at_risk"):
        return f"{facts.state.replace('_', ' ')} since {facts.since} ({facts.reason})"
    if facts.signal and facts.signal_severity == SEVERE:
        return f"{facts.state or 'unknown'}, but unusual since {facts.signal_since}: {facts.signal} (evidence grade D)"
    if facts.risk_score is not None:
        why = f", {facts.risk_reason}" if facts.risk_reason else ""
        return f"{facts.state} with a risk of {facts.risk_score:.0%}{why}"
    return f"{facts.state or 'unknown'}, and no risk was scored"


def _share(part: int | None, whole: int | None) -> str:
    return f"{part / whole:.1%}" if part is not None and whole else "an unknown share"
