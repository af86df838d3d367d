"""What decisions made together use up: users touched, features touched, people told."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from intelligence.decisions.choice import Choice
from intelligence.decisions.facts import SharedFacts
from intelligence.decisions.ladder import TELLING, TOUCHING, Level
from intelligence.decisions.rules import SHARED_RULES, broken, level_under
from intelligence.decisions.settings import Decisions

_SENT: Final[tuple[Level, ...]] = ("approve", "auto")


def within_limits(choices: Sequence[Choice], settings: Decisions) -> list[Choice]:
    """Return the choices in the same order, lowered where those of a higher score have used up what all share.

    A day is decided in one run, so that decisions made together are those of the hour and of the day. What one feature
    gives up another may use: the limit is on the sum, and the sum never exceeds it.
    """
    ranked = sorted(range(len(choices)), key=lambda place: (-_score(choices[place]), choices[place].facts.feature))
    used, kept = SharedFacts(share_now=0.0, share_today=0.0, touches_today=0, messages_today=0), list(choices)
    for place in ranked:
        each = choices[place]
        if not _uses_limits(each) or each.level is None:
            continue
        asked = _with(used, each, settings)
        failed = broken(SHARED_RULES, each.action, asked, settings)
        if not failed:
            used = asked
            continue
        level = level_under(each.level, failed)
        names = tuple(rule.name for rule in failed)
        kept[place] = replace(each, level=level, lowered_by=(*each.lowered_by, *names))
    return kept


def _score(choice: Choice) -> float:
    return choice.chosen.score if choice.chosen else 0.0


def _uses_limits(choice: Choice) -> bool:
    if choice.action in TOUCHING:
        return choice.level == "auto"
    return choice.action in TELLING and choice.level in _SENT


def _with(used: SharedFacts, choice: Choice, settings: Decisions) -> SharedFacts:
    if choice.action in TELLING:
        return replace(used, messages_today=used.messages_today + 1)
    share = touched_share(choice, settings)
    return replace(
        used,
        share_now=used.share_now + share,
        share_today=used.share_today + share,
        touches_today=used.touches_today + 1,
    )


def touched_share(choice: Choice, settings: Decisions) -> float:
    """Return the share of the product's users whom the action touches; all of them where that is not known."""
    if choice.action == "hold":
        return 0.0
    reach = choice.facts.share_of_users
    if reach is None:
        return 1.0
    exposure = 1.0 if choice.facts.exposure is None else choice.facts.exposure
    return reach * (min(exposure, settings.throttle_step) if choice.action == "throttle" else exposure)
