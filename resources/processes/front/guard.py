"""The guard of an ASGI server: it refuses requests by the rules, and adds headers to every answer that keep other sites from framing it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any

from resources.processes.front.rules import Request, refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The key in a scope under which the server passes the target exactly as it was in the request line.
TARGET = "intelligence.target"
HEADERS = {
    "x-frame-options": "SAMEORIGIN",
    "content-security-policy": "frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
}
# A page may set these headers more strictly than the guard does; several content security policies apply together.
_SEVERAL = "content-security-policy"


class Guard:
    """An ASGI application that passes on the requests that the rules allow."""

    def __init__(self, app: App, *, allowed_hosts: Collection[str] = ()) -> None:
        self.app, self.allowed_hosts = app, allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or refuse with 403 and one sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refused = refusal(request_of(scope), allowed_hosts=self.allowed_hosts)
        if refused is None:
            await self.app(scope, receive, _guarded(send))
        else:
            await refuse(scope, refused, send)


async def refuse(scope: Scope, reason: str, send: Send) -> None:
    """Answer with 403 and one sentence; close a WebSocket that was not opened yet.

    Args:
        scope: The request's.
        reason: What is refused, and what to do.
        send: Takes the answer.
    """
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await _refuse(scope["type"], reason, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})


def request_of(scope: Scope) -> Request:
    """Return the parts of a request that the rules check."""
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string") or b""
    target = scope.get(TARGET) or raw + (b"?" + query if query else b"")
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    return Request(scope.get("method", "GET"), target.decode("latin-1"), headers, scope["type"] == "websocket")


def _guarded(send: Send) -> Send:
    async def sent(message: Scope) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": with_guard_headers(message.get("headers", []))}
        await send(message)

    return sent


def with_guard_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with those of the guard added."""
    own = [(bytes(name), bytes(value)) for name, value in headers]
    named = {name.lower().decode("latin-1") for name, _ in own}
    missing = [(name, value) for name, value in HEADERS.items() if name == _SEVERAL or name not in named]
    return [*own, *((name.encode(), value.encode()) for name, value in missing)]


async def _refuse(kind: str, reason: str, send: Send) -> None:
    body = f"{reason}\n".encode()
    head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    prefix = "websocket.http.response" if kind == "websocket" else "http.response"
    await send({"type": f"{prefix}.start", "status": 403, "headers": with_guard_headers(head)})
    await send({"type": f"{prefix}.body", "body": body})
