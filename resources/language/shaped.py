"""A reply in a given shape: JSON that is validated, asked for once more where it is not that."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from resources.language.chat_server import Message, NoReply, Reply

Shape = TypeVar("Shape", bound=BaseModel)
Ask = Callable[[Sequence[Message]], Reply]
_THOUGHTS: Final = re.compile(r"<think>.*?</think>", re.DOTALL)


def shaped_reply(ask: Ask, messages: Sequence[Message], shape: type[Shape]) -> Shape:
    """Return the model's reply as a value of the shape.

    A reply that is none is answered once with what is wrong with it, by the names of the fields only.

    Args:
        ask: Returns the reply to a conversation, such as `ChatServer.reply` or `ReplyBook.reply`.
        messages: The conversation, which asks for one JSON object of that shape.
        shape: The pydantic model that the object must satisfy.

    Raises:
        NoReply: Where the server does not reply, or the second reply is not of the shape either.
    """
    first = ask(messages)
    try:
        return shape.model_validate(_object_in(first.text))
    except (ValueError, ValidationError, RecursionError) as error:
        wrong = _in_words(error)
    again: list[Message] = [
        *messages,
        {"role": "assistant", "content": first.text[:4_000]},
        {"role": "user", "content": f"That cannot be used: {wrong}. Reply with the JSON object alone, nothing else."},
    ]
    try:
        return shape.model_validate(_object_in(ask(again).text))
    except (ValueError, ValidationError, RecursionError) as error:
        raise NoReply(f"neither of two replies has the shape asked for: {_in_words(error)}") from None


def without_texts(text: str, shapes: Sequence[type[BaseModel]]) -> str:
    """Return what a reply says by one of the shapes, without anything else that it says; empty for a reply of no shape.

    Args:
        text: The reply.
        shapes: The pydantic models, whose fields are no texts.

    >>> class Choice(BaseModel):
    ...     choice: bool
    >>> without_texts('Because of "Ada": {"choice": true, "reason": "Ada said so"}', [Choice])
    '{"choice":true}'
    """
    for shape in shapes:
        try:
            return shape.model_validate(_object_in(text)).model_dump_json()
        except (ValueError, ValidationError, RecursionError):
            continue
    return ""


def _object_in(text: str) -> object:
    """Return the one JSON object in a reply, which may stand between marks of code or after thoughts."""
    said = _THOUGHTS.sub("", text)
    start, end = said.find("{"), said.rfind("}")
    if start < 0 or end < start:
        raise ValueError("it has no JSON object")
    return json.loads(said[start : end + 1])


def _in_words(error: Exception) -> str:
    """Return what is wrong without quoting the reply."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors()[:5])
    return "it is no JSON object"
