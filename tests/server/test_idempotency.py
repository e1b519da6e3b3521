"""One key, one execution: the same call twice is carried out once and answered alike."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from django_cloudkey.protocol.exceptions import InvalidCall, InvalidParameter
from django_cloudkey.server.models import Account, Media, SavedAnswer
from django_cloudkey.server.rpc.idempotency import answer_once
from django_cloudkey.server.rpc.registry import METHODS
from django_cloudkey.server.rpc.views import answer
from django_cloudkey.server.worker import tidy_up

from ..conftest import Cloud
from ..processes import ROOT, environment
from .test_rpc import UNKNOWN
from .wire import post, signed

CREATE = {"call": "media.create", "args": {"meta": {"title": "One"}}}
BODY = b"the body of a request"
KILLED = """
import django, os, signal, sys
django.setup()
from django_cloudkey.server.models import Account, Media
from django_cloudkey.server.rpc.idempotency import answer_once

def work():
    Media.objects.create(account=account)
    os.kill(os.getpid(), signal.SIGKILL)

account = Account.objects.get()
answer_once(account, "key", b"the body of a request", work)
"""


def ask(account: Account, request: dict[str, Any], key: str | None = "key") -> dict[str, Any]:
    """Return the decoded answer to a signed *request* that carries *key*."""
    decoded: dict[str, Any] = json.loads(answer(signed(account, request), key=key)[0])
    return decoded


def create(account: Account) -> Callable[[], Any]:
    return lambda: {"id": Media.objects.create(account=account).pk}


def killed_while_creating(settings: Any) -> None:
    """Carry a call out in a process that is killed after its writes, before their commit."""
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, cwd=ROOT, env=environment(settings), timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


def let_pass(**past: float) -> None:
    """Move every saved answer back in time."""
    for row in SavedAnswer.objects.all():
        row.expires -= timedelta(**past)
        row.claim_expires -= timedelta(**past)
        row.save()


def test_every_method_says_whether_it_writes() -> None:
    reads = re.compile(r"\w+\.(get|info|list|search|count|whoami)(_\w+)?")

    writing = {name for name, method in METHODS.items() if method.writes}

    assert writing == {name for name in METHODS if not reads.fullmatch(name)}


def test_same_key_and_body_get_the_saved_answer(account: Account) -> None:
    first, second = ask(account, CREATE), ask(account, CREATE)

    assert first == second
    assert first["result"]["id"] == Media.objects.get().pk


def test_without_a_key_or_with_another_each_call_is_carried_out(account: Account) -> None:
    for key in (None, None, "one", "two"):
        ask(account, CREATE, key)

    assert Media.objects.count() == 4


def test_same_key_with_another_body_is_refused(account: Account) -> None:
    ask(account, CREATE)

    refused = ask(account, {"call": "media.create"})

    assert refused["error"] == {
        "code": 630,
        "message": "This Idempotency-Key was used for another request.",
    }
    assert Media.objects.count() == 1


def test_key_is_its_accounts_own(account: Account) -> None:
    other = Account.objects.create(name="other")

    ids = {ask(each, CREATE)["result"]["id"] for each in (account, other)}

    assert len(ids) == 2


def test_error_of_the_application_is_saved_and_what_it_wrote_is_not(account: Account) -> None:
    request = {"call": "media.delete", "args": {"id": UNKNOWN}}
    first = ask(account, request)
    Media.objects.create(pk=UNKNOWN, account=account)

    assert first["error"]["code"] == 1010
    assert ask(account, request) == first
    assert Media.objects.filter(pk=UNKNOWN).exists()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"call": "media.create", "args": {"nothing": 1}}, 630),
        ({"call": "media.create", "args": {"url": "http://elsewhere.example/a.mp4"}}, 630),
        ({"call": "media.nothing"}, 620),
        ({"call": "media"}, 640),
        ({"call": "media.list", "args": {"page": 0}}, 630),
    ],
)
def test_call_that_is_refused_before_it_does_anything_keeps_no_key(
    account: Account, request_: dict[str, Any], code: int
) -> None:
    assert ask(account, request_)["error"]["code"] == code

    assert not SavedAnswer.objects.exists()
    assert ask(account, CREATE)["result"]


def test_stranger_leaves_no_key(account: Account) -> None:
    body = signed(account, CREATE).replace(b"One", b"Two")

    assert json.loads(answer(body, key="key")[0])["error"]["code"] == 400
    assert not SavedAnswer.objects.exists()


def test_unexpected_failure_changes_nothing_and_gives_the_key_back(account: Account) -> None:
    def fail() -> Any:
        Media.objects.create(account=account)
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        answer_once(account, "key", BODY, fail)

    assert not Media.objects.exists()
    assert json.loads(answer_once(account, "key", BODY, create(account)))["result"]


def test_key_means_nothing_to_a_call_that_reads(account: Account) -> None:
    first = ask(account, {"call": "media.list"}, "é" * 300)
    Media.objects.create(account=account)

    second = ask(account, {"call": "media.list"}, "é" * 300)

    assert (first["result"]["total"], second["result"]["total"]) == (0, 1)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\t", "é", "x" * 256, "a\n"])
def test_malformed_key_is_refused(account: Account, key: str) -> None:
    assert ask(account, CREATE, key)["error"] == {
        "code": 630,
        "message": "Idempotency-Key must be 1 to 255 visible ASCII characters.",
    }
    assert not Media.objects.exists()


@pytest.mark.parametrize("key", ["!", "x" * 255, '"quoted,~"'])
def test_key_may_be_any_visible_ascii(account: Account, key: str) -> None:
    assert ask(account, CREATE, key) == ask(account, CREATE, key)


def test_key_is_forgotten_after_a_day(account: Account) -> None:
    first = ask(account, CREATE)
    let_pass(hours=23, minutes=59)
    assert ask(account, CREATE) == first

    let_pass(minutes=2)

    assert ask(account, CREATE) != first
    assert SavedAnswer.objects.count() == 1


def test_worker_removes_what_expired(account: Account) -> None:
    ask(account, CREATE, "old")
    let_pass(hours=25)
    ask(account, CREATE, "new")

    tidy_up()

    assert list(SavedAnswer.objects.values_list("key", flat=True)) == ["new"]


def test_killed_process_leaves_nothing_but_its_claim_and_that_for_a_minute(
    account: Account, settings: Any
) -> None:
    killed_while_creating(settings)

    assert not Media.objects.exists()
    with pytest.raises(InvalidCall, match="still at work") as caught:
        answer_once(account, "key", BODY, create(account))
    assert caught.value.data == {"retry_after": 1}
    let_pass(seconds=61)
    with pytest.raises(InvalidParameter, match="used for another request"):
        answer_once(account, "key", b"another body", create(account))
    assert json.loads(answer_once(account, "key", BODY, create(account)))["result"]
    assert Media.objects.count() == 1


def test_who_lost_his_claim_can_commit_nothing(account: Account) -> None:
    def slow() -> Any:
        Media.objects.create(account=account)
        SavedAnswer.objects.update(claim="another")
        return "slow"

    with pytest.raises(InvalidCall, match="still at work"):
        answer_once(account, "key", BODY, slow)

    assert not Media.objects.exists()


def test_fifty_racing_calls_with_one_key_make_one_media(cloud: Cloud, live_server: Any) -> None:
    live_server.thread.httpd.socket.listen(50)  # its queue of ten would reset some
    body = signed(cloud.account, CREATE)
    start = threading.Barrier(50)
    refusals: list[Any] = []

    def call(_: int) -> str:
        start.wait(20)
        for _ in range(20):
            response, content = post(cloud, body, headers={"Idempotency-Key": "race"})
            assert response.getheader("CloudKey-Features") == "idempotency, scheme2"
            answer = json.loads(content)
            if "result" in answer:
                return str(answer["result"]["id"])
            refusals.append(answer["error"])
            time.sleep(answer["error"]["data"]["retry_after"])
        raise AssertionError("the first call never ended")

    with ThreadPoolExecutor(50) as pool:
        ids = list(pool.map(call, range(50)))

    assert set(ids) == {Media.objects.get().pk}
    assert len(ids) == 50
    assert {error["code"] for error in refusals} <= {640}


def test_racing_calls_take_over_an_abandoned_claim_once(account: Account) -> None:
    fresh = timezone.now()
    SavedAnswer.objects.create(
        account=account,
        key="key",
        digest="03bca0d8d9bba5e0ba0b5ee2bc6d0c7b3a7b0c0d",
        claim="dead",
        claim_expires=fresh - timedelta(seconds=1),
        expires=fresh - timedelta(seconds=1),
    )
    start = threading.Barrier(8)

    def call(_: int) -> str:
        start.wait()
        try:
            return answer_once(account, "key", BODY, create(account)).decode()
        except InvalidCall as error:
            return error.message
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(call, range(8)))

    assert Media.objects.count() == 1
    assert len({each for each in answers if "result" in each}) == 1


def test_features_are_announced_with_every_answer(cloud: Cloud) -> None:
    for body in (b"", b"{}", signed(cloud.account, {"call": "media.list"})):
        assert post(cloud, body)[0].getheader("CloudKey-Features") == "idempotency, scheme2"
