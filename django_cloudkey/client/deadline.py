"""
Connections that end: a peer that sends or takes a byte now and then does not hold its client.

A timeout of a socket is one of silence. Here every read and write also looks at the time by which
the whole exchange must be over.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_LIMITS: ContextVar[tuple[float, float]] = ContextVar("cloudkey_limits")


@contextmanager
def limits(silence: float, deadline: float) -> Iterator[None]:
    """
    Bound the exchanges of this thread.

    Args:
        silence: Seconds to wait for the peer at any one point.
        deadline: Value of ``time.monotonic()`` by which all must be over.
    """
    token = _LIMITS.set((silence, deadline))
    try:
        yield
    finally:
        _LIMITS.reset(token)


def _limit(sock: Any) -> None:
    silence, deadline = _LIMITS.get()
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("The deadline is over.")
    sock.settimeout(min(silence, left))


class _Reader(io.RawIOBase):
    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _limit(self._sock)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        unlimited = self.fp
        self.fp = io.BufferedReader(_Reader(sock))
        unlimited.close()


class _Connection(HTTPConnection):
    response_class = _Response

    def send(self, data: Any) -> None:
        if self.sock is not None:
            _limit(self.sock)
        super().send(data)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TLSPool}
"""Scheme → what a pool manager of urllib3 makes for it."""
