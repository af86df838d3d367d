"""A request to a twin and its answer, independent of HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TwinRequest:
    """A request to a service; the names of its headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """Return the media type of the body without its parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip()

    def json(self) -> Any:
        """Return the body read as JSON; raises ValueError where it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class TwinAnswer:
    """A service's answer: a status and a JSON document."""

    status: int
    document: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """Return the document as bytes."""
        return json.dumps(self.document).encode()


@dataclass(frozen=True, slots=True)
class TwinKeys:
    """The credentials that callers of the twins must send: they are valid on this machine only and open nothing."""

    slack_token: str = "xoxb-local-twin"  # noqa: S105 - opens nothing
    pagerduty_routing_key: str = "0123456789abcdef0123456789abcdef"
    jira_user: str = "platform@localhost"
    jira_token: str = "local-twin"  # noqa: S105 - opens nothing
    webhook_secret: str = "local-twin"  # noqa: S105 - opens nothing
