"""
Byte ranges, as far as players use them: one range, honoured or ignored.

Source: RFC 9110 §14. A server may ignore a Range header that it does not like; it must not answer
one that starts after the end as if it did not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

_RANGE = re.compile(r"bytes=\s*([0-9]{0,19})-([0-9]{0,19})\s*", re.ASCII)
BLOCK = 256 * 1024  # bytes


class Unsatisfiable(Exception):
    """The range starts after the end of the file."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """
    Return first byte and length of the range that *header* asks for; ``None`` for the whole file.

    Raises:
        Unsatisfiable: no byte of the range exists.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match[0].strip() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        length = min(int(last), size)
        if length == 0:
            raise Unsatisfiable
        return size - length, length
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, end - start + 1


class FileSlice:
    """An iterable of *length* bytes of an open file from *start*; closing it closes the file."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        self._file = file
        self._left = length
        file.seek(start)

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0:
            piece = self._file.read(min(BLOCK, self._left))
            if not piece:
                return
            self._left -= len(piece)
            yield piece

    def close(self) -> None:
        self._file.close()
