"""Rules that limit the choice by score, as data: each has a name and a demand, and can only lower what would be done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from intelligence.core.grades import GRADES, is_at_least
from intelligence.decisions.autonomy import TOUCHING, Kind, Level, lower_level, steps_down
from intelligence.decisions.facts import FeatureFacts, SharedFacts
from intelligence.decisions.settings import Decisions
from intelligence.decisions.signs import has_become_worse

Facts = TypeVar("Facts")
Otherwise = Literal["barred", "approve", "advise", "one step lower"]


@dataclass(frozen=True, slots=True)
class Rule(Generic[Facts]):
    """A demand on some kinds of action; where it does not hold, they are barred or their level is lowered.

    Attributes:
        name: Name of the rule, as recorded in `lowered_by`.
        says: The demand in words.
        applies_to: Kinds of action that it applies to.
        otherwise: What happens where it does not hold.
        holds: Function that returns True, False, or None for unknown; an unknown demand counts as not holding.
        unknown: Text for a demand whose truth is unknown, so that it is never reported as if it had been observed.
        violated: Text for a demand that is known not to hold; `says` by default.
        settles: Whether no other rule matters for the explanation where this one is known not to hold.
    """

    name: str
    says: str
    applies_to: tuple[str, ...]
    otherwise: Otherwise
    holds: Callable[[Facts, Decisions], bool | None]
    unknown: str = ""
    violated: str = ""
    settles: bool = False

    def in_words(self, facts: Facts, settings: Decisions) -> str:
        """Return the text for the rule where it does not hold.

        Args:
            facts: The facts on which it does not hold.
            settings: The policy.
        """
        if self.holds(facts, settings) is None:
            return self.unknown or f"it is not known whether this holds: {self.says}"
        return self.violated or self.says


def broken(rules: Sequence[Rule[Facts]], kind: str, facts: Facts, settings: Decisions) -> list[Rule[Facts]]:
    """Return the rules for a kind of action that do not hold or whose truth is unknown.

    Args:
        rules: The rules to check.
        kind: Kind of action.
        facts: The facts that the rules read.
        settings: The policy.
    """
    return [rule for rule in rules if kind in rule.applies_to and rule.holds(facts, settings) is not True]


def decisive(failed: Sequence[Rule[Facts]], facts: Facts, settings: Decisions) -> list[Rule[Facts]]:
    """Return those of the broken rules that explain the decision to a person; the others make no difference.

    Where the action is barred, rules that would lower its level make no difference; where it is barred by known facts,
    rules whose truth is unknown make none either.

    Args:
        failed: The broken rules, as returned by `broken`.
        facts: The facts on which they do not hold.
        settings: The policy.
    """
    seen = [rule for rule in failed if rule.holds(facts, settings) is False]
    settled = [rule for rule in seen if rule.settles][:1]
    bars = [rule for rule in failed if rule.otherwise == "barred"]
    return settled or [rule for rule in bars if rule in seen] or bars or list(failed)


def level_under(level: Level, rules: Sequence[Rule[Facts]]) -> Level | None:
    """Return the level that remains under broken rules, which is never higher; None where the action is barred.

    Args:
        level: Level before the rules are applied.
        rules: The broken rules.

    >>> level_under("auto", FEATURE_RULES[:0])
    'auto'
    """
    for rule in rules:
        if rule.otherwise == "barred":
            return None
        level = steps_down(level) if rule.otherwise == "one step lower" else lower_level(level, rule.otherwise)
    return level


def _is_calm(facts: FeatureFacts, settings: Decisions) -> bool | None:
    if facts.last_touch_days is None:
        return True
    return facts.last_touch_days > settings.limits.cooldown_days


def _volume(facts: FeatureFacts, settings: Decisions) -> bool | None:
    return None if facts.users_7d is None else facts.users_7d >= settings.limits.minimum_users


def _by_experiment(facts: FeatureFacts) -> bool:
    """Return whether the harm that an experiment shows is what calls for action, and not the state of the feature."""
    return facts.experiment_calls == "roll_back"


def _grade_suffices(facts: FeatureFacts, settings: Decisions) -> bool | None:
    if not _by_experiment(facts):
        return True
    grade = next((each for each in GRADES if each == facts.experiment_grade), None)
    return None if grade is None else is_at_least(grade, settings.evidence)


def _many_are_harmed(facts: FeatureFacts, settings: Decisions) -> bool | None:
    if _by_experiment(facts):
        return _is_known(facts.experiment_units, (facts.experiment_units or 0) >= settings.limits.minimum_users)
    if facts.harmed_users is None or facts.known_harmed_users is None:
        return None
    return min(facts.harmed_users, facts.known_harmed_users) >= settings.limits.minimum_harmed_users


def _release_harms_many(facts: FeatureFacts, settings: Decisions) -> bool | None:
    if _by_experiment(facts):
        return True
    if facts.release_harmed_users is None:
        return None
    return facts.release_harmed_users >= settings.limits.minimum_harmed_users


def _person_decides(facts: FeatureFacts, settings: Decisions) -> bool | None:
    lowest = settings.limits.person_from_tier
    if lowest is None:
        return True
    return None if facts.tier is None else facts.tier > lowest


def _hour_is_loud(facts: FeatureFacts, settings: Decisions) -> bool | None:
    hour = facts.hour_utc
    if not settings.quiet_hours:
        return True
    return None if hour is None else not any(each.has(hour) for each in settings.quiet_hours)


def _has_flag(facts: FeatureFacts, _: Decisions) -> bool | None:
    if facts.flag_key is not None:
        return True
    return None if "metadata" in facts.missing else False


def _by_guard(facts: FeatureFacts) -> bool:
    """Return whether the guard of the stream calls for action, which compares releases and asks no model."""
    return facts.guarded_at is not None


def _is_steady(facts: FeatureFacts, _: Decisions) -> bool | None:
    if _by_guard(facts):
        return True
    return {"steady": True, "moved": False}.get(facts.drift or "")


def _is_known(value: object, holds: bool) -> bool | None:
    return None if value is None else holds


def _model_is_young(facts: FeatureFacts, settings: Decisions) -> bool | None:
    return facts.model_age_days is None or facts.model_age_days <= settings.doubt.oldest_model_days


def _interval_is_narrow(facts: FeatureFacts, settings: Decisions) -> bool | None:
    if facts.risk_low is None or facts.risk_high is None:
        return True
    return facts.risk_high - facts.risk_low <= settings.doubt.widest_interval


ALL: Final[tuple[Kind, ...]] = ("ticket", "alert", *TOUCHING)

FEATURE_RULES: Final[tuple[Rule[FeatureFacts], ...]] = (
    Rule(
        "telemetry_is_whole",
        "nothing is done about a feature on a day whose telemetry is at fault or was not looked at",
        ALL,
        "barred",
        lambda facts, _: _is_known(facts.quality, facts.quality in ("whole", "unknown", "doubtful")),
        unknown="whether the telemetry of the day is whole is not known",
        settles=True,
    ),
    Rule(
        "telemetry_is_not_in_doubt",
        "nothing is touched on a day on which some column of the telemetry is in doubt",
        TOUCHING,
        "barred",
        lambda facts, _: facts.quality != "doubtful",
    ),
    Rule(
        "day_was_judged",
        "nobody is alarmed and nothing is touched on a state that the day could not confirm",
        ("alert", *TOUCHING),
        "barred",
        lambda facts, _: _is_known(facts.evidence, facts.evidence == "enough"),
        unknown="whether the day could be judged is not known",
    ),
    Rule(
        "was_sound_once",
        "nobody is alarmed and nothing is touched for what was so from the first day on, as in most features",
        ("alert", *TOUCHING),
        "barred",
        lambda facts, settings: (
            not facts.began_in_trouble or _by_experiment(facts) or has_become_worse(facts, settings)
        ),
        violated="it has not become worse: it has broken its promise since its first day, as most features have;"
        " `intelligence check --propose` proposes promises that the data kept",
        settles=True,
    ),
    Rule(
        "has_a_flag",
        "only a feature behind a flag can be touched",
        TOUCHING,
        "barred",
        _has_flag,
        unknown="whether a flag steers it is not known",
        violated="no flag steers it",
        settles=True,
    ),
    Rule(
        "evidence_grade",
        "nothing is touched for an effect whose evidence is weaker than the policy asks for",
        TOUCHING,
        "barred",
        _grade_suffices,
        unknown="how good the evidence for the effect is is not known",
    ),
    Rule(
        "flag_of_the_experiment",
        "what an experiment shows is answered at the flag that shows its variants",
        TOUCHING,
        "barred",
        lambda facts, _: not _by_experiment(facts) or facts.experiment_steers_flag,
        violated="the flag of the feature is not the one that shows the variants of the experiment",
    ),
    Rule(
        "somebody_sees_it",
        "a feature that its flag shows to nobody cannot be hidden further",
        TOUCHING,
        "barred",
        lambda facts, _: None if facts.exposure is None else facts.exposure > 0,
        unknown="to how many its flag shows it is not known",
    ),
    Rule(
        "no_human_lock",
        "a flag that a person has locked is not touched",
        TOUCHING,
        "barred",
        lambda f, _: _is_known(f.is_locked, f.is_locked is False),
        unknown="whether a person has locked its flag is not known",
    ),
    Rule(
        "is_not_held_yet",
        "a ramp that is held already is not held again",
        ("hold",),
        "barred",
        lambda f, _: _is_known(f.is_held, f.is_held is False),
        unknown="whether its ramp is held already is not known",
    ),
    Rule(
        "a_release_to_go_back_to",
        "a rollback needs an earlier release on the platform",
        ("rollback",),
        "barred",
        lambda facts, _: True if _by_experiment(facts) else facts.has_earlier_release,
        unknown="whether there is an earlier release to go back to is not known",
    ),
    Rule(
        "minimum_volume",
        "a feature with too few users is not touched",
        TOUCHING,
        "barred",
        _volume,
        unknown="how many users it has is not known",
    ),
    Rule(
        "harmed_users",
        "nothing is touched for what few users meet, or users who came only now",
        TOUCHING,
        "barred",
        _many_are_harmed,
        unknown="how many users are harmed is not known",
    ),
    Rule(
        "release_harms_users",
        "a release that harms few of its users is not rolled back",
        ("rollback",),
        "barred",
        _release_harms_many,
        unknown="how many users the release harms is not known",
    ),
    Rule("cooldown", "some days pass between two touches of a feature", (*TOUCHING, "alert"), "barred", _is_calm),
    Rule(
        "touched_once_per_episode",
        "a trouble is answered by touching the product once",
        TOUCHING,
        "barred",
        lambda facts, _: _is_known(facts.touched_in_episode, facts.touched_in_episode is False),
        unknown="whether it was touched already in this trouble is not known",
    ),
    Rule(
        "told_once_per_episode",
        "a trouble is alarmed about once",
        ("alert",),
        "barred",
        lambda facts, _: facts.told_in_episode != "alert",
    ),
    Rule(
        "one_ticket_per_episode",
        "a trouble that was acted on or told needs no further ticket",
        ("ticket",),
        "barred",
        lambda facts, _: facts.told_in_episode is None and not facts.touched_in_episode,
    ),
    Rule(
        "freeze",
        "nothing is touched in a freeze; it is advised",
        TOUCHING,
        "advise",
        lambda facts, settings: not any(each.first <= facts.event_date <= each.last for each in settings.freeze),
    ),
    Rule(
        "vital_needs_a_person",
        "a person decides about vital features",
        TOUCHING,
        "approve",
        _person_decides,
        unknown="how vital it is is not known",
    ),
    Rule(
        "anti_flap",
        "a feature that was touched again and again needs a person",
        TOUCHING,
        "approve",
        lambda facts, settings: facts.touches_lately < settings.limits.touches_before_person,
    ),
    Rule(
        "quiet_hours",
        "nothing is touched without a person in quiet hours",
        TOUCHING,
        "approve",
        _hour_is_loud,
        unknown="whether these are quiet hours is not known",
    ),
    Rule(
        "day_is_known_whole",
        "telemetry that could not be judged is doubted",
        TOUCHING,
        "one step lower",
        lambda facts, _: _is_known(facts.quality, facts.quality == "whole"),
        unknown="whether the telemetry of the day is whole is not known",
    ),
    Rule(
        "drift_is_steady",
        "a product that drifts is doubted",
        TOUCHING,
        "one step lower",
        _is_steady,
        unknown="whether the product has drifted is not known",
    ),
    Rule(
        "champion_is_there",
        "without a champion nothing says what comes next",
        TOUCHING,
        "one step lower",
        lambda facts, _: (
            True if _by_guard(facts) or (facts.model_version is not None and facts.model_age_days is not None) else None
        ),
        unknown="no champion is known that would say what comes next",
    ),
    Rule("model_is_young", "an old model is doubted", TOUCHING, "one step lower", _model_is_young),
    Rule(
        "interval_is_narrow", "a risk with a wide interval is doubted", TOUCHING, "one step lower", _interval_is_narrow
    ),
    Rule(
        "nothing_is_missing",
        "missing evidence is doubted",
        TOUCHING,
        "one step lower",
        lambda facts, _: not set(facts.missing) - {"drift", "model", "quality", "signals"},
    ),
)

SHARED_RULES: Final[tuple[Rule[SharedFacts], ...]] = (
    Rule(
        "blast_radius_per_hour",
        "an hour touches a limited share of users alone",
        TOUCHING,
        "approve",
        lambda facts, settings: facts.share_now <= settings.limits.share_per_hour,
    ),
    Rule(
        "blast_radius_per_day",
        "a day touches a limited share of users alone",
        TOUCHING,
        "approve",
        lambda facts, settings: facts.share_today <= settings.limits.share_per_day,
    ),
    Rule(
        "action_budget",
        "a day touches a limited number of features alone",
        TOUCHING,
        "approve",
        lambda facts, settings: facts.touches_today <= settings.limits.touches_per_day,
    ),
    Rule(
        "message_budget",
        "a day tells people a limited number of things",
        ("ticket", "alert"),
        "advise",
        lambda facts, settings: facts.messages_today <= settings.limits.messages_per_day,
    ),
)
