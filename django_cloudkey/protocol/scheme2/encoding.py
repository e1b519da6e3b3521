"""The one way in which bytes and values are written, so that equal things are equal texts."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def b64encode(data: bytes) -> str:
    """Return *data* as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64decode(text: str) -> bytes:
    """
    Return the bytes that *text* writes.

    Raises:
        ValueError: it is not what :func:`b64encode` writes: padding, another alphabet, stray bits.
    """
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64url") from error
    if b64encode(data) != text:
        raise ValueError("not canonical base64url")
    return data


def to_json(value: Any) -> str:
    """Return *value* as canonical JSON: keys sorted, no spaces, ASCII."""
    return _ENCODER.encode(value)


def from_json(text: str) -> Any:
    """
    Return the value that *text* writes.

    Raises:
        ValueError: it is not canonical JSON. Members that occur twice are not, nor are spaces.
    """
    try:
        value = json.loads(text)
        canonical = to_json(value)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if canonical != text:
        raise ValueError("not canonical JSON")
    return value
