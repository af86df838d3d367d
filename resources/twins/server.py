"""The twins on one loopback address, with a page at `/` that shows what they took."""

import logging
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from resources.front.guard import HEADERS
from resources.front.rules import Request, refusal
from resources.settings import allowed_hosts
from resources.twins.faults import Fault, Misbehaviour, Misbehaviours
from resources.twins.page import page_of
from resources.twins.recorded import twin_store
from resources.twins.services import service_at, twin_answer
from resources.twins.store import TwinStore
from resources.twins.wire import TwinAnswer, TwinKeys, TwinRequest

LOOPBACK = "127.0.0.1"
PORT = 3_100
MOST_BYTES = 1_000_000
HANG_S = 3_600.0
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Twins:
    """What the server serves: the store, the keys that callers must show, and what it is told to do wrong."""

    store: TwinStore
    keys: TwinKeys
    misbehaviours: Misbehaviours
    hang_s: float = HANG_S


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, twins: Twins, port: int) -> None:
        self.twins = twins
        super().__init__((LOOPBACK, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def parse_request(self) -> bool:
        """Return whether the request is to be answered; one that the guard refuses is answered here."""
        if not super().parse_request():
            return False
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        told = refusal(Request(self.command, self.path, headers), allowed_hosts=allowed_hosts())
        if told is not None:
            self.close_connection = True
            # What is left unread when a connection closes would take the answer with it.
            length = self.headers.get("content-length", "0")
            self.rfile.read(min(int(length), MOST_BYTES) if length.isascii() and length.isdigit() else 0)
            self._say(403, "text/plain; charset=utf-8", f"{told}\n".encode())
        return told is None

    def do_GET(self) -> None:
        """Show the page."""
        if self.path not in ("/", ""):
            self._say(404, "text/plain; charset=utf-8", b"The page is at /.\n")
            return
        page = page_of(self.server.twins.store.records()).encode()
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"}
        self._say(200, "text/html; charset=utf-8", page, policy)

    def do_POST(self) -> None:
        """Answer as the service of this path does, or as badly as it was told to."""
        length = int(self.headers.get("content-length") or 0)
        if length > MOST_BYTES:
            self._answer(TwinAnswer(413, {"error": "too large"}))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = TwinRequest(self.path, headers, self.rfile.read(length))
        service, twins = service_at(self.path), self.server.twins
        misbehaviour = twins.misbehaviours.take(service[0]) if service else None
        if misbehaviour is None:
            self._answer(twin_answer(twins.store, request, twins.keys))
        else:
            self._misbehave(misbehaviour, request)

    def _misbehave(self, misbehaviour: Misbehaviour, request: TwinRequest) -> None:
        twins, fault = self.server.twins, misbehaviour.fault
        if fault is Fault.TOO_MANY:
            seconds = misbehaviour.retry_after_s
            headers = {} if seconds is None else {"Retry-After": f"{seconds:g}"}
            self._answer(TwinAnswer(429, {"ok": False, "error": "ratelimited"}, headers))
        elif fault is Fault.BROKEN:
            self._answer(TwinAnswer(500, {"ok": False, "error": "internal_error"}))
        else:
            if fault is Fault.TAKEN_THEN_SILENT:
                twin_answer(twins.store, request, twins.keys)
            elif fault is Fault.HANG:
                time.sleep(twins.hang_s)
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            self.connection.close()

    def _answer(self, answer: TwinAnswer) -> None:
        self._say(answer.status, "application/json", answer.body, answer.headers)

    def _say(self, status: int, kind: str, body: bytes, headers: Any = None) -> None:
        self.send_response(status)
        own = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
        for name, value in {**HEADERS, **own}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep the terminal quiet."""
        LOG.debug(format, *arguments)


@contextmanager
def twins_served(
    store: TwinStore, *, port: int = 0, keys: TwinKeys | None = None, hang_s: float = HANG_S
) -> Iterator[tuple[str, Misbehaviours]]:
    """Yield the address of the twins, served by a thread, and what can be told to them to do wrong."""
    misbehaviours = Misbehaviours()
    server = _Server(Twins(store, keys or TwinKeys(), misbehaviours, hang_s), port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}", misbehaviours
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serve_twins(data: Path, *, port: int = PORT) -> None:
    """Serve the twins of a product until the process is told to stop; raises OSError where the port is taken."""
    server = _Server(Twins(twin_store(data), TwinKeys(), Misbehaviours()), port)
    try:
        server.serve_forever()
    finally:
        server.server_close()


if __name__ == "__main__":
    serve_twins(Path(sys.argv[1]), port=int(sys.argv[2]))
