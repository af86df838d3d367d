"""The seeded generators that everything simulated is drawn from, and the arrays that they fill."""

from zlib import crc32

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def generator(seed: int, subject: str, *numbers: int) -> np.random.Generator:
    """Return the generator for one subject, independent of every other subject and number.

    One generator per drawn attribute makes draws prefix-stable: the i-th element does not depend on how many are
    drawn, and no attribute depends on how much of another was drawn before it.

    >>> bool((generator(7, "lag", 3).random(4) == generator(7, "lag", 3).random(9)[:4]).all())
    True
    """
    return np.random.default_rng([seed, crc32(subject.encode()), *numbers])
