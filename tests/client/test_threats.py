"""The client against a bad server: the cases T247 to T265 of the threat model, by number."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import io
import json
import logging
import os
import pickle
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from django.views.debug import technical_500_response

from django_cloudkey.checks import check_accounts
from django_cloudkey.client import (
    CloudKey,
    RateLimitExceeded,
    RPCException,
    SerializerError,
    TransportException,
)
from django_cloudkey.client.multipart import MultipartBody, size_of
from django_cloudkey.client.retries import read_retry_after
from django_cloudkey.client.transport import Answer, HTTPTransport, Timeout
from django_cloudkey.client.upload_address import check_upload_address
from django_cloudkey.conf import account_settings
from django_cloudkey.connection import cloudkeys

from ..echo import echo_server, key_of
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
    wait_for,
    within,
)
from .certificates import Authority
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


@contextmanager
def unanswered_port() -> Iterator[str]:
    """Give an address whose connections get no answer at all: the queue in front of it is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"
        for one in waiting:
            one.close()


def test_t247_connecting_ends_with_the_connect_timeout() -> None:
    with unanswered_port() as url:
        client = CloudKey(USER_ID, API_KEY, url, timeout=Timeout(connect=0.3))

        with within(1.5), pytest.raises(TransportException, match=r"\(ConnectTimeout\)"):
            client.media.list()


def test_t247_connecting_ends_with_the_total_timeout() -> None:
    with unanswered_port() as url:
        timeout = Timeout(connect=5, read=5, total=0.3)
        client = CloudKey(USER_ID, API_KEY, url, timeout=timeout, retries=0)

        with within(1.5), pytest.raises(TransportException, match=r"\(ConnectTimeout\)"):
            client.media.list()


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


def test_t247_waits_are_of_five_thirty_and_sixty_seconds() -> None:
    assert Timeout() == Timeout(connect=5, read=30, total=60)


def test_t247_answer_that_swells_is_given_up_at_eight_mebibytes(
    server: HostileServer, client: CloudKey
) -> None:
    bomb = gzip.compress(b'{"result": "%b"}' % bytes(200 << 20), 9)
    server.answers(bomb, headers="Content-Encoding: gzip\r\n")

    tracemalloc.start()
    with within(10), pytest.raises(TransportException, match="is longer than 8 MiB"):
        client.media.list()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 100 << 20


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
    "body",
    [
        b"",
        b"<html>It works!</html>",
        b"null",
        b"[]",
        b'"x"',
        b"7",
        b"\xff",
        b'{"result": "\xff"}',
        b'{"result": NaN}',
        b'{"result": -Infinity}',
        b'{"result": 1',
        b'{"result": 1} {"result": 2}',
        b'\xef\xbb\xbf{"result": 1}',
        b'{"result": 1, "result": 2}',
        b'{"result": {"a": [{"id": 1, "id": 2}]}}',
        b'{"result": %b}' % (b"9" * 5000),
        b"[" * 100_000,
        b'{"result": ' * 100_000,
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_t249_answer_that_is_none_is_a_serializer_error(
    server: HostileServer, client: CloudKey, body: bytes
) -> None:
    server.answers(body)

    with pytest.raises(SerializerError, match="500: The server's answer is not"):
        client.media.list()


def test_t250_unknown_code_is_on_the_instance(server: HostileServer, client: CloudKey) -> None:
    server.answers(b'{"error": {"code": 9999, "message": "strange", "data": {"a": 1}}}')

    with pytest.raises(RPCException) as caught:
        client.media.list()

    assert type(caught.value) is RPCException
    assert (caught.value.code, caught.value.data) == (9999, {"a": 1})
    assert RPCException.code == 100


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("Server Error", 500),
        (7, 500),
        (True, 500),
        ([], 500),
        ({}, 500),
        ({"code": None}, 500),
        ({"code": "1010", "message": "no"}, 500),
        ({"code": 1010.0, "message": "no"}, 500),
        ({"code": True, "message": "no"}, 500),
        ({"code": -1, "message": "no"}, -1),
        ({"code": 0, "message": "no"}, 0),
        ({"code": 10**30, "message": "no"}, 10**30),
        ({"code": 1010}, 1010),
        ({"code": 1010, "message": None}, 1010),
        ({"code": 1010, "message": ["x"] * 100_000}, 1010),
        ({"code": 1010, "message": "x" * 1_000_000}, 1010),
        ({"code": 1010, "message": "x", "data": "y" * 1_000_000}, 1010),
        ({"code": 1010, "message": "x", "data": [["y"] * 1000] * 100}, 1010),
    ],
    ids=lambda value: str(value)[:40],
)
def test_t250_error_of_any_shape_is_an_exception_of_bounded_text(
    server: HostileServer, client: CloudKey, error: Any, code: int
) -> None:
    server.answers(json.dumps({"error": error, "result": {"id": "both"}}).encode())

    with pytest.raises(RPCException) as caught:
        client.media.list()

    assert caught.value.code == code
    assert len(str(caught.value)) < 3000
    assert len(repr(caught.value)) < 3000
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


