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
# A share of which the number of cases is not known is kept this far from 0 and 1.
NEAREST: Final = 1e-4
_LARGEST: Final = 700.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How one series is turned into the numbers that are forecast, and back.

    Attributes:
        kind: `count` and `amount` are forecast on the scale of logarithms, `rate` and `rating` on that of log odds. An amount that
            was ever negative is forecast as it is.
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

    def there(self, values: Floats, cases: Floats | None = None) -> Floats:
        """Return the values on the scale; a rate with known cases is drawn towards one half by one case, so that 0 and 1 have a place.

        Args:
            values: The values; missing days are NaN.
            cases: Denominators of a rate, where they are known.
        """
        if self.is_plain:
            return values
        if self.kind in ("count", "amount"):
            return np.asarray(np.log(np.maximum(values, 0.0) + self.offset))
        share = (values - LOWEST_RATING) / (HIGHEST_RATING - LOWEST_RATING) if self.kind == "rating" else values
        if cases is not None and self.kind == "rate":
            drawn = (share * cases + HALF) / (cases + 1)
            share = np.where(np.isfinite(cases), drawn, share)
        share = np.clip(share, NEAREST, 1 - NEAREST)
        return np.asarray(np.log(share / (1 - share)))

    def back(self, numbers: Floats) -> Floats:
        """Return numbers on the scale as values."""
        if self.is_plain:
            return numbers
        limited = np.clip(numbers, -_LARGEST, _LARGEST)
        if self.kind in ("count", "amount"):
            return np.asarray(np.maximum(np.exp(limited) - self.offset, 0.0))
        share = 1 / (1 + np.exp(-limited))
        return np.asarray(LOWEST_RATING + (HIGHEST_RATING - LOWEST_RATING) * share if self.kind == "rating" else share)
