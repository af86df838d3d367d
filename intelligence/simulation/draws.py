"""The seeded generators from which everything simulated is drawn, and the types of the arrays that they fill."""

from zlib import crc32

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def generator(seed: int, subject: str, *numbers: int) -> np.random.Generator:
    """Return the generator of one drawn attribute, independent of those for any other subject or numbers.

    One generator per attribute makes draws prefix-stable: the i-th element does not depend on how many elements are
    drawn, nor on how many elements of another attribute were drawn before.

    Args:
        seed: Seed of the plan.
        subject: Name of the attribute.
        numbers: Further numbers that distinguish draws, such as the day's index.

    >>> bool((generator(7, "lag", 3).random(4) == generator(7, "lag", 3).random(9)[:4]).all())
    True
    """
    return np.random.default_rng([seed, crc32(subject.encode()), *numbers])