@pytest.mark.parametrize("status", ["400 Bad", "404 No", "500 Oops", "503 Busy"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"detail": "Not found."}',
        b'{"message": "Service Unavailable"}',
        b'{"error": "not_found"}',
        b'{"error": null}',
        b'{"result": {"id": "0"}}',
        b"{}",
        b"{",
    ],
)
def test_t251_json_of_another_server_is_no_answer(
    server: HostileServer, client: CloudKey, status: str, body: bytes
) -> None:
    server.answers(body, status=status)

    with pytest.raises(TransportException, match=f"answered HTTP {status[:3]}"):
        client.media.delete(id="0" * 24)


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
        ({"url": "http://"}, TransportException, "not of this cloud"),
        ({"url": "http://127.0.0.1:99999/"}, TransportException, "No answer"),
        ({"url": "http://127.0.0.1\r\nX: y/"}, TransportException, "not of this cloud"),
        ({"url": "http://169.254.169.254/latest/"}, TransportException, "not of this cloud"),
        ({"url": "http://localhost/"}, TransportException, "not of this cloud"),
        ({"url": "http://[::1]/"}, TransportException, "not of this cloud"),
        ({"url": "http://127.0.0.1@other.example/"}, TransportException, "not of this cloud"),
        ({"url": "http://127.0.0.1.other.example/"}, TransportException, "not of this cloud"),
        ({"url": "http://" + "x" * 1_000_000 + "/"}, TransportException, "not of this cloud"),
        ({"url": "http://127.0.0.1:1/" + "x" * 1_000_000}, TransportException, "not of this cloud"),
        ({"url": "http://127.0.0.1\\@other.example/"}, TransportException, "not of this cloud"),
        ({"url": "http://other.example\\@127.0.0.1/"}, TransportException, "not of this cloud"),
        ({"url": "http://127.0.0.1:1/\u0130"}, TransportException, "not of this cloud"),
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

    with within(1), pytest.raises(error, match=message) as caught:
        client.file.upload_file(io.BytesIO(b"content"))

    assert len(str(caught.value)) < 200
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("base_url", "url", "is_taken"),
    [
        ("http://api.dmcloud.example", "http://upload-02.dmcloud.example/upload", True),
        ("https://video.example.org", "https://video.example.org:8443/upload", True),
        ("https://Video.example.org", "https://video.EXAMPLE.org/upload", True),
        ("https://example.org", "https://upload.example.org/upload", True),
        ("https://video.example.org", "https://example.org/upload", False),
        ("https://video.example.org", "https://evilexample.org/upload", False),
        ("https://video.example.org", "https://example.org.evil.example/upload", False),
        ("https://example.org", "https://evil.org/upload", False),
        ("http://cloud", "http://other/upload", False),
        ("http://192.0.2.7", "http://192.0.2.8/upload", False),
        ("http://192.0.2.7", "http://x.0.2.7/upload", False),
    ],
)
def test_t252_upload_goes_to_the_cloud_s_own_hosts_only(
    base_url: str, url: str, is_taken: bool
) -> None:
    refusal = "not of this cloud; refused"
    with nullcontext() if is_taken else pytest.raises(TransportException, match=refusal):
        check_upload_address(url, base_url)


