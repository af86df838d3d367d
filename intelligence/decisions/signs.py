"""How sure the evidence makes us of trouble now, trouble to come, and what is to blame; 0 where nothing speaks for it.

A sureness here is 2Φ(z) - 1 for z above 0: what a normal approximation says above a coin's toss. It shrinks with the
counts behind it and so cannot grow when evidence is lost.
"""

import math
from typing import Final

from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.settings import Decisions

_ROOT_2: Final = math.sqrt(2)


def sureness(z: float) -> float:
    """Return how sure a lead of `z` standard errors makes us.

    >>> round(sureness(1.96), 3), sureness(-3)
    (0.95, 0.0)
    """
    return max(0.0, math.erf(z / _ROOT_2))


def above(bad: int, total: int, limit: float) -> float:
    """Return how sure it is that a share of `bad` in `total` lies above the limit.

    >>> round(above(40, 1000, 0.02), 3), above(10, 1000, 0.02)
    (0.999, 0.0)
    """
    if total <= 0:
        return 0.0
    return sureness((bad / total - limit) / math.sqrt(_variance(bad, total)))


def broken_now(facts: FeatureFacts) -> float | None:
    """Return how sure it is that a degraded feature breaks its promise today; None where its figures are missing.

    A day within the promise ends the trouble of the days before it, although three days together still look bad.
    """
    if facts.state != "degraded":
        return 0.0
    if facts.allowed is None or facts.bad_1d is None or facts.total_1d is None:
        return None
    today = above(facts.bad_1d, facts.total_1d, facts.allowed)
    if facts.calm_days or facts.bad_3d is None or facts.total_3d is None:
        return today
    return max(today, above(facts.bad_3d, facts.total_3d, facts.allowed))


def release_to_blame(facts: FeatureFacts, settings: Decisions) -> float | None:
    """Return how sure it is that one release fails more often than all else in use, by the multiple that counts."""
    counts = (facts.release_events, facts.release_failed, facts.other_events, facts.other_failed)
    if any(count is None for count in counts):
        return None if "release_counts" in facts.missing else 0.0
    n, x, m, y = (count or 0 for count in counts)
    if n <= 0 or m <= 0:
        return 0.0
    multiple = settings.signs.blamed_multiple
    error = math.sqrt(_variance(x, n) + multiple**2 * _variance(y, m))
    return sureness((x / n - multiple * y / m) / error)


def _variance(bad: int, total: int) -> float:
    # One bad and one good are added, so that a share of 0 or 1 is not taken for certain.
    share = (bad + 1) / (total + 2)
    return share * (1 - share) / total


def lasting(facts: FeatureFacts, settings: Decisions) -> float:
    """Return 1 where a feature has been at risk or degraded for long, else 0."""
    if facts.state not in ("at_risk", "degraded") or facts.since is None:
        return 0.0
    return float((facts.event_date - facts.since).days >= settings.signs.lasting_days)


def is_ramping(facts: FeatureFacts) -> bool:
    """Return whether the feature's flag exposes a part of its users, so that there is a ramp to hold."""
    return facts.exposure is not None and 0 < facts.exposure < 1
