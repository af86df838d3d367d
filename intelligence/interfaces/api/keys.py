"""Keys of the API: where the owner gave some, a request through a proxy needs one of them."""

import json
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

from fastapi import FastAPI
from pydantic import SecretStr

from intelligence.interfaces.api.asking import Problem
from resources.processes.front.guard import App, Receive, Scope, Send, request_of
from resources.processes.front.people import is_direct

SCHEME: Final = "key"
# The key in a scope under which the application finds the place of the key that was sent, among those of the owner.
KEY: Final = "intelligence.key"
NEEDED: Final = Problem(
    error="authorization",
    problem="no key of this API was sent.",
    hint="Send the header `Authorization: Bearer KEY` with one of those in INTELLIGENCE_API_KEYS.",
)
DESCRIPTION: Final = (
    "One of INTELLIGENCE_API_KEYS. Where the owner gave keys, a request through a named host or a proxy needs one; a program on the"
    " machine itself needs none."
)


def with_keys(app: App, keys: Sequence[SecretStr]) -> App:
    """Return the application behind a check of keys; as it is where there are none.

    Args:
        app: The application.
        keys: The keys. They are compared in the same time whatever was sent, and never shown.
    """
    if not keys:
        return app
    known = [_digest(each.get_secret_value()) for each in keys]

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = request_of(scope)
            scope[KEY] = _place(request.all("authorization"), known)
            if scope[KEY] is None and not is_direct(request):
                await _refuse(send)
                return
        await app(scope, receive, send)

    return answered


def document_keys(app: FastAPI) -> None:
    """Say in the document of the API that its addresses may need a key."""
    written = app.openapi

    def document() -> dict[str, Any]:
        found = written()
        found.setdefault("components", {})["securitySchemes"] = {
            SCHEME: {"type": "http", "scheme": "bearer", "description": DESCRIPTION}
        }
        # Either nothing or a key: on the machine itself none is needed.
        found["security"] = [{}, {SCHEME: []}]
        for methods in found["paths"].values():
            for operation in methods.values():
                operation["responses"].setdefault(
                    "401",
                    {
                        "description": "A key is needed, and none that is known was sent.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                    },
                )
        return found

    app.openapi = document  # type: ignore[method-assign] # as FastAPI's own documentation says


def _place(sent: Sequence[str], known: Sequence[bytes]) -> int | None:
    """Return the place of the key that was sent; None for one that is not known."""
    scheme, _, key = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    digest = _digest(key.strip())
    matches = [compare_digest(digest, each) for each in known]
    return matches.index(True) if scheme.lower() == "bearer" and any(matches) else None


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


async def _refuse(send: Send) -> None:
    body = json.dumps(NEEDED.model_dump()).encode()
    head = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": head})
    await send({"type": "http.response.body", "body": body})