@pytest.mark.parametrize("host", ["x" * 64 + ".cloud.invalid", "a..cloud.invalid"])
def test_t252_host_that_cannot_be_one_is_a_transport_exception(host: str) -> None:
    body = MultipartBody(io.BytesIO(b"x"), name="x", size=1)

    with within(2), pytest.raises(TransportException, match="No answer from http://") as caught:
        HTTPTransport("http://cloud.invalid").send(f"http://{host}/upload", body)

    assert not caught.value.ambiguous


def test_t254_proxy_of_a_wrong_client_is_not_shown() -> None:
    with pytest.raises(ValueError, match="retries must be") as caught:
        CloudKey(USER_ID, API_KEY, "http://cloud.invalid", proxy="http://me:pa55word@x", retries=-1)

    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "pa55word" not in "".join(str(frame.locals) for frame in list(shown.stack)[1:])


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
        (b'{"url": "x"}', "201 Created", TransportException, "answered HTTP 201"),
        (b"", "204 Empty", TransportException, "answered HTTP 204"),
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


def test_t254_proxy_of_the_environment_carries_the_calls(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//me:pa55word@"))
    server.does(OK)

    assert CloudKey(USER_ID, API_KEY, "http://cloud.invalid").media.list() == 7
    assert server.requests[0].head.startswith("POST http://cloud.invalid/api HTTP/1.1")
    assert server.requests[0].header("Proxy-Authorization").startswith("Basic ")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_t254_proxy_that_is_given_counts_more_than_that_of_the_environment(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    client = CloudKey(USER_ID, API_KEY, "http://cloud.invalid", proxy=server.url, retries=0)
    server.does(OK)

    assert client.media.list() == 7


@pytest.mark.parametrize(
    "behaviour", [answer(PAGE, "407 Who"), answer(PAGE, "502 No"), hang_up, junk, silence]
)
def test_t254_refused_tunnel_is_a_transport_exception(
    server: HostileServer, caplog: pytest.LogCaptureFixture, behaviour: Behaviour
) -> None:
    server.does(behaviour)
    client = CloudKey(
        USER_ID,
        API_KEY,
        "https://cloud.invalid",
        proxy=server.url.replace("//", "//me:pa55word@"),
        timeout=Timeout(connect=0.3, read=0.3, total=1),
        retries=1,
    )

    with within(2), caplog.at_level(logging.DEBUG), pytest.raises(TransportException) as caught:
        client.media.list()

    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert str(caught.value).startswith("300: No answer from https://cloud.invalid (")
    assert server.requests[0].head.startswith("CONNECT cloud.invalid:443 HTTP/1.")
    assert {request.body for request in server.requests} == {b""}
    assert "pa55word" not in shown
    assert USER_ID not in "".join(request.head for request in server.requests)


@pytest.mark.parametrize("proxy", ["127.0.0.1:1", "http://", "http://[", "socks5://x", "x:y@:z"])
def test_t254_proxy_that_is_none_is_a_transport_exception(proxy: str) -> None:
    client = CloudKey(USER_ID, API_KEY, "http://cloud.invalid", proxy=proxy, retries=0)

    with within(2), pytest.raises(TransportException, match="No answer from"):
        client.media.list()


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


# TLS


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that clients of this test trust."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    return authority


def over_tls(server: HostileServer, context: ssl.SSLContext) -> CloudKey:
    """Let *server* speak TLS, and return a client that calls it as ``localhost``."""
    server.tls = context
    server.does(OK)
    url = server.url.replace("http://127.0.0.1", "https://localhost")
    return CloudKey(USER_ID, API_KEY, url, timeout=Timeout(connect=2, read=2, total=4))


def test_t255_trusted_server_is_called_and_told_its_name(
    server: HostileServer, authority: Authority
) -> None:
    names: list[str | None] = []
    context = authority.context()
    context.sni_callback = lambda connection, name, context: names.append(name)

    assert over_tls(server, context).media.list() == 7
    assert names == ["localhost"]


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param({"name": "other.example"}, id="of-another-host"),
        pytest.param({"name": "*.localhost"}, id="of-hosts-below"),
        pytest.param({"days": -1}, id="expired"),
        pytest.param({"is_self_signed": True}, id="self-signed"),
    ],
)
def test_t255_server_without_a_good_certificate_gets_no_request(
    server: HostileServer, authority: Authority, certificate: dict[str, Any]
) -> None:
    client = over_tls(server, authority.context(**certificate))

    with (
        within(2),
        pytest.raises(TransportException, match="SSLError"),
    ):
        client.media.list()

    assert server.requests == []
    assert server.connections == 1, "a certificate does not become good by trying again"


