"""One call to a server that speaks OpenAI's chat protocol (Ollama, vLLM, llama.cpp or a hosted one), and how it can fail.

The errors name the server and what went wrong. They never contain the texts that were sent, the reply or the key.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import SecretStr
from typing_extensions import TypedDict

if TYPE_CHECKING:
    import httpx

TIMEOUT_S: Final = 30.0
LONGEST_BYTES: Final = 1_000_000
_BUSY: Final = (408, 409, 425, 429)
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_DONE: Final = "[DONE]"


class Message(TypedDict):
    """A message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model replied, in full.

    Attributes:
        text: The text of the reply.
        model: The model that the server says replied.
        tokens_in: Tokens of the conversation; None where the server does not count them.
        tokens_out: Tokens of the reply; None where the server does not count them.
    """

    text: str
    model: str
    tokens_in: int | None = None
    tokens_out: int | None = None


class NoReply(Exception):
    """There is no reply that can be used.

    Attributes:
        may_repeat: Whether the same call may succeed later.
        retry_after_s: The seconds after which the server wants to be asked again; None where it does not say.
    """

    def __init__(self, reason: str, *, may_repeat: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.may_repeat = may_repeat
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A model behind an address.

    Attributes:
        url: Where `/chat/completions` is, such as `http://127.0.0.1:11434/v1`.
        model: Name of the model, as the server knows it.
        key: The key that the server asks for; None for one that asks for none.
        timeout_s: The longest time for the whole reply, however slowly it arrives.
        longest_bytes: The largest reply that is read.
    """

    url: str
    model: str
    key: SecretStr | None = None
    timeout_s: float = TIMEOUT_S
    longest_bytes: int = LONGEST_BYTES

    def reply(self, messages: Sequence[Message], *, most_tokens: int = 800, temperature: float = 0.0) -> Reply:
        """Return the reply of the model.

        Args:
            messages: The conversation, whose last message is to be replied to.
            most_tokens: The largest number of tokens of the reply; one that is cut off there is none.
            temperature: How freely the model chooses its words; 0 is the least.

        Raises:
            NoReply: For every failure of the network, the server or the model. Redirects are not followed.
        """
        import httpx

        document = {
            "model": self.model,
            "messages": list(messages),
            "max_tokens": most_tokens,
            "temperature": temperature,
            "stream": False,
        }
        try:
            kind, body = self._answered(document)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NoReply(f"the server cannot be reached ({type(error).__name__})", may_repeat=True) from None
        except httpx.TimeoutException:
            raise NoReply(f"the server did not answer within {self.timeout_s:g} s", may_repeat=True) from None
        except httpx.HTTPError as error:
            raise NoReply(f"the server's answer broke off ({type(error).__name__})", may_repeat=True) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise NoReply(f"the server's address cannot be called ({type(error).__name__})") from None
        return _read_stream(body, self.model) if "event-stream" in kind else _read(_parsed(body), self.model)

    def _answered(self, document: Mapping[str, Any]) -> tuple[str, bytes]:
        """Return the media type and the body of a successful answer."""
        import httpx

        headers = {"authorization": f"Bearer {self.key.get_secret_value()}"} if self.key else {}
        address = f"{self.url.rstrip('/')}/chat/completions"
        end = monotonic() + self.timeout_s
        with httpx.stream("POST", address, json=document, headers=headers, timeout=self.timeout_s) as response:
            body = _all_of(response, most=self.longest_bytes, is_late=lambda: monotonic() > end)
            if body is None:
                raise NoReply(f"the server took longer than {self.timeout_s:g} s", may_repeat=True)
            if not response.is_success:
                raise _failure(response, body)
            return response.headers.get("content-type", ""), body


def _all_of(response: "httpx.Response", *, most: int, is_late: Callable[[], bool]) -> bytes | None:
    """Return the body; None where it takes too long. Raises NoReply for one that is too large."""
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > most:
            raise NoReply(f"the server's answer is larger than {most:,} bytes")
        if is_late():
            return None
        parts.append(part)
    return b"".join(parts)


def _failure(response: "httpx.Response", body: bytes) -> NoReply:
    status = response.status_code
    words = f" ({code})" if (code := _code(body)) else ""
    may_repeat = status in _BUSY or status >= 500
    return NoReply(
        f"the server answered {status}{words}",
        may_repeat=may_repeat,
        retry_after_s=_seconds(response.headers.get("retry-after")) if may_repeat else None,
    )


def _seconds(header: str | None) -> float | None:
    """Return the seconds in a Retry-After header; None where there is no header, or it contains a date."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _code(body: bytes) -> str | None:
    """Return the code of the server's error: one word, since its sentences may repeat what it was sent."""
    try:
        error = json.loads(body).get("error")
        found = error.get("code") or error.get("type")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) and _CODE.fullmatch(found) else None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NoReply("the server's answer is no JSON", may_repeat=True) from None


def _read(document: Any, model: str) -> Reply:
    """Return the reply in an answer; raises NoReply where it is none."""
    try:
        choice = document["choices"][0]
        message = choice["message"]
        finish, refusal = choice.get("finish_reason"), message.get("refusal")
        content, wants_a_tool = message.get("content"), message.get("tool_calls") or message.get("function_call")
        usage = document.get("usage")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise NoReply("the server's answer has no message") from None
    named = document.get("model")
    return _judged(
        _text(content),
        finish=finish,
        refused=bool(refusal),
        wants_a_tool=bool(wants_a_tool),
        model=named if isinstance(named, str) and named else model,
        usage=usage,
    )


def _text(content: Any) -> str | None:
    """Return the text of a message, whose content may come in parts; None where it is none."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(part for part in parts if isinstance(part, str)) or None
    return content if isinstance(content, str) else None


def _judged(text: str | None, *, finish: Any, refused: bool, wants_a_tool: bool, model: str, usage: Any) -> Reply:
    if refused or finish == "content_filter":
        raise NoReply("the model refused to reply")
    if wants_a_tool or finish in ("tool_calls", "function_call"):
        raise NoReply("the model asked for a tool, and there is none")
    if finish == "length":
        raise NoReply("the reply was cut off at its largest number of tokens")
    if not text or not text.strip():
        raise NoReply("the reply is empty")
    return Reply(text, model, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _count(usage: Any, name: str) -> int | None:
    found = usage.get(name) if isinstance(usage, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _read_stream(body: bytes, model: str) -> Reply:
    """Return the reply of a server that sends it in pieces although it was not asked to; raises NoReply where the end is missing."""
    text: list[str] = []
    finish, refused, wants_a_tool, usage, is_over = None, False, False, None, False
    for line in _data_lines(body):
        if line == _DONE:
            is_over = True
            break
        piece = _parsed(line.encode())
        try:
            usage = piece.get("usage") or usage
            model = piece.get("model") or model
            for choice in (piece.get("choices") or [])[:1]:
                delta = choice.get("delta") or {}
                text += [delta["content"]] if isinstance(delta.get("content"), str) else []
                refused |= bool(delta.get("refusal"))
                wants_a_tool |= bool(delta.get("tool_calls"))
                finish = choice.get("finish_reason") or finish
        except (AttributeError, TypeError, KeyError):
            raise NoReply("a piece of the server's answer has no message") from None
    if not is_over and finish is None:
        raise NoReply("the server's answer broke off", may_repeat=True)
    return _judged(
        "".join(text), finish=finish, refused=refused, wants_a_tool=wants_a_tool, model=str(model), usage=usage
    )


def _data_lines(body: bytes) -> Iterator[str]:
    for line in body.decode("utf-8", errors="replace").splitlines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()
