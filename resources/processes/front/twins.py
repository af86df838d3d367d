"""The twins at one loopback address, with a page at `/` that shows the messages that they took."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from resources.processes.front.guard import request_of
from resources.processes.front.serving import LOOPBACK, TRANSPORT, server_of
from resources.twins.faults import Fault, Misbehaviours
from resources.twins.page import page_of
from resources.twins.services import service_at, twin_answer
from resources.twins.store import TwinStore
from resources.twins.wire import TwinAnswer, TwinKeys, TwinRequest

MOST_BYTES = 1_000_000
HANG_S = 3_600.0
POLICY = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


@dataclass(frozen=True, slots=True)
class Twins:
    """The twins to serve: the store, the credentials that callers must send, and the faults to show."""

    store: TwinStore
    keys: TwinKeys = field(default_factory=TwinKeys)
    misbehaviours: Misbehaviours = field(default_factory=Misbehaviours)
    hang_s: float = HANG_S

    @property
    def app(self) -> Starlette:
        """Return the application that serves the page by GET and the services by POST."""
        elsewhere = PlainTextResponse("The page is at /.\n", status_code=404)
        return Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/{path:path}", lambda _: elsewhere, methods=["GET"]),
                Route("/{path:path}", self._answered, methods=["POST"]),
            ]
        )

    def _page(self, _: Request) -> Response:
        return HTMLResponse(page_of(self.store.records()), headers=POLICY)

    async def _answered(self, request: Request) -> Response:
        """Answer as the service of this path does, or with the fault that was set for it."""
        received, body = request_of(request.scope), await _body_of(request)
        if body is None:
            return _json_response(TwinAnswer(413, {"error": "too large"}))
        sent = TwinRequest(received.target, dict(received.headers), body)
        service = service_at(sent.path)
        misbehaviour = self.misbehaviours.take(service[0]) if service else None
        if misbehaviour is None:
            return _json_response(await run_in_threadpool(twin_answer, self.store, sent, self.keys))
        match misbehaviour.fault:
            case Fault.TOO_MANY:
                seconds = misbehaviour.retry_after_s
                headers = {} if seconds is None else {"Retry-After": f"{seconds:g}"}
                return _json_response(TwinAnswer(429, {"ok": False, "error": "ratelimited"}, headers))
            case Fault.BROKEN:
                return _json_response(TwinAnswer(500, {"ok": False, "error": "internal_error"}))
            case Fault.TAKEN_THEN_SILENT:
                await run_in_threadpool(twin_answer, self.store, sent, self.keys)
            case Fault.HANG:
                with suppress(TimeoutError):
                    await asyncio.wait_for(request.receive(), self.hang_s)
        return await _reset(request)


async def _body_of(request: Request) -> bytes | None:
    """Return the body of the request; None where it is too large."""
    if int(request.headers.get("content-length", 0)) > MOST_BYTES:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _json_response(answer: TwinAnswer) -> Response:
    return Response(answer.body, answer.status, answer.headers, media_type="application/json")


async def _reset(request: Request) -> Response:
    """Reset the connection; the response that is returned reaches nobody."""
    transport = request.scope[TRANSPORT]
    with suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


@contextmanager
def twins_served(
    store: TwinStore, *, port: int = 0, keys: TwinKeys | None = None, hang_s: float = HANG_S
) -> Iterator[tuple[str, Misbehaviours]]:
    """Yield the address of the twins, which a thread serves, and the faults that can be set for them.

    Args:
        store: Where accepted messages are stored.
        port: The port on loopback; 0: any free port.
        keys: The credentials that the twins accept; None: the default ones.
        hang_s: Seconds for which a request with the fault `hang` stays open.
    """
    twins = Twins(store, keys or TwinKeys(), hang_s=hang_s)
    server = server_of(twins.app)
    with socket.create_server((LOOPBACK, port)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{listening.getsockname()[1]}", twins.misbehaviours
        finally:
            server.should_exit = True
            thread.join()
