"""The two ways to the cloud, and what a site may have around its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from django_cloudkey import CloudKey, cloudkeys
from django_cloudkey.server.models import Account

Connect = Callable[..., CloudKey]
Site = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["http", "in-process"])
def connect(request: pytest.FixtureRequest, account: Account, settings: Any) -> Connect:
    """Return a function that makes the site's client of an account, over each transport."""
    transport = request.param
    base_url = "http://testserver/cloud"
    if transport == "http":
        base_url = request.getfixturevalue("live_server").url + "/cloud"
        settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "BASE_URL": base_url}

    def make(caller: Account, api_key: str | None = None) -> CloudKey:
        given = {
            "USER_ID": caller.pk,
            "API_KEY": api_key or caller.api_key,
            "BASE_URL": base_url,
            "TRANSPORT": transport,
            "RETRIES": 0,
        }
        settings.CLOUDKEYS = {"default": given}
        return cloudkeys["default"]

    return make


@pytest.fixture
def client(connect: Connect, account: Account) -> CloudKey:
    return connect(account)


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(
    params=[nullcontext, transaction.atomic, rolled_back], ids=["plain", "atomic", "rollback"]
)
def site(request: pytest.FixtureRequest) -> Site:
    """
    Return what a site may have around its calls: nothing, a transaction, one that is rolled back.

    A row of the site is written first, so that the transaction holds its database's lock.
    """

    @contextmanager
    def around() -> Iterator[None]:
        before = User.objects.count()
        with request.param():
            User.objects.create(username=f"user{before}")
            yield
        assert User.objects.count() == before + (request.param is not rolled_back)

    return around
