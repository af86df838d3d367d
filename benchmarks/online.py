"""The stream: events per second from messages to committed decisions, and the time of a question, beside the naive way.

No broker is in the way of the stream: messages are in memory, and everything after them is as in `intelligence online run`, with a
boosted model that scores, commits, snapshots of the windows and files for the lake. Questions come over HTTP from another process.
"""

import argparse
import statistics
import sys
import tempfile
import time
from datetime import UTC
from pathlib import Path

from benchmarks.online_parts import (
    NOW,
    memory_mib,
    messages,
    naive,
    product_of,
    requests,
    server,
    stream_in,
)
from resources.online.files import written_files

WANTED_PER_S = 100_000
WANTED_RATIO = 0.7
WANTED_P99_MS = 5.0


def main() -> int:
    """Measure, print, and return 1 where a demand is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--questions", type=int, default=5_000, help="questions over HTTP, each kept")
    parser.add_argument("--rate", type=float, default=5_000, help="questions a second for their p99")
    parser.add_argument("--naive", type=int, default=500, help="events the naive way")
    parser.add_argument("--passing", type=int, default=200_000, help="entities that come once, where a tenth are kept")
    given = parser.parse_args()
    size = product_of().online.batch_events
    if given.events < 3 * size:
        parser.error(
            f"--events: {given.events:,} are too few: a batch to begin with and two to measure are {3 * size:,}."
        )
    with tempfile.TemporaryDirectory() as folder:
        event_s, per_cpu_s = _streamed(Path(folder), given.events, given.entities)
        ratio, p99_ms = _asked(Path(folder), given.questions, given.rate)
    naive_s, where = naive(given.naive)
    print(
        f"The naive way, windows {where}: {naive_s * 1e6:,.0f} µs for an event, {naive_s / event_s:,.0f} times as long"
    )
    with tempfile.TemporaryDirectory() as folder:
        is_bounded = _bounded(Path(folder), given.passing)
    met = {
        f"{WANTED_PER_S:,} events a CPU second": per_cpu_s >= WANTED_PER_S,
        f"p99 under {WANTED_P99_MS:g} ms at {given.rate:,.0f} questions a second": p99_ms < WANTED_P99_MS,
        f"at least {WANTED_RATIO:g} times as many questions as of nothing": ratio >= WANTED_RATIO,
        "memory bounded": is_bounded,
    }
    for demand, is_met in met.items():
        print(f"Demand: {demand}: {'met' if is_met else 'not met'}")
    return 0 if all(met.values()) else 1


def _streamed(folder: Path, events: int, entities: int) -> tuple[float, float]:
    """Return the seconds that an event takes, and how many events a CPU second takes in."""
    product, sent = product_of(), messages(events, entities)
    size, (processor, store) = product.online.batch_events, stream_in(folder, product)
    processor.process(sent[:size], now=NOW)  # compiles what is compiled
    started, used, batches = time.perf_counter(), time.process_time(), []
    for start in range(size, len(sent), size):
        before = time.perf_counter()
        processor.process(sent[start : start + size], now=NOW)
        written_files(product, folder / "landing", store, now=NOW.replace(tzinfo=UTC))
        batches.append((time.perf_counter() - before) * 1000)
    processor.store_windows()
    wall, cpu, measured = time.perf_counter() - started, time.process_time() - used, len(sent) - size
    print(f"{measured:,} events of {len(processor.entities):,} entities in batches of {size:,}, each scored:")
    print(
        f"  {measured / wall:,.0f} a second, {measured / cpu:,.0f} a CPU second, {cpu / measured * 1e6:.1f} µs of CPU each"
    )
    p99 = statistics.quantiles(batches, n=100)[98]
    print(f"  a batch takes {statistics.median(batches):.0f} ms, p99 {p99:.0f} ms")
    return wall / measured, measured / cpu


def _asked(folder: Path, questions: int, rate: float) -> tuple[float, float]:
    """Return how many questions go through for each request that asks nothing, and the p99 of questions at a rate, in ms."""
    with server(folder) as port:
        requests(port, "/v1/decide", min(questions, 200))  # compiles what is compiled
        nothing = requests(port, "/nothing", questions)
        asked = requests(port, "/v1/decide", questions)
        steady = requests(port, "/v1/decide", questions, rate=rate, connections=64)
    ratio = asked.per_s / nothing.per_s
    print(f"{questions:,} requests over HTTP to one process, on eight connections:")
    print(
        f"  that ask nothing: {nothing.per_s:,.0f} a second, median {nothing.median_ms:.2f} ms, p99 {nothing.p99_ms:.2f} ms"
    )
    print(
        f"  for a decision:   {asked.per_s:,.0f} a second, median {asked.median_ms:.2f} ms, p99 {asked.p99_ms:.2f} ms"
    )
    print(f"  ratio {ratio:.2f}; at {rate:,.0f} a second median {steady.median_ms:.2f} ms, p99 {steady.p99_ms:.2f} ms")
    return ratio, steady.p99_ms


def _bounded(folder: Path, passing: int) -> bool:
    """Return whether no more entities are kept than the product lets, and the second half of a stream takes no more memory."""
    product = product_of(most_entities=passing // 10)
    (processor, _), sent, size = stream_in(folder, product), messages(passing, passing, is_even=True), 10_000
    grown = [memory_mib()]
    for half in (sent[: passing // 2], sent[passing // 2 :]):
        for start in range(0, len(half), size):
            processor.process(half[start : start + size], now=NOW)
        grown.append(memory_mib())
    kept, most = len(processor.entities), product.online.most_entities
    print(
        f"{passing:,} entities that come once, of which {most:,} may be kept: {kept:,} are, {processor.entities.evictions:,} were"
        f" evicted; memory grows by {grown[1] - grown[0]:,.0f} MiB in the first half and {grown[2] - grown[1]:,.0f} in the second"
    )
    return kept <= most and grown[2] - grown[1] <= max(50, grown[1] - grown[0])


if __name__ == "__main__":
    sys.exit(main())
