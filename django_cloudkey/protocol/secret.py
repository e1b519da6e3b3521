"""A key that does not show itself."""

from __future__ import annotations

from typing import NoReturn


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
        return self._value

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
