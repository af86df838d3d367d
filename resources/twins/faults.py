"""What a twin can be told to do wrong, so that delivery can be tried against it."""

import threading
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """One way to answer badly; `taken, then silent` stores the message first and never says so."""

    TOO_MANY = "429"
    BROKEN = "500"
    HANG = "hang"
    RESET = "reset"
    TAKEN_THEN_SILENT = "taken, then silent"


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """A fault, once; `retry_after_s` goes with 429."""

    fault: Fault
    retry_after_s: float | None = None


@dataclass(slots=True)
class Misbehaviours:
    """What each service is going to do wrong next, in that order; used up one by one."""

    _next: dict[str, deque[Misbehaviour]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, service: str, fault: Fault, *, times: int = 1, retry_after_s: float | None = None) -> None:
        """Let the service do that the next `times` times."""
        with self._lock:
            self._next.setdefault(service, deque()).extend([Misbehaviour(fault, retry_after_s)] * times)

    def take(self, service: str) -> Misbehaviour | None:
        """Return what the service is to do wrong now; None if nothing."""
        with self._lock:
            waiting = self._next.get(service)
            return waiting.popleft() if waiting else None
