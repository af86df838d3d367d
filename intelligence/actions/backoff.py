"""How long to wait for the next attempt, and when to give up."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential waits with jitter between half and the whole of each, up to a cap."""

    first_s: float = 2.0
    factor: float = 2.0
    cap_s: float = 900.0

    def wait_s(self, attempt: int, *, jitter: float, retry_after_s: float | None = None) -> float:
        """Return the wait after the attempt with this number, from 1; never shorter than the target asked for.

        >>> Backoff().wait_s(3, jitter=1.0)
        8.0
        >>> Backoff().wait_s(1, jitter=0.0, retry_after_s=30)
        30.0
        """
        exponent = min(attempt - 1, 64)
        grown_s = min(self.cap_s, self.first_s * self.factor**exponent)
        return max(grown_s * (0.5 + 0.5 * jitter), float(retry_after_s or 0))
