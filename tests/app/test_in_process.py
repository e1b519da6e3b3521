"""A cloud of the same project, called without a socket: one contract, and nothing disturbed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix, get_urlconf, set_script_prefix
from django.utils import translation

from django_cloudkey import CloudKey, cloudkeys
from django_cloudkey.checks import check_databases
from django_cloudkey.client import (
    TransportException,
)
from django_cloudkey.in_process import InProcessTransport

CONTENT = os.urandom(700_000)
BASE_URL = "http://testserver/cloud"


def configure(settings: Any, account: Any, **keys: Any) -> CloudKey:
    given = {"USER_ID": account.pk, "API_KEY": account.api_key, "BASE_URL": BASE_URL, **keys}
    settings.CLOUDKEYS = {"default": given}
    return cloudkeys["default"]


@pytest.fixture
def client(account: Any, settings: Any) -> CloudKey:
    """A client in the process."""
    return configure(settings, account, TRANSPORT="in-process")


# What the request leaves behind


def test_connections_of_the_caller_stay_open(client: CloudKey, settings: Any) -> None:
    """Without a lifetime each end of a request closes what is open."""
    for alias in ("default", "cloud"):
        connections[alias].ensure_connection()
        assert connections[alias].close_at is not None
    open_before = [connections[alias].connection for alias in ("default", "cloud")]
    User.objects.bulk_create(User(username=f"user{n}") for n in range(300))

    seen = 0
    for _ in User.objects.iterator(chunk_size=10):
        if seen % 100 == 0:
            client.media.list(fields=["id"])
        seen += 1

    assert seen == 300
    assert [connections[alias].connection for alias in ("default", "cloud")] == open_before
    assert all("close_if_unusable_or_obsolete" not in vars(each) for each in connections.all())


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.media.list(fields=["id"]),
        lambda client: client.media.create(meta={"title": "Knots"}),  # looks for a transaction
    ],
    ids=["read", "write"],
)
def test_connections_that_the_request_opened_are_closed(
    client: CloudKey, ask: Callable[[CloudKey], object]
) -> None:
    def work() -> tuple[bool, bool]:
        ask(client)
        return connections["cloud"].connection is None, connections["default"].connection is None

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == (True, True)


def test_request_is_a_request_to_the_signals(client: CloudKey) -> None:
    heard: list[str] = []

    def on_start(**kwargs: Any) -> None:
        heard.append("started")

    def on_end(**kwargs: Any) -> None:
        heard.append("finished")

    request_started.connect(on_start)
    request_finished.connect(on_end)
    try:
        client.media.list(fields=["id"])
    finally:
        request_started.disconnect(on_start)
        request_finished.disconnect(on_end)

    assert heard == ["started", "finished"]


class Nosy:
    """A middleware that remembers the requests, and leaves things behind as others do."""

    requests: list[HttpRequest] = []

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        translation.activate("fr")
        set_script_prefix("/elsewhere/")
        request.urlconf = "tests.urls"
        self.requests.append(request)
        return self._get_response(request)


@pytest.fixture
def nosy(settings: Any) -> Iterator[type[Nosy]]:
    settings.MIDDLEWARE = [f"{__name__}.Nosy", *settings.MIDDLEWARE]
    yield Nosy
    Nosy.requests.clear()


def test_language_prefix_and_urlconf_of_the_caller_stay(client: CloudKey, nosy: type[Nosy]) -> None:
    with translation.override("en"):
        client.media.list(fields=["id"])

        assert translation.get_language() == "en"
        assert get_script_prefix() == "/"
        assert get_urlconf() is None
    assert len(nosy.requests) == 1


def test_request_is_one_of_the_base_url(account: Any, settings: Any, nosy: type[Nosy]) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    client = configure(
        settings, account, TRANSPORT="in-process", BASE_URL="https://me:pw@video.example.org/cloud/"
    )

    client.media.list(fields=["id"])

    (request,) = nosy.requests
    assert request.build_absolute_uri() == "https://video.example.org/cloud/api"
    assert request.META["REMOTE_ADDR"] == "127.0.0.1"
    assert request.META["SERVER_PORT"] == "443"
    assert request.is_secure()


def test_script_name_of_the_site_is_no_part_of_the_path(
    account: Any, settings: Any, nosy: type[Nosy]
) -> None:
    settings.FORCE_SCRIPT_NAME = "/site"
    client = configure(
        settings, account, TRANSPORT="in-process", BASE_URL="http://testserver/site/cloud"
    )

    assert client.media.list(fields=["id"])["total"] == 0
    assert nosy.requests[0].path == "/site/cloud/api"
    assert nosy.requests[0].path_info == "/cloud/api"


def test_host_that_the_site_refuses_is_no_answer(client: CloudKey, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["other.example"]

    with pytest.raises(TransportException, match="http://testserver answered HTTP 400"):
        client.media.list()


def test_cloud_that_is_not_there_is_no_answer(account: Any, settings: Any) -> None:
    client = configure(settings, account, TRANSPORT="in-process", BASE_URL="http://testserver/no")

    with pytest.raises(TransportException, match="http://testserver answered HTTP 404"):
        client.media.list()


def test_t252_upload_goes_nowhere_else(client: CloudKey) -> None:
    for url in ("http://other/upload", "file:///etc/passwd", f"{BASE_URL}.evil/upload", ""):
        with pytest.raises(TransportException, match="an upload address that is not its own"):
            client._transport.send(url, None)  # type: ignore[arg-type]


def test_file_is_read_piece_by_piece(client: CloudKey) -> None:
    class File:
        size = 20 * 1024 * 1024
        largest = 0
        left = size

        def read(self, size: int = -1, /) -> bytes:
            self.largest = max(self.largest, size)
            piece = bytes(min(size, self.left))
            self.left -= len(piece)
            return piece

    file = File()

    assert client.file.upload_file(file)["size"] == File.size
    assert file.largest <= 128 * 1024


def test_middleware_is_loaded_once_for_all_threads(client: CloudKey) -> None:
    transport = client._transport
    assert isinstance(transport, InProcessTransport)
    gate = threading.Barrier(4)

    def work(_: int) -> int:
        gate.wait(10)
        return id(transport._handler())

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(4)))) == 1


def test_client_in_the_process_shows_no_key(client: CloudKey, account: Any) -> None:
    assert account.api_key not in repr(vars(client)) + repr(vars(client._transport))


# The check


@pytest.mark.parametrize("transport", [None, "http", "in-process"])
@pytest.mark.parametrize("database", [None, "default", "cloud", "missing"])
def test_w001_shared_sqlite_is_warned_of(
    settings: Any, transport: str | None, database: str | None
) -> None:
    account = {**settings.CLOUDKEYS["default"], "TRANSPORT": transport}
    settings.CLOUDKEYS = {"default": account, "wrong": None}
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "DATABASE": database}
    is_sqlite = connections["default"].vendor == "sqlite"
    is_shared = transport == "in-process" and database in (None, "default") and is_sqlite

    messages = check_databases(None)

    assert [message.id for message in messages] == ["cloudkey.W001"] * is_shared
    for message in messages:
        assert message.msg.startswith('CLOUDKEYS["default"]["TRANSPORT"] is \'in-process\', and')
