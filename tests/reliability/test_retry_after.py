"""F28: a server that asks to come back later is left alone for so long, and no longer."""

from __future__ import annotations

import time
from typing import Any

import pytest

from django_cloudkey.client import CloudKey, RateLimitExceeded, TransportException, transport
from django_cloudkey.client.retries import BUDGET, FIRST_PAUSE
from django_cloudkey.client.transport import Timeout

from ..client.conftest import API_KEY, USER_ID, HostileServer, answer, server  # noqa: F401

ASKED = 20
ERROR_410 = b'{"error": {"code": 410, "message": "Too many calls."}}'


class Clock:
    """A clock that is ahead by the time that was slept away."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(transport, "time", clock)
    for name in ("FULL", "tokens"):
        monkeypatch.setattr(BUDGET, name, 2.0 * ASKED, raising=False)
    return clock


@pytest.mark.parametrize("busy", ["429 Slow Down", "503 Busy", "200 OK"])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("1", 1),
        ("60", 60),
        ("1000000000", 60),
        ("-1", 0),
        ("soon", 0),
        ("\x00\xff", 0),
        ("1, 2", 0),
        ("", 0),
    ],
)
def test_f28_retry_after_is_honoured_capped_and_jittered(
    server: HostileServer,  # noqa: F811
    clock: Clock,
    busy: str,
    asked: str,
    seconds: float,
) -> None:
    later = answer(ERROR_410, busy, f"Retry-After: {asked}\r\n")
    server.does(*[later, answer(b'{"result": 7}')] * ASKED)
    client = CloudKey(USER_ID, API_KEY, server.url, timeout=Timeout(total=10_000))

    assert [client.media.list() for _ in range(ASKED)] == [7] * ASKED

    assert len(clock.slept) == ASKED
    assert seconds <= min(clock.slept)
    assert max(clock.slept) <= seconds + FIRST_PAUSE
    assert len(set(clock.slept)) == ASKED


def test_f28_wait_that_the_call_has_no_time_for_is_not_begun(
    server: HostileServer,  # noqa: F811
    clock: Clock,
) -> None:
    server.answers(ERROR_410, status="429 Slow Down", headers="Retry-After: 1000000000\r\n")
    client = CloudKey(USER_ID, API_KEY, server.url)

    with pytest.raises(RateLimitExceeded, match="410: Too many calls"):
        client.media.list()

    assert clock.slept == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("call", ["media.create", "file.upload", "other.thing"])
def test_f28_write_that_was_refused_is_not_repeated(
    server: HostileServer,  # noqa: F811
    clock: Clock,
    call: str,
) -> None:
    server.answers(b"<html>", status="429 Slow Down", headers="Retry-After: 1\r\n")
    client = CloudKey(USER_ID, API_KEY, server.url)

    with pytest.raises(TransportException, match="answered HTTP 429"):
        client.call(call)

    assert clock.slept == []
    assert len(server.requests) == 1


def test_f28_server_that_is_always_busy_is_asked_three_times(
    server: HostileServer,  # noqa: F811
    clock: Clock,
) -> None:
    server.answers(ERROR_410, status="429 Slow Down", headers="Retry-After: 1\r\n")
    client: Any = CloudKey(USER_ID, API_KEY, server.url)

    with pytest.raises(RateLimitExceeded):
        client.media.list()

    assert len(server.requests) == 3
    assert [int(seconds) for seconds in clock.slept] == [1, 1]
