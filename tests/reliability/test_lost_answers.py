"""Answers that are lost after the server did what was asked: nothing is done twice."""

from __future__ import annotations

import copy
import http.client
import pickle
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections

from django_cloudkey.client import CloudKey, TransportException
from django_cloudkey.client.retries import BUDGET
from django_cloudkey.server.models import Media, SavedAnswer

from ..conftest import Cloud

ASKED = 20


@dataclass
class Proxy:
    """A proxy in front of the cloud that loses some of its answers."""

    listener: socket.socket
    cloud_url: str
    loses: Callable[[int, socket.socket, bytes], bool] = lambda number, connection, answer: False
    """Given the number of a request and its answer, do harm; False lets the answer pass."""
    forwards: Callable[[int], bool] = lambda number: True
    advertises: bool = True
    keys: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}{urlsplit(self.cloud_url).path}"

    def run(self) -> None:
        try:
            with suppress(OSError):
                while True:
                    connection, _ = self.listener.accept()
                    with connection, suppress(OSError):
                        connection.settimeout(20)
                        self._serve(connection)
        finally:
            connections.close_all()  # a test may change rows from this thread

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        path = stream.readline().split()[1].decode()
        headers = http.client.parse_headers(stream)
        number = len(self.keys)
        self.keys.append(headers["Idempotency-Key"])
        if not self.forwards(number):
            reset(connection)
            return
        body = stream.read(int(headers["Content-Length"]))
        answer = self._forward(path, body, headers)
        if not self.loses(number, connection, answer):
            connection.sendall(answer)

    def _forward(self, path: str, body: bytes, headers: Any) -> bytes:
        upstream = http.client.HTTPConnection(urlsplit(self.cloud_url).netloc, timeout=20)
        kept = ("Content-Type", "Idempotency-Key")
        upstream.request("POST", path, body, {k: headers[k] for k in kept if headers[k]})
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(content)}\r\n"
        for name in ("Retry-After", "CloudKey-Features"):
            if name in response.headers and (self.advertises or name == "Retry-After"):
                head += f"{name}: {response.headers[name]}\r\n"
        return head.encode() + b"\r\n" + content


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def cut(connection: socket.socket, answer: bytes) -> bool:
    connection.sendall(answer[:-10])
    return True


def reset_after(connection: socket.socket, answer: bytes) -> bool:
    reset(connection)
    return True


def say_500(connection: socket.socket, answer: bytes) -> bool:
    connection.sendall(b"HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 4\r\n\r\nOops")
    return True


def say_503(connection: socket.socket, answer: bytes) -> bool:
    connection.sendall(b"HTTP/1.1 503 Oops\r\nConnection: close\r\nContent-Length: 4\r\n\r\nOops")
    return True


