"""Threads in which the store of state is asked, for those whom a server that hangs must not keep waiting."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from intelligence.core.errors import StateError

ANSWERS_WITHIN_S: Final = 2.0
THREADS: Final = 4
MOST_WAITING: Final = 100
_HINT: Final = "Ask again later, and see whether the server answers that INTELLIGENCE_STATE names."
T = TypeVar("T")


class Aside:
    """Runs work in a few threads of its own, which do not delay the end of the process."""

    def __init__(self) -> None:
        """Start without any thread: there are as many as there is work, up to THREADS."""
        self._lock, self._threads = threading.Lock(), 0
        self._waiting = deque[tuple[Future[Any], Callable[[], Any]]]()

    def begun(self, work: Callable[[], T]) -> Future[T]:
        """Return the future of work that begins when a thread is free.

        Args:
            work: What is to be done.

        Raises:
            StateError: Too much waits already.
        """
        future: Future[T] = Future()
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise StateError("state store", f"{MOST_WAITING} requests wait for it already.", hint=_HINT)
            self._waiting.append((future, work))
            if self._threads < THREADS:
                self._threads += 1
                threading.Thread(target=self._run, daemon=True).start()
        return future

    async def answer(self, work: Callable[[], T]) -> T:
        """Return what work returns.

        Args:
            work: What is to be done; it may still be done after its time is over.

        Raises:
            StateError: It was not done within ANSWERS_WITHIN_S seconds, or too much waits already.
        """
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.begun(work)), ANSWERS_WITHIN_S)
        except TimeoutError as error:
            raise StateError("state store", f"it did not answer within {ANSWERS_WITHIN_S:g} s.", hint=_HINT) from error

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                future, work = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # it belongs to whoever asked
                future.set_exception(error)
