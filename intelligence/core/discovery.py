"""The false discovery rate of many comparisons."""

from collections.abc import Sequence


def false_discovery_rates(chances: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by the step-up procedure of Benjamini and Hochberg (1995), in the same order.

    Args:
        chances: p-values, which may be empty.

    Returns:
        For each p-value the smallest share of false findings at which it would be found.

    >>> [round(each, 3) for each in false_discovery_rates([0.01, 0.04, 0.03])]
    [0.03, 0.04, 0.04]
    """
    order = sorted(range(len(chances)), key=lambda place: chances[place], reverse=True)
    found, least = [1.0] * len(chances), 1.0
    for rank, place in zip(range(len(chances), 0, -1), order, strict=True):
        least = min(least, chances[place] * len(chances) / rank)
        found[place] = least
    return found
