"""
F34, F35: who comes first, when a hundred come at once to a cloud of several processes.

All requests for an address are sent before the first answer is read, over connections that stand.
Under the marker ``full`` a hundred ask for some of a thousand addresses and a few for the others;
``TEST_CROWD=100`` lets a hundred ask for every one, which takes ten minutes for a test.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache

from django_cloudkey.client import SecLevel, sign_url
from django_cloudkey.protocol.scheme2 import signing as scheme2
from django_cloudkey.protocol.urls import Page, stream_address
from django_cloudkey.server import account_secrets
from django_cloudkey.server.models import OneTimeClaim

from ..conftest import Cloud
from .conftest import Front
from .places import ABROAD, HERE
from .test_delivery import add_media

WORKERS = 4
CROWD = int(os.environ.get("TEST_CROWD", "6"))
DELEGATE = SecLevel.DELEGATE | SecLevel.IP


@pytest.fixture
def sign(cloud: Cloud) -> Callable[[int, int], str]:
    """Return a function that signs: a stream or a page, under one scheme or the other."""
    media = add_media(cloud.account)
    keys = account_secrets.keys_of(account_secrets.add(cloud.account))

    def sign(level: int, number: int) -> str:
        user = cloud.account.pk
        is_page, is_historical = number % 4 == 0, number % 8 < 4
        name = None if is_page else "mp4_h264_aac_ld"
        page = Page(user=user, media=media.pk)
        path = stream_address(user, media.pk, name).path if name else page.path
        url = f"{cloud.base_url}/{path}"
        if is_historical:
            return sign_url(url, cloud.account.api_key, level)
        return scheme2.sign_url(
            url, keys, media=media.pk, seclevel=level, asset_name=name,
            audience="embed" if is_page else "stream",
        )  # fmt: skip

    return sign


class Crowd:
    """Connections to the cloud, from two addresses of this machine by turns."""

    def __init__(self, front: Front, size: int) -> None:
        self._closing = ExitStack()
        self.sources = [(HERE, ABROAD)[number % 2] for number in range(size)]
        self._sockets = [
            self._closing.enter_context(front.connect(source)) for source in self.sources
        ]
        self._files = [self._closing.enter_context(each.makefile("rb")) for each in self._sockets]

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    def ask(self, url: str, size: int) -> list[int]:
        """Return the statuses of *size* requests for *url*, all sent before one was answered."""
        parts = urlsplit(url)
        request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for each in self._sockets[:size]:
            each.sendall(request)
        return [read_status(each) for each in self._files[:size]]


def read_status(file: Any) -> int:
    """Read one response to its end, and return its status."""
    status, length = int(file.readline().split()[1]), 0
    while line := file.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    assert len(file.read(length)) == length
    return status


def winners_of(crowd: Crowd, url: str, size: int) -> set[str]:
    """Ask for *url*, and return which addresses of viewers got something; all of each, or none."""
    statuses = crowd.ask(url, size)
    assert set(statuses) <= {200, 302, 403}, Counter(statuses)
    answers = set(zip(crowd.sources, statuses, strict=False))
    assert len(answers) == 2, f"one viewer got different answers: {answers}"
    return {source for source, status in answers if status != 403}


def end(front: Front) -> None:
    """End the processes that answer, as a machine does that fails; gunicorn starts others."""
    for worker in front.workers:
        os.kill(worker, signal.SIGKILL)


@pytest.fixture
def shared_cache(settings: Any, tmp_path: Path) -> None:
    """One cache for all processes, which can be emptied."""
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path / "cache")}}


@pytest.mark.parametrize(
    ("times", "of_a_hundred"),
    [
        pytest.param(4, 4, id="some"),
        pytest.param(1_000, 20, id="thousand", marks=pytest.mark.full),
    ],
)
def test_f34_t163_one_of_many_at_once_is_the_first(
    cloud: Cloud, start_gunicorn: Callable[..., Front], sign: Callable[[int, int], str],
    shared_cache: None, times: int, of_a_hundred: int,
) -> None:  # fmt: skip
    """A hundred at once for some of the addresses, CROWD for the others."""
    front = start_gunicorn(workers=WORKERS)
    urls = [sign(SecLevel.USEONCE, number) for number in range(times)]
    sizes = [100 if number < of_a_hundred else CROWD for number in range(times)]

    with Crowd(front, 100) as crowd:
        firsts = [
            [status for status in crowd.ask(url, size) if status != 403]
            for url, size in zip(urls, sizes, strict=True)
        ]
    cache.clear()
    end(front)
    with Crowd(front, 2) as crowd:
        later = [status for url in urls for status in crowd.ask(url, 2)]

    assert Counter(map(tuple, firsts)) == {(302,): times * 3 // 4, (200,): times // 4}
    assert Counter(later) == {403: times * 2}
    assert OneTimeClaim.objects.count() == times


@pytest.mark.parametrize(
    ("times", "of_a_hundred"),
    [
        pytest.param(4, 4, id="some"),
        pytest.param(1_000, 20, id="thousand", marks=pytest.mark.full),
    ],
)
def test_f35_t167_one_of_two_viewers_is_the_first_and_stays_it(
    cloud: Cloud, start_gunicorn: Callable[..., Front], sign: Callable[[int, int], str],
    shared_cache: None, times: int, of_a_hundred: int,
) -> None:  # fmt: skip
    """Half of a crowd is one viewer, half is the other."""
    front = start_gunicorn(workers=WORKERS)
    urls = [sign(DELEGATE, number) for number in range(times)]
    sizes = [100 if number < of_a_hundred else CROWD for number in range(times)]

    with Crowd(front, 100) as crowd:
        firsts = [winners_of(crowd, url, size) for url, size in zip(urls, sizes, strict=True)]
    cache.clear()
    end(front)
    with Crowd(front, 2) as crowd:
        later = [winners_of(crowd, url, 2) for url in urls]

    assert Counter(map(len, firsts)) == {1: times}
    assert later == firsts
    assert OneTimeClaim.objects.count() == times
    if times > 100:
        assert len({*map(tuple, firsts)}) == 2, "one of the two was always faster"
