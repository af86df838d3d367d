"""Calls over HTTP or to the twin in this process, and the meaning of their failures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from intelligence.actions.target import Refused, Unavailable, Unknown
from resources.twins.wire import TwinAnswer, TwinRequest

CALL_TIMEOUT_S = 10.0
SETTLE_S = 2 * CALL_TIMEOUT_S
NOT_TAKEN = (429, 503)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; `document` is None where it was not JSON."""

    status: int
    document: Any


class Calls(Protocol):
    """A way to post to one service."""

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the answer with a status below 300.

        Args:
            path: The path, appended to the address of the service.
            body: The body of the request as bytes.
            headers: The headers of the request by name.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """


@dataclass(frozen=True, slots=True)
class OverHttp:
    """A service, or its twin, at an address; errors contain its name and never its address."""

    service: str
    url: str
    timeout_s: float = CALL_TIMEOUT_S

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the answer with a status below 300.

        Args:
            path: The path, appended to the address of the service.
            body: The body of the request as bytes.
            headers: The headers of the request by name.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """
        import httpx

        try:
            response = httpx.post(
                f"{self.url.rstrip('/')}{path}", content=body, headers=dict(headers), timeout=self.timeout_s
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(f"{self.service} cannot be reached ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            raise Unknown(f"{self.service} did not answer ({type(error).__name__})") from None
        except (httpx.InvalidURL, ValueError) as error:
            raise Refused(f"{self.service} has no address that can be called ({type(error).__name__})") from None
        try:
            document = response.json()
        except ValueError:
            document = None
        return accepted(self.service, response.status_code, document, response.headers)


@dataclass(frozen=True, slots=True)
class InProcess:
    """The twin in this process: the message is recorded, and nothing leaves the machine."""

    service: str
    twin: Callable[[TwinRequest], TwinAnswer]

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the twin's answer with a status below 300; raises Refused for another.

        Args:
            path: The path, appended to the address of the service.
            body: The body of the request as bytes.
            headers: The headers of the request by name.
        """
        small = {name.lower(): value for name, value in headers.items()}
        said = self.twin(TwinRequest(path, small, body))
        return accepted(self.service, said.status, said.document, said.headers)


def accepted(service: str, status: int, document: Any, headers: Mapping[str, str]) -> Answer:
    """Return the answer where its status is below 300, else raise what the status means.

    Args:
        service: The name of the service, for the error.
        status: The HTTP status of the answer.
        document: The body of the answer as JSON; None where it was not JSON.
        headers: The headers of the answer; `retry-after` is used.

    Raises:
        Unavailable: For 429 and 503: nothing happened, and the call may be repeated.
        Unknown: For 408 and from 500 on: it may have happened or not.
        Refused: For every other status: repeating will not help.
    """
    if status < 300:
        return Answer(status, document)
    reason = f"{service} answered {status}{_words(document)}"
    if status in NOT_TAKEN:
        raise Unavailable(reason, retry_after_s=seconds_of(headers.get("retry-after")))
    if status >= 500 or status == 408:
        raise Unknown(reason)
    raise Refused(reason)


def seconds_of(header: str | None) -> float | None:
    """Return the seconds in a Retry-After header; None where there is no header, or it contains a date."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _words(document: Any) -> str:
    """Return the service's own message as ` (…)`, empty where it has none."""
    if not isinstance(document, Mapping):
        return ""
    parts = [document.get(name) for name in ("message", "errorMessages", "errors", "error")]
    words = "; ".join(str(part) for part in parts if part)
    return f" ({words[:300]})" if words else ""
