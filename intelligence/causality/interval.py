"""An estimated effect with its 95 % interval, the standard errors by cluster behind it, and the critical values of tests."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Z: Final = 1.959964  # of the normal distribution, for 95 % two-sided


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its standard error and 95 % interval, in the unit of the outcome."""

    value: float
    se: float

    @property
    def low(self) -> float:
        """Return the lower end of the 95 % interval."""
        return self.value - Z * self.se

    @property
    def high(self) -> float:
        """Return the upper end of the 95 % interval."""
        return self.value + Z * self.se

    @property
    def excludes_zero(self) -> bool:
        """Return whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    @property
    def z(self) -> float:
        """Return the value in standard errors; 0 where both are 0."""
        return self.value / self.se if self.se > 0 else 0.0

    @property
    def words(self) -> str:
        """Return the value and its interval.

        >>> Interval(0.03, 0.01).words
        '+0.030 (95 % interval +0.010 to +0.050)'
        """
        return f"{signed(self.value)} (95 % interval {signed(self.low)} to {signed(self.high)})"


def signed(value: float) -> str:
    """Return a number with its sign and at least three significant digits.

    >>> signed(0.03), signed(1794.3), signed(-0.00042)
    ('+0.030', '+1,794', '-0.00042')
    """
    size = abs(value)
    if size >= 100:
        return f"{value:+,.0f}"
    if size >= 1:
        return f"{value:+.2f}"
    return f"{value:+.3f}" if size >= 0.01 or size == 0 else f"{value:+.2g}"


def clustered_se(influence: Floats, clusters: Ints | None) -> Floats:
    """Return the standard error of the mean of each column of influence values.

    Rows of one cluster may depend on each other in any way (Liang and Zeger 1986).

    Args:
        influence: Influence values with mean 0, shape (rows, columns).
        clusters: Cluster of each row, numbered from 0; None where rows are independent.
    """
    rows = len(influence)
    if clusters is None:
        spread: Floats = influence.std(axis=0, ddof=1) / np.sqrt(rows)
        return spread
    sums = cluster_sums(influence, clusters)
    number = int((np.bincount(clusters) > 0).sum())
    error: Floats = np.sqrt((sums**2).sum(axis=0) * number / max(number - 1, 1)) / rows
    return error


def cluster_sums(values: Floats, clusters: Ints) -> Floats:
    """Return the sum of each column within each cluster, shape (clusters, columns).

    Args:
        values: Shape (rows, columns).
        clusters: Cluster of each row, numbered from 0.
    """
    sums: Floats = np.stack([np.bincount(clusters, column) for column in values.T], axis=1)
    return sums


def chi_square_tail(value: float, degrees: int) -> float:
    """Return the probability that a chi-square variable is larger.

    Args:
        value: The value.
        degrees: Degrees of freedom.

    >>> round(chi_square_tail(3.841, 1), 3)
    0.05
    """
    from scipy.special import chdtrc

    return float(chdtrc(degrees, value))
