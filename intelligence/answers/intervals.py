"""Intervals of rates of answers: clustered by user, and with the known error of a score taken out."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

from intelligence.answers.cards import Card

Z_95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over users of a measure; those of several days can be added, where a user on two days counts as two.

    Attributes:
        total: Answers, or ratings, of which the measure can be told.
        hits: Those of which it holds.
        users: Users whom they belong to.
        hit_square: Sum over users of hits squared.
        cross: Sum over users of hits x total.
        total_square: Sum over users of total squared.
    """

    total: float
    hits: float
    users: float
    hit_square: float
    cross: float
    total_square: float

    @property
    def rate(self) -> float | None:
        """Return the rate; None where there is nothing of which it could be told."""
        return self.hits / self.total if self.total else None

    @property
    def effective(self) -> float:
        """Return how many independent answers would be equal evidence (Kish 1965), at most their number; 0 for a single user."""
        if self.users < 2 or not self.total:
            return 0.0
        p = self.hits / self.total
        if p in (0.0, 1.0):
            return min(self.total, self.users)
        deviation = max(self.hit_square - 2 * p * self.cross + p**2 * self.total_square, 0.0)
        inflation = deviation / (self.total * p * (1 - p)) * self.users / (self.users - 1)
        return self.total / max(inflation, 1.0)

    def variance(self) -> float:
        """Return the variance of the rate, where one more hit and one more miss keep it above 0."""
        n = self.effective
        p = (self.hits + 1) / (self.total + 2)
        return p * (1 - p) / n if n else 1.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate and its 95 % interval."""

    rate: float
    low: float
    high: float


def wilson(counts: Counts) -> Interval | None:
    """Return the rate with its interval by Wilson from the effective number of answers; None where there is no evidence.

    >>> found = wilson(Counts(100, 10, 100, 10, 10, 100))
    >>> (round(found.low, 3), round(found.high, 3))
    (0.055, 0.175)
    """
    n, p = counts.effective, counts.rate
    if p is None or not n:
        return None
    centre = (p + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 * sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2)) / (1 + Z_95**2 / n)
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half))


def difference(before: Counts, after: Counts) -> Interval:
    """Return the rate after less the rate before, with its interval from those by Wilson (Newcombe 1998, method 10), within -1 and 1.

    Args:
        before: Counts of one side, with at least one answer.
        after: Counts of the other side, with at least one answer.

    >>> found = difference(Counts(100, 50, 100, 50, 50, 100), Counts(2, 2, 2, 2, 2, 2))
    >>> (round(found.low, 2), round(found.high, 2))
    (-0.16, 0.6)
    """
    old, new = (wilson(each) or Interval(each.hits / each.total, 0.0, 1.0) for each in (before, after))
    found = new.rate - old.rate
    low = sqrt((new.rate - new.low) ** 2 + (old.high - old.rate) ** 2)
    high = sqrt((new.high - new.rate) ** 2 + (old.rate - old.low) ** 2)
    return Interval(found, max(-1.0, found - low), min(1.0, found + high))


def corrected(counts: Counts, card: Card) -> Interval | None:
    """Return the rate of answers that truly have the fault, from the rate of those that a score flags (Rogan and Gladen 1978).

    The interval takes the uncertainty of the rate and that of the score's errors together, by the delta method.

    Args:
        counts: What the score flags.
        card: How often the score errs, as counted on labelled answers, which may be simulated.

    Returns:
        The rate, within 0 and 1; None where there is no evidence, where the score does not tell faulty answers from sound ones, or
        where no rate within 0 and 1 fits: then the score errs otherwise on these answers than on the labelled ones.
    """
    p = counts.rate
    if p is None or not counts.effective:
        return None
    told = card.sensitivity + card.specificity - 1
    if told <= 0.1:
        return None
    rate = (p + card.specificity - 1) / told
    variance = (
        counts.variance()
        + rate**2 * _variance(card.sensitivity, card.faulty)
        + (1 - rate) ** 2 * _variance(card.specificity, card.sound)
    ) / told**2
    half = Z_95 * sqrt(variance)
    if rate + half <= 0 or rate - half >= 1:
        return None
    return Interval(min(1.0, max(0.0, rate)), max(0.0, rate - half), min(1.0, rate + half))


def _variance(share: float, n: int) -> float:
    p = (share * n + 1) / (n + 2)
    return p * (1 - p) / max(n, 1)
