"""A file on the cloud that is read in pieces: seekable, and no longer in memory than a piece."""

from __future__ import annotations

import io
from collections.abc import Callable

PIECE = 1024 * 1024  # bytes that are asked for at a time


class RemoteFile(io.RawIOBase):
    """
    Reads an address by ranges. Wrap it into ``io.BufferedReader(file, PIECE)``.

    Args:
        fetch: Returns the bytes from a position, at most so many.
        size: Bytes.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch = fetch
        self._at = 0
        self.size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}.get(whence)
        if start is None:
            raise ValueError(f"whence is 0, 1 or 2, got {whence!r}.")
        if start + offset < 0:
            raise ValueError("A position is not before the beginning.")
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readall(self) -> bytes:
        # That of the base class asks for 8 KiB at a time, each in a request of its own.
        return b"".join(iter(lambda: self.read(PIECE), b""))

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self.size - self._at)
        if wanted <= 0:
            return 0
        piece = self._fetch(self._at, wanted)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
