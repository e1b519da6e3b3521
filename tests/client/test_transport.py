"""The network at its worst: each failure is one exception class, within its time."""

from __future__ import annotations

import io
import json
import logging
import os
import random
import socket
import struct
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from django_cloudkey.client import (
    CloudKey,
    NotFound,
    RPCException,
    SerializerError,
    TransportException,
)
from django_cloudkey.client.transport import MAX_ANSWER_SIZE, Timeout

from .conftest import API_KEY, USER_ID, Behaviour, HostileServer, Request, answer

CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SEAL = "5ea15ea15ea15ea15ea15ea15ea15ea1"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


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


@pytest.mark.parametrize(
    "behaviour", [reset, hang_up, half_a_body, junk, bad_gzip, bad_chunks], ids=lambda f: f.__name__
)
def test_lost_answer_is_a_transport_exception(
    server: HostileServer, client: CloudKey, behaviour: Behaviour
) -> None:
    server.does(behaviour)

    with within(1), pytest.raises(TransportException) as caught:
        client.media.info(id="0" * 24)

    assert str(caught.value).startswith(f"300: No answer from {server.url} (")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "behaviour", [silence, half_a_body_then_silence], ids=lambda behaviour: behaviour.__name__
)
def test_silence_ends_with_the_read_timeout(
    server: HostileServer, client: CloudKey, behaviour: Behaviour
) -> None:
    server.does(behaviour)

    with within(1.1), pytest.raises(TransportException, match="300: No answer from"):
        client.media.info(id="0" * 24)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Slow: ", id="header"),
        pytest.param(b'HTTP/1.1 200 OK\r\n\r\n{"result": "', id="body-to-the-end"),
        pytest.param(b'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"', id="body-of-a-length"),
        pytest.param(CHUNK + b"ffff\r\n", id="chunk"),
        pytest.param(CHUNK + b"1;", id="chunk-size"),
    ],
)
def test_dripping_answer_ends_with_the_total_timeout(
    server: HostileServer, client: CloudKey, start: bytes
) -> None:
    server.does(drip(start))

    with within(2), pytest.raises(TransportException, match="300: No answer from"):
        client.media.info(id="0" * 24)


def test_refused_connection_is_a_transport_exception() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = CloudKey(USER_ID, API_KEY, f"http://127.0.0.1:{port}")

    with within(1), pytest.raises(TransportException) as caught:
        client.media.list()

    assert str(caught.value) == f"300: No answer from http://127.0.0.1:{port} (ConnectionError)."


def test_connecting_ends_with_the_connect_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # The queue is filled; further connections get no answer at all.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        client = CloudKey(
            USER_ID, API_KEY, f"http://127.0.0.1:{address[1]}", timeout=Timeout(connect=0.3)
        )
        try:
            with within(1.5), pytest.raises(TransportException, match=r"\(ConnectTimeout\)"):
                client.media.list()
        finally:
            for one in waiting:
                one.close()


def test_unknown_host_is_a_transport_exception() -> None:
    client = CloudKey(USER_ID, API_KEY, "http://cloud.invalid", timeout=Timeout(connect=1))

    with pytest.raises(TransportException, match=r"No answer from http://cloud\.invalid"):
        client.media.list()


def test_endless_answer_is_given_up_at_eight_mebibytes(
    server: HostileServer, client: CloudKey
) -> None:
    server.does(endless_body)

    with within(5), pytest.raises(TransportException) as caught:
        client.media.list()

    assert str(caught.value) == f"300: The answer of {server.url} is longer than 8 MiB."


def test_an_answer_of_nearly_eight_mebibytes_is_read(
    server: HostileServer, client: CloudKey
) -> None:
    text = "x" * (MAX_ANSWER_SIZE - 100)
    server.answers(json.dumps({"result": text}).encode())

    assert client.media.list() == text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/api", "http://127.0.0.1:{port}/api", "https://other.invalid/"])
