"""The signature of a webhook, which the sender writes and the receiver computes to verify it."""

import hashlib
import hmac

KEY_HEADER, TIME_HEADER, SIGNATURE_HEADER = "idempotency-key", "webhook-timestamp", "webhook-signature"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a request: HMAC-SHA-256 of the timestamp, a dot and the body.

    Args:
        secret: Secret that sender and receiver share.
        timestamp: Content of the header `webhook-timestamp`.
        body: Body of the request.
    """
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
