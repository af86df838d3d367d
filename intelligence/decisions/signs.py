"""How sure the evidence makes us of trouble now, trouble to come, and what is to blame; 0 where nothing speaks for it.

A sureness here is 2Φ(z) - 1 for z above 0: what a normal approximation says above a coin's toss. It shrinks with the
counts behind it and so cannot grow when evidence is lost. Events and users are both asked, and the less sure of them counts:
what one client does over and over is many events and one user.
"""

import math
from typing import Final

from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.settings import Decisions

_ROOT_2: Final = math.sqrt(2)
# What counts as worse than it has been: by half of it, or half of the way to everything, and this sure.
_WORSE_BY: Final = 1.5
_SURE_OF_WORSE: Final = 0.99


def sureness(z: float) -> float:
    """Return how sure a lead of `z` standard errors makes us.

    >>> round(sureness(1.96), 3), sureness(-3)
    (0.95, 0.0)
    """
    return max(0.0, math.erf(z / _ROOT_2))


def above(share: float, total: float, limit: float) -> float:
    """Return how sure it is that a share seen in as much as `total` independent events lies above the limit.

    >>> round(above(0.04, 1000, 0.02), 3), above(0.01, 1000, 0.02)
    (0.999, 0.0)
    """
    return sureness(_lead(share, total, limit))


def broken_now(facts: FeatureFacts) -> float | None:
    """Return how sure it is that a degraded feature breaks its promise today; None where its figures are missing.

    A day within the promise ends the trouble of the days before it, although three days together still look bad.
    """
    if facts.state != "degraded":
        return 0.0
    today = _above_allowed(
        facts,
        _share(facts.bad_1d, facts.total_1d),
        facts.effective_1d,
        facts.user_share_1d,
        facts.effective_users_1d,
        is_dominated=facts.is_dominated_1d,
    )
    if today is None or facts.calm_days:
        return today
    three = _above_allowed(
        facts,
        _share(facts.bad_3d, facts.total_3d),
        facts.effective_3d,
        facts.user_share_3d,
        facts.effective_users_3d,
        is_dominated=facts.is_dominated_3d,
    )
    return today if three is None else max(today, three)


def _above_allowed(
    facts: FeatureFacts,
    event_share: float | None,
    events: float | None,
    user_share: float | None,
    users: float | None,
    *,
    is_dominated: bool | None,
) -> float | None:
    """Return how sure it is that the promise is broken, by events and by users; None where it is not known."""
    known = (facts.allowed, event_share, events, user_share, users)
    if any(each is None for each in known):
        return None
    allowed, of_events, n, of_users, m = (each or 0.0 for each in known)
    by_users = above(of_users, m, allowed)
    # Where few make most of the events their share says nothing about what the others meet.
    return by_users if is_dominated else min(above(of_events, n, allowed), by_users)


def release_to_blame(facts: FeatureFacts, settings: Decisions) -> float | None:
    """Return how sure it is that one release fails more often than all else in use, by the multiple that counts."""
    counts = (
        *(_share(facts.release_failed, facts.release_events), facts.release_effective),
        *(_share(facts.other_failed, facts.other_events), facts.other_effective),
        *(facts.release_user_share, facts.release_effective_users),
        *(facts.other_user_share, facts.other_effective_users),
    )
    if any(count is None for count in counts):
        return None if "release_counts" in facts.missing else 0.0
    p, n, q, m, p_users, n_users, q_users, m_users = (count or 0.0 for count in counts)
    multiple = settings.signs.blamed_multiple
    by_events, by_users = _blame(p, n, q, m, multiple), _blame(p_users, n_users, q_users, m_users, multiple)
    return min(by_events, by_users)


def has_become_worse(facts: FeatureFacts, settings: Decisions) -> bool:
    """Return whether the promise is broken clearly more than over the last four weeks, or a release is surely to blame.

    The day and three days are looked at, in events as far as they are independent.
    """
    blame = release_to_blame(facts, settings)
    if blame is not None and blame >= settings.of("rollback").confidence:
        return True
    if facts.burn_28d is None or facts.allowed is None:
        return False
    usual = facts.burn_28d * facts.allowed
    least = min(_WORSE_BY * usual, (1 + usual) / 2)
    looks = (
        (_share(facts.bad_1d, facts.total_1d), facts.effective_1d),
        (_share(facts.bad_3d, facts.total_3d), facts.effective_3d),
    )
    return any(
        share is not None and events is not None and share >= least and above(share, events, usual) >= _SURE_OF_WORSE
        for share, events in looks
    )


def _blame(share: float, total: float, other: float, others: float, multiple: float) -> float:
    if total <= 0 or others <= 0:
        return 0.0
    error = math.sqrt(_variance(share, total) + multiple**2 * _variance(other, others))
    return sureness((share - multiple * other) / error)


def _lead(share: float, total: float, limit: float) -> float:
    return (share - limit) / math.sqrt(_variance(share, total)) if total > 0 else 0.0


def _share(bad: int | None, total: int | None) -> float | None:
    if bad is None or total is None:
        return None
    return bad / total if total > 0 else 0.0


def _variance(share: float, total: float) -> float:
    # One bad and one good are added, so that a share of 0 or 1 is not taken for certain.
    shrunk = (share * total + 1) / (total + 2)
    return shrunk * (1 - shrunk) / total


def lasting(facts: FeatureFacts, settings: Decisions) -> float:
    """Return 1 where a feature has been at risk or degraded for long, else 0."""
    if facts.state not in ("at_risk", "degraded") or facts.since is None:
        return 0.0
    return float((facts.event_date - facts.since).days >= settings.signs.lasting_days)


def is_ramping(facts: FeatureFacts) -> bool:
    """Return whether the feature's flag exposes a part of its users, so that there is a ramp to hold."""
    return facts.exposure is not None and 0 < facts.exposure < 1
