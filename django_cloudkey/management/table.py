"""Tables on a terminal: columns as wide as their widest cell, numbers to the right."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from ..media_state import clock
from ..plain_text import printable

GAP = "  "
NOTHING = "-"
ELLIPSIS = "…"
KILO = 1000


class Number(str):
    """Text of a number, which stands to the right of its column."""


class State(str):
    """Text of a state, which a terminal shows in a colour."""


def duration(seconds: object) -> str:
    """Return seconds as ``1:02:03`` or ``2:03``."""
    return Number(clock(seconds) if isinstance(seconds, int | float) else NOTHING)


def size(count: object) -> str:
    """Return a number of bytes as ``1.2 MB``."""
    if not isinstance(count, int):
        return Number(NOTHING)
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while round(value, 1) >= KILO and len(units) > 1:
        value /= KILO
        del units[0]
    return Number(f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}")


def lines(
    headings: Sequence[str], rows: Sequence[Sequence[object]], *, room: int | None = None
) -> Iterator[list[tuple[str, object]]]:
    """
    Give each line as what is written of its cells, padded, beside the cells themselves.

    Control characters are shown escaped.

    Args:
        room: Columns of the terminal, in which the last cell of a line is cut to fit.
    """
    texts = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(width, column)) for column in zip(*texts, strict=True)]
    is_right = [
        bool(column) and all(isinstance(cell, Number) for cell in column)
        for column in (zip(*rows, strict=True) if rows else [()] * len(headings))
    ]
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    for cells, row in zip((headings, *rows), texts, strict=True):
        if room is not None and before < room:
            row[-1] = cut(row[-1], room - before)
        padded = [
            _padded(text, wanted, to_the_right=right)
            for text, wanted, right in zip(row, widths, is_right, strict=True)
        ]
        if not is_right[-1]:
            padded[-1] = row[-1]
        yield list(zip(padded, cells, strict=True))


def width(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    return sum(_columns(char) for char in text)


def cut(text: str, room: int) -> str:
    """Return *text* as far as it fits into *room* columns."""
    if width(text) <= room:
        return text
    kept = ""
    for char in text:
        room -= _columns(char)
        if room < len(ELLIPSIS):
            break
        kept += char
    return f"{kept}{ELLIPSIS}"


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _padded(text: str, wanted: int, *, to_the_right: bool) -> str:
    space = " " * (wanted - width(text))
    return space + text if to_the_right else text + space
