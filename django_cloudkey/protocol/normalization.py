"""
The text that a call's signature covers: keys and values without separators, in a fixed order.

::

    {"call": "media.info", "args": {"id": "4d0c…", "fields": ["id"]}}
    → "argsfieldsidid4d0c…callmedia.info"

Clients of different languages and years write numbers, booleans and lists differently. A client
signs with :data:`PYTHON`; a server tries every one of :data:`DIALECTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from .exceptions import SerializerError


class JSONFloat(float):
    """A float that remembers the text it was parsed from, which some clients sign."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> JSONFloat:
        self = super().__new__(cls, text)
        self.text = text
        return self


def _python_float(value: float) -> str:
    # Python 2's str(): 12 significant digits, always a point or an exponent.
    return format(value, ".12")


def _php_float(value: float) -> str:
    mantissa, e, exponent = format(value, ".14G").partition("E")
    if not e:
        return mantissa
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent):+d}"


def _digits(value: float) -> tuple[str, str, int]:
    """Return sign, shortest digits and decimal exponent: -120.0 → ("-", "12", 2)."""
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits))
    # All floats here are finite, and so is their exponent a number.
    return "-" * sign, text.rstrip("0") or "0", int(exponent) + len(text) - 1


def _scientific(value: float, exponent_format: str) -> str:
    sign, digits, exponent = _digits(value)
    return f"{sign}{digits[0]}.{digits[1:] or '0'}{exponent_format % exponent}"


def _plain(value: float) -> str:
    """Return the shortest digits without an exponent, at least one of them after the point."""
    sign, digits, exponent = _digits(value)
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return f"{sign}{whole}.{digits[exponent + 1 :] or '0'}"


def _java_float(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return _plain(value)
    return _scientific(value, "E%d")


def _ruby_float(value: float) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e15:
        return _plain(value)
    return _scientific(value, "e%+03d")


def _json_float(value: float) -> str:
    return value.text if isinstance(value, JSONFloat) else repr(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one family of clients writes the values that it signs."""

    name: str
    float_text: Callable[[float], str] = _python_float
    booleans: tuple[str, str] = ("false", "true")
    has_php_arrays: bool = False
    """One type for lists and maps: told apart by a non-null item under the key 0."""


PYTHON = Dialect(name="python")
PHP = Dialect(name="php", float_text=_php_float, has_php_arrays=True)
DIALECTS = (
    PYTHON,
    PHP,
    Dialect(name="java", float_text=_java_float),
    Dialect(name="ruby", float_text=_ruby_float),
    Dialect(name="shortest", float_text=repr),
    Dialect(name="verbatim", float_text=_json_float),
    Dialect(name="python-1.1", booleans=("False", "True")),
    Dialect(name="php-2010", float_text=_php_float, booleans=("", "1"), has_php_arrays=True),
)
"""Every way that published clients sign; sources in the protocol reference, "Signatures"."""


def normalize(arg: Any = None, dialect: Dialect = PYTHON) -> str:
    """
    Return the canonical text of *arg*, a JSON value (a tuple counts as a list).

    Raises:
        SerializerError: *arg* holds something that JSON cannot carry, or a key that is no text.
    """
    if isinstance(arg, str):
        return arg
    if arg is None:
        return ""
    if isinstance(arg, bool):
        return dialect.booleans[arg]
    if isinstance(arg, int):
        return str(int(arg))
    if isinstance(arg, float):
        return dialect.float_text(arg)
    if isinstance(arg, dict | list | tuple):
        return "".join(normalize(item, dialect) for item in _flatten(arg, dialect))
    raise SerializerError(f"A value of type {type(arg).__name__} cannot be sent as JSON.")


def _flatten(arg: dict[str, Any] | list[Any] | tuple[Any, ...], dialect: Dialect) -> Iterable[Any]:
    if isinstance(arg, dict):
        if not all(isinstance(key, str) for key in arg):
            raise SerializerError("The keys of a JSON object must be texts.")
        if dialect.has_php_arrays:
            if arg.get("0") is not None:
                return arg.values()
            # Each is read as a number once: whoever signs wrongly has us sort all that he sent.
            read = ((key, float(key) if _PHP_NUMBER.fullmatch(key) else None) for key in arg)
            keys = [key for key, _ in sorted(read, key=cmp_to_key(_compare_php_keys))]
        else:
            keys = sorted(arg)
        return (part for key in keys for part in (key, arg[key]))
    if dialect.has_php_arrays and arg and arg[0] is None:
        return (part for index, item in enumerate(arg) for part in (str(index), item))
    return arg


_PHP_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


def _compare_php_keys(left: tuple[str, float | None], right: tuple[str, float | None]) -> int:
    """Compare two keys, each with the number that it writes, as PHP does: numbers as such."""
    if left[1] is not None and right[1] is not None:
        return (left[1] > right[1]) - (left[1] < right[1])
    return (left[0] > right[0]) - (left[0] < right[0])
