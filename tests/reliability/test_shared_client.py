"""F39, F40: one client, shared by everything that may share it; no answer crosses over."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from django_cloudkey import client as client_package
from django_cloudkey import protocol
from django_cloudkey.client import CloudKey, RPCException
from django_cloudkey.client.transport import Answer

from ..echo import echo_server, key_of, reply

ROOT = Path(__file__).parent.parent.parent
PIECE = 25  # calls in one request to the site


def calls(some: int, all_of_them: int) -> pytest.MarkDecorator:
    """Parametrize with a number of calls for every run, and with that of the study."""
    full = pytest.param(all_of_them, marks=pytest.mark.full)
    return pytest.mark.parametrize("calls", [some, full])


@contextmanager
def preloading_site(echo_url: str) -> Iterator[str]:
    command = [sys.executable, "-m", "gunicorn", "--preload", "--bind=127.0.0.1:0", "--workers=4"]
    site = "tests.reliability.preloaded:application"
    with subprocess.Popen(
        [*command, "--threads=4", site],
        cwd=ROOT,
        env={**os.environ, "ECHO_URL": echo_url},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr
            lines = iter(process.stderr.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
        finally:
            process.terminate()
            process.communicate(timeout=20)


@calls(1000, 10_000)
def test_f39_client_made_before_gunicorn_forks_mixes_nothing(calls: int) -> None:
    with echo_server() as echo_url, preloading_site(echo_url) as url:

        def ask(start: int) -> list[int]:
            query = {"start": start, "count": PIECE}
            return [int(n) for n in requests.get(url, query, timeout=60).text.split()]

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(0, calls, PIECE)))

    assert len({worker for worker, _ in answers}) > 1, "only one worker was asked"
    assert [wrong for _, wrong in answers] == [0] * (calls // PIECE)


FORKS = """
import multiprocessing, sys
from tests.reliability.preloaded import wrong_answers
children, count = int(sys.argv[1]), int(sys.argv[2])
with multiprocessing.get_context("fork").Pool(children) as pool:
    found = pool.starmap_async(wrong_answers, [(n * count, count) for n in range(children)], 1)
    print(wrong_answers(-count, count), *found.get(120))
"""


@calls(900, 10_800)
def test_f39_children_of_multiprocessing_and_their_parent_mix_nothing(calls: int) -> None:
    with echo_server() as echo_url:
        done = subprocess.run(
            [sys.executable, "-c", FORKS, "8", str(calls // 9)],
            cwd=ROOT,
            env={**os.environ, "ECHO_URL": echo_url},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    assert (done.stderr, done.stdout.split()) == ("", ["0"] * 9)


class Verifying:
    """A transport that is the echoing server itself, so that only signing takes time."""

    def call(self, body: bytes, **how: Any) -> Answer:
        return Answer(body=reply(body, 0))

    def send(self, url: str, body: Any) -> bytes:
        raise NotImplementedError

    def fetch(self, url: str, start: int, length: int) -> bytes:
        raise NotImplementedError


@calls(6400, 100_032)
def test_f40_threads_with_accounts_and_others_of_their_own_sign_for_themselves(calls: int) -> None:
    ids = [f"{number:024x}" for number in range(8)]
    accounts = [
        CloudKey(user_id, key_of(user_id), "http://cloud.invalid", transport=Verifying())
        for user_id in ids
    ]

    def work(thread: int) -> int:
        client, user = accounts[thread % 8], ids[thread % 8]
        right = 0
        for number in range(calls // 64):
            other = f"{user}/other{thread}-{number % 5}"
            acting = client.act_as_user(other.partition("/")[2])
            right += client.test.echo(n=number) == [user, {"n": number}, 0]
            right += acting.test.echo(n=number) == [other, {"n": number}, 0]
        return right

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with ThreadPoolExecutor(32) as pool:
            rights = list(pool.map(work, range(32)))
    finally:
        sys.setswitchinterval(interval)

    assert sum(rights) == calls


def state_of_the_modules() -> dict[str, str]:
    """Return the text of every value and class attribute of the client and its protocol."""
    found = {}
    for package in (client_package, protocol):
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if not name.startswith("__"):
                    found[f"{info.name}.{name}"] = repr(value)
                if isinstance(value, type) and value.__module__ == info.name:
                    found[f"{info.name}.{name}.*"] = repr(sorted(vars(value).items(), key=str))
    return found


def test_f40_calls_leave_nothing_behind_that_another_would_find() -> None:
    class Failing(Verifying):
        def call(self, body: bytes, **how: Any) -> Answer:
            return Answer(body=b'{"error": {"code": 9999, "message": "x"}}')

    before = state_of_the_modules()

    for transport in (Verifying(), Failing()):
        client = CloudKey("u", key_of("u"), "http://cloud.invalid", transport=transport)
        with suppress(RPCException):
            client.act_as_user("other").test.echo(n=1)

    assert state_of_the_modules() == before
    assert len(before) > 200
