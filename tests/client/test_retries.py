"""What is sent again, how long after, and what never is."""

from __future__ import annotations

import io
import json
import socket
import time
from email.utils import formatdate
from typing import Any

import pytest

from django_cloudkey.client import CloudKey, RateLimitExceeded, TransportException
from django_cloudkey.client.retries import BUDGET, READS, Budget, pause, read_retry_after
from django_cloudkey.client.transport import HTTPTransport, Timeout

from .conftest import API_KEY, USER_ID, Behaviour, HostileServer, Request, answer

OK = answer(b'{"result": 7}')
PAGE = b"<html><h1>Come back later</h1></html>"


def hang_up(connection: socket.socket, request: Request) -> None:
    connection.close()


def silence(connection: socket.socket, request: Request) -> None:
    connection.recv(1)


def half_a_body(connection: socket.socket, request: Request) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"result"')


@pytest.fixture
def client(server: HostileServer) -> CloudKey:
    """A client that repeats, of the hostile server."""
    timeout = Timeout(connect=0.5, read=0.3, total=2)
    return CloudKey(USER_ID, API_KEY, server.url, timeout=timeout)


TROUBLE = [
    pytest.param(hang_up, id="closed"),
    pytest.param(silence, id="silent"),
    pytest.param(half_a_body, id="cut"),
    *(pytest.param(answer(PAGE, f"{n} Trouble"), id=str(n)) for n in (429, 502, 503, 504)),
    pytest.param(answer(b'{"error": {"code": 410, "message": "slow"}}', "429 Slow"), id="410"),
]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_t251_read_is_repeated(server: HostileServer, client: CloudKey, trouble: Behaviour) -> None:
    server.does(trouble, trouble, OK)

    assert client.media.list() == 7
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("call", ["media.create", "media.set_meta", "file.upload", "other.list"])
def test_t251_what_may_be_a_write_is_never_repeated(
    server: HostileServer, client: CloudKey, trouble: Behaviour, call: str
) -> None:
    server.does(trouble, OK)

    with pytest.raises((TransportException, RateLimitExceeded)):
        client.call(call)

    assert len(server.requests) == 1


def test_an_upload_is_never_repeated(server: HostileServer, client: CloudKey) -> None:
    ticket = json.dumps({"result": {"url": f"{server.url}/upload"}}).encode()
    server.does(answer(ticket), answer(PAGE, "503 Busy"), OK)

    with pytest.raises(TransportException, match="answered HTTP 503"):
        client.file.upload_file(io.BytesIO(b"content"))

    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        answer(PAGE, "500 Oops"),
        answer(PAGE, "404 No"),
        answer(b"", "302 Found", "Location: /api\r\n"),
        answer(b"no gzip", headers="Content-Encoding: gzip\r\n"),
    ],
    ids=["500", "404", "302", "encoding"],
)
def test_trouble_that_stays_is_not_repeated(
    server: HostileServer, client: CloudKey, reply: Behaviour
) -> None:
    server.does(reply, OK)

    with pytest.raises(TransportException):
        client.media.list()

    assert len(server.requests) == 1


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_repetitions_have_an_end(server: HostileServer, retries: int) -> None:
    client = CloudKey(USER_ID, API_KEY, server.url, retries=retries)
    server.answers(PAGE, status="503 Busy")

    with pytest.raises(TransportException, match="answered HTTP 503"):
        client.media.list()

    assert len(server.requests) == 1 + retries


def test_error_of_the_protocol_is_the_answer_in_the_end(server: HostileServer) -> None:
    client = CloudKey(USER_ID, API_KEY, server.url, retries=1)
    server.answers(b'{"error": {"code": 410, "message": "slow down"}}', status="429 Slow")

    with pytest.raises(RateLimitExceeded, match="410: slow down"):
        client.media.list()


def test_total_timeout_holds_for_all_repetitions(server: HostileServer) -> None:
    timeout = Timeout(connect=0.3, read=0.3, total=0.8)
    client = CloudKey(USER_ID, API_KEY, server.url, timeout=timeout, retries=50)
    server.does(silence)
    started = time.monotonic()

    with pytest.raises(TransportException):
        client.media.list()

    assert time.monotonic() - started < 1.2


