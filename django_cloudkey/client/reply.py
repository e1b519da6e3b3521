"""
What a server answered to one request, and whether it is an answer.

Every way to a cloud reads it alike: over HTTP, or in the process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..protocol.envelope import is_failure
from ..protocol.exceptions import NotFound, TransportException

MAX_ANSWER_SIZE = 8 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of one request."""

    where: str
    """Origin that was asked, without credentials."""
    status: int = 0
    content: bytes = b""
    content_range: str = ""
    features: frozenset[str] = frozenset()
    lost: str = ""
    """Kind of failure, when nothing came."""
    may_pass: bool = False
    """The same request may have another outcome a little later."""
    is_ambiguous: bool = True
    """The server may have carried the request out."""
    retry_after: float = 0

    def read(self) -> bytes:
        """
        Return the content of an answer.

        Raises:
            TransportException: it is none.
        """
        if self.lost:
            # Without its cause, whose text holds the whole address, upload seal included.
            text = f"No answer from {self.where} ({self.lost})."
            raise TransportException(text, ambiguous=self.is_ambiguous)
        # A failure may have a status of its own; what else comes with one is somebody else's.
        if self.status != 200 and not (self.status >= 400 and is_failure(self.content)):
            text = f"{self.where} answered HTTP {self.status}."
            raise TransportException(text, ambiguous=self.is_ambiguous)
        return self.content


def gather(pieces: Iterable[bytes], where: str) -> bytes:
    """
    Return the content of an answer of *where* that comes in pieces.

    Raises:
        TransportException: it is longer than MAX_ANSWER_SIZE.
    """
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > MAX_ANSWER_SIZE:
            raise TransportException(f"The answer of {where} is longer than 8 MiB.", ambiguous=True)
    return bytes(content)


def range_header(start: int, length: int) -> str:
    """Return the ``Range`` header that asks for *length* bytes from *start*."""
    return f"bytes={start}-{start + length - 1}"


def read_range(reply: Reply, start: int, length: int) -> bytes:
    """
    Return the bytes that were asked for.

    Raises:
        NotFound, TransportException: as :meth:`Transport.fetch` says.
    """
    if reply.lost:
        reply.read()
    if reply.status == 404:
        raise NotFound("There is no such asset, or it is not ready.")
    is_asked = reply.content_range.startswith(f"bytes {start}-")
    if reply.status != 206 or not is_asked or not 0 < len(reply.content) <= length:
        raise TransportException(f"{reply.where} answered HTTP {reply.status} to a range.")
    return reply.content


def origin_of(url: str) -> str:
    """Return scheme and host of *url*, without credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def read_features(header: str) -> frozenset[str]:
    """Return what a ``CloudKey-Features`` header names."""
    return frozenset(name.strip() for name in header.split(",")) - {""}
