"""
Arguments of the template tags: their names, and what reads their values.

What a template says is read once, when it is compiled; what comes from a variable, for each
rendering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from django.template import TemplateSyntaxError
from django.template.base import FilterExpression, Parser, Variable, token_kwargs
from django.utils.functional import Promise

from .addresses import unix_time
from .protocol.assets import DEFAULT, is_thumbnail
from .protocol.seclevel import parse_seclevel

Reader = Callable[[Any], Any]
"""
What an argument is read by: a value of a template in, what the tag works with out.

A ValueError says what is wrong, without the argument's name.
"""


def text(value: Any) -> str:
    return str(value or "")


def asset(value: Any) -> str:
    return text(value) or DEFAULT


def still(value: Any) -> str:
    name = text(value)
    if name and not is_thumbnail(name):
        raise ValueError(f"it is the name of a still, got {value!r}")
    return name


def title(value: Any) -> str:
    """Return HTML for an attribute."""
    title = str(value or "")
    # What is HTML already, such as a text of {% blocktranslate asvar %}, has its "&" escaped.
    return title.translate(_ENDS_ATTRIBUTE) if hasattr(title, "__html__") else escape(title)


_ENDS_ATTRIBUTE = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def seconds(value: Any) -> int:
    try:
        whole = int(value or 0)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"it is a number of seconds, got {value!r}") from None
    if whole < 0:
        raise ValueError(f"it is a second of the video, got {value!r}")
    return whole


def flag(value: Any) -> int:
    return 1 if value else 0


def alias(value: Any) -> str | None:
    return None if value is None else str(value)


def moment(value: Any) -> int | None:
    return None if value is None else unix_time(value)


def level(value: Any) -> int | None:
    if value is None:
        return None
    # A variable that does not exist is an empty text, and must not open what it was to close.
    if value == "" or not isinstance(value, int | str):
        raise ValueError(f"it is the name or the number of a level, got {value!r}")
    return parse_seclevel(value).value


def items(separator: str | None) -> Reader:
    """Return what reads a list, or a text of items between *separator*, white space for None."""

    def read(value: Any) -> list[str]:
        if isinstance(value, str):
            return [each.strip() for each in value.split(separator)]
        if value is None or isinstance(value, Iterable):
            return [str(each) for each in value or ()]
        raise ValueError(f"it is a list or a text, got {value!r}")

    return read


def one_of(known: Mapping[str, str]) -> Reader:
    """Return what reads a name and gives what is *known* by it."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"it is one of {', '.join(known)}; got {value!r}")
        return known[value]

    return read


def suffix(pattern: str, read: Reader) -> Reader:
    """Return what writes a value that is not 0 into *pattern*."""
    return lambda value: pattern.format(number) if (number := read(value)) else ""


RATIOS = {
    "16:9": "",
    "4:3": " cloudkey-embed--4x3",
    "1:1": " cloudkey-embed--1x1",
    "9:16": " cloudkey-embed--9x16",
    "21:9": " cloudkey-embed--21x9",
}
"""Ratio of a frame's sides → class; the site's policy may forbid styles of its own."""
LOADINGS = {"lazy": "lazy", "eager": "eager"}

Arguments = Mapping[str, tuple[Any, Reader]]
"""Name → the value that it has by default, and what reads a value."""

RESTRICTIONS: Arguments = {
    "account": (None, alias),
    "seclevel": (None, level),
    "expires": (None, moment),
    "countries": (None, items(",")),
    "referers": (None, items(None)),
}
"""Arguments of every tag."""
PLAYER: Arguments = {
    "autoplay": (False, flag),
    "start": (0, seconds),
    "chromeless": (False, flag),
}
"""How a player shows its media."""


def named(parser: Parser, bit: str) -> tuple[str, FilterExpression]:
    """
    Return name and value of *bit*, an argument as a template writes it.

    Raises:
        TemplateSyntaxError: it has no name.
    """
    for name, expression in token_kwargs([bit], parser).items():
        return name, expression
    raise TemplateSyntaxError(f"Arguments after the media have names, got {bit!r}.")


def is_written(expression: FilterExpression) -> bool:
    """Say whether the template's text alone tells the value, whatever the language."""
    value = expression.var
    if isinstance(value, Variable):
        value = None if value.lookups else value.literal
    return value is not None and not isinstance(value, Promise) and not expression.filters