@pytest.mark.parametrize("body", [b"", b'{"result": 1}'])
def test_redirect_is_refused_and_not_followed(
    server: HostileServer, client: CloudKey, status: int, to: str, body: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        location = to.format(port=other.getsockname()[1])
        server.answers(body, status=f"{status} Moved", headers=f"Location: {location}\r\n")

        with pytest.raises(TransportException) as caught:
            client.media.list()

        assert str(caught.value) == f"300: {server.url} answered HTTP {status}."
        assert len(server.requests) == 1
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.parametrize(
    "status", ["500 Oops", "502 Bad", "503 Busy", "429 Slow", "404 No", "204 E"]
)
def test_page_of_a_server_in_trouble_is_a_transport_exception(
    server: HostileServer, client: CloudKey, status: str
) -> None:
    body = b"" if status.startswith("204") else b"<html><h1>Server Error (500)</h1></html>"
    server.answers(body, status=status, headers="Retry-After: 1000000000\r\n")

    with within(1), pytest.raises(TransportException, match=f"answered HTTP {status[:3]}"):
        client.media.list()

    assert len(server.requests) == 1


def test_error_of_the_protocol_is_read_whatever_the_status(
    server: HostileServer, client: CloudKey
) -> None:
    server.answers(b'{"error": {"code": 1010, "message": "gone"}}', status="404 Not Found")

    with pytest.raises(NotFound, match="1010: gone"):
        client.media.info(id="0" * 24)


@pytest.mark.parametrize(
    "body", [b"", b"<html>It works!</html>", b"null", b"[]", b'"x"', b"\xff", b"[" * 100_000]
)
def test_answer_that_is_none_is_a_serializer_error(
    server: HostileServer, client: CloudKey, body: bytes
) -> None:
    server.answers(body)

    with pytest.raises(SerializerError, match="500: The server's answer is not"):
        client.media.list()


def test_unknown_error_code_is_on_the_instance(server: HostileServer, client: CloudKey) -> None:
    server.answers(b'{"error": {"code": 9999, "message": "strange", "data": {"a": 1}}}')

    with pytest.raises(RPCException) as caught:
        client.media.list()

    assert type(caught.value) is RPCException
    assert (caught.value.code, caught.value.data) == (9999, {"a": 1})
    assert RPCException.code == 100


def test_an_answer_may_be_compressed_and_chunked(server: HostileServer, client: CloudKey) -> None:
    def behave(connection: socket.socket, request: Request) -> bool:
        connection.sendall(CHUNK + b'8\r\n{"result\r\n7;x=y\r\n": [1]}\r\n0\r\n\r\n')
        return True

    server.does(behave)

    assert [client.media.list(), client.media.list()] == [[1], [1]]
    assert server.connections == 1


def test_connection_is_kept_and_a_closed_one_is_replaced(
    server: HostileServer, client: CloudKey
) -> None:
    last_words = answer(b'{"result": 2}', headers="Connection: close\r\n")
    server.does(answer(b'{"result": 1}'), last_words, answer(b'{"result": 3}'))

    assert [client.media.list() for _ in range(3)] == [1, 2, 3]
    assert server.connections == 2


# Threads and processes


def echo(connection: socket.socket, request: Request) -> bool:
    """Answer the argument of the call, later or sooner."""
    time.sleep(random.random() / 500)
    number = request.json["args"]["number"]
    return bool(answer(json.dumps({"result": number}).encode())(connection, request))


@pytest.fixture
def echoing(server: HostileServer) -> CloudKey:
    server.does(echo)
    return CloudKey(USER_ID, API_KEY, server.url, timeout=Timeout(read=5, total=5))


def test_threads_on_one_client_get_their_own_answers(echoing: CloudKey) -> None:
    gate = threading.Barrier(32)

    def work(thread: int) -> list[bool]:
        gate.wait(10)
        numbers = range(thread * 1000, thread * 1000 + 25)
        return [echoing.test.echo(number=number) == number for number in numbers]

    with ThreadPoolExecutor(32) as pool:
        outcomes = [right for rights in pool.map(work, range(32)) for right in rights]

    assert outcomes == [True] * 32 * 25


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_child_and_parent_on_one_client_get_their_own_answers(
    server: HostileServer, echoing: CloudKey
) -> None:
    assert echoing.test.echo(number=0) == 0  # a connection that both will have

    children = []
    for child in range(1, 5):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                numbers = range(child * 1000, child * 1000 + 50)
                status = 0 if all(echoing.test.echo(number=n) == n for n in numbers) else 2
            finally:
                os._exit(status)
        children.append(pid)
    own = all(echoing.test.echo(number=number) == number for number in range(50))

    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    assert own
    assert server.connections == 5


# Uploads


def ticket(url: str) -> bytes:
    return json.dumps({"result": {"url": url}}).encode()


def sealed(server: HostileServer) -> str:
    return f"{server.url}/upload?uuid=1&seal={SEAL}"


def test_upload_sends_its_length_and_the_file(server: HostileServer, client: CloudKey) -> None:
    server.answers(ticket(sealed(server)), b'{"url": "http://x/files/1"}')

    client.file.upload_file(io.BytesIO(b"content"), name="a.mp4")

    upload = server.requests[1]
    assert upload.head.startswith(f"POST /upload?uuid=1&seal={SEAL} HTTP/1.1\r\n")
    assert int(upload.header("Content-Length")) == len(upload.body)
    assert upload.header("Transfer-Encoding") == ""
    boundary = upload.header("Content-Type").removeprefix("multipart/form-data; boundary=")
    assert (
        upload.body
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\ncontent\r\n--{boundary}--\r\n"
        ).encode()
    )


