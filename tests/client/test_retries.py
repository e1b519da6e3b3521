"""What is sent again, how long after, and what never is."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest

from django_cloudkey.client import CloudKey, InvalidParameter, RateLimitExceeded, TransportException
from django_cloudkey.client.retries import BUDGET, READS, Budget, pause
from django_cloudkey.client.transport import HTTPTransport, Timeout

from .behaviours import OK, PAGE, hang_up, silence
from .conftest import API_KEY, USER_ID, Behaviour, HostileServer, answer


@pytest.fixture
def client(server: HostileServer) -> CloudKey:
    """A client that repeats, of the hostile server."""
    timeout = Timeout(connect=0.5, read=0.3, total=2)
    return CloudKey(USER_ID, API_KEY, server.url, timeout=timeout)


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


def test_key_of_a_callers_own_is_sent_once_the_cloud_is_known_to_heed_it(
    server: HostileServer, client: CloudKey
) -> None:
    heeds = "CloudKey-Features: idempotency\r\n"
    created = b'{"result": {"id": "4d0c0ffee0000000000000aa"}}'
    server.does(answer(b'{"result": null}', headers=heeds), hang_up, answer(created))

    client.once("k1").media.create()

    assert [request.header("Idempotency-Key") for request in server.requests] == ["", "k1", "k1"]


@pytest.mark.parametrize("code", [400, 620])
def test_refusal_tells_what_the_cloud_heeds_as_well(
    server: HostileServer, client: CloudKey, code: int
) -> None:
    refused = json.dumps({"error": {"code": code, "message": "no"}}).encode()
    created = b'{"result": {"id": "4d0c0ffee0000000000000aa"}}'
    server.does(answer(refused, headers="CloudKey-Features: idempotency\r\n"), answer(created))

    client.once("k1").media.create()

    assert [request.header("Idempotency-Key") for request in server.requests] == ["", "k1"]


def test_key_is_no_leave_to_repeat_where_the_cloud_does_not_heed_it(
    server: HostileServer, client: CloudKey
) -> None:
    server.does(OK, hang_up, OK)

    with pytest.raises(TransportException):
        client.once("k1").media.create()

    assert [request.header("Idempotency-Key") for request in server.requests] == ["", ""]


@pytest.mark.parametrize("key", ["", "é", "a b", "a\n", "x" * 256, None, 7])
def test_key_that_is_none_is_refused_before_anything_is_sent(
    server: HostileServer, client: CloudKey, key: Any
) -> None:
    with pytest.raises(InvalidParameter, match="key must be 1 to 255 visible ASCII characters"):
        client.once(key).media.create()

    assert server.requests == []


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
