"""How often somebody may call, counted in rows that every process shares."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from django_cloudkey.client import CloudKey, RateLimitExceeded
from django_cloudkey.server import geography
from django_cloudkey.server.models import Account, RateCounter
from django_cloudkey.server.rpc import limits
from django_cloudkey.server.worker import tidy_up

from ..conftest import Cloud
from .test_idempotency import ask
from .wire import LIST, post, signed


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}


def let_the_minute_pass() -> None:
    RateCounter.objects.update(expires=timezone.now() - timedelta(seconds=1))


def failing(cloud: Cloud, **headers: str) -> Any:
    body = signed(cloud.account, LIST).replace(b"list", b"info")
    return json.loads(post(cloud, body, headers=headers)[1])["error"]


def test_calls_have_no_limit_by_default_and_write_nothing(account: Account) -> None:
    for _ in range(5):
        assert ask(account, LIST)["result"]

    assert not RateCounter.objects.exists()


def test_nobody_asks_where_a_caller_is(
    cloud: Cloud, geography_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those files are read into memory, of processes that answer viewers."""
    monkeypatch.setattr(geography, "_atlases", {})

    assert cloud.client.media.list()["list"] == []

    assert geography._atlases == {}


def test_account_over_its_limit_is_told_when_to_come_back(cloud: Cloud, settings: Any) -> None:
    configure(settings, RATE_LIMIT=3)
    other = Account.objects.create(name="other")
    for _ in range(3):
        cloud.client.media.list()

    with pytest.raises(RateLimitExceeded, match="410: Too many calls; try again in") as caught:
        CloudKey(cloud.account.pk, cloud.account.api_key, cloud.base_url, retries=0).media.list()

    assert set(caught.value.data) == {"retry_after"}
    assert 1 <= caught.value.data["retry_after"] <= 60
    assert post(cloud, signed(cloud.account, LIST))[0].status == 200
    assert ask(other, LIST)["result"]
    let_the_minute_pass()
    assert cloud.client.media.list()["total"] == 0


def test_refused_calls_are_carried_out_by_nobody(account: Account, settings: Any) -> None:
    configure(settings, RATE_LIMIT=2)

    answers = [ask(account, {"call": "media.create"}, None) for _ in range(4)]

    assert [each.get("error", {}).get("code") for each in answers] == [None, None, 410, 410]
    configure(settings, RATE_LIMIT=None)
    assert ask(account, LIST)["result"]["total"] == 2


@pytest.mark.parametrize("limit", [None, 0])
def test_limit_can_be_off(account: Account, settings: Any, limit: int | None) -> None:
    configure(settings, RATE_LIMIT=limit)

    assert all(ask(account, LIST)["result"] for _ in range(3))
    assert not RateCounter.objects.exists()


@pytest.mark.parametrize("has_row", [False, True], ids=["first minute", "next minute"])
def test_racing_calls_get_exactly_what_the_limit_says(
    account: Account, settings: Any, has_row: bool
) -> None:
    configure(settings, RATE_LIMIT=20)
    if has_row:
        limits.count_call(account)
        let_the_minute_pass()
    start = threading.Barrier(8)

    def call(_: int) -> int:
        start.wait()
        admitted = 0
        try:
            for _ in range(5):
                try:
                    limits.count_call(account)
                    admitted += 1
                except RateLimitExceeded:
                    pass
        finally:
            connections.close_all()
        return admitted

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(8))) == 20


def test_unknown_user_counts_as_a_wrong_signature(cloud: Cloud, settings: Any) -> None:
    configure(settings, AUTH_FAILURE_LIMIT=2)
    body = json.dumps({**LIST, "auth": "nobody:" + "0" * 32}).encode()

    codes = [json.loads(post(cloud, body)[1])["error"]["code"] for _ in range(3)]

    assert codes == [400, 400, 410]


def test_malformed_request_is_no_failed_authentication(cloud: Cloud, settings: Any) -> None:
    configure(settings, AUTH_FAILURE_LIMIT=1)

    for body in (b"", b"{}", b'{"call": "media", "auth": "x"}'):
        post(cloud, body)

    assert not RateCounter.objects.exists()
    assert cloud.client.media.list()["total"] == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_addresses_count_as_one_when_one_person_has_them(
    account: Account, settings: Any, one: str, other: str, is_same: bool
) -> None:
    configure(settings, AUTH_FAILURE_LIMIT=1)
    limits.count_failure(one)

    try:
        limits.count_failure(other)
    except RateLimitExceeded:
        assert is_same
    else:
        assert not is_same


def test_unknown_address_is_not_counted(account: Account, settings: Any) -> None:
    configure(settings, AUTH_FAILURE_LIMIT=1)

    for _ in range(3):
        limits.count_failure("")

    assert not RateCounter.objects.exists()


def test_limit_of_failures_can_be_off(cloud: Cloud, settings: Any) -> None:
    configure(settings, AUTH_FAILURE_LIMIT=0)

    assert [failing(cloud)["code"] for _ in range(3)] == [400] * 3


def test_worker_removes_old_counters(account: Account) -> None:
    limits.count_failure("192.0.2.1")
    let_the_minute_pass()
    limits.count_failure("192.0.2.2")

    tidy_up()

    assert [row.name for row in RateCounter.objects.all()] == ["failures:192.0.2.2"]