def test_t255_authority_that_is_not_trusted_is_not(
    server: HostileServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")

    with within(2), pytest.raises(TransportException, match="SSLError"):
        over_tls(server, authority.context()).media.list()

    assert server.requests == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:.*TLSv1.*:DeprecationWarning")
def test_t255_tls_of_old_is_refused(
    server: HostileServer, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version

    with within(2), pytest.raises(TransportException, match="SSLError"):
        over_tls(server, context).media.list()

    assert server.requests == []


def test_t255_oldest_tls_that_is_spoken_is_1_2(server: HostileServer, authority: Authority) -> None:
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert over_tls(server, context).media.list() == 7


@pytest.mark.parametrize("bundle", ["missing.pem", "", "junk.pem"], ids=["missing", "dir", "junk"])
def test_t255_bundle_of_authorities_that_is_none_is_a_transport_exception(
    server: HostileServer,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    bundle: str,
) -> None:
    (tmp_path / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\njunk\n")
    (tmp_path / "empty").mkdir()
    client = over_tls(server, authority.context())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / (bundle or "empty")))

    with pytest.raises(TransportException, match="No answer from https://localhost"):
        client.media.list()

    assert server.requests == []


def test_t255_server_without_tls_is_a_transport_exception(server: HostileServer) -> None:
    server.does(OK)
    url = server.url.replace("http:", "https:")
    client = CloudKey(USER_ID, API_KEY, url, timeout=Timeout(connect=1, read=0.3, total=1))

    with within(2), pytest.raises(TransportException, match="No answer from https://127"):
        client.media.list()


def test_t255_nothing_turns_verification_off(
    server: HostileServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    client = over_tls(server, authority.context(is_self_signed=True))
    for name in ("PYTHONHTTPSVERIFY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_VERIFY"):
        monkeypatch.setenv(name, "")
    with pytest.raises(TransportException, match="SSLError"):
        client.media.list()
    for kind in (CloudKey, HTTPTransport):
        assert "verify" not in inspect.signature(kind).parameters
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "VERIFY": False}}
    with pytest.raises(ImproperlyConfigured, match="has an unknown key 'VERIFY'"):
        account_settings("default")

    assert server.requests == []


# Names and keys


@pytest.mark.parametrize(
    "user_id", [None, "", "é" * 24, "4d0c 0ffee", f"{USER_ID}\n", "\0", b"4d0c0ffee", 7]
)
def test_p01_t259_user_id_that_is_none_is_refused_at_once(user_id: Any) -> None:
    with pytest.raises(ValueError, match="user_id must be visible ASCII") as caught:
        CloudKey(user_id, API_KEY, "https://video.example.org")

    assert str(caught.value) == f"user_id must be visible ASCII characters, got {user_id!r}."


BAD_KEYS = [
    *(None, "", API_KEY.encode(), API_KEY + "\n", API_KEY[:20] + " " + API_KEY[20:]),
    *("\ufeff" + API_KEY, "ключ" * 10, API_KEY + "\0", 7),
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_t259_key_that_is_none_is_refused_at_once_and_not_shown(key: Any) -> None:
    with pytest.raises(ValueError, match="api_key must be") as caught:
        CloudKey(USER_ID, key, "https://video.example.org")

    assert str(caught.value) == "api_key must be visible ASCII characters, without spaces."
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert not any(API_KEY[:20] in str(frame.locals) for frame in list(shown.stack)[1:])


@pytest.mark.parametrize("key", BAD_KEYS)
def test_t259_key_of_the_settings_is_checked(settings: Any, key: Any) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "API_KEY": key}}

    (message,) = check_accounts(None)
    with pytest.raises(ImproperlyConfigured) as caught:
        cloudkeys["default"]

    assert message.id == "cloudkey.E002"
    assert message.msg == str(caught.value)
    assert message.msg in (
        'CLOUDKEYS["default"]["API_KEY"] is missing.',
        'CLOUDKEYS["default"]["API_KEY"] must be visible ASCII characters, without spaces.',
    )


