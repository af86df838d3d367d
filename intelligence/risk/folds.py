"""Rolling-origin folds: training on the past, evaluation on the future, with an embargo as long as the horizon."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intelligence.core.errors import NotEnoughEvidence

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Times before `train_end` are for training, times in [test_start, test_end) for testing; the gap is the embargo."""

    train_end: int
    test_start: int
    test_end: int


def rolling_origin(times: Sequence[int] | Ints, *, horizon: int, folds: int, warm_up: float = 0.4) -> list[Fold]:
    """Return folds with a rolling origin whose test periods follow one another to the end of `times`.

    A label at time t depends on the time up to t + `horizon`, so the training of a fold ends that long before its test
    (Tashman 2000; López de Prado 2018 on the embargo).

    Args:
        times: Times of all rows as whole numbers; repeated ones count once.
        horizon: How far a label looks ahead, in the unit of `times`.
        folds: Number of folds to return.
        warm_up: Share of the distinct times before the first test, in (0, 1).

    Raises:
        NotEnoughEvidence: There are fewer points in time than so many folds need.

    >>> rolling_origin(range(100), horizon=7, folds=3)
    [Fold(train_end=33, test_start=40, test_end=60), Fold(train_end=53, test_start=60, test_end=80), \
Fold(train_end=73, test_start=80, test_end=100)]
    """
    distinct = np.unique(np.asarray(times, dtype=np.int64))
    first = int(len(distinct) * warm_up)
    bounds = np.linspace(first, len(distinct), folds + 1).astype(int)
    if len(distinct) == 0 or first == 0 or (np.diff(bounds) == 0).any():
        raise NotEnoughEvidence(
            "risk training",
            f"{len(distinct)} points in time with known labels are too few for {folds} folds.",
            hint="Collect more days, or ask for a shorter horizon (`risk:` in product.yaml).",
        )
    starts = [int(distinct[bound]) for bound in bounds[:-1]]
    ends = [*starts[1:], int(distinct[-1]) + 1]
    return [Fold(start - horizon, start, end) for start, end in zip(starts, ends, strict=True)]
