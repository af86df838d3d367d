"""A product that reads a topic, its lake and its store."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from intelligence.catalog.product import Product
from intelligence.online.windows import EntityWindows, FeatureWindows
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
from resources.online.files import written_files
from resources.online.processor import Decided, Message, Processor
from resources.online.store import OnlineStore

NOW = datetime(2026, 5, 4, 12)
NOW_MS = int(NOW.replace(tzinfo=UTC).timestamp() * 1000)
PRODUCT = """
name: Demo
sources: [{name: app, topics: events}]
online:
  snapshot_events: 25
  rules:
    - {name: banned, answer: block, entities: [thief]}
    - {name: burst, answer: throttle, counter: events, minutes: 5, above: 20, per_minute: 10}
"""


def said(seconds: float = 0, /, **facts: object) -> dict[str, object]:
    """An event some seconds after NOW, which is noon."""
    at = datetime.fromtimestamp(NOW_MS / 1000 + seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    usual = {"event_id": f"e{seconds}", "event_time": at, "user_id": "u1", "feature": "search", "event_type": "use"}
    return {key: value for key, value in {**usual, **facts}.items() if value is not ...}


@dataclass
class Feed:
    """Turns events into messages of one topic, with offsets that go up by partition."""

    topic: str = "events"
    offsets: dict[int, int] = field(default_factory=dict)

    def message(self, event: dict | bytes | None, *, partition: int = 0, at_ms: int | None = None) -> Message:
        offset = self.offsets.get(partition, 0)
        self.offsets[partition] = offset + 1
        payload = json.dumps(event, separators=(",", ":")).encode() if isinstance(event, dict) else event
        return Message(self.topic, partition, offset, NOW_MS if at_ms is None else at_ms, payload)

    def messages(self, *events: dict | bytes | None) -> list[Message]:
        return [self.message(each) for each in events]


@dataclass
class Online:
    """The stream of a product without a broker."""

    folder: Path
    product: Product
    lake: Lake
    store: OnlineStore
    processor: Processor
    feed: Feed = field(default_factory=Feed)

    def process(self, *events: dict | bytes | None) -> list[Decided]:
        return self.processor.process(self.feed.messages(*events), now=NOW)

    def restarted(self) -> "Online":
        """The same after the process was killed: only what was committed is there."""
        self.store.close()
        store = OnlineStore(self.folder / "online.db")
        return Online(self.folder, self.product, self.lake, store, Processor(self.product, self.lake, store), self.feed)

    def statuses(self) -> dict[str, int]:
        return {status: number for (_, status), number in self.store.tallies().items()}

    def land(self) -> None:
        """Write all that waits into files, and take these into the lake."""
        written_files(self.product, self.folder / "landing", self.store, now=NOW.replace(tzinfo=UTC), all_rows=True)
        report = ingested(self.lake, self.product, deliveries(self.product, self.folder / "landing"), now=NOW)
        assert not report.refused

    def ledger(self) -> tuple[int, int, int, int]:
        """Rows in, accepted, duplicates and rejected of all batches."""
        sums = ", ".join(f"sum({name})::BIGINT" for name in ("rows_in", "accepted", "duplicates", "rejected"))
        return self.lake.frame(f"SELECT {sums} FROM telemetry.batches").row(0)

    def rejected(self) -> pl.DataFrame:
        return self.lake.frame("SELECT reason, payload FROM telemetry.rejected_events ORDER BY ALL")


def contents(online: Online) -> tuple:
    """All that the store holds of windows and decisions, as a new start would see it."""
    entities, features = EntityWindows(online.product.online), FeatureWindows(online.product.online)
    online.store.fill(entities, features)
    names = sorted(entities._slots.of)
    return (
        {name: entities.figures(name, at_ms=NOW_MS) for name in names},
        {key: features.figures(key, at_ms=NOW_MS, minutes=60) for key in sorted(features.series)},
        online.store.decisions(),
        online.store.offsets(),
    )
