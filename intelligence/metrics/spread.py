"""How bad events are spread over users, and how much evidence they are: events of one user are not independent.

Two shares are computed. The *event share* is bad events divided by all events; its variance is that of a ratio over
clusters, by linearisation (Cochran 1977, §6; Korn and Graubard 1998), and its effective number of events is that of a
binomial share with this variance. The *user share* is the mean over users of each user's bad share: one user among n
changes it by at most 1/n. Where every user has one event, both are the plain binomial share.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# By objective: the columns of bad and all events, the prefix of the columns of their spread, the column of the users who
# had such an event, and that of the sum of their squared events.
OBJECTIVES: Final = {
    "errors": ("failed_events", "usage_count", "failed", "users", "usage_square_sum"),
    "crashes": ("crashed_events", "usage_count", "crashed", "users", "usage_square_sum"),
    "latency": ("slow_events", "timed_events", "slow", "timed_users", "timed_square_sum"),
    "ratings": ("bad_ratings", "ratings", "disliked", "rating_users", "rating_square_sum"),
    "answers": ("bad_answers", "scored_answers", "let_down", "answered_users", "answer_square_sum"),
}
# With fewer equivalent users (users with equal numbers of events), the event share describes these few, not the product.
FEW_USERS: Final = 10
MANY_TIMES: Final = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """Sums over users, in arrays of one shape; they can be added over days, where a user on two days counts as two.

    Attributes:
        bad: Number of bad events.
        total: Number of all events.
        users: Number of users with any event.
        harmed: Number of users with a bad event.
        square: Sum over users of bad².
        cross: Sum over users of bad x total.
        total_square: Sum over users of total².
        share: Sum over users of bad / total.
        share_square: Sum over users of (bad / total)².
    """

    bad: Floats
    total: Floats
    users: Floats
    harmed: Floats
    square: Floats
    cross: Floats
    total_square: Floats
    share: Floats
    share_square: Floats

    def event_share(self) -> Floats:
        """Return the event share, bad events divided by all events; 0 where there are none."""
        return _ratio(self.bad, self.total)

    def user_share(self) -> Floats:
        """Return the user share, the mean over users of each user's bad share; 0 where there are none."""
        return _ratio(self.share, self.users)

    def effective_events(self) -> Floats:
        """Return the effective sample size of the event share (Kish 1965), at most the number of events.

        It is the number of independent events that would be equal evidence; 0 for a single user, whose events are no
        evidence about others.
        """
        p, n, m = self.event_share(), self.total, self.users
        deviation = np.maximum(self.square - 2 * p * self.cross + p**2 * self.total_square, 0.0)
        # Both variances are sample variances, so each has a factor (n - 1) / n.
        inflation = _ratio(deviation, n * p * (1 - p)) * _ratio(m * (n - 1), (m - 1) * n)
        effective = np.where(p * (1 - p) > 0, n / np.maximum(inflation, 1.0), np.minimum(n, m))
        found: Floats = np.where((m > 1) & (n > 0), effective, 0.0)
        return found

    def effective_users(self) -> Floats:
        """Return the effective sample size of the user share, at least the number of users; 0 for a single user."""
        p, m = self.user_share(), self.users
        variance = np.maximum(_ratio(self.share_square, m) - p**2, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            effective = m * p * (1 - p) / variance
        most = np.maximum(self.total, m)
        effective = np.where(p * (1 - p) > 0, np.clip(np.nan_to_num(effective, posinf=np.inf), m, most), m)
        found: Floats = np.where(m > 1, effective, 0.0)
        return found

    def harmed_users(self) -> Floats:
        """Return the effective number of harmed users (Kish 1965): how many equally affected users would be harmed as much.

        >>> three_alike = Spread(*(np.array([x]) for x in (6, 300, 100, 3, 12, 12, 900, 3, 3)))
        >>> three_alike.harmed_users()
        array([3.])
        """
        alike: Floats = np.minimum(self.harmed, _ratio(self.share**2, self.share_square))
        return np.round(alike, 6)

    def is_dominated(self, days: int) -> NDArray[np.bool_]:
        """Return where a few users make most of the events; `days` is the number of days over which the sums are taken."""
        alike, users = _ratio(self.total**2, self.total_square) / days, self.users / days
        found: NDArray[np.bool_] = (alike < FEW_USERS) & (users >= MANY_TIMES * alike)
        return found


SUMS: Final = tuple(field.name for field in fields(Spread))


def spread_columns(objective: str) -> tuple[str, ...]:
    """Return the columns of fact_feature_metrics with the objective's Spread, in the order of SUMS.

    >>> spread_columns("latency")[:4]
    ('slow_events', 'timed_events', 'timed_users', 'slow_users')
    """
    bad, total, prefix, users, total_square = OBJECTIVES[objective]
    of_prefix = (f"{prefix}_{name}" for name in ("users", "square_sum", "cross_sum", "share_sum", "share_square_sum"))
    harmed, square, cross, share, share_square = of_prefix
    return bad, total, users, harmed, square, cross, total_square, share, share_square


def spread_of(frame: pl.DataFrame) -> Spread:
    """Return the Spread of a frame whose columns include SUMS, with one element per row."""
    return Spread(*(frame[name].cast(pl.Float64).to_numpy() for name in SUMS))


def _ratio(part: Floats, whole: Floats) -> Floats:
    quotient: Floats = np.divide(
        part, whole, out=np.zeros(np.broadcast_shapes(np.shape(part), np.shape(whole))), where=whole > 0
    )
    return quotient
