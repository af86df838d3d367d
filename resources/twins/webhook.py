"""The twin of a webhook's receiver: it checks signature, timestamp and key, as a receiver should."""

import hmac
import time

from intelligence.actions.signature import KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER, signature
from resources.twins.store import TwinStore
from resources.twins.wire import TwinAnswer, TwinKeys, TwinRequest

SERVICE = "webhook"
PATH = "/webhook"
OLDEST_S = 300


def webhook_answer(store: TwinStore, request: TwinRequest, keys: TwinKeys) -> TwinAnswer:
    """Return a careful receiver's answer; a call with a valid signature and a recent timestamp is stored.

    Args:
        store: Where accepted messages are stored.
        request: The request as it was received.
        keys: The credentials that the twin accepts.
    """
    timestamp, key = request.headers.get(TIME_HEADER, ""), request.headers.get(KEY_HEADER)
    expected = signature(keys.webhook_secret, timestamp, request.body)
    if not hmac.compare_digest(expected, request.headers.get(SIGNATURE_HEADER, "")):
        return TwinAnswer(401, {"error": "the signature does not fit"})
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > OLDEST_S:
        return TwinAnswer(401, {"error": "the timestamp is too old or too new"})
    try:
        document = request.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or not key or document.get("id") != key:
        return TwinAnswer(400, {"error": "the body is no JSON object with the key of the header as its id"})
    store.added(SERVICE, "calls", {"text": document.get("title", ""), **document}, key=key)
    return TwinAnswer(200, {"received": key})
