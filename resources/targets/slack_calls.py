"""Calls of Slack's web API: over HTTP through slack-sdk, or answered by the twin in this process."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import urlencode

from pydantic import SecretStr

from intelligence.actions.target import Refused, Unavailable, Unknown
from resources.targets.http import CALL_TIMEOUT_S, NOT_TAKEN, seconds_of
from resources.twins.slack import PREFIX, slack_answer
from resources.twins.store import TwinStore
from resources.twins.wire import TwinKeys, TwinRequest

# Errors of Slack after which nothing was posted, and errors after which something may have been posted.
_LATER = frozenset({"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"})
_PERHAPS = frozenset({"internal_error", "fatal_error", "request_timeout"})


class SlackCalls(Protocol):
    """A way to call one of Slack's methods."""

    def answer(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return Slack's answer.

        Args:
            method: The name of Slack's method, such as `chat.postMessage`.
            parameters: The parameters of the method by name.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """


@dataclass(frozen=True, slots=True)
class SlackOverHttp:
    """Slack itself, or its twin, at an address."""

    url: str
    token: SecretStr
    timeout_s: float = CALL_TIMEOUT_S

    def answer(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return Slack's answer.

        Errors of Slack become exceptions by `_error_of`, failures of the connection by `connection_error`.

        Args:
            method: The name of Slack's method, such as `chat.postMessage`.
            parameters: The parameters of the method by name.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """
        from slack_sdk import WebClient
        from slack_sdk.errors import SlackApiError

        silent = logging.Logger("slack", level=logging.CRITICAL)
        # Without slack-sdk's own retries: they would repeat a message whose answer was lost, and sleep as long as Slack asks.
        client = WebClient(
            self.token.get_secret_value(),
            self.url,
            timeout=self.timeout_s,  # type: ignore[arg-type] # handed on to urlopen, which takes parts of a second
            logger=silent,
            retry_handlers=[],
        )
        try:
            if _is_written(method):
                answer = client.api_call(method, json=dict(parameters)).data
            else:
                answer = client.api_call(method, params=dict(parameters)).data
        except SlackApiError as error:
            response = error.response
            data = response.data if isinstance(response.data, dict) else {}
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise _error_of(method, response.status_code, data.get("error"), headers) from None
        except URLError as error:
            raise connection_error("Slack", error.reason) from None
        except OSError as error:
            raise connection_error("Slack", error) from None
        if isinstance(answer, bytes):
            raise Unknown(f"Slack answered {method} with something else than a document")
        return answer


@dataclass(frozen=True, slots=True)
class RecordedSlack:
    """The twin in this process: the message is recorded, and nothing leaves the machine."""

    store: TwinStore

    def answer(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the twin's answer.

        Errors of the twin become exceptions by `_error_of`, as Slack's do.

        Args:
            method: The name of Slack's method, such as `chat.postMessage`.
            parameters: The parameters of the method by name.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """
        keys, written = TwinKeys(), _is_written(method)
        body = json.dumps(dict(parameters)) if written else urlencode(dict(parameters))
        kind = "application/json" if written else "application/x-www-form-urlencoded"
        headers = {"authorization": f"Bearer {keys.slack_token}", "content-type": kind}
        data: Mapping[str, Any] = slack_answer(
            self.store, TwinRequest(f"{PREFIX}{method}", headers, body.encode()), keys
        ).document
        if not data["ok"]:
            raise _error_of(method, 200, data["error"], {})
        return data


def connection_error(service: str, cause: object) -> Unavailable | Unknown:
    """Return the error for a failed connection: before it was open nothing was sent, afterwards something may have been.

    Args:
        service: The name of the service, for the error.
        cause: The exception that the connection ended with.
    """
    import socket

    name = type(cause).__name__
    if isinstance(cause, ConnectionRefusedError | socket.gaierror):
        return Unavailable(f"{service} cannot be reached ({name})")
    return Unknown(f"{service} did not answer ({name})")


def _is_written(method: str) -> bool:
    return method.startswith("chat.")


def _error_of(method: str, status: int, said: object, headers: Mapping[str, str]) -> Unavailable | Refused | Unknown:
    reason = f"Slack answered {status} {said or ''} to {method}".replace("  ", " ")
    if status in NOT_TAKEN or said in _LATER:
        return Unavailable(reason, retry_after_s=seconds_of(headers.get("retry-after")))
    if status >= 500 or said in _PERHAPS:
        return Unknown(reason)
    return Refused(reason)
