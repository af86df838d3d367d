"""A request to a twin and its answer, whether they travelled over HTTP or not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TwinRequest:
    """What a service was sent; the names of headers are in small letters."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """Return the kind of body without its parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip()

    def json(self) -> Any:
        """Return the body read as JSON; raises ValueError where it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class TwinAnswer:
    """What a service says: a status and a JSON document."""

    status: int
    document: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """Return the document as bytes."""
        return json.dumps(self.document).encode()


@dataclass(frozen=True, slots=True)
class TwinKeys:
    """What callers have to show. These are for the twins on this machine only; they open nothing."""

    slack_token: str = "xoxb-local-twin"  # noqa: S105 - opens nothing
    pagerduty_routing_key: str = "0123456789abcdef0123456789abcdef"
    jira_user: str = "platform@localhost"
    jira_token: str = "local-twin"  # noqa: S105 - opens nothing
    webhook_secret: str = "local-twin"  # noqa: S105 - opens nothing
