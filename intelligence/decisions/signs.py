"""Confidence in [0, 1] that a feature is in trouble, that the trouble lasts, and that a release is to blame.

The confidence is 2Φ(z) - 1 for z above 0 and otherwise 0: the coverage of the two-sided normal interval that just excludes
the limit (Wald test). It shrinks with the number of observations, and so cannot grow when evidence is lost. It is computed by
events and by users, and the smaller of the two counts: what one client repeats is many events of one user.
"""

import math
from typing import Final

from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.history import SEVERE
from intelligence.decisions.settings import Decisions

_ROOT_2: Final = math.sqrt(2)
# Worse than before: by half of the usual share, or half of the way from it to 1, with this confidence.
_WORSE_BY: Final = 1.5
_CONFIDENCE_OF_WORSE: Final = 0.99


def confidence(z: float) -> float:
    """Return the confidence for a difference of `z` standard errors.

    >>> round(confidence(1.96), 3), confidence(-3)
    (0.95, 0.0)
    """
    return max(0.0, math.erf(z / _ROOT_2))


def above(share: float, total: float, limit: float) -> float:
    """Return the confidence that an observed share lies above a limit.

    The standard error uses Laplace's rule of succession: one bad and one good observation are added.

    Args:
        share: Observed share in [0, 1].
        total: Number of independent observations, as an effective sample size.
        limit: Share in [0, 1].

    >>> round(above(0.04, 1000, 0.02), 3), above(0.01, 1000, 0.02)
    (0.999, 0.0)
    """
    return confidence(_lead(share, total, limit))


def broken_now(facts: FeatureFacts) -> float | None:
    """Return the confidence that a degraded feature breaks its promise today; None where its figures are missing.

    Three days together count as well, unless the day itself is within the promise: then the trouble has ended.
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
    """Return the confidence that the promise is broken, by events and by users; None where a figure is missing."""
    known = (facts.allowed, event_share, events, user_share, users)
    if any(each is None for each in known):
        return None
    allowed, of_events, n, of_users, m = (each or 0.0 for each in known)
    by_users = above(of_users, m, allowed)
    # Where few users make most of the events, the share of bad events does not describe what the others experience.
    return by_users if is_dominated else min(above(of_events, n, allowed), by_users)


def release_to_blame(facts: FeatureFacts, settings: Decisions) -> float | None:
    """Return the confidence that a release fails more often than all others in use, by the multiple in the settings.

    Wald test of a contrast of two independent proportions, p - multiple x q, with the variances of Laplace's rule.

    Args:
        facts: What is known of the feature, with the counts of the release and of the others.
        settings: The policy.

    Returns:
        The confidence; 0 where there is no release to blame, None where failures were not counted by release.
    """
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
    by_events, by_users = more_often(p, n, q, m, multiple), more_often(p_users, n_users, q_users, m_users, multiple)
    return min(by_events, by_users)


def has_become_worse(facts: FeatureFacts, settings: Decisions) -> bool:
    """Return whether the promise is broken clearly more than over the last four weeks, or a release is to blame.

    The shares of bad events of the day and of three days are compared, with effective sample sizes.

    Args:
        facts: What is known of the feature.
        settings: The policy, for the confidence that a rollback requires.
    """
    blame = release_to_blame(facts, settings)
    if blame is not None and blame >= settings.of("rollback").confidence:
        return True
    if facts.burn_28d is None or facts.allowed is None:
        return False
    usual = facts.burn_28d * facts.allowed
    least = min(_WORSE_BY * usual, (1 + usual) / 2)
    windows = (
        (_share(facts.bad_1d, facts.total_1d), facts.effective_1d),
        (_share(facts.bad_3d, facts.total_3d), facts.effective_3d),
    )
    return any(
        share is not None
        and events is not None
        and share >= least
        and above(share, events, usual) >= _CONFIDENCE_OF_WORSE
        for share, events in windows
    )


def more_often(share: float, total: float, other: float, others: float, multiple: float) -> float:
    """Return the confidence that a share exceeds a multiple of another one: a Wald test of two independent proportions.

    Args:
        share: Observed share in [0, 1].
        total: Number of independent observations behind it.
        other: The share that it is compared with.
        others: Number of independent observations behind that one.
        multiple: The multiple of the other share.

    >>> round(more_often(0.3, 100, 0.01, 100, 2), 3), more_often(0.01, 100, 0.01, 100, 2)
    (1.0, 0.0)
    """
    if total <= 0 or others <= 0:
        return 0.0
    error = math.sqrt(_variance(share, total) + multiple**2 * _variance(other, others))
    return confidence((share - multiple * other) / error)


def _lead(share: float, total: float, limit: float) -> float:
    return (share - limit) / math.sqrt(_variance(share, total)) if total > 0 else 0.0


def _share(bad: int | None, total: int | None) -> float | None:
    if bad is None or total is None:
        return None
    return bad / total if total > 0 else 0.0


def _variance(share: float, total: float) -> float:
    # Laplace's rule of succession: one bad and one good are added, so that the variance of a share of 0 or 1 is not 0.
    shrunk = (share * total + 1) / (total + 2)
    return shrunk * (1 - shrunk) / total


def lasting(facts: FeatureFacts, settings: Decisions) -> float:
    """Return 1 where a feature has been at risk or degraded for `lasting_days`, else 0.

    Args:
        facts: What is known of the feature.
        settings: The policy.
    """
    if facts.state not in ("at_risk", "degraded") or facts.since is None:
        return 0.0
    return float((facts.event_date - facts.since).days >= settings.signs.lasting_days)


def unusually_bad(facts: FeatureFacts, settings: Decisions) -> float:
    """Return how sure a severe episode of signals makes that somebody should look; 0 without one.

    It is an association (grade D): a reason to tell people, and never one to touch the product.

    Args:
        facts: What is known of the feature.
        settings: The policy.
    """
    return settings.signs.severe_signal if facts.signal_severity == SEVERE else 0.0


def is_ramping(facts: FeatureFacts) -> bool:
    """Return whether the flag shows the feature to some but not all users, so that there is a ramp to hold."""
    return facts.exposure is not None and 0 < facts.exposure < 1
