"""The signature of Standard Webhooks, by which a receiver knows that a call is ours."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - The form, not a secret.
SECRET_BYTES_MIN: Final = 24


def signed_headers(secrets: Sequence[str], id_: str, timestamp: int, body: bytes) -> dict[str, str]:
    """All secrets sign, so that a receiver may know either while they change."""
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(one, id_, timestamp, body) for one in secrets),
    }


def signature(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 over id, seconds and body, joined by dots."""
    signed = b".".join((id_.encode(), str(timestamp).encode(), body))
    proof = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(proof).decode()}"


def secret_bytes(secret: str) -> bytes:
    """
    Raises:
        ValueError: it is not `whsec_` and base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError("a webhook secret begins with whsec_")
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)


def is_signing_secret(text: str) -> bool:
    """Whether it is a secret of that form, and long enough."""
    try:
        return len(secret_bytes(text)) >= SECRET_BYTES_MIN
    except ValueError:
        return False
