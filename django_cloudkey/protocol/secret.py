"""Keys, and what they signed, that do not show themselves."""

from __future__ import annotations

import re
from typing import NoReturn


def is_word(value: object) -> bool:
    """Return whether *value* is a text of visible ASCII characters, without spaces."""
    return isinstance(value, str) and re.fullmatch("[!-~]+", value) is not None


class Secret:
    """
    Hold an API key so that no repr, log line, pickle or page of frame variables can show it.

    ``reveal()`` is called in the expression that computes a digest, and by the system check of keys
    that can be guessed.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def of(cls, value: str | Secret) -> Secret:
        """Return *value* hidden; a function's own variable for a key is rebound to it first."""
        return value if isinstance(value, Secret) else cls(value)

    def reveal(self) -> str:
        """Return the text itself, to sign with it."""
        return self._value

    def is_word(self) -> bool:
        """Return whether it is a text of visible ASCII characters, as every key is."""
        return is_word(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret cannot be pickled.")


class HiddenBytes(bytes):
    """A signed request: whoever reads its digest in a page of frame variables could send it."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__
