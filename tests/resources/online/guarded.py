"""A stream that the guard watches: a class of users on two features, half of whom get a new release."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from intelligence.actions.flags import exposure
from intelligence.catalog.product import Source
from resources.online.processor import Message, Processor
from resources.online.store import OnlineStore
from resources.platform import Platform
from resources.services.guard import Done, GuardService, done_of
from tests.platforms import ruled_by

TOPIC = "events"
USERS = 60
# A user sends an event of each feature every minute; half of them have the new release from this minute on.
NEW, RELEASED = "2.0.0", 40
BAD, SOUND = "quiz", "search"


@dataclass
class Guarded:
    """A platform, its stream and its guard; time is the stream's, from ten in the morning on."""

    platform: Platform
    folder: Path
    day: date
    told: list[str] = field(default_factory=list)
    partition: int = 0
    fails: Callable[[int, int], bool] = lambda minute, user: (minute + user) % 2 == 0

    def __post_init__(self) -> None:
        source = Source(name="app", topics=(TOPIC,))
        self.platform = ruled_by(self.platform, sources=(source,), aliases=())
        self.sent = 0
        self.start()

    def start(self) -> None:
        """Start, or start again as after a kill: only what was committed is there."""
        self.store = OnlineStore(self.folder / "online.db")
        self.processor = Processor(self.platform.product, self.platform.lake, self.store)
        self.guard = GuardService(
            self.platform.decisions,
            self.platform.actions,
            self.processor,
            self.store,
            by_stream=True,
            told=self.told.append,
        )

    def at(self, minute: float) -> datetime:
        return datetime.combine(self.day, time(10), UTC) + timedelta(minutes=minute)

    def run(self, minutes: Iterable[int], *, users: Iterable[int] = range(USERS), shift: float = 0) -> None:
        """Send what the class does in these minutes, in four batches a minute; the guard looks after each."""
        for minute in minutes:
            for quarter in range(4):
                self.send(self._events(minute, [user for user in users if user % 4 == quarter], shift))
                self.guard()

    def send(self, events: Iterable[dict[str, Any]]) -> None:
        messages = []
        for event in events:
            at = datetime.fromisoformat(event["event_time"])
            payload = json.dumps(event, separators=(",", ":")).encode()
            messages.append(Message(TOPIC, self.partition, self.sent, int(at.timestamp() * 1000), payload))
            self.sent += 1
        now = self.at(600).replace(tzinfo=None)
        self.processor.process(messages, now=now)

    def _events(self, minute: int, users: Iterable[int], shift: float) -> Iterator[dict[str, Any]]:
        for user in users:
            is_new = minute >= RELEASED and user % 2 == 0
            for feature in (BAD, SOUND):
                at = self.at(minute + shift + user % 4 / 4)
                yield {
                    "event_id": f"{minute}-{user}-{feature}",
                    "event_time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    "user_id": f"u{user}",
                    "feature": feature,
                    "event_type": "use",
                    "platform": "ios",
                    "app_version": NEW if is_new else "1.0.0",
                    "error_count": int(is_new and feature == BAD and self.fails(minute, user // 2)),
                }

    def done(self) -> list[Done]:
        return [each for each in done_of(self.platform.decisions) if each.decision.action != "monitor"]

    def exposure(self, feature: str = BAD) -> float | None:
        flag = self.platform.product.flag_of(feature) or feature
        return exposure(self.platform.announcer.flags([flag])[0].document(), flag)

    def standing(self) -> dict[str, Any]:
        return self.store.guard() or {}