@pytest.mark.parametrize("behaviour", [reset, hang_up, silence], ids=lambda f: f.__name__)
def test_upload_without_an_answer_is_not_sent_again(
    server: HostileServer, client: CloudKey, behaviour: Behaviour
) -> None:
    server.does(answer(ticket(sealed(server))), behaviour)

    with within(2), pytest.raises(TransportException, match="No answer from"):
        client.file.upload_file(io.BytesIO(b"content"))

    time.sleep(0.1)
    assert [request.head.split()[1].split("?")[0] for request in server.requests] == [
        "/api",
        "/upload",
    ]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_upload_is_not_sent_where_a_redirect_points(
    server: HostileServer, client: CloudKey, status: int
) -> None:
    location = f"Location: {server.url}/elsewhere\r\n"
    server.does(answer(ticket(sealed(server))), answer(b'{"url": "x"}', f"{status} x", location))

    with pytest.raises(TransportException, match=f"answered HTTP {status}"):
        client.file.upload_file(io.BytesIO(b"content"))

    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        ({"url": "file:///etc/passwd"}, TransportException, "not HTTP"),
        ({"url": "ftp://h/x"}, TransportException, "not HTTP"),
        ({"url": "/upload"}, TransportException, "not HTTP"),
        ({"url": "http://["}, TransportException, "not HTTP"),
        ({"url": ""}, TransportException, "not HTTP"),
        ({"url": "http://"}, TransportException, "No answer"),
        ({"url": "http://127.0.0.1:99999/"}, TransportException, "No answer"),
        ({"url": "http://exa mple\r\nX: y/"}, TransportException, "No answer"),
        ({"url": None}, SerializerError, "has no url"),
        ({"url": 7}, SerializerError, "has no url"),
        ({}, SerializerError, "has no url"),
        ([], SerializerError, "has no url"),
        (None, SerializerError, "has no url"),
        ("http://x/", SerializerError, "has no url"),
    ],
)
def test_upload_address_that_is_none_is_refused(
    server: HostileServer,
    client: CloudKey,
    result: Any,
    error: type[RPCException],
    message: str,
) -> None:
    server.answers(json.dumps({"result": result}).encode())

    with pytest.raises(error, match=message):
        client.file.upload_file(io.BytesIO(b"content"))

    assert len(server.requests) == 1


def test_upload_without_encryption_is_refused_where_calls_are_encrypted() -> None:
    client = CloudKey(USER_ID, API_KEY, "https://video.example.org")

    with pytest.raises(TransportException) as caught:
        client._transport.send("http://video.example.org/upload", None)  # type: ignore[arg-type]

    assert str(caught.value) == "300: The server asked to upload without encryption; refused."


@pytest.mark.parametrize(
    ("body", "status", "error", "message"),
    [
        (b"", "200 OK", SerializerError, "The upload server's answer is not JSON"),
        (b"<html>", "200 OK", SerializerError, "The upload server's answer is not JSON"),
        (b"[" * 100_000, "200 OK", SerializerError, "The upload server's answer is not JSON"),
        (b"[]", "200 OK", SerializerError, "The upload server's answer has no url"),
        (b"{}", "200 OK", SerializerError, "The upload server's answer has no url"),
        (b'{"url": 1}', "200 OK", SerializerError, "The upload server's answer has no url"),
        (b'{"url": "x", "hash": "0"}', "200 OK", SerializerError, "received other bytes"),
        (b'{"error": {}, "url": "x"}', "200 OK", SerializerError, "error has no code"),
        (b"<html>", "413 Large", TransportException, "answered HTTP 413"),
        (b'{"error": {"code": 1030, "message": "full"}}', "507 Full", RPCException, "1030: full"),
    ],
)
def test_answer_to_an_upload_that_is_none_is_an_error(
    server: HostileServer,
    client: CloudKey,
    body: bytes,
    status: str,
    error: type[RPCException],
    message: str,
) -> None:
    server.does(answer(ticket(sealed(server))), answer(body, status))

    with pytest.raises(error, match=message):
        client.file.upload_file(io.BytesIO(b"content"))


