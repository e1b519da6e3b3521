"""A file as the body of a form, read piece by piece: memory does not grow with the file."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from collections.abc import Callable, Sized
from typing import Any, Protocol

Progress = Callable[[int, int], object]
"""Called with the bytes of the file sent so far and its size."""

MINIMUM_RATE = 16 * 1024  # bytes per second; a slower upload is given up


class Readable(Protocol):
    """Anything that a file can be read from."""

    def read(self, size: int = ..., /) -> bytes: ...


def size_of(file: Readable) -> int:
    """
    Return how many bytes *file* will give from where it stands.

    Raises:
        OSError: it does not say; give it a ``size``, a length or a ``seek``.
    """
    size = getattr(file, "size", None)
    if isinstance(size, int):
        return size
    if isinstance(file, Sized):
        return len(file)
    if hasattr(file, "seek") and hasattr(file, "tell"):
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
        return int(end) - int(start)
    raise OSError(f"The length of {type(file).__name__} is not known: it has no size and no seek.")


def sha1_of(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-1 of a file, which the upload server answers as well."""
    with open(path, "rb", opener=open_at_once) as stream:
        return hashlib.file_digest(stream, _sha1).hexdigest()


def _sha1() -> Any:
    return hashlib.sha1(usedforsecurity=False)


def open_at_once(path: str, flags: int) -> int:
    """Be an ``opener`` that does not wait for a pipe to have a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class MultipartBody:
    """
    A ``multipart/form-data`` body with one field, ``file``.

    It has ``read()`` and a length, so the HTTP library sends Content-Length and streams it.

    Attributes:
        sha1: Hexadecimal SHA-1 of the bytes read from the file so far.
        failure: What reading the file, or telling its progress, raised; HTTP libraries take it for
            a failure of the network.
    """

    def __init__(
        self,
        file: Readable,
        *,
        name: str,
        size: int,
        progress: Progress | None = None,
    ) -> None:
        boundary = secrets.token_hex(16)
        quoted = name.translate({ord('"'): "%22", 13: "%0D", 10: "%0A"})
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._head = io.BytesIO(
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode("utf-8", "replace")
        )
        self._tail = io.BytesIO(f"\r\n--{boundary}--\r\n".encode())
        self._length = len(self._head.getbuffer()) + size + len(self._tail.getbuffer())
        self._file = file
        self._name = name
        self._size = size
        self._sent = 0
        self._progress = progress
        self.failure: OSError | None = None
        self._digest = _sha1()

    @property
    def sha1(self) -> str:
        return str(self._digest.hexdigest())

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1) -> bytes:
        """
        Return the next piece, at most *size* bytes.

        Raises:
            OSError: the file ended before the length that was announced.
            TypeError: it is open as text.
        """
        size = self._length if size < 0 else size
        return self._head.read(size) or self._read_file(size) or self._tail.read(size)

    def _read_file(self, size: int) -> bytes:
        wanted = min(size, self._size - self._sent)
        if wanted <= 0:
            return b""
        try:
            piece = self._next_piece(wanted)
            self._digest.update(piece)
            self._sent += len(piece)
            if self._progress is not None:
                self._progress(self._sent, self._size)
        except OSError as error:
            self.failure = error
            raise
        return piece

    def _next_piece(self, wanted: int) -> bytes:
        piece: Any = self._file.read(wanted)
        if isinstance(piece, str):
            raise TypeError(f"{self._name!r} gives str and not bytes: open it with mode 'rb'.")
        if not piece:
            raise OSError(
                f"The file ended after {self._sent} bytes, {self._size} were announced: "
                "it changed while it was sent."
            )
        return bytes(piece)
