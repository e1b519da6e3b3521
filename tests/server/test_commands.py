"""The cloud's commands."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_cloudkey.client import CloudKey
from django_cloudkey.server.models import Account

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES)


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_created_account_can_call(cloud: Cloud) -> None:
    made = json.loads(run("cloudkey_account", "create", "site", "--json"))

    assert set(made) == {"name", "user_id", "api_key", "kid", "secret", "base_url"}
    client = CloudKey(made["user_id"], made["api_key"], made["base_url"])
    assert client.media.list()["total"] == 0


def test_key_is_shown_once() -> None:
    text = run("cloudkey_account", "create", "site", "--public-thumbnails")

    account = Account.objects.get(name="site")
    assert account.public_thumbnails
    assert account.api_key in text
    assert account.api_key not in run("cloudkey_account", "list")
    assert account.api_key not in run("cloudkey_account", "list", "--json")


def test_accounts_are_listed() -> None:
    first = Account.objects.create(name="a")
    second = Account.objects.create(name="b", is_active=False)

    lines = run("cloudkey_account", "list").splitlines()

    assert lines == [
        "ID                          MEDIA  NAME",
        f"{first.pk}        0  a",
        f"{second.pk}        0  b (inactive)",
    ]
    assert json.loads(run("cloudkey_account", "list", "--json"))[1] == {
        "user_id": second.pk,
        "name": "b",
        "active": False,
        "media": 0,
    }


def test_name_is_taken_once() -> None:
    run("cloudkey_account", "create", "site")

    with pytest.raises(CommandError, match="There is an account named “site” already"):
        run("cloudkey_account", "create", " site ")


@pytest.mark.parametrize("name", ["", "  ", "x" * 65])
def test_name_has_a_length(name: str) -> None:
    with pytest.raises(CommandError, match="A name has 1 to 64 characters"):
        run("cloudkey_account", "create", name)


def test_drained_worker_ends(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ("jpeg_thumbnail_small",))

    call_command("cloudkey_worker", drain=True, verbosity=0)

    assets: Any = cloud.client.media.get_assets(id=media)
    assert assets["jpeg_thumbnail_small"]["status"] == "ready"
