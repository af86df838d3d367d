"""The twin of Slack's web API: the methods that the platform calls, with Slack's own error codes."""

import json
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from resources.twins.store import Record, TwinStore
from resources.twins.wire import TwinAnswer, TwinKeys, TwinRequest

SERVICE = "slack"
PREFIX = "/api/"
MOST_SIGNS = 40_000
_CHANNEL = re.compile(r"#?[a-z0-9_-]{1,80}")
_EVENT_TYPE = re.compile(r"\w{1,255}")
_POSTED = {"channel", "text", "metadata", "thread_ts", "unfurl_links", "unfurl_media", "parse", "link_names", "mrkdwn"}
_UPDATED = {"channel", "ts", "text", "metadata", "parse", "link_names"}
_READ = {"channel", "ts", "oldest", "limit", "cursor", "include_all_metadata"}


class _Wrong(Exception):
    """An error of Slack, by its code."""


def slack_answer(store: TwinStore, request: TwinRequest, keys: TwinKeys) -> TwinAnswer:
    """Return Slack's answer; messages that it accepts are stored.

    An `_Wrong` that is raised here or below becomes the answer's error code.

    Args:
        store: Where accepted messages are stored.
        request: The request as it was received.
        keys: The credentials that the twin accepts.
    """
    method = request.path.removeprefix(PREFIX)
    try:
        shown = request.headers.get("authorization")
        if not shown:
            raise _Wrong("not_authed")
        if shown != f"Bearer {keys.slack_token}":
            raise _Wrong("invalid_auth")
        if method not in _METHODS:
            raise _Wrong("unknown_method")
        return TwinAnswer(200, {"ok": True, **_METHODS[method](store, _parameters(request, method))})
    except _Wrong as error:
        return TwinAnswer(200, {"ok": False, "error": str(error)})


def channel_id(name: str) -> str:
    """Return the id of the channel with this name."""
    return "C" + sha256(name.removeprefix("#").encode()).hexdigest()[:10].upper()


def _parameters(request: TwinRequest, method: str) -> dict[str, Any]:
    if request.content_type == "application/json" and method.startswith("chat."):
        try:
            values = request.json()
        except ValueError:
            raise _Wrong("invalid_json") from None
        if not isinstance(values, dict):
            raise _Wrong("json_not_object")
        return values
    if request.content_type != "application/x-www-form-urlencoded":
        raise _Wrong("invalid_post_type")
    return dict(parse_qsl(request.body.decode()))


def _only(values: Mapping[str, Any], known: set[str]) -> None:
    if set(values) - known:
        raise _Wrong("invalid_arguments")


def _text(values: Mapping[str, Any]) -> str:
    text = values.get("text")
    if not isinstance(text, str) or not text:
        raise _Wrong("no_text")
    if len(text) > MOST_SIGNS:
        raise _Wrong("msg_too_long")
    return text


def _metadata(values: Mapping[str, Any]) -> Any:
    metadata = values.get("metadata")
    if isinstance(metadata, str):
        metadata = json.loads(metadata)
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or set(metadata) != {"event_type", "event_payload"}:
        raise _Wrong("invalid_metadata_format")
    payload = metadata["event_payload"]
    if not _EVENT_TYPE.fullmatch(str(metadata["event_type"])) or not isinstance(payload, dict):
        raise _Wrong("invalid_metadata_schema")
    if not all(isinstance(value, str | int | float | bool) for value in payload.values()):
        raise _Wrong("invalid_metadata_schema")
    return metadata


def _post(store: TwinStore, values: Mapping[str, Any]) -> dict[str, Any]:
    _only(values, _POSTED)
    channel = str(values.get("channel", ""))
    name = _places(store).get(channel) or channel.removeprefix("#")
    if not _CHANNEL.fullmatch(name):
        raise _Wrong("channel_not_found")
    thread, metadata = values.get("thread_ts"), _metadata(values)
    parent = store.referenced(SERVICE, name, str(thread)) if thread is not None else None
    if thread is not None and (parent is None or parent.thread):
        raise _Wrong("cannot_reply_to_message")
    key = metadata["event_payload"].get("idempotency_key") if metadata else None
    body = {"text": _text(values), "metadata": metadata}
    record = store.added(SERVICE, name, body, thread=thread, key=key)
    return {"channel": channel_id(name), "ts": record.reference, "message": _message(record, with_metadata=True)}


def _update(store: TwinStore, values: Mapping[str, Any]) -> dict[str, Any]:
    _only(values, _UPDATED)
    record = _found(store, values, str(values.get("ts")))
    metadata = _metadata(values) if "metadata" in values else record.body["metadata"]
    store.replace(record.sequence, {"text": _text(values), "metadata": metadata, "edited": True})
    return {"channel": values["channel"], "ts": values["ts"], "text": values["text"]}


def _channels(store: TwinStore, values: Mapping[str, Any]) -> dict[str, Any]:
    _only(values, {"limit", "cursor", "exclude_archived", "types"})
    return {
        "channels": [{"id": key, "name": name} for key, name in _places(store).items()],
        "response_metadata": {"next_cursor": ""},
    }


def _history(store: TwinStore, values: Mapping[str, Any]) -> dict[str, Any]:
    _only(values, _READ - {"ts"})
    records = [each for each in _in_channel(store, values) if each.thread is None]
    return _page(records[::-1], values)


def _replies(store: TwinStore, values: Mapping[str, Any]) -> dict[str, Any]:
    _only(values, _READ)
    parent = _found(store, values, str(values.get("ts")))
    answers = [each for each in _in_channel(store, values) if each.thread == values["ts"]]
    return _page([parent, *answers], values)


def _places(store: TwinStore) -> dict[str, str]:
    return {channel_id(place): place for place in store.places(SERVICE)}


def _in_channel(store: TwinStore, values: Mapping[str, Any]) -> list[Record]:
    place = _places(store).get(str(values.get("channel")))
    if place is None:
        raise _Wrong("channel_not_found")
    oldest = float(values.get("oldest", 0))
    return [each for each in store.records(SERVICE, place=place) if float(each.reference) > oldest]


def _found(store: TwinStore, values: Mapping[str, Any], ts: str) -> Record:
    place = _places(store).get(str(values.get("channel")))
    if place is None:
        raise _Wrong("channel_not_found")
    record = store.referenced(SERVICE, place, ts)
    if record is None:
        raise _Wrong("message_not_found")
    return record


def _page(records: list[Record], values: Mapping[str, Any]) -> dict[str, Any]:
    start, limit = int(values.get("cursor") or 0), min(int(values.get("limit", 100)), 999)
    with_metadata = str(values.get("include_all_metadata", "")) in ("1", "true", "True")
    more = start + limit < len(records)
    return {
        "messages": [_message(each, with_metadata=with_metadata) for each in records[start : start + limit]],
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + limit) if more else ""},
    }


def _message(record: Record, *, with_metadata: bool) -> dict[str, Any]:
    message = {"type": "message", "ts": record.reference, "text": record.body["text"]}
    if record.thread:
        message["thread_ts"] = record.thread
    if with_metadata and record.body.get("metadata"):
        message["metadata"] = record.body["metadata"]
    return message


_METHODS: Mapping[str, Callable[[TwinStore, Mapping[str, Any]], dict[str, Any]]] = {
    "chat.postMessage": _post,
    "chat.update": _update,
    "conversations.list": _channels,
    "conversations.history": _history,
    "conversations.replies": _replies,
}
