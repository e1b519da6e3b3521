"""
Arguments as plain JSON values, so that the text that is signed is the text that is sent.

``json`` and :func:`~django_cloudkey.protocol.normalization.normalize` each have their own idea of
what a member of an enumeration, a lazy translation or a subclass of ``float`` is. Here they become
what they stand for, and whatever JSON cannot carry exactly is refused before anything is sent.
"""

from __future__ import annotations

import math
from typing import Any

from ..protocol.envelope import MAX_DEPTH
from ..protocol.exceptions import SerializerError

_INT64 = range(-(2**63), 2**63)


def plain(value: Any, depth: int = 0) -> Any:
    """
    Return *value* made of ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None``.

    Raises:
        SerializerError: some part of it has no exact form in JSON, or it is nested too deeply.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        return _whole_number(int.__index__(value))
    if isinstance(value, float):
        return _number(float.__float__(value))
    if isinstance(value, dict | list | tuple):
        # Two levels are the request's own.
        if depth > MAX_DEPTH - 2:
            raise SerializerError("The arguments are nested too deeply.")
        if isinstance(value, dict):
            return {_key(key): plain(item, depth + 1) for key, item in value.items()}
        return [plain(item, depth + 1) for item in value]
    text = _text(value)
    if text is None:
        raise SerializerError(f"A value of type {type(value).__name__} cannot be sent as JSON.")
    return text


def _key(key: object) -> str:
    text = _text(key)
    if text is None:
        raise SerializerError(f"The keys of a JSON object must be texts, got {key!r}.")
    return text


def _text(value: object) -> str | None:
    """Return the exact text of *value*; ``None`` when it is none."""
    if issubclass(type(value), str):
        # Not str(): a member of a text enumeration has another idea of that.
        text = str.__str__(value)
    elif hasattr(type(value), "casefold"):
        text = str(value)  # a lazy translation: no text, but it has all methods of one
    else:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        # "from None": the original holds the whole text.
        raise SerializerError("A text with a lone surrogate cannot be sent as JSON.") from None
    return text


def _whole_number(value: int) -> int:
    if value not in _INT64:
        raise SerializerError("A whole number beyond 64 bits cannot be sent as JSON.")
    return value


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise SerializerError(f"{value} cannot be sent as JSON.")
    return value