class Zeros:
    """A file of a given size that is read from nowhere."""

    def __init__(self, size: int) -> None:
        self.size = self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(self.left, size)
        self.left -= size
        return bytes(size)


def test_server_that_takes_an_upload_by_the_byte_is_given_up(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sip(connection: socket.socket, request: Request) -> None:
        while True:
            connection.recv(4096)
            time.sleep(0.05)

    monkeypatch.setattr("django_cloudkey.client.transport.MINIMUM_RATE", 1 << 40)
    client = CloudKey(USER_ID, API_KEY, server.url, timeout=Timeout(read=1, total=1.2))
    server.does(answer(ticket(sealed(server))), sip)

    with within(3), pytest.raises(TransportException, match="No answer from"):
        _upload_unread(server, client, 64 << 20)


def test_server_that_pauses_while_it_takes_an_upload_is_waited_for(server: HostileServer) -> None:
    def pause_then_take(connection: socket.socket, request: Request) -> None:
        time.sleep(1)
        left = int(request.header("Content-Length")) - len(request.body)
        while left > 0:
            left -= len(connection.recv(1 << 20))
        answer(b'{"url": "x"}')(connection, request)

    client = CloudKey(USER_ID, API_KEY, server.url, timeout=Timeout(connect=0.3, read=5, total=30))
    server.does(answer(ticket(sealed(server))), pause_then_take)

    assert _upload_unread(server, client, 32 << 20) == {"url": "x"}


def _upload_unread(server: HostileServer, client: CloudKey, size: int) -> dict[str, Any]:
    """Upload while the server leaves it to its behaviour to read the body."""
    server.reads_bodies = lambda request: "/upload" not in request.head
    return client.file.upload_file(Zeros(size))


def test_refusal_that_comes_before_the_end_of_the_upload_is_heard(server: HostileServer) -> None:
    def refuse(connection: socket.socket, request: Request) -> None:
        body = b'{"error": {"code": 1030, "message": "too long"}}'
        answer(body, "413 Large", "Connection: close\r\n")(connection, request)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    client = CloudKey(USER_ID, API_KEY, server.url, timeout=Timeout(read=2))
    server.does(answer(ticket(sealed(server))), refuse)

    with pytest.raises(RPCException, match="1030: too long"):
        _upload_unread(server, client, 32 << 20)


# Secrets


@pytest.mark.parametrize(
    "behaviour",
    [reset, silence, junk, endless_body, bad_gzip, answer(b"<html>"), answer(b"", "302 x")],
    ids=lambda behaviour: getattr(behaviour, "__name__", "?"),
)
def test_no_failure_shows_the_seal_or_the_key(
    server: HostileServer,
    client: CloudKey,
    behaviour: Behaviour,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.does(answer(ticket(sealed(server))), behaviour)

    with caplog.at_level(logging.DEBUG, "django_cloudkey"), pytest.raises(RPCException) as caught:
        client.file.upload_file(io.BytesIO(b"content"))

    shown = "".join(traceback.format_exception(caught.value))
    shown += repr(caught.value.args) + str(caught.value.data) + str(vars(caught.value))
    shown += "".join(str(vars(record)) for record in caplog.records)
    digest = server.requests[0].json["auth"].rpartition(":")[2]
    for secret in (SEAL, API_KEY, digest):
        assert secret not in shown
    assert caught.value.__cause__ is None or isinstance(caught.value.__cause__, ValueError)
    assert [record.message.split(":")[0] for record in caplog.records] == ["file.upload"]


def test_password_in_an_address_is_not_shown(server: HostileServer) -> None:
    client = CloudKey(USER_ID, API_KEY, server.url.replace("//", "//me:pa55word@"))
    server.does(reset)

    with pytest.raises(TransportException) as caught:
        client.media.list()

    assert "pa55word" not in str(caught.value)
    assert "pa55word" not in repr(client)


def test_a_call_is_logged_with_its_outcome_and_nothing_else(
    server: HostileServer, client: CloudKey, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(b'{"result": 1}', b'{"error": {"code": 1010, "message": "no"}}')

    with caplog.at_level(logging.DEBUG, "django_cloudkey"):
        client.media.list()
        with pytest.raises(NotFound):
            client.media.info(id="0" * 24)

    assert [message.split(" after ")[0] for message in caplog.messages] == [
        "media.list: ok",
        "media.info: 1010",
    ]