def test_asked_to_wait_beyond_the_total_timeout_it_gives_up_at_once(
    server: HostileServer, client: CloudKey
) -> None:
    server.answers(PAGE, status="503 Busy", headers="Retry-After: 1000000000\r\n")
    started = time.monotonic()

    with pytest.raises(TransportException):
        client.media.list()

    assert time.monotonic() - started < 0.5
    assert len(server.requests) == 1


def test_retry_after_is_waited_for(server: HostileServer, client: CloudKey) -> None:
    server.does(answer(PAGE, "503 Busy", "Retry-After: 1\r\n"), OK)
    started = time.monotonic()

    assert client.media.list() == 7
    assert 1 <= time.monotonic() - started < 1.5


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


def test_pauses_grow_and_are_spread() -> None:
    for repetition, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]):
        pauses = [pause(repetition) for _ in range(200)]
        assert 0 <= min(pauses) < longest / 4
        assert longest * 3 / 4 < max(pauses) <= longest
    assert 5 <= pause(0, retry_after=5) <= 5.1


def test_an_outage_does_not_multiply_the_load(server: HostileServer) -> None:
    client = CloudKey(USER_ID, API_KEY, server.url)
    server.answers(PAGE, status="503 Busy")

    for _ in range(50):
        with pytest.raises(TransportException):
            client.media.list()

    assert len(server.requests) == 50 + Budget.FULL


def test_answers_earn_repetitions() -> None:
    budget = Budget()
    spent = sum(budget.spend() for _ in range(100))
    for _ in range(11):
        budget.earn()

    assert spent == 10
    assert [budget.spend(), budget.spend()] == [True, False]
    for _ in range(1000):
        budget.earn()
    assert budget.tokens == Budget.FULL


def test_the_budget_is_one_for_all_clients(server: HostileServer, client: CloudKey) -> None:
    BUDGET.tokens = 0
    server.does(answer(PAGE, "503 Busy"), OK)

    with pytest.raises(TransportException):
        client.act_as_user("someone").media.list()

    assert len(server.requests) == 1


def test_reads_are_remote_names_that_change_nothing() -> None:
    writes = ("create", "set", "remove", "delete", "reset", "upload", "add", "enable", "disable")

    assert [name for name in READS if name.partition(".")[2].startswith(writes)] == []


def test_idempotency_key_makes_a_write_repeatable(server: HostileServer) -> None:
    transport = HTTPTransport(server.url)
    features = "CloudKey-Features: idempotency, , scheme2\r\n"
    server.does(hang_up, answer(b'{"result": 1}', headers=features))

    answered = transport.call(b"{}", idempotency_key="k1")

    assert answered.features == {"idempotency", "scheme2"}
    assert [request.header("Idempotency-Key") for request in server.requests] == ["k1", "k1"]


# Arguments of the client


@pytest.mark.parametrize("retries", [-1, 1.5, True, "2", None])
def test_retries_must_be_a_whole_number(retries: Any) -> None:
    with pytest.raises(ValueError, match=f"retries must be a whole number from 0, got {retries!r}"):
        CloudKey(USER_ID, API_KEY, "https://x.example", retries=retries)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "10"])
def test_timeout_must_end(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout must be a number of seconds above 0, got"):
        CloudKey(USER_ID, API_KEY, "https://x.example", timeout=timeout)


def test_timeout_may_be_a_number() -> None:
    own = Timeout(connect=1, read=2, total=3)

    assert Timeout.of(3) == Timeout(connect=3, read=3, total=3)
    assert Timeout.of(100.5) == Timeout(connect=5, read=30, total=100.5)
    assert Timeout.of(None) == Timeout()
    assert Timeout.of(own) is own


def test_t247_timeout_of_a_number_is_kept(server: HostileServer) -> None:
    client = CloudKey(USER_ID, API_KEY, server.url, timeout=0.4)
    server.does(silence)
    started = time.monotonic()

    with pytest.raises(TransportException):
        client.media.list()

    assert time.monotonic() - started < 1


def test_proxy_carries_the_calls(server: HostileServer) -> None:
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
