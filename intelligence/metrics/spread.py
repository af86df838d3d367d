"""How bad events are spread over users, and how much evidence they are: events of one user are not independent.

Two shares are looked at. The *event share* is bad events over all events, as people read it; its variance is that of a ratio
over clusters, by linearisation (Cochran 1977, §6; Korn and Graubard 1998), and its effective number of events is what a
binomial of that variance would have. The *user share* is the mean over users of the bad share of each: no user, however
loud, moves it by more than one part in the number of users. Where every user has one event both are the plain binomial.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# By objective: the columns of bad and all events, what the columns of their spread begin with, the users who had an event of
# that kind, and the sum of their squared events.
OBJECTIVES: Final = {
    "errors": ("failed_events", "usage_count", "failed", "users", "usage_square_sum"),
    "crashes": ("crashed_events", "usage_count", "crashed", "users", "usage_square_sum"),
    "latency": ("slow_events", "timed_events", "slow", "timed_users", "timed_square_sum"),
    "ratings": ("bad_ratings", "ratings", "disliked", "rating_users", "rating_square_sum"),
}
# Where the events of a day are as many as those of this few users alike, the event share is theirs and not the product's.
FEW_USERS: Final = 10
MANY_TIMES: Final = 3


@dataclass(frozen=True, slots=True)
class Spread:
    """Sums over users, which add up over days; a user on two days counts as two.

    `square` sums bad², `cross` bad x total, `total_square` total², `share` bad / total and `share_square` its square.
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
        """Return bad events over all events; 0 where there are none."""
        return _ratio(self.bad, self.total)

    def user_share(self) -> Floats:
        """Return the mean over users of the bad share of each; 0 where there are none."""
        return _ratio(self.share, self.users)

    def effective_events(self) -> Floats:
        """Return how many independent events would tell as much about the event share; never more than there are.

        One user's events alone tell nothing about others: 0.
        """
        p, n, m = self.event_share(), self.total, self.users
        deviation = np.maximum(self.square - 2 * p * self.cross + p**2 * self.total_square, 0.0)
        # Of each (n - 1) / n: the variances of both are those of samples.
        inflation = _ratio(deviation, n * p * (1 - p)) * _ratio(m * (n - 1), (m - 1) * n)
        effective = np.where(p * (1 - p) > 0, n / np.maximum(inflation, 1.0), np.minimum(n, m))
        found: Floats = np.where((m > 1) & (n > 0), effective, 0.0)
        return found

    def effective_users(self) -> Floats:
        """Return how many independent events would tell as much about the user share; at least the users, 0 for one."""
        p, m = self.user_share(), self.users
        variance = np.maximum(_ratio(self.share_square, m) - p**2, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            effective = m * p * (1 - p) / variance
        most = np.maximum(self.total, m)
        effective = np.where(p * (1 - p) > 0, np.clip(np.nan_to_num(effective, posinf=np.inf), m, most), m)
        found: Floats = np.where(m > 1, effective, 0.0)
        return found

    def harmed_users(self) -> Floats:
        """Return how many users alike would be harmed as much (Kish 1965): one who is hit hard hides behind no others.

        >>> three_alike = Spread(*(np.array([x]) for x in (6, 300, 100, 3, 12, 12, 900, 3, 3)))
        >>> three_alike.harmed_users()
        array([3.])
        """
        alike: Floats = np.minimum(self.harmed, _ratio(self.share**2, self.share_square))
        return np.round(alike, 6)

    def is_dominated(self, days: int) -> NDArray[np.bool_]:
        """Return where a few users make so much of the events that the event share is theirs; the sums are of `days` days."""
        alike, users = _ratio(self.total**2, self.total_square) / days, self.users / days
        found: NDArray[np.bool_] = (alike < FEW_USERS) & (users >= MANY_TIMES * alike)
        return found


SUMS: Final = tuple(field.name for field in fields(Spread))


def spread_columns(objective: str) -> tuple[str, ...]:
    """Return the columns of fact_feature_metrics that make the objective's Spread, in the order of SUMS.

    >>> spread_columns("latency")[:4]
    ('slow_events', 'timed_events', 'timed_users', 'slow_users')
    """
    bad, total, prefix, users, total_square = OBJECTIVES[objective]
    of_prefix = (f"{prefix}_{name}" for name in ("users", "square_sum", "cross_sum", "share_sum", "share_square_sum"))
    harmed, square, cross, share, share_square = of_prefix
    return bad, total, users, harmed, square, cross, total_square, share, share_square


def spread_of(frame: pl.DataFrame) -> Spread:
    """Return the Spread of the frame's rows, which have SUMS as columns."""
    return Spread(*(frame[name].cast(pl.Float64).to_numpy() for name in SUMS))


def _ratio(part: Floats, whole: Floats) -> Floats:
    quotient: Floats = np.divide(
        part, whole, out=np.zeros(np.broadcast_shapes(np.shape(part), np.shape(whole))), where=whole > 0
    )
    return quotient
