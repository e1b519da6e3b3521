"""
Signed notifications, as the Standard Webhooks specification writes them.

::

    webhook-id: msg_…
    webhook-timestamp: 1700000000
    webhook-signature: v1,<base64 of HMAC-SHA256(key, id "." timestamp "." body)> [v1,…]
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from .keys import Keys

MAX_SKEW = 300  # seconds
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
MAX_SIGNATURES = 8


class WebhookRefused(Exception):
    """
    A notification that nobody who may send one signed, or not now.

    Attributes:
        reason: One word for logs: ``malformed``, ``signature`` or ``time``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def sign_webhook(keys: Iterable[Keys], id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """
    Return the headers of a notification, signed by each of *keys*.

    Args:
        id: Name of the notification, the same whenever it is sent again.
        timestamp: Unix time of this sending.
    """
    message = _message(id, str(timestamp), body)
    signatures = " ".join(
        f"v1,{base64.b64encode(each.webhook.sign(message)).decode()}" for each in keys
    )
    return {ID: id, TIMESTAMP: str(timestamp), SIGNATURE: signatures}


def verify_webhook(
    keys: Iterable[Keys], headers: Mapping[str, str], body: bytes, *, now: float
) -> str:
    """
    Return the id of a notification, if a holder of one of *keys* sent it within MAX_SKEW seconds.

    Whether the id is new is the caller's question.

    Args:
        headers: As they came, found by their lower-case names.
        now: Unix time.

    Raises:
        WebhookRefused: with the reason.
    """
    id, timestamp, signatures = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    listed = signatures.split(" ")
    is_list = all(listed) and len(listed) <= MAX_SIGNATURES
    if not (is_list and _ID.fullmatch(id) and _TIMESTAMP.fullmatch(timestamp)):
        raise WebhookRefused("malformed")
    message = _message(id, timestamp, body)
    given = [_decode(each) for each in listed]
    found = [each.webhook.verifies(message, one) for each in keys for one in given]
    if not any(found):
        raise WebhookRefused("signature")
    if abs(now - int(timestamp)) > MAX_SKEW:
        raise WebhookRefused("time")
    return id


def _message(id: str, timestamp: str, body: bytes) -> bytes:
    return f"{id}.{timestamp}.".encode() + body


def _decode(signature: str) -> bytes:
    version, _, text = signature.partition(",")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""  # verifies nothing
    is_canonical = base64.b64encode(data).decode() == text
    return data if version == "v1" and is_canonical else b""
