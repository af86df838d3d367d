"""Calls over HTTP, or taken by the twin in this process, and what their failures mean."""

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
    """What a service said; `document` is None where it was no JSON."""

    status: int
    document: Any


class Calls(Protocol):
    """A way to post to one service."""

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return what the service said with a status below 300; raises Unavailable, Refused or Unknown."""


@dataclass(frozen=True, slots=True)
class OverHttp:
    """A service, or its twin, at an address; its name stands in errors, its address does not."""

    service: str
    url: str
    timeout_s: float = CALL_TIMEOUT_S

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return what the service said with a status below 300; raises Unavailable, Refused or Unknown."""
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
    """The twin in this process: what would be sent is recorded, and nothing leaves the machine."""

    service: str
    twin: Callable[[TwinRequest], TwinAnswer]

    def answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return what the service would have said with a status below 300; raises Refused."""
        small = {name.lower(): value for name, value in headers.items()}
        said = self.twin(TwinRequest(path, small, body))
        return accepted(self.service, said.status, said.document, said.headers)


def accepted(service: str, status: int, document: Any, headers: Mapping[str, str]) -> Answer:
    """Return the answer if it is below 300; raises what another status means."""
    if status < 300:
        return Answer(status, document)
    told = f"{service} answered {status}{_words(document)}"
    if status in NOT_TAKEN:
        raise Unavailable(told, retry_after_s=seconds_of(headers.get("retry-after")))
    if status >= 500 or status == 408:
        raise Unknown(told)
    raise Refused(told)


def seconds_of(header: str | None) -> float | None:
    """Return the number of seconds in a Retry-After header; None where there is none, or a date."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _words(document: Any) -> str:
    """Return the service's own words, as far as it has any."""
    if not isinstance(document, Mapping):
        return ""
    parts = [document.get(name) for name in ("message", "errorMessages", "errors", "error")]
    words = "; ".join(str(part) for part in parts if part)
    return f" ({words[:300]})" if words else ""
