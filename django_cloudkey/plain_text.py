"""Text of strangers, where it must not steer a terminal or break a line of a log."""

from __future__ import annotations


def printable(value: object) -> str:
    """Return *value* as text in one line; characters that cannot be seen are written escaped."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
