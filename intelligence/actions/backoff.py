"""How long to wait before the next attempt."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff with equal jitter: each wait lies between half of its full length and the full length.

    Attributes:
        first_s: Full length of the first wait, in seconds.
        factor: Growth of the full length from one attempt to the next.
        cap_s: Greatest full length, in seconds.
    """

    first_s: float = 2.0
    factor: float = 2.0
    cap_s: float = 900.0

    def wait_s(self, attempt: int, *, jitter: float, retry_after_s: float | None = None) -> float:
        """Return the wait after an attempt in seconds, which is never shorter than the target requested.

        Args:
            attempt: Number of the attempt, from 1.
            jitter: Random number in [0, 1]; 0 is the shortest wait.
            retry_after_s: Wait that the target requested, in seconds; None where it did not.

        >>> Backoff().wait_s(3, jitter=1.0)
        8.0
        >>> Backoff().wait_s(1, jitter=0.0, retry_after_s=30)
        30.0
        """
        exponent = min(attempt - 1, 64)
        grown_s = min(self.cap_s, self.first_s * self.factor**exponent)
        return max(grown_s * (0.5 + 0.5 * jitter), float(retry_after_s or 0))
