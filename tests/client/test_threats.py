"""The client against a bad server: the cases T247 to T265 of the threat model, by number."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import random
import socket
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest
from django.test import RequestFactory
from django.views.debug import technical_500_response

from django_cloudkey.client import (
    CloudKey,
    RateLimitExceeded,
    RPCException,
    SerializerError,
    TransportException,
)
from django_cloudkey.client.retries import read_retry_after
from django_cloudkey.client.transport import Answer, Timeout

from .behaviours import (
    CHUNK,
    OK,
    PAGE,
    SEAL,
    bad_chunks,
    bad_gzip,
    drip,
    endless_body,
    half_a_body,
    half_a_body_then_silence,
    hang_up,
    junk,
    reset,
    sealed,
    silence,
    ticket,
    upload_unread,
    within,
)
from .conftest import API_KEY, USER_ID, Behaviour, HostileServer, NoNetwork, Request, answer


@pytest.fixture
def persistent(server: HostileServer) -> CloudKey:
    """A client that repeats, of the hostile server."""
    timeout = Timeout(connect=0.5, read=0.3, total=2)
    return CloudKey(USER_ID, API_KEY, server.url, timeout=timeout)


# Transport


@pytest.mark.parametrize(
    "behaviour", [reset, hang_up, half_a_body, junk, bad_gzip, bad_chunks], ids=lambda f: f.__name__
)
def test_t247_lost_answer_is_a_transport_exception(
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
def test_t247_silence_ends_with_the_read_timeout(
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
def test_t247_dripping_answer_ends_with_the_total_timeout(
    server: HostileServer, client: CloudKey, start: bytes
) -> None:
    server.does(drip(start))

    with within(2), pytest.raises(TransportException, match="300: No answer from"):
        client.media.info(id="0" * 24)


def test_t247_refused_connection_is_a_transport_exception() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = CloudKey(USER_ID, API_KEY, f"http://127.0.0.1:{port}")

    with within(1), pytest.raises(TransportException) as caught:
        client.media.list()

    assert str(caught.value) == f"300: No answer from http://127.0.0.1:{port} (ConnectionError)."


def test_t247_connecting_ends_with_the_connect_timeout() -> None:
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


def test_t247_unknown_host_is_a_transport_exception() -> None:
    client = CloudKey(USER_ID, API_KEY, "http://cloud.invalid", timeout=Timeout(connect=1))

    with pytest.raises(TransportException, match=r"No answer from http://cloud\.invalid"):
        client.media.list()


def test_t247_endless_answer_is_given_up_at_eight_mebibytes(
    server: HostileServer, client: CloudKey
) -> None:
    server.does(endless_body)

    with within(5), pytest.raises(TransportException) as caught:
        client.media.list()

    assert str(caught.value) == f"300: The answer of {server.url} is longer than 8 MiB."


def test_t247_server_that_takes_an_upload_by_the_byte_is_given_up(
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
        upload_unread(server, client, 64 << 20)


def test_t247_timeout_of_a_number_is_kept(server: HostileServer) -> None:
    client = CloudKey(USER_ID, API_KEY, server.url, timeout=0.4)
    server.does(silence)
    started = time.monotonic()

    with pytest.raises(TransportException):
        client.media.list()

    assert time.monotonic() - started < 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/api", "http://127.0.0.1:{port}/api", "https://other.invalid/"])
@pytest.mark.parametrize("body", [b"", b'{"result": 1}'])
def test_t248_redirect_is_refused_and_not_followed(
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


# Answers


@pytest.mark.parametrize(
    "body", [b"", b"<html>It works!</html>", b"null", b"[]", b'"x"', b"\xff", b"[" * 100_000]
)
def test_t249_answer_that_is_none_is_a_serializer_error(
    server: HostileServer, client: CloudKey, body: bytes
) -> None:
    server.answers(body)

    with pytest.raises(SerializerError, match="500: The server's answer is not"):
        client.media.list()


def test_t250_unknown_error_code_is_on_the_instance(
    server: HostileServer, client: CloudKey
) -> None:
    server.answers(b'{"error": {"code": 9999, "message": "strange", "data": {"a": 1}}}')

    with pytest.raises(RPCException) as caught:
        client.media.list()

    assert type(caught.value) is RPCException
    assert (caught.value.code, caught.value.data) == (9999, {"a": 1})
    assert RPCException.code == 100


@pytest.mark.parametrize(
    "status", ["500 Oops", "502 Bad", "503 Busy", "429 Slow", "404 No", "204 E"]
)
def test_t251_page_of_a_server_in_trouble_is_a_transport_exception(
    server: HostileServer, client: CloudKey, status: str
) -> None:
    body = b"" if status.startswith("204") else b"<html><h1>Server Error (500)</h1></html>"
    server.answers(body, status=status, headers="Retry-After: 1000000000\r\n")

    with within(1), pytest.raises(TransportException, match=f"answered HTTP {status[:3]}"):
        client.media.list()

    assert len(server.requests) == 1


TROUBLE = [
    pytest.param(hang_up, id="closed"),
    pytest.param(silence, id="silent"),
    pytest.param(half_a_body, id="cut"),
    *(pytest.param(answer(PAGE, f"{n} Trouble"), id=str(n)) for n in (429, 502, 503, 504)),
    pytest.param(answer(b'{"error": {"code": 410, "message": "slow"}}', "429 Slow"), id="410"),
]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_t251_read_is_repeated(
    server: HostileServer, persistent: CloudKey, trouble: Behaviour
) -> None:
    server.does(trouble, trouble, OK)

    assert persistent.media.list() == 7
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("call", ["media.create", "media.set_meta", "file.upload", "other.list"])
def test_t251_what_may_be_a_write_is_never_repeated(
    server: HostileServer, persistent: CloudKey, trouble: Behaviour, call: str
) -> None:
    server.does(trouble, OK)

    with pytest.raises((TransportException, RateLimitExceeded)):
        persistent.call(call)

    assert len(server.requests) == 1


NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("61", 60),
        ("1000000000", 60),
        ("9" * 5000, 0),
        ("-5", 0),
        ("", 0),
        ("soon", 0),
        ("1.5", 0),
        ("nan", 0),
        ("inf", 0),
        ("٣", 0),
        (formatdate(NOW + 30, usegmt=True), 30),
        (formatdate(NOW - 30, usegmt=True), 0),
        (formatdate(NOW + 86400, usegmt=True), 60),
        ("Thu, 99 Foo 2026 25:61:61 GMT", 0),
        ("Mon, 01 Jan 99999 00:00:00 GMT", 0),
    ],
)
def test_t251_retry_after(text: str, seconds: float) -> None:
    assert read_retry_after(text, NOW) == seconds


# Uploads


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
def test_t252_upload_address_that_is_none_is_refused(
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


def test_t252_upload_without_encryption_is_refused_where_calls_are_encrypted() -> None:
    client = CloudKey(USER_ID, API_KEY, "https://video.example.org")

    with pytest.raises(TransportException) as caught:
        client._transport.send("http://video.example.org/upload", None)  # type: ignore[arg-type]

    assert str(caught.value) == "300: The server asked to upload without encryption; refused."


@pytest.mark.parametrize("behaviour", [reset, hang_up, silence], ids=lambda f: f.__name__)
def test_t253_upload_without_an_answer_is_not_sent_again(
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
def test_t253_upload_is_not_sent_where_a_redirect_points(
    server: HostileServer, client: CloudKey, status: int
) -> None:
    location = f"Location: {server.url}/elsewhere\r\n"
    server.does(answer(ticket(sealed(server))), answer(b'{"url": "x"}', f"{status} x", location))

    with pytest.raises(TransportException, match=f"answered HTTP {status}"):
        client.file.upload_file(io.BytesIO(b"content"))

    assert len(server.requests) == 2


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
def test_t253_answer_to_an_upload_that_is_none_is_an_error(
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


def test_t253_refusal_before_the_end_of_the_upload_is_heard(
    server: HostileServer,
) -> None:
    def refuse(connection: socket.socket, request: Request) -> None:
        body = b'{"error": {"code": 1030, "message": "too long"}}'
        answer(body, "413 Large", "Connection: close\r\n")(connection, request)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    client = CloudKey(USER_ID, API_KEY, server.url, timeout=Timeout(read=2))
    server.does(answer(ticket(sealed(server))), refuse)

    with pytest.raises(RPCException, match="1030: too long"):
        upload_unread(server, client, 32 << 20)


# Proxies


def test_t254_proxy_carries_the_calls(server: HostileServer) -> None:
    client = CloudKey(USER_ID, API_KEY, "http://cloud.invalid", proxy=server.url)
    server.does(OK)

    assert client.media.list() == 7
    assert server.requests[0].head.startswith("POST http://cloud.invalid/api HTTP/1.1")


def test_t254_password_of_a_proxy_is_not_shown(server: HostileServer) -> None:
    proxy = server.url.replace("//", "//me:pa55word@")
    client = CloudKey(USER_ID, API_KEY, "http://cloud.invalid", proxy=proxy, retries=0)
    server.answers(PAGE, status="407 Proxy Authentication Required")

    with pytest.raises(TransportException) as caught:
        client.media.list()

    assert str(caught.value) == "300: http://cloud.invalid answered HTTP 407."
    assert "pa55word" not in repr(client) + repr(vars(client)) + repr(vars(client._transport))


def test_t254_password_in_an_address_is_not_shown(server: HostileServer) -> None:
    client = CloudKey(USER_ID, API_KEY, server.url.replace("//", "//me:pa55word@"))
    server.does(reset)

    with pytest.raises(TransportException) as caught:
        client.media.list()

    assert "pa55word" not in str(caught.value)
    assert "pa55word" not in repr(client)


# Names


@pytest.mark.parametrize("name", ["_x", "__await__", "__html__", "keys", "copy", "alters_data"])
def test_t258_names_of_python_are_no_remote_names(
    cloudkey: CloudKey, network: NoNetwork, name: str
) -> None:
    for thing in (cloudkey, cloudkey.media, cloudkey.other):
        assert name == "alters_data" or not hasattr(thing, name)
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(thing, name)
    assert network.calls == []


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


def test_t260_threads_on_one_client_get_their_own_answers(echoing: CloudKey) -> None:
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
def test_t260_child_and_parent_on_one_client_get_their_own_answers(
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


def test_t260_threads_that_act_as_others_are_not_mixed(server: HostileServer) -> None:
    def echo(connection: Any, request: Any) -> Any:
        body = json.dumps({"result": request.json["auth"].partition(":")[0]}).encode()
        return answer(body)(connection, request)

    server.does(echo)
    client = CloudKey(USER_ID, API_KEY, server.url)

    def work(number: int) -> bool:
        user = f"user{number}"
        answers = {client.act_as_user(user).media.list() for _ in range(10)}
        return answers == {f"{USER_ID}/{user}"}

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(64)))


# Secrets


class Failing:
    """A transport that fails deep inside a call."""

    def call(self, body: bytes, **how: Any) -> Answer:
        raise ZeroDivisionError

    send = call


def test_t261_no_traceback_with_locals_and_no_technical_page_shows_the_key(
    rf: RequestFactory,
) -> None:
    client = CloudKey(USER_ID, API_KEY, "https://video.example.org", transport=Failing())  # type: ignore[arg-type]
    try:
        client.act_as_user("someone").media.list(fields=["id"])
    except ZeroDivisionError:
        kind, error, trace = sys.exc_info()
    assert kind
    assert error

    captured = traceback.TracebackException(kind, error, trace, capture_locals=True)
    shown = "".join(captured.format())
    page = technical_500_response(rf.get("/"), kind, error, trace).content.decode()

    assert "media.list" in shown
    assert "media.list" in page
    for text in (shown, page, repr(client), repr(vars(client)), str(client), f"{client.media}"):
        assert API_KEY not in text
        assert API_KEY[:12] not in text


def test_t261_wrong_arguments_do_not_show_the_key(rf: RequestFactory) -> None:
    try:
        CloudKey(USER_ID, API_KEY, "video.example.org")
    except ValueError:
        kind, error, trace = sys.exc_info()
    assert kind
    assert error

    # The caller's own frame is his affair.
    captured = traceback.TracebackException(
        kind, error, trace and trace.tb_next, capture_locals=True
    )

    assert API_KEY not in "".join(captured.format())


def test_t261_no_log_at_debug_shows_the_key(
    server: HostileServer, client: CloudKey, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(b'{"result": 1}')

    with caplog.at_level(logging.DEBUG):
        client.media.list(fields=["id"])

    digest = server.requests[0].json["auth"].partition(":")[2]
    for record in caplog.records:
        shown = record.getMessage() + str(vars(record))
        assert API_KEY not in shown
        assert digest not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_t261_client_is_not_pickled_and_says_why(cloudkey: CloudKey, protocol: int) -> None:
    for thing in (cloudkey, cloudkey.media, [cloudkey.other]):
        with pytest.raises(TypeError, match="A CloudKey cannot be pickled: it holds an API key"):
            pickle.dumps(thing, protocol)


@pytest.mark.parametrize(
    "behaviour",
    [reset, silence, junk, endless_body, bad_gzip, answer(b"<html>"), answer(b"", "302 x")],
    ids=lambda behaviour: getattr(behaviour, "__name__", "?"),
)
def test_t261_no_failure_shows_the_seal_or_the_key(
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
