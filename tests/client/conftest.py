"""A server of hostile manners: it reads what it is told to and answers what it is given."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from django_cloudkey.client import CloudKey, TransportException
from django_cloudkey.client.multipart import MultipartBody
from django_cloudkey.client.retries import BUDGET, Budget
from django_cloudkey.client.transport import Answer, Timeout

USER_ID = "4d0c0ffee000000000000001"
API_KEY = "efe706ce78eb1b09cb0e68ed72dfe0cef3361348"


@dataclass
class Request:
    """One request as it came over the wire."""

    head: str
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        for line in self.head.splitlines()[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return ""


Behaviour = Callable[[socket.socket, Request], object]
"""What the server does with a connection once it has read a request."""


@dataclass
class HostileServer:
    """A server on a port of this machine; each connection gets a thread."""

    listener: socket.socket
    behaviours: list[Behaviour] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    reads_bodies: Callable[[Request], bool] = lambda request: True
    tls: ssl.SSLContext | None = None
    closing: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d" % self.listener.getsockname()[1]  # noqa: UP031

    def does(self, *behaviours: Behaviour) -> None:
        """Answer the first request as the first says, and so on; the last one stays."""
        self.behaviours = list(behaviours)

    def answers(self, *bodies: bytes, status: str = "200 OK", headers: str = "") -> None:
        self.does(*(answer(body, status, headers) for body in bodies))

    def accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), self._secured(connection) as connection:
            while not self.closing.is_set():
                request = self._receive(connection)
                if request is None:
                    return
                self.requests.append(request)
                turn = min(len(self.requests), len(self.behaviours)) - 1
                if not self.behaviours[turn](connection, request):
                    return

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self.tls is None:
            return connection
        with connection:  # what fails to be secured is closed; what is secured is another object
            self._open.append(self.tls.wrap_socket(connection, server_side=True))
        return self._open[-1]

    def _receive(self, connection: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        request = Request(head.decode("latin-1"))
        length = int(request.header("Content-Length") or 0)
        while len(body) < length and self.reads_bodies(request):
            piece = connection.recv(65536)
            if not piece:
                return None
            body += piece
        request.body = body
        return request

    def close(self) -> None:
        self.closing.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(5)


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> Behaviour:
    """Answer *body*, and keep the connection."""

    def behave(connection: socket.socket, request: Request) -> bool:
        lines = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        connection.sendall(lines.encode() + body)
        return True

    return behave


class NoNetwork:
    """A transport that carries nothing and remembers that it was asked."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def call(self, body: bytes, **how: Any) -> Answer:
        self.calls.append(body)
        raise TransportException("There is no network.")

    def send(self, url: str, body: MultipartBody) -> bytes:
        return self.call(url.encode()).body

    def fetch(self, url: str, start: int, length: int) -> bytes:
        return self.call(url.encode()).body


@pytest.fixture
def network() -> NoNetwork:
    return NoNetwork()


@pytest.fixture
def cloudkey(network: NoNetwork) -> CloudKey:
    """A client that reaches nobody."""
    return CloudKey(USER_ID, API_KEY, "https://video.example.org", transport=network)


@pytest.fixture
def server() -> Iterator[HostileServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = HostileServer(listener)
    acceptor = threading.Thread(target=server.accept, daemon=True)
    acceptor.start()
    yield server
    server.close()
    acceptor.join(5)


@pytest.fixture(autouse=True)
def _full_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pays for the repetitions of another."""
    monkeypatch.setattr(BUDGET, "tokens", Budget.FULL)


@pytest.fixture
def client(server: HostileServer) -> CloudKey:
    """A client of the hostile server that does not wait for long, and asks once."""
    timeout = Timeout(connect=0.5, read=0.6, total=1.2)
    return CloudKey(USER_ID, API_KEY, server.url, timeout=timeout, retries=0)