@pytest.mark.parametrize("user_id", [None, "", "é" * 24, USER_ID + "\n", USER_ID.encode(), 7])
def test_t259_user_id_of_the_settings_is_checked(settings: Any, user_id: Any) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "USER_ID": user_id}}

    (message,) = check_accounts(None)

    assert message.id == "cloudkey.E002"
    assert message.msg.startswith('CLOUDKEYS["default"]["USER_ID"] ')


@pytest.mark.parametrize(
    "name",
    ["_x", "__await__", "__html__", "keys", "items", "values", "mro", "copy", "alters_data"],
)
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


THREADS = 32


@pytest.mark.parametrize("calls", [40, pytest.param(1000, marks=pytest.mark.full)])
def test_t260_threads_on_one_client_get_their_own_answers(calls: int) -> None:
    gate = threading.Barrier(THREADS)

    def work(thread: int) -> list[int]:
        gate.wait(10)
        others = [client, client.act_as_user(f"user{thread}")]
        users = [USER_ID, f"{USER_ID}/user{thread}"]
        connections = []
        for turn in range(calls):
            number = thread * calls + turn
            user, args, so_far = others[turn % 2].test.echo(number=number)
            assert (user, args) == (users[turn % 2], {"number": number})
            connections.append(so_far)
        return connections

    with echo_server() as url:
        client = CloudKey(USER_ID, key_of(USER_ID), url, retries=0)
        with ThreadPoolExecutor(THREADS) as pool:
            connections = [number for found in pool.map(work, range(THREADS)) for number in found]

    assert len(connections) == THREADS * calls
    assert max(connections) <= THREADS


def test_t260_tasks_of_asyncio_get_their_own_answers() -> None:
    async def ask_for(client: CloudKey, number: int) -> bool:
        other = client.act_as_user(f"user{number}")
        answer = await asyncio.to_thread(other.test.echo, number=number)
        return bool(answer[:2] == [f"{USER_ID}/user{number}", {"number": number}])

    async def ask(client: CloudKey) -> list[bool]:
        return await asyncio.gather(*(ask_for(client, number) for number in range(200)))

    with echo_server() as url:
        assert all(asyncio.run(ask(CloudKey(USER_ID, key_of(USER_ID), url))))


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


# Secrets


@dataclass
class Failing:
    """A transport that fails deep inside a call, or an upload."""

    bodies: list[bytes] = field(default_factory=list)

    def call(self, body: bytes, **how: Any) -> Answer:
        self.bodies.append(body)
        raise ZeroDivisionError

    def send(self, url: str, body: MultipartBody) -> bytes:
        raise NotImplementedError

    def fetch(self, url: str, start: int, length: int) -> bytes:
        raise NotImplementedError


def shown_by(error: BaseException) -> str:
    """Return all that a log with frame variables and Django's page of an error show of *error*."""
    trace = error.__traceback__ and error.__traceback__.tb_next  # the test's own frame knows all
    captured = traceback.TracebackException(type(error), error, trace, capture_locals=True)
    page = technical_500_response(RequestFactory().get("/"), type(error), error, trace)
    text = "".join(captured.format()) + page.content.decode()
    assert "media.list" in text
    return text


def test_t261_no_traceback_with_locals_and_no_technical_page_shows_a_secret() -> None:
    transport = Failing()
    client = CloudKey(USER_ID, API_KEY, "https://video.example.org", transport=transport)

    with pytest.raises(ZeroDivisionError) as caught:
        client.act_as_user("someone").media.list(fields=["id"])

    digest = json.loads(transport.bodies[0])["auth"].rpartition(":")[2]
    things = (client, client.media, transport, client.api_key, vars(client), vars(client.media))
    for text in (shown_by(caught.value), *map(repr, things), *map(str, things)):
        assert API_KEY[:12] not in text
        assert digest not in text


