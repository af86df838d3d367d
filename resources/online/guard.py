"""The guard's look at the stream: the windows in memory, and what the store says of minutes and releases."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from intelligence.catalog.product import Product
from intelligence.online.guard import Finding, Promise, findings, present_minute, stream_fault
from intelligence.online.windows import MINUTE_MS
from resources.online.processor import Processor
from resources.online.store import OnlineStore


@dataclass(frozen=True, slots=True)
class Look:
    """What the guard saw.

    Attributes:
        minute: The newest minute that many users have reached, since 1970.
        fault: Why the stream cannot be trusted; empty where it can.
        findings: The new releases that are bad; none while there is a fault.
    """

    minute: int
    fault: str
    findings: tuple[Finding, ...]

    @property
    def at(self) -> datetime:
        """Return the newest minute as a time in UTC."""
        return datetime.fromtimestamp(self.minute * MINUTE_MS / 1000, UTC)


_WAITS_MINUTES: Final = 5


class Guard:
    """Looks at the windows of a stream."""

    def __init__(
        self,
        product: Product,
        processor: Processor,
        store: OnlineStore,
        *,
        known_since: Mapping[tuple[str, str], int],
        by_stream: bool = False,
    ) -> None:
        """Prepare for a stream.

        Args:
            product: The product, with promises and limits.
            processor: Holds the windows.
            store: Its store.
            known_since: The first minute of releases that the lake knows, by platform and release.
            by_stream: Whether the newest minute of the stream is the present, as in a rehearsal of a day that is past.
        """
        self._product, self._processor, self._store = product, processor, store
        self._known_since, self._by_stream = known_since, by_stream

    def first_seen(self) -> dict[tuple[str, str], int]:
        """Return the first minute of each platform and release, on the stream or in the lake."""
        found = dict(self._processor.releases)
        for key, minute in self._known_since.items():
            found[key] = min(minute, found.get(key, minute))
        return found

    def look(self, *, now: datetime) -> Look | None:
        """Return what the guard sees; None before the first event.

        Args:
            now: The current time, in UTC with its zone.
        """
        pulse = self._store.pulse()
        present = present_minute(pulse)
        if present is None:
            return None
        # Minutes that some partition has not reached yet are not whole; one that is far behind has no events to wait for.
        reached = [each.newest_minute for each in self._processor.offsets.values()]
        minute = min([present, *(each for each in reached if each >= present - _WAITS_MINUTES)])
        settings, limits = self._product.online.guard, self._product.decisions.limits
        now_ms = None if self._by_stream else int(now.timestamp() * 1000)
        fault = stream_fault(pulse, minute=minute, now_ms=now_ms, settings=settings)
        if fault:
            return Look(minute, fault, ())
        features = {feature for feature, _, _ in self._processor.features.series}
        found = findings(
            self._processor.features,
            minute=minute,
            first_seen=self.first_seen(),
            promises={name: self._promise(name) for name in features},
            oldest_days=self._product.decisions.signs.blamed_release_days,
            least_harmed=limits.minimum_harmed_users,
            settings=settings,
        )
        return Look(minute, "", tuple(found))

    def _promise(self, feature: str) -> Promise:
        terms = self._product.features.get(feature, self._product.feature_defaults)
        return Promise(terms.max_error_rate, terms.max_crash_rate)
