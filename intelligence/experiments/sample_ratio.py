"""Whether the numbers of units fit the planned shares."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy import special

from intelligence.core.errors import NotEnoughEvidence

# Health is looked at each day and must not cry wolf: a chance of one in a thousand for each look.
ALPHA: Final = 0.001
# From this number of units on the normal approximation stands for the exact test of two variants.
MANY: Final = 1_000
# Outcomes as likely as the one that was seen count as such in spite of rounding.
_ALIKE: Final = 1 + 1e-7


def sample_ratio_p(units: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Return the p-value of the numbers of units under the planned shares.

    Two variants are tested exactly below 1,000 units and by the normal approximation else, more by the chi-square test.

    Args:
        units: Units exposed, by variant; a variant without any counts as 0.
        shares: Planned share of each variant; they are scaled to 1.

    Raises:
        NotEnoughEvidence: There are no units.

    >>> round(sample_ratio_p({"a": 5_000, "b": 5_200}, {"a": 0.5, "b": 0.5}), 4)
    0.0477
    """
    names = list(shares)
    counts = np.array([units.get(name, 0) for name in names])
    expected = np.array([shares[name] for name in names], dtype=float)
    expected /= expected.sum()
    n = int(counts.sum())
    if n == 0:
        raise NotEnoughEvidence("sample ratio", "no unit is in any variant.", hint="Wait for exposures.")
    if len(names) == 2:
        return _of_two(int(counts[1]), n, float(expected[1]))
    distance = float((((counts - expected * n) ** 2) / (expected * n)).sum())
    return float(special.chdtrc(len(names) - 1, distance))


def _of_two(seen: int, n: int, share: float) -> float:
    """Return the two-sided p-value of so many of n units where each is one of them with this probability."""
    if n >= MANY:
        z = (seen - n * share) / (n * share * (1 - share)) ** 0.5
        return float(2 * special.ndtr(-abs(z)))
    k = np.arange(n + 1)
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    likely = np.exp(ways + special.xlogy(k, share) + special.xlog1py(n - k, -share))
    return float(min(1.0, likely[likely <= likely[seen] * _ALIKE].sum()))
