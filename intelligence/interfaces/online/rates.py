"""How many events and questions each caller of the decision API may send a second.

A limit holds for what comes through a proxy. A program on the machine itself has none, as it needs no key.
"""

import time
from collections.abc import Callable

from starlette.requests import Request

from intelligence.core.errors import OnlineError
from intelligence.interfaces.api.keys import KEY
from resources.processes.front.guard import request_of
from resources.processes.front.people import is_direct


class TooMany(OnlineError):
    """A caller sends more than the owner lets it."""

    def __init__(self, per_second: float, *, wait_s: float) -> None:
        """Say so.

        Args:
            per_second: How many events or questions it may send a second.
            wait_s: Seconds until something is taken again.
        """
        self.wait_s = wait_s
        super().__init__(
            "rate",
            f"this caller sends more than {per_second:,g} a second.",
            hint="Send fewer, or let the owner raise `online.requests_per_second` in product.yaml.",
        )


class RateLimits:
    """A token bucket (Turner 1986) for each key, and one for all that is sent through a proxy without a key.

    A bucket holds what may be sent in a second. A list is taken whole as long as its bucket is not empty, and what it takes beyond is
    paid off before anything else is taken, so that a list longer than the limit gets through as well.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with full buckets.

        Args:
            per_second: How many events or questions a caller may send a second.
            clock: Returns seconds.
        """
        self._per_second, self._clock = per_second, clock
        self._buckets: dict[int | None, tuple[float, float]] = {}

    async def take(self, request: Request) -> None:
        """Take one from the bucket of who sends a request; it can be a dependency of a FastAPI route.

        Args:
            request: The request.

        Raises:
            TooMany: The bucket is empty.
        """
        left = self._left(request)
        if left is not None and left <= 0:
            raise TooMany(self._per_second, wait_s=-left / self._per_second)
        self.charge(request, 1)

    def charge(self, request: Request, number: int) -> None:
        """Take more from the bucket of a request that was let through.

        Args:
            request: The request.
            number: How many more events or questions it has.
        """
        left = self._left(request)
        if left is not None:
            self._buckets[request.scope.get(KEY)] = (left - number, self._clock())

    def _left(self, request: Request) -> float | None:
        """Return what the caller's bucket holds; None for a caller without a limit."""
        if is_direct(request_of(request.scope)):
            return None
        # Only places of known keys and None are callers, so that nobody makes buckets at will.
        left, since = self._buckets.get(request.scope.get(KEY), (self._per_second, self._clock()))
        return min(self._per_second, left + (self._clock() - since) * self._per_second)
