"""The scales on which figures are forecast, so that counts stay positive and rates stay between 0 and 1."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["count", "amount", "rate", "rating"]
Floats = npt.NDArray[np.float64]
LOWEST_RATING: Final = 1.0
HIGHEST_RATING: Final = 5.0
# What is added to a count before its logarithm, so that a day without any has one.
HALF: Final = 0.5
# The same for an amount, as a share of its median.
SMALL_SHARE: Final = 0.01
# A rating at an end of its scale is taken to lie this far within, as a share of the scale.
NEAREST: Final = 1e-4
_LARGEST: Final = 700.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How one series is turned into the numbers that are forecast, and back.

    Attributes:
        kind: `count` and `amount` are forecast on the scale of logarithms, `rating` on that of log odds. A `rate` is forecast as it
            is, since any transformation of a day without a case moves the mean; so is an amount that was ever negative.
        offset: What is added before the logarithm.
        is_plain: Whether the numbers are forecast as they are.
    """

    kind: Kind
    offset: float = HALF
    is_plain: bool = False

    @classmethod
    def of(cls, kind: Kind, values: Floats) -> "Scale":
        """Return the scale of a history.

        Args:
            kind: What the values are.
            values: One per day; missing days are NaN.
        """
        if kind != "amount":
            return cls(kind)
        known = values[np.isfinite(values)]
        if known.size and known.min() < 0:
            return cls(kind, is_plain=True)
        middle = float(np.median(known)) if known.size else 0.0
        return cls(kind, offset=max(SMALL_SHARE * middle, 1e-6))

    def there(self, values: Floats) -> Floats:
        """Return the values on the scale.

        Args:
            values: The values; missing days are NaN.
        """
        if self.is_plain or self.kind == "rate":
            return values
        if self.kind in ("count", "amount"):
            return np.asarray(np.log(np.maximum(values, 0.0) + self.offset))
        share = np.clip((values - LOWEST_RATING) / (HIGHEST_RATING - LOWEST_RATING), 0.0, 1.0)
        within = NEAREST + (1 - 2 * NEAREST) * share
        return np.asarray(np.log(within / (1 - within)))

    def back(self, numbers: Floats) -> Floats:
        """Return numbers on the scale as values."""
        if self.is_plain:
            return numbers
        if self.kind == "rate":
            return np.asarray(np.clip(numbers, 0.0, 1.0))
        limited = np.clip(numbers, -_LARGEST, _LARGEST)
        if self.kind in ("count", "amount"):
            return np.asarray(np.maximum(np.exp(limited) - self.offset, 0.0))
        share = np.clip((1 / (1 + np.exp(-limited)) - NEAREST) / (1 - 2 * NEAREST), 0.0, 1.0)
        return np.asarray(LOWEST_RATING + (HIGHEST_RATING - LOWEST_RATING) * share)