@pytest.mark.parametrize(
    "behaviour", [reset, junk, half_a_body, answer(b"<html>"), answer(b"", "302 x")]
)
def test_t261_no_failure_of_the_network_shows_a_secret_in_frames(
    server: HostileServer, client: CloudKey, behaviour: Behaviour
) -> None:
    server.does(behaviour)

    with pytest.raises(RPCException) as caught:
        client.media.list(fields=["id"])

    text = shown_by(caught.value)
    assert API_KEY[:12] not in text
    assert server.requests[0].json["auth"].rpartition(":")[2] not in text


def test_t261_interruption_inside_the_http_library_shows_no_secret(
    server: HostileServer, client: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Any) -> None:
        raise KeyboardInterrupt

    server.answers(b'{"result": 1}')
    client.media.list()
    monkeypatch.setattr("http.client.HTTPConnection.getresponse", interrupt)

    with pytest.raises(KeyboardInterrupt) as caught:
        client.media.list(fields=["id"])

    wait_for(lambda: len(server.requests) == 2)
    text = shown_by(caught.value)
    assert "urllib3" in text
    assert API_KEY[:12] not in text
    assert server.requests[1].json["auth"].rpartition(":")[2] not in text


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


# Interruptions

UPLOADING = """
import contextlib, os, signal, sys
from django_cloudkey.client import CloudKey

def stop(*args):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, stop)
client = CloudKey(*sys.argv[1:4])
error = None
try:
    client.file.upload_file(sys.argv[4])
except BaseException as caught:
    error = type(caught).__name__
links = []
for number in os.listdir("/proc/self/fd"):
    with contextlib.suppress(OSError):
        links.append(os.readlink(f"/proc/self/fd/{number}"))
sockets = [link for link in links if link.startswith("socket:")]
print(error, links.count(sys.argv[4]), len(sockets), flush=True)
sys.stdin.readline()
print(client.media.list())
"""


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "SystemExit")],
    ids=["SIGINT", "SIGTERM"],
)
def test_t264_interrupted_upload_leaves_nothing_open_and_is_not_repeated(
    server: HostileServer, tmp_path: Path, number: signal.Signals, error: str
) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(256 << 20)
    begun, ended = threading.Event(), threading.Event()

    def take_some(connection: socket.socket, request: Request) -> None:
        connection.recv(1 << 20)
        begun.set()
        time.sleep(0.3)
        with suppress(ConnectionError):
            while connection.recv(1 << 20):
                pass
        ended.set()

    server.reads_bodies = lambda request: "/upload" not in request.head
    server.does(answer(ticket(sealed(server))), take_some, OK)
    command = [sys.executable, "-c", UPLOADING, USER_ID, API_KEY, server.url, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert begun.wait(20)
        process.send_signal(number)
        shown = process.stdout.readline().split()
        assert ended.wait(5), "the connection is open while the process goes on"
        assert process.poll() is None
        asked = [request.head.split()[1].partition("?")[0] for request in server.requests]
        rest, _ = process.communicate("go on\n", timeout=20)

    assert shown == [error, "0", "0"]
    assert asked == ["/api", "/upload"]
    assert rest == "7\n", "the client is of no more use"


def test_t264_interruption_in_the_callback_closes_the_file(
    server: HostileServer, client: CloudKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(sent: int, size: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.mp4"
    path.write_bytes(b"content")
    files: list[io.BufferedReader] = []

    def remember(file: io.BufferedReader) -> int:
        files.append(file)
        return size_of(file)

    monkeypatch.setattr("django_cloudkey.client.file.size_of", remember)
    server.does(answer(ticket(sealed(server))), OK)

    with pytest.raises(KeyboardInterrupt):
        client.file.upload_file(path, interrupt)

    assert [file.closed for file in files] == [True]
    assert client.media.list() == 7
    assert [request.head.split()[1] for request in server.requests] == ["/api", "/api"]


# The list

NOT_YET = {
    262: "scheme 2, which there is not yet",
    263: "a test plugin, which there is not",
}


def test_every_case_has_a_test() -> None:
    names = " ".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    found = {int(number) for number in re.findall(r"def test_t(\d+)_", names)}

    assert set(range(247, 266)) - found == set(NOT_YET)
