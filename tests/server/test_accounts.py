"""Accounts, as their command and their rows have them."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_cloudkey.client import AuthenticationError, CloudKey
from django_cloudkey.server.models import Account, Media, new_id, new_key

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(transaction=True, databases=DATABASES)


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("cloudkey_account", *arguments, stdout=output)
    return output.getvalue()


def created(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("create", *arguments, "--json"))
    return found


def test_created_account_may_call(cloud: Cloud) -> None:
    answer = created("second")

    assert set(answer) == {"name", "user_id", "api_key", "kid", "secret", "base_url"}
    assert answer["name"] == "second"
    user, url = answer["user_id"], answer["base_url"]
    client = CloudKey(user, answer["api_key"], url)
    modern = CloudKey(user, None, url, secret=answer["secret"], kid=answer["kid"])
    for each in (client, modern):
        assert each.user.info(fields=["username"]) == {"username": "second"}


def test_ids_and_keys_have_their_forms() -> None:
    answer = created("demo")

    assert re.fullmatch(r"[0-9a-f]{24}", answer["user_id"])
    assert re.fullmatch(r"[0-9a-f]{40}", answer["api_key"])
    assert len({new_key() for _ in range(1000)}) == 1000
    assert len({new_id() for _ in range(1000)}) == 1000


def test_text_form_shows_the_key_once() -> None:
    text = run("create", "demo")

    account = Account.objects.get()
    assert text.count(account.api_key) == 1
    assert f"USER_ID   {account.pk}\n" in text
    assert "The keys are shown this once" in text


def test_list_takes_one_query(account: Account) -> None:
    for number in range(5):
        Account.objects.create(name=f"other {number}")
    Media.objects.create(account=account)

    with CaptureQueriesContext(connections["cloud"]) as queries:
        rows = {row["name"]: row["media"] for row in json.loads(run("list", "--json"))}

    assert len(queries) == 1
    assert rows == {"demo": 1, **{f"other {number}": 0 for number in range(5)}}


def test_list_shows_no_key(account: Account) -> None:
    Account.objects.create(name="asleep", is_active=False)

    assert account.api_key not in run("list") + run("list", "--json")
    assert json.loads(run("list", "--json")) == [
        {
            "user_id": Account.objects.get(name="asleep").pk,
            "name": "asleep",
            "active": False,
            "media": 0,
        },
        {"user_id": account.pk, "name": "demo", "active": True, "media": 0},
    ]
    assert "asleep (inactive)" in run("list")


def test_thumbnails_are_private_unless_said() -> None:
    created("private")
    created("public", "--public-thumbnails")

    assert not Account.objects.get(name="private").public_thumbnails
    assert Account.objects.get(name="public").public_thumbnails


def test_a_name_is_taken_once() -> None:
    created("demo")

    with pytest.raises(CommandError, match="There is an account named “demo” already"):
        created("demo")
    with pytest.raises(CommandError, match="There is an account named “demo” already"):
        created(" demo ")
    assert Account.objects.count() == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 65])
def test_a_name_has_1_to_64_characters(name: str) -> None:
    with pytest.raises(CommandError, match="A name has 1 to 64 characters"):
        created(name)


def test_no_text_form_of_an_account_shows_its_key(account: Account) -> None:
    assert account.api_key not in f"{account} {account!r}"


def test_account_that_is_switched_off_and_on_again(cloud: Cloud) -> None:
    Account.objects.update(is_active=False)
    with pytest.raises(AuthenticationError):
        cloud.client.user.info()

    Account.objects.update(is_active=True)
    assert cloud.client.user.info(fields=["id"]) == {"id": cloud.account.pk}
