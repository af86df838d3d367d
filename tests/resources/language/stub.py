"""A server on this machine that speaks OpenAI's chat protocol, well and badly."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Misbehaviour = Callable[[BaseHTTPRequestHandler], None]


def completion(text: str | None, *, finish: str = "stop", **message: Any) -> bytes:
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "stub-1",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
    return json.dumps(document).encode()


def sent(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@dataclass
class Stub:
    """The server's address, what it was asked, and what it does next; afterwards it replies by `says`."""

    url: str = ""
    says: Callable[[Mapping[str, Any]], str] = lambda asked: "Yes."
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    next: list[Misbehaviour] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)


@contextmanager
def chat_stub() -> Iterator[Stub]:
    """Yield a running server."""
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            stub.keys.append(self.headers.get("authorization"))
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            stub.asked.append({**asked, "path": self.path})
            if stub.next:
                stub.next.pop(0)(self)
            else:
                sent(self, 200, completion(stub.says(asked)))

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is what some of the tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield stub
    finally:
        stub.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
