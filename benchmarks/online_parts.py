"""Parts of `benchmarks.online`: its product and messages, a model that scores, the API in a process of its own, and the naive way."""

import asyncio
import json
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from fastapi import FastAPI, Request, Response
from xgboost import XGBClassifier

from benchmarks.measuring import ROOT
from intelligence.catalog.product import Product, product_from
from intelligence.interfaces.online.app import app_of
from intelligence.online.scoring import Scorer
from intelligence.online.settings import COUNTERS, Online
from intelligence.risk.candidates import CANDIDATES
from intelligence.risk.model import Platt, RiskModel
from resources.lake.door import Lake
from resources.online.asked import AskedDecisions
from resources.online.champion import FollowedChampion, Scoring
from resources.online.processor import Message, Processor
from resources.online.store import OnlineStore
from resources.processes.front.serving import LOOPBACK, server_of
from resources.services.online_answers import OnlineAnswers

NOW = datetime(2026, 5, 4, 12)
NOW_MS = int(NOW.replace(tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000
_PRODUCT = """
name: Benchmark
sources: [{name: app, topics: events}]
decisions:
  entities: {level: auto, throttle: 0.9, block: 0.99, fallback: allow}
online:
  most_entities: %d
  rules:
    - {name: banned, answer: block, entities: [u1, u2]}
    - {name: burst, answer: throttle, counter: events, minutes: 1, above: 100, per_minute: 20}
    - {name: errors, answer: throttle, counter: errors, minutes: 60, above: 500, per_minute: 20}
"""


def product_of(most_entities: int = 100_000) -> Product:
    """Return the product of the benchmark."""
    return product_from(_PRODUCT % most_entities)


def messages(number: int, entities: int, *, is_even: bool = False) -> list[Message]:
    """Return messages of an hour as a stream carries them: users of very different activity, one in a thousand broken.

    With `is_even` each user has as many events as the others, one after the other.
    """
    draw, found = random.Random(7), []
    for place in range(number):
        at_ms = NOW_MS - HOUR_MS + place * HOUR_MS // number
        at = datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        user = f"u{place % entities if is_even else int(entities * draw.random() ** 3)}"
        event = {
            "event_id": f"e{place}", "event_time": at, "user_id": user, "feature": f"feature_{draw.randrange(30)}",
            "event_type": "use", "latency_ms": round(draw.lognormvariate(5, 0.8), 1), "error_count": int(draw.random() < 0.01),
            "platform": draw.choice(("web", "ios", "android")), "app_version": draw.choice(("2.1", "2.2")),
        }  # fmt: skip
        payload = json.dumps(event, separators=(",", ":")).encode()
        found.append(Message("events", 0, place, at_ms, payload if place % 1_000 else payload[:40]))
    return found


class _Fixed(FollowedChampion):
    """A champion that no registry changes."""

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring

    def present(self) -> Scoring:
        return self._scoring


def _training() -> tuple[pl.DataFrame, np.ndarray, tuple[str, ...]]:
    names, draw = Online().predictors, np.random.default_rng(7)
    values = np.floor(draw.lognormal(1, 1, (4_000, len(names))))
    labels = draw.random(len(values)) < 1 / (1 + np.exp(4 - values[:, 1]))
    return pl.DataFrame(values, schema=list(names)), labels, names


def champion() -> FollowedChampion:
    """Return a boosted model of all windows as the champion."""
    rows, labels, names = _training()
    fitted = CANDIDATES["xgboost"](rows, labels, names, {}, 7)
    draws = tuple((1 + each / 50, each / 20) for each in range(-10, 11))
    model = RiskModel("xgboost", names, Platt(1.0, 0.0, draws), fitted.linear, fitted.booster)
    return _Fixed(Scoring(Scorer(model, "1", predictors=names), ""))


def stream_in(folder: Path, product: Product) -> tuple[Processor, OnlineStore]:
    """Return what takes in the messages of a product, in a folder of its own, and its store."""
    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
    store = OnlineStore(folder / "online.db")
    return Processor(product, lake, store, champion=champion()), store


def answers_in(folder: Path, product: Product) -> OnlineAnswers:
    """Return the answers to questions, from what a stream left in a folder."""
    store, asked = OnlineStore(folder / "online.db"), AskedDecisions(folder / "asked.db")
    return OnlineAnswers(product, store, asked, champion=champion())


def with_nothing(app: FastAPI) -> FastAPI:
    """Return the application with an address that takes a body and does nothing."""

    @app.post("/nothing")
    async def nothing(request: Request) -> Response:
        await request.body()
        return Response(b"{}", media_type="application/json")

    return app


@dataclass(frozen=True, slots=True)
class Times:
    """How long requests took.

    Attributes:
        per_s: Requests a second.
        median_ms: Median of their times, in ms.
        p99_ms: 99 % took no longer, in ms.
    """

    per_s: float
    median_ms: float
    p99_ms: float

    @classmethod
    def of(cls, took_s: Sequence[float], wall_s: float) -> "Times":
        """Return the times of requests that were sent in a period of so many seconds."""
        ordered = statistics.quantiles(took_s, n=100)
        return cls(len(took_s) / wall_s, ordered[49] * 1000, ordered[98] * 1000)


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """Yield the port of the decision API, which runs in a process of its own on the data of a folder."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.online_parts", str(folder), str(port)], cwd=ROOT)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if process.poll() is not None or probe.connect_ex((LOOPBACK, port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def requests(port: int, path: str, number: int, *, rate: float | None = None, connections: int = 8) -> Times:
    """Return how long requests take: one after the other on each connection, or begun at a rate whatever the server does.

    With a rate the time of a request counts from when it should have begun, so that a slow server is not spared.
    """
    return asyncio.run(_requests(port, path, number, rate, connections))


async def _requests(port: int, path: str, number: int, rate: float | None, connections: int) -> Times:
    took: list[float] = []
    begun = time.perf_counter()

    async def of_connection(own: Sequence[int]) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        for place in own:
            due = begun + place / rate if rate else time.perf_counter()
            await asyncio.sleep(max(0, due - time.perf_counter()))
            body = json.dumps({"user_id": f"u{place % 20_000}", "id": f"{path}{rate}{place}", "value": 25}).encode()
            head = (
                f"POST {path} HTTP/1.1\r\nhost: {LOOPBACK}:{port}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not answer.startswith(b"http/1.1 200"):
                raise RuntimeError(f"{path} answered {answer[:80]!r}")
            await reader.readexactly(int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            took.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(of_connection(range(first, number, connections)) for first in range(connections)))
    return Times.of(took, time.perf_counter() - begun)


def naive(number: int) -> tuple[float, str]:
    """Return the seconds that an event takes the naive way, and where its windows are.

    One command to the store for each figure of its windows, a pandas frame of one row, and `predict_proba`.
    """
    import pandas as pd

    rows, labels, names = _training()
    model = XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1).fit(rows.to_pandas(), labels)
    with _windows() as (store, where):
        before = time.perf_counter()
        for place in range(number):
            user = f"u{place % 100}"
            found = {name: float(store.hincrby(user, name, int(name.startswith(COUNTERS)))) for name in names}
            model.predict_proba(pd.DataFrame([found]))
        return (time.perf_counter() - before) / number, where


class _Dictionary:
    """Windows in this process, where no Redis is installed."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], int] = {}

    def hincrby(self, key: str, name: str, more: int) -> int:
        self._found[key, name] = found = self._found.get((key, name), 0) + more
        return found


@contextmanager
def _windows() -> Iterator[tuple[Any, str]]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield _Dictionary(), "in a dictionary, since no Redis is installed"
        return
    import redis

    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/redis.sock"
        command = [program, "--port", "0", "--unixsocket", place, "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while process.poll() is None and not Path(place).exists():
                time.sleep(0.05)
            yield redis.Redis(unix_socket_path=place), "in a real Redis"
        finally:
            process.terminate()
            process.wait()


def memory_mib() -> float:
    """Return the greatest memory that this process had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    # The stream's hour is long over: questions are asked as of its end.
    answers = answers_in(Path(sys.argv[1]), product_of())
    server_of(with_nothing(app_of(answers)), port=int(sys.argv[2])).run()
