"""The stream: events per second from messages to committed decisions, and the time of a question.

No broker is in the way: messages are in memory, and everything after them is as in `intelligence online run`, with commits,
snapshots of the windows and files for the lake.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from intelligence.catalog.product import product_from
from resources.lake.door import Lake
from resources.online.asked import AskedDecisions
from resources.online.files import written_files
from resources.online.processor import Message, Processor
from resources.online.store import OnlineStore
from resources.services.online_answers import OnlineAnswers, Question

NOW = datetime(2026, 5, 4, 12)
NOW_MS = int(NOW.replace(tzinfo=UTC).timestamp() * 1000)
PRODUCT = """
name: Benchmark
sources: [{name: app, topics: events}]
online:
  rules:
    - {name: banned, answer: block, entities: [u1, u2]}
    - {name: burst, answer: throttle, counter: events, minutes: 1, above: 100, per_minute: 20}
    - {name: errors, answer: throttle, counter: errors, minutes: 60, above: 500, per_minute: 20}
"""
WANTED_PER_S = 100_000


def messages(number: int, entities: int) -> list[Message]:
    """Return messages of an hour as a stream carries them: users of very different activity, one in a thousand broken."""
    draw, found = random.Random(7), []
    for place in range(number):
        at_ms = NOW_MS - 3_600_000 + place * 3_600_000 // number
        at = datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        user = f"u{int(entities * draw.random() ** 3)}"
        event = {
            "event_id": f"e{place}", "event_time": at, "user_id": user, "feature": f"feature_{draw.randrange(30)}",
            "event_type": "use", "latency_ms": round(draw.lognormvariate(5, 0.8), 1), "error_count": int(draw.random() < 0.01),
            "platform": draw.choice(("web", "ios", "android")), "app_version": draw.choice(("2.1", "2.2")),
        }  # fmt: skip
        payload = json.dumps(event, separators=(",", ":")).encode()
        found.append(Message("events", 0, place, at_ms, payload if place % 1_000 else payload[:40]))
    return found


def main() -> int:
    """Measure, print, and return 1 where the demand is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--questions", type=int, default=5_000)
    given = parser.parse_args()
    product, sent = product_from(PRODUCT), messages(given.events, given.entities)
    size = product.online.batch_events
    if given.events < 3 * size:
        parser.error(
            f"--events: {given.events:,} are too few: a batch to begin with and two to measure are {3 * size:,}."
        )
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        store = OnlineStore(data / "online.db")
        processor = Processor(product, Lake(catalog=f"sqlite:{data}/catalog.sqlite", store=f"{data}/files"), store)
        processor.process(sent[:size], now=NOW)  # compiles what is compiled
        started, used, batches = time.perf_counter(), time.process_time(), []
        for start in range(size, len(sent), size):
            before = time.perf_counter()
            processor.process(sent[start : start + size], now=NOW)
            written_files(product, data / "landing", store, now=NOW.replace(tzinfo=UTC))
            batches.append((time.perf_counter() - before) * 1000)
        wall, cpu = time.perf_counter() - started, time.process_time() - used
        events = len(sent) - size
        print(f"{events:,} events of {len(processor.entities):,} entities in batches of {size:,}:")
        print(
            f"  {events / wall:,.0f} a second, {events / cpu:,.0f} a CPU second, {cpu / events * 1e6:.1f} µs of CPU each"
        )
        print(
            f"  a batch takes {statistics.median(batches):.0f} ms, p99 {statistics.quantiles(batches, n=100)[98]:.0f} ms"
        )
        answers = OnlineAnswers(product, OnlineStore(data / "online.db"), AskedDecisions(data / "asked.db"))
        took = []
        for place in range(given.questions):
            before = time.perf_counter()
            answers.decided([Question(f"u{place % given.entities}", at_ms=NOW_MS)], now_ms=NOW_MS)
            took.append((time.perf_counter() - before) * 1000)
        median, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
        print(
            f"{given.questions:,} questions, each answered and kept, without HTTP: median {median:.2f} ms, p99 {p99:.2f} ms"
        )
    is_met = events / cpu >= WANTED_PER_S
    print(f"Demand: {WANTED_PER_S:,} events a CPU second: {'met' if is_met else 'not met'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
