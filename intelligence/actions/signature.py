"""How a webhook is signed: what its sender writes and its receiver has to compute."""

import hashlib
import hmac

KEY_HEADER, TIME_HEADER, SIGNATURE_HEADER = "idempotency-key", "webhook-timestamp", "webhook-signature"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body sent at that moment, as its receiver has to compute it."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
