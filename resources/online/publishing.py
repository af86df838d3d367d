"""Has the stream's windows written to Redis, after each batch and in a thread: the stream waits for nothing of it."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from intelligence.core.errors import StoreError
from intelligence.online.windows import Series
from resources.config.faults import reach
from resources.online.processor import Processor
from resources.online.shared import Changes, SharedWindows, Superseded
from resources.online.store import OnlineStore, layout_of
from resources.state.aside import Aside

PATIENCE_S: Final = 2.0
_EVERY_S: Final = 0.05
# How often it is said that nothing is new, which is another thing than silence.
_ALIVE_S: Final = 1.0
_AGAIN_S: Final = 1.0
# Entities that are copied at once where all are written, which holds the stream up meanwhile.
_AT_ONCE: Final = 5_000


class Publisher:
    """Writes the windows of one stream to Redis."""

    def __init__(
        self,
        shared: SharedWindows,
        processor: Processor,
        store: OnlineStore,
        *,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare to write all windows once, since what happened before this start is not known.

        Args:
            shared: The windows in Redis.
            processor: Holds the windows.
            store: Its store.
            told: Receives a sentence where Redis is lost, and where it is back.
        """
        self._shared, self._processor, self._store, self._told = shared, processor, store, told
        self._aside, self._running, self._sent = Aside(), _nothing(), -1
        self._token, self._former, self._whole, self._trouble = "", "", -1, ""
        self._seen = store.fact("batch")
        self._entities, self._series = set[str](), set[Series]()
        self._written, self._written_series = set[str](), set[Series]()
        self._is_all, self._evictions = True, (0, 0)
        self._left: list[str] | None = None
        self._not_before = self._alive_at = float("-inf")

    def __call__(self) -> None:
        """Begin to write what is new, if Redis has taken what was sent before."""
        if self._running is not None:
            if not self._running.done():
                return
            self._end()
        now = time.monotonic()
        if now < self._not_before:
            return
        self._not_before = now + _EVERY_S
        self._look()
        if not self._token:
            layout = layout_of(self._processor.entities, self._processor.features)
            arguments = self._store.identity, layout, self._seen, self._former
            self._running = self._aside.begun(lambda: self._shared.claimed(*arguments))
        elif self._seen != self._whole or self._is_all or now - self._alive_at > _ALIVE_S:
            self._running = self._aside.begun(self._writing())

    def finish(self) -> None:
        """Write what is new and wait for it, for at most twice PATIENCE_S seconds: the stream ends."""
        self._look()
        until = time.monotonic() + 2 * PATIENCE_S
        while (self._running or self._whole != self._seen or self._is_all) and time.monotonic() < until:
            self()
            time.sleep(0.005)

    def _look(self) -> None:
        """Note whose windows changed in the batches since the last look."""
        batches = self._store.batches_after(self._seen)
        if batches is None:
            self._is_all, self._left, self._seen = True, None, self._store.fact("batch")
            return
        for each in (event for events in batches for event in events):
            self._entities.add(each.entity)
            self._series.add((each.feature, each.platform, each.release))
        self._seen += len(batches)

    def _writing(self) -> Callable[[], None]:
        """Return the work of writing what changed, with the contents as they are now: after a whole batch."""
        changes = self._part_of_all() if self._is_all else None
        if changes is None:
            changes = self._changes()
            self._sent = self._seen
        token, batch, minute = self._token, self._seen, self._store.newest_minute()

        def work() -> None:
            reach("windows.publishing")
            self._shared.write(token, batch, minute, changes)
            reach("windows.published")

        return work

    def _part_of_all(self) -> Changes | None:
        """Return the next part of all entities; None once the rest can be written as what changed."""
        entities = self._processor.entities
        if self._left is None:
            self._left = list(entities.names)
        part = self._left[-_AT_ONCE:]
        del self._left[-_AT_ONCE:]
        if self._left:
            return Changes(entities.contents(part), {}, is_whole=False)
        self._entities.update(part)
        self._series.update(self._processor.features.series)
        return None

    def _changes(self) -> Changes:
        """Return what changed since the last time, and who was evicted."""
        entities, features = self._processor.entities, self._processor.features
        gone, gone_series, kept = frozenset[str](), frozenset[Series](), None
        if self._is_all or self._evictions != (entities.evictions, features.evictions):
            self._evictions = (entities.evictions, features.evictions)
            names, series = frozenset(entities.names), frozenset(features.series)
            gone, gone_series = frozenset(self._written - names), frozenset(self._written_series - series)
            self._written, self._written_series = set(names), set(series)
            kept = (names, series) if self._is_all else None
        else:
            self._written |= self._entities
            self._written_series |= self._series
        found = Changes(entities.contents(self._entities), features.contents(self._series), gone, gone_series, kept)
        self._entities, self._series, self._is_all, self._left = set(), set(), False, None
        return found

    def _end(self) -> None:
        """Take note of what Redis said."""
        running, self._running = self._running, None
        try:
            found = running.result() if running else None
        except StoreError as error:
            self._fail(error)
            return
        if not isinstance(found, tuple) and self._is_all:
            # A part of all has arrived, and the next one follows.
            self._not_before = float("-inf")
        elif isinstance(found, tuple):
            self._token, batch = found
            self._former = self._token
            # Redis may have lost what it had, or a part of it.
            self._is_all = self._is_all or batch != self._whole
        else:
            self._whole, self._alive_at = self._sent, time.monotonic()
            if self._trouble:
                self._told(f"Redis at {self._shared.name} has all windows again.")
                self._trouble = ""

    def _fail(self, error: StoreError) -> None:
        """Have all that was on its way sent again, under a new token: what comes late with the old one is refused."""
        if self._token:
            self._is_all, self._left, self._token = True, None, ""
            if isinstance(error, Superseded):
                # Asking for a new token tells whether there is another process, or whether Redis lost what it had.
                return
        self._not_before = time.monotonic() + _AGAIN_S
        kind = type(error).__name__
        if kind != self._trouble:
            self._told(f"{error} The stream goes on, and writes its windows there once it can.")
            self._trouble = kind


def _nothing() -> "Future[tuple[str, int]] | Future[None] | None":
    return None
