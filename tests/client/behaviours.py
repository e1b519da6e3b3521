"""What a hostile server does with a connection, and what is needed to endure it."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django_cloudkey.client import CloudKey

from .conftest import Behaviour, HostileServer, Request, answer

CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = answer(b'{"result": 7}')
PAGE = b"<html><h1>Come back later</h1></html>"
SEAL = "5ea15ea15ea15ea15ea15ea15ea15ea1"


PAUSES = 3  # seconds for which a busy machine may let everything wait


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + PAUSES


def reset(connection: socket.socket, request: Request) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(connection: socket.socket, request: Request) -> None:
    connection.close()


def silence(connection: socket.socket, request: Request) -> None:
    connection.recv(1)


def half_a_body(connection: socket.socket, request: Request) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"result"')


def half_a_body_then_silence(connection: socket.socket, request: Request) -> None:
    half_a_body(connection, request)
    connection.recv(1)


def junk(connection: socket.socket, request: Request) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def bad_gzip(connection: socket.socket, request: Request) -> None:
    answer(b"no gzip", headers="Content-Encoding: gzip\r\n")(connection, request)


def bad_chunks(connection: socket.socket, request: Request) -> None:
    connection.sendall(CHUNK + b"zz\r\n{}\r\n0\r\n\r\n")


def drip(data: bytes) -> Behaviour:
    """Send one byte at a time, each well within the read timeout, for ever."""

    def behave(connection: socket.socket, request: Request) -> None:
        connection.sendall(data)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    return behave


def endless_body(connection: socket.socket, request: Request) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"result": "')
    while True:
        connection.sendall(b"x" * 65536)


def ticket(url: str) -> bytes:
    return json.dumps({"result": {"url": url}}).encode()


def sealed(server: HostileServer) -> str:
    return f"{server.url}/upload?uuid=1&seal={SEAL}"


class Zeros:
    """A file of a given size that is read from nowhere."""

    def __init__(self, size: int) -> None:
        self.size = self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, size)
        self.left -= size
        return bytes(size)


def upload_unread(server: HostileServer, client: CloudKey, size: int) -> dict[str, Any]:
    """Upload while the server leaves it to its behaviour to read the body."""
    server.reads_bodies = lambda request: "/upload" not in request.head
    return client.file.upload_file(Zeros(size))


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds, which it must soon."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