HARMS = [cut, reset_after, say_500, say_503]


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[Proxy]:
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(listener, cloud.base_url)
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    yield proxy
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.fixture
def client(cloud: Cloud, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> CloudKey:
    for name in ("FULL", "tokens"):
        monkeypatch.setattr(BUDGET, name, 2.0 * ASKED, raising=False)
    monkeypatch.setattr("django_cloudkey.client.retries.FIRST_PAUSE", 0.001)
    return CloudKey(cloud.account.pk, cloud.account.api_key, proxy.url)


@pytest.mark.parametrize("harm", [cut, reset_after, say_503])
def test_f25_each_lost_answer_is_asked_for_again_and_is_the_same(
    proxy: Proxy, client: CloudKey, harm: Callable[[socket.socket, bytes], bool]
) -> None:
    client.user.info()
    proxy.loses = lambda number, connection, answer: number % 2 == 1 and harm(connection, answer)

    ids = [client.media.create(meta={"title": str(n)})["id"] for n in range(ASKED)]

    assert len(proxy.keys) == 1 + 2 * ASKED
    assert all(proxy.keys[1::2])
    assert proxy.keys[1::2] == proxy.keys[2::2]
    assert sorted(ids) == sorted(Media.objects.values_list("pk", flat=True))
    assert SavedAnswer.objects.count() == ASKED


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("has_called", [True, False], ids=["not advertised", "not seen yet"])
def test_f26_write_is_never_repeated_to_a_server_that_could_do_it_twice(
    proxy: Proxy,
    client: CloudKey,
    harm: Callable[[socket.socket, bytes], bool],
    has_called: bool,
) -> None:
    if has_called:
        proxy.advertises = False
        client.user.info()
    before = len(proxy.keys)
    proxy.loses = lambda number, connection, answer: harm(connection, answer)

    for _ in range(3):
        with pytest.raises(TransportException) as caught:
            client.media.create()
        assert caught.value.ambiguous

    assert proxy.keys[before:] == [None] * 3
    assert Media.objects.count() == 3


@pytest.mark.parametrize(
    ("status", "ambiguous"), [(302, False), (413, False), (429, False), (502, True), (204, True)]
)
def test_f25_status_tells_whether_something_may_have_been_done(
    proxy: Proxy, client: CloudKey, status: int, ambiguous: bool
) -> None:
    def answer(connection: socket.socket) -> bool:
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        return True

    proxy.loses = lambda number, connection, content: answer(connection)

    with pytest.raises(TransportException) as caught:
        client.media.create()

    assert caught.value.ambiguous is ambiguous
    assert pickle.loads(pickle.dumps(caught.value)).ambiguous is ambiguous


def test_f25_server_that_is_not_there_did_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(TransportException) as caught:
        CloudKey("4d0c0ffee000000000000001", "k" * 40, f"http://127.0.0.1:{port}").media.create()

    assert not caught.value.ambiguous


def test_f26_request_that_nobody_read_is_not_repeated_either(
    proxy: Proxy, client: CloudKey
) -> None:
    proxy.forwards = lambda number: False

    with pytest.raises(TransportException):
        client.media.create()

    assert proxy.keys == [None]
    assert Media.objects.count() == 0


def test_f26_lost_requests_of_an_idempotent_server_are_repeated(
    proxy: Proxy, client: CloudKey
) -> None:
    client.user.info()
    proxy.forwards = lambda number: number % 2 == 0

    for _ in range(5):
        client.media.create()

    assert Media.objects.count() == 5


def test_failure_that_may_be_the_servers_own_is_not_repeated(
    proxy: Proxy, client: CloudKey
) -> None:
    client.user.info()
    proxy.loses = lambda number, connection, answer: say_500(connection, answer)

    with pytest.raises(TransportException, match="answered HTTP 500"):
        client.media.create()

    assert len(proxy.keys) == 2
    assert Media.objects.count() == 1


def test_reads_carry_no_key(proxy: Proxy, client: CloudKey) -> None:
    client.user.info()
    client.media.list()

    assert proxy.keys == [None, None]


def test_copies_of_a_client_know_what_it_knows(proxy: Proxy, client: CloudKey) -> None:
    client.user.info()
    copy.copy(client).media.create()

    assert proxy.keys[0] is None
    assert proxy.keys[1]


def test_key_is_new_for_each_call(proxy: Proxy, client: CloudKey) -> None:
    client.user.info()
    for _ in range(3):
        client.media.create(meta={"title": "the same"})

    assert len(set(proxy.keys)) == 4
    assert Media.objects.count() == 3


def test_call_that_is_still_at_work_is_waited_for(
    cloud: Cloud, proxy: Proxy, client: CloudKey
) -> None:
    client.user.info()

    def lose(number: int, connection: socket.socket, answer: bytes) -> bool:
        if number == 1:  # the server goes on working, as far as it knows
            SavedAnswer.objects.update(answer="")
            return cut(connection, answer)
        if number == 2:
            assert b'"code": 640' in answer
            SavedAnswer.objects.update(answer='{"result": {"id": "done"}}')
        return False

    proxy.loses = lose

    assert client.media.create() == {"id": "done"}
    assert len(proxy.keys) == 4
