"""The windows as those see them who only read: from the database of the stream, or from Redis. Both give the same numbers."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from intelligence.core.errors import StoreError
from intelligence.online.settings import Online
from intelligence.online.windows import EntityWindows, FeatureWindows
from resources.online.shared import Shared, SharedWindows
from resources.online.store import OnlineStore, layout_of

# How old the windows may be before the store is looked at again.
FRESH_S: Final = 0.05
# How long Redis may take for an answer, and how long it is left alone after it took longer.
REDIS_WITHIN_S: Final = 0.05
REDIS_RESTS_S: Final = 1.0
# How long the stream may not have said that the windows in Redis are whole.
OLDEST_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Windows of entities as they are now.

    Attributes:
        windows: Windows that hold at least those of the entities asked for that are known; None where they cannot be read.
        batch: The last batch of the stream that they contain.
        newest_minute: Minute since 1970 of the newest event; -1 where there is none or it cannot be told.
        why_none: Why they cannot be read, in words; empty where they can.
    """

    windows: EntityWindows | None
    batch: int
    newest_minute: int = -1
    why_none: str = ""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is known.

    Attributes:
        entities: Number of entities whose windows are held; None where that cannot be told.
        series: The same for feature × platform × release.
        newest_minute: Minute since 1970 of the newest event; None where there is none or it cannot be told.
        answers: Whether the windows can be read.
    """

    entities: int | None
    series: int | None
    newest_minute: int | None
    answers: bool = True


class FollowedWindows(Protocol):
    """Windows that another process counts."""

    def of_entities(self, names: Sequence[str]) -> Seen:
        """Return the windows of entities.

        Args:
            names: The entities.
        """

    def of_feature(self, name: str) -> FeatureWindows:
        """Return windows that hold at least those of a feature.

        Args:
            name: The feature.

        Raises:
            StoreError: They cannot be read.
        """

    def sizes(self) -> Sizes:
        """Return how much is known."""


class StoreWindows:
    """Windows in memory that follow the database of the stream."""

    def __init__(self, online: Online, store: OnlineStore) -> None:
        """Read the windows as they are.

        Args:
            online: Lengths of windows and limits.
            store: The database of the stream, which another process may write.
        """
        self._online, self._store = online, store
        self._refill()

    def _refill(self) -> None:
        self._entities, self._features = EntityWindows(self._online), FeatureWindows(self._online)
        self._batch = self._store.fill(self._entities, self._features)
        self._look()

    def _look(self) -> None:
        newest = self._store.newest_minute()
        self._newest_minute, self._looked_at = -1 if newest is None else newest, time.monotonic()

    def _catch_up(self) -> None:
        """Count what the stream has counted since the last time; does nothing within FRESH_S seconds."""
        if time.monotonic() - self._looked_at < FRESH_S:
            return
        batches = self._store.batches_after(self._batch)
        if batches is None:
            self._refill()
            return
        for events in batches:
            self._entities.counted(events)
            self._features.count(events)
        self._batch += len(batches)
        self._look()

    def of_entities(self, names: Sequence[str]) -> Seen:  # noqa: ARG002 # all are in memory
        """Return the windows of all entities.

        Args:
            names: The entities that are asked for.
        """
        self._catch_up()
        return Seen(self._entities, self._batch, self._newest_minute)

    def of_feature(self, name: str) -> FeatureWindows:  # noqa: ARG002 # all are in memory
        """Return the windows of all features.

        Args:
            name: The feature that is asked for.
        """
        self._catch_up()
        return self._features

    def sizes(self) -> Sizes:
        """Return how much is known."""
        self._catch_up()
        return Sizes(len(self._entities), len(list(self._features.series)), self._store.newest_minute())


class RedisWindows:
    """Windows that the stream writes to Redis, asked for by one question each; Redis is left alone where it does not answer."""

    def __init__(self, online: Online, shared: SharedWindows) -> None:
        """Prepare to ask.

        Args:
            online: Lengths of windows and limits.
            shared: The windows in Redis.
        """
        self._online, self._shared = online, shared
        self._layout = layout_of(EntityWindows(online), FeatureWindows(online))
        self._rests_until, self._trouble = float("-inf"), ""

    def of_entities(self, names: Sequence[str]) -> Seen:
        """Return the windows of entities, or why they cannot be read.

        Args:
            names: The entities.
        """
        try:
            found = self._asked(entities=list(dict.fromkeys(names)))
        except StoreError as error:
            return Seen(None, -1, why_none=f"the windows cannot be read: {error.problem.rstrip('.')}")
        windows = EntityWindows(self._online.model_copy(update={"most_entities": max(len(found.contents), 1)}))
        for name, content in found.contents.items():
            windows.restore(name, content)
        return Seen(windows, found.batch, -1 if found.newest_minute is None else found.newest_minute)

    def of_feature(self, name: str) -> FeatureWindows:
        """Return the windows of a feature.

        Args:
            name: The feature.

        Raises:
            StoreError: They cannot be read.
        """
        found = self._asked(feature=name)
        windows = FeatureWindows(self._online.model_copy(update={"most_series": max(len(found.contents), 1)}))
        for place, content in found.contents.items():
            platform, release = json.loads(place)
            windows.restore((name, platform, release), content)
        return windows

    def sizes(self) -> Sizes:
        """Return how much is known."""
        try:
            found = self._asked(entities=[])
        except StoreError:
            return Sizes(None, None, None, answers=False)
        return Sizes(found.entities, None, found.newest_minute)

    def _asked(self, *, entities: Sequence[str] = (), feature: str | None = None) -> Shared:
        """Return what Redis says; raises StoreError where it does not answer in time, or what it has is not to be used."""
        if time.monotonic() < self._rests_until:
            raise self._unreadable(self._trouble)
        try:
            found = self._shared.entities(entities) if feature is None else self._shared.feature(feature)
        except StoreError as error:
            self._rests_until, self._trouble = time.monotonic() + REDIS_RESTS_S, error.problem
            raise
        if found.age_s is None:
            raise self._unreadable("the stream has not written them whole yet.")
        if found.age_s > OLDEST_S:
            raise self._unreadable(f"the stream has not written them for {found.age_s:,.0f} s.")
        if found.layout != self._layout:
            raise self._unreadable("the stream counts windows of other lengths than product.yaml says here.")
        return found

    def _unreadable(self, problem: str) -> StoreError:
        return StoreError(
            f"windows in Redis at {self._shared.name}",
            problem,
            hint="See whether Redis and `intelligence online run` run, with the same INTELLIGENCE_REDIS.",
        )
