"""The twin of PagerDuty's Events API v2."""

from typing import Any

from resources.twins.store import TwinStore
from resources.twins.wire import TwinAnswer, TwinKeys, TwinRequest

SERVICE = "pagerduty"
PATH = "/v2/enqueue"
_FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"}
_PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


def pagerduty_answer(store: TwinStore, request: TwinRequest, keys: TwinKeys) -> TwinAnswer:
    """Return PagerDuty's answer; the event is stored under its deduplication key.

    Args:
        store: Where accepted messages are stored.
        request: The request as it was received.
        keys: The credentials that the twin accepts.
    """
    try:
        event = request.json()
    except ValueError:
        return _invalid(["JSON is malformed"])
    errors = _errors(event, keys)
    if errors:
        return _invalid(errors)
    body = {"text": f"{event['event_action']}: {event.get('payload', {}).get('summary', '')}", **event}
    body.pop("routing_key")
    store.added(SERVICE, "incidents", body, thread=event["dedup_key"], key=event["dedup_key"])
    return TwinAnswer(202, {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]})


def incidents(store: TwinStore) -> dict[str, bool]:
    """Return, by deduplication key, whether the incident is open."""
    return {str(record.key): record.body["event_action"] != "resolve" for record in store.records(SERVICE)}


def _errors(event: Any, keys: TwinKeys) -> list[str]:
    if not isinstance(event, dict):
        return ["event is not an object"]
    errors = [f"'{name}' is not a known field" for name in sorted(set(event) - _FIELDS)]
    if event.get("routing_key") != keys.pagerduty_routing_key:
        errors.append("'routing_key' is invalid")
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        errors.append("'event_action' is invalid")
    key = event.get("dedup_key")
    if not isinstance(key, str) or not 0 < len(key) <= 255:
        errors.append("'dedup_key' is missing, blank or too long")
    if event.get("event_action") == "trigger":
        errors += _payload_errors(event.get("payload"))
    return errors


def _payload_errors(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    errors = [f"'payload.{name}' is not a known field" for name in sorted(set(payload) - _PAYLOAD)]
    for name in ("summary", "source"):
        if not isinstance(payload.get(name), str) or not payload[name]:
            errors.append(f"'payload.{name}' is missing or blank")
    if len(str(payload.get("summary", ""))) > 1_024:
        errors.append("'payload.summary' is too long")
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        errors.append("'payload.severity' is invalid (must be one of: critical, error, warning, info)")
    return errors


def _invalid(errors: list[str]) -> TwinAnswer:
    return TwinAnswer(400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors})
