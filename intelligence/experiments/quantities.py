"""The names of counts and sums that moments consist of."""

from itertools import combinations_with_replacement
from typing import Final

# Of a unit: x the column of the metric, y its denominator, and a and b the same before the exposure.
QUANTITIES: Final = ("x", "y", "a", "b")
PAIRS: Final = tuple(combinations_with_replacement(QUANTITIES, 2))
SUMS: Final = (*(f"sum_{each}" for each in QUANTITIES), *(f"sum_{left}{right}" for left, right in PAIRS))
COUNTS: Final = ("units", "n", "n_covariate")
