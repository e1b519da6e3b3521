"""Inside a transaction of the cloud's own database nothing is written in the process."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from django_cloudkey import CloudKey, cloudkeys
from django_cloudkey.client import InvalidParameter, RPCException, TransportException
from django_cloudkey.server.models import Account
from django_cloudkey.server.rpc import methods  # noqa: F401 - registers them
from django_cloudkey.server.rpc.registry import METHODS

BASE_URL = "http://testserver/cloud"


@pytest.fixture
def client(account: Account, settings: Any) -> CloudKey:
    given = {"USER_ID": account.pk, "API_KEY": account.api_key, "BASE_URL": BASE_URL}
    settings.CLOUDKEYS = {"default": {**given, "TRANSPORT": "in-process"}}
    return cloudkeys["default"]


@pytest.mark.parametrize("name", sorted(METHODS))
def test_call_that_may_write_is_refused_and_one_that_reads_is_not(
    client: CloudKey, name: str
) -> None:
    with transaction.atomic(using="cloud"), pytest.raises(RPCException) as caught:
        client.call(name, nothing=1)

    if METHODS[name].writes:
        assert type(caught.value) is TransportException
        assert caught.value.message.startswith(
            f"{name} would write to the database 'cloud' inside atomic(), whose rollback would "
        )
    else:
        assert type(caught.value) is InvalidParameter


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.file.upload_file(io.BytesIO(b"x")),
        lambda client: client.send(f"{BASE_URL}/upload", None),
        lambda client: client.call("unknown.thing"),
    ],
)
def test_nothing_is_written_inside_a_transaction_of_the_cloud(
    client: CloudKey, write: Callable[[CloudKey], object]
) -> None:
    with (
        transaction.atomic(using="cloud"),
        pytest.raises(TransportException, match=r"database 'cloud' inside atomic\(\)") as caught,
    ):
        write(client)

    assert 'CLOUDKEY_SERVER["DATABASE"]' in str(caught.value)
    assert client.media.list(fields=["id"])["total"] == 0


def test_reads_work_inside_a_transaction_of_the_cloud(client: CloudKey) -> None:
    made = client.media.create()["id"]

    with transaction.atomic(using="cloud"):
        assert client.media.list(fields=["id"])["list"] == [{"id": made}]
        assert connections["cloud"].in_atomic_block


def test_on_commit_is_where_to_write(client: CloudKey) -> None:
    made: list[str] = []

    with transaction.atomic(using="cloud"):
        transaction.on_commit(lambda: made.append(client.media.create()["id"]), using="cloud")

    assert client.media.list(fields=["id"])["list"] == [{"id": made[0]}]


def test_default_database_is_the_site_s(settings: Any, client: CloudKey) -> None:
    settings.CLOUDKEY_SERVER = {
        name: value for name, value in settings.CLOUDKEY_SERVER.items() if name != "DATABASE"
    }

    with transaction.atomic(), pytest.raises(TransportException, match="database 'default'"):
        client.media.create()
