"""Faults that a twin can be made to show, so that delivery can be tested against them."""

import threading
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """One way to answer badly; `taken, then silent` stores the message and does not answer."""

    TOO_MANY = "429"
    BROKEN = "500"
    HANG = "hang"
    RESET = "reset"
    TAKEN_THEN_SILENT = "taken, then silent"


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """One fault to show once; `retry_after_s` belongs to 429."""

    fault: Fault
    retry_after_s: float | None = None


@dataclass(slots=True)
class Misbehaviours:
    """The faults that each service shows next, in this order; each is used once."""

    _next: dict[str, deque[Misbehaviour]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, service: str, fault: Fault, *, times: int = 1, retry_after_s: float | None = None) -> None:
        """Make the service show the fault on its next requests.

        Args:
            service: The name of the service, such as `slack`.
            fault: What to do wrong.
            times: On how many requests.
            retry_after_s: Seconds for the header Retry-After of a 429; None leaves the header out.
        """
        with self._lock:
            self._next.setdefault(service, deque()).extend([Misbehaviour(fault, retry_after_s)] * times)

    def take(self, service: str) -> Misbehaviour | None:
        """Return the fault to show on this request and remove it; None where there is none."""
        with self._lock:
            waiting = self._next.get(service)
            return waiting.popleft() if waiting else None
