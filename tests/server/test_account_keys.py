"""Keys of accounts in the hands of an operator: rotation, ends, and why an address is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from django_cloudkey.client import CloudKey
from django_cloudkey.protocol.exceptions import AuthenticationError
from django_cloudkey.server.models import Account, AccountSecret

from ..conftest import DATABASES, Cloud
from .test_delivery import BASE, Viewer, viewer  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(databases=DATABASES)


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def rotate(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("cloudkey_account", "rotate", *arguments, "--json"))
    return found


def client_of(account: Account, credentials: dict[str, Any], url: str) -> CloudKey:
    return CloudKey(account.pk, None, url, **credentials)


def test_a_secret_is_replaced_step_by_step(cloud: Cloud) -> None:
    old = client_of(cloud.account, rotate("demo"), cloud.base_url)
    new = client_of(cloud.account, rotate("demo"), cloud.base_url)
    assert old.media.count() == new.media.count() == 0

    run("cloudkey_account", "retire", "demo", "k1")

    assert new.media.count() == 0
    with pytest.raises(AuthenticationError):
        old.media.count()


def test_keys_that_cannot_be_read_any_more_are_replaced(cloud: Cloud, settings: Any) -> None:
    """SECRET_KEY is lost, and all that was encrypted with it: the accounts and their media stay."""
    rotate("demo")
    settings.SECRET_KEY = "another"

    assert "demo" in run("cloudkey_account", "list")
    assert "k1" in run("cloudkey_account", "show", "demo")
    run("cloudkey_account", "disable", "demo")
    run("cloudkey_account", "enable", "demo")
    run("cloudkey_account", "restrict", "demo", "k1")
    run("cloudkey_account", "retire", "demo", "k1", "--after", "1")
    made = rotate("demo", "--retire", "k1")
    key = rotate("demo", "--historical")["api_key"]

    assert client_of(cloud.account, made, cloud.base_url).media.count() == 0
    assert CloudKey(cloud.account.pk, key, cloud.base_url).media.count() == 0


def test_the_fourth_secret_needs_the_end_of_another(account: Account) -> None:
    kids = [rotate("demo")["kid"] for _ in range(3)]

    with pytest.raises(CommandError, match="k3, k2, k1"):
        rotate("demo")
    with pytest.raises(CommandError, match="no active secret “k9”"):
        rotate("demo", "--retire", "k9")
    assert rotate("demo", "--retire", "k1")["kid"] == "k4"
    assert kids == ["k1", "k2", "k3"]
    active = AccountSecret.objects.filter(is_active=True).values_list("kid", flat=True)
    assert set(active) == {"k2", "k3", "k4"}


def test_a_secret_may_end_by_itself(account: Account) -> None:
    rotate("demo", "--expires", "30")

    secret = AccountSecret.objects.get()
    assert secret.expires is not None
    assert (secret.expires - secret.created).days in (29, 30)


@pytest.mark.parametrize("days", ["0", "-1", "soon", "999999999"])
def test_days_that_are_none_are_refused(account: Account, days: str) -> None:
    with pytest.raises(CommandError, match="--expires"):
        run("cloudkey_account", "rotate", "demo", "--expires", days)
    assert not AccountSecret.objects.exists()


def test_t178_a_secret_ends_when_its_addresses_have(cloud: Cloud) -> None:
    made = rotate("demo")
    client = client_of(cloud.account, made, cloud.base_url)

    run("cloudkey_account", "retire", "demo", "k1", "--after", "2")

    ends = AccountSecret.objects.get().expires
    assert ends is not None
    assert ends - timezone.now() == pytest.approx(timedelta(hours=2), abs=timedelta(minutes=1))
    run("cloudkey_account", "retire", "demo", "k1", "--after", "48")
    assert AccountSecret.objects.get().expires == ends  # not later than before
    assert client.media.count() == 0
    AccountSecret.objects.update(expires=timezone.now())
    with pytest.raises(AuthenticationError):
        client.media.count()


@pytest.mark.parametrize("hours", ["0", "-1", "soon", "nan", "inf"])
def test_hours_that_are_none_are_refused(account: Account, hours: str) -> None:
    rotate("demo")

    with pytest.raises(CommandError, match="--after"):
        run("cloudkey_account", "retire", "demo", "k1", "--after", hours)
    assert AccountSecret.objects.get().expires is None


def test_a_secret_is_restricted_and_freed(cloud: Cloud) -> None:
    client = client_of(cloud.account, rotate("demo", "--method", "media.count"), cloud.base_url)
    assert client.media.count() == 0
    with pytest.raises(AuthenticationError, match="may not be used for this call"):
        client.media.list()
    assert "only media.count" in run("cloudkey_account", "show", "demo")

    run(
        "cloudkey_account", "restrict", "demo", "k1", "--network", "192.0.2.0/24", "--network", "::"
    )
    with pytest.raises(AuthenticationError, match="may not be used for this call"):
        client.media.count()
    report = json.loads(run("cloudkey_account", "show", "demo", "--json"))
    assert report["secrets"][0]["networks"] == ["192.0.2.0/24", "::"]
    assert report["secrets"][0]["methods"] == []

    run("cloudkey_account", "restrict", "demo", "k1", "--network", "127.0.0.0/8")
    assert client.media.list() is not None
    run("cloudkey_account", "restrict", "demo", "k1")
    assert client.media.count() == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("--network", "192.0.2.0/33"), ("--network", "home"), ("--method", "media.steal")],
)
def test_a_limit_that_means_nothing_is_named(account: Account, option: str, value: str) -> None:
    rotate("demo")

    with pytest.raises(CommandError, match=value):
        run("cloudkey_account", "restrict", "demo", "k1", option, value)
    with pytest.raises(CommandError, match="no active secret “k9”"):
        run("cloudkey_account", "restrict", "demo", "k9")


def test_the_historical_key_is_replaced_at_once(cloud: Cloud) -> None:
    made = rotate("demo", "--historical")

    assert CloudKey(cloud.account.pk, made["api_key"], cloud.base_url).media.count() == 0
    with pytest.raises(AuthenticationError):
        cloud.client.media.count()


def test_an_account_is_switched_off_and_on(cloud: Cloud) -> None:
    run("cloudkey_account", "disable", "demo")
    with pytest.raises(AuthenticationError):
        cloud.client.media.count()

    run("cloudkey_account", "enable", "demo")
    assert cloud.client.media.count() == 0


def test_the_report_names_secrets_and_uses_and_shows_neither(cloud: Cloud) -> None:
    made = rotate("demo")
    cloud.client.media.count()
    client_of(cloud.account, made, cloud.base_url).media.count()
    run("cloudkey_account", "legacy", "demo", "lenient")

    text, data = (run("cloudkey_account", "show", "demo", *more) for more in ([], ["--json"]))

    report = json.loads(data)
    assert report["legacy"] == "lenient"
    assert [secret["kid"] for secret in report["secrets"]] == ["k1"]
    assert report["secrets"][0]["last_used"]
    assert [use["count"] for use in report["historical uses"]] == [1]
    assert "k1     active" in text
    for shown in (text, data):
        assert made["secret"] not in shown
        assert cloud.account.api_key not in shown


def test_notifications_are_switched_on_and_off(account: Account) -> None:
    url = "https://www.example.org/cloudkey/webhook/default/"
    run("cloudkey_account", "webhook", "demo", url)
    assert json.loads(run("cloudkey_account", "show", "demo", "--json"))["webhook"] == url
    assert f"Notifications go to: {url}" in run("cloudkey_account", "show", "demo")

    with pytest.raises(CommandError, match="must be https"):
        run("cloudkey_account", "webhook", "demo", "http://www.example.org/")
    assert Account.objects.get().webhook_url == url
    run("cloudkey_account", "webhook", "demo", "")
    assert "Notifications go to: nobody\n" in run("cloudkey_account", "show", "demo")
    run("cloudkey_account", "create", "other", "--webhook", url)
    assert Account.objects.get(name="other").webhook_url == url
    with pytest.raises(CommandError, match="public"):
        run("cloudkey_account", "create", "third", "--webhook", "https://10.0.0.1/")
    with pytest.raises(CommandError, match="at most 500 characters"):
        run("cloudkey_account", "webhook", "other", f"{url}?{'x' * 500}")


def test_keys_are_encrypted_anew(account: Account, settings: Any) -> None:
    secret = rotate("demo")["secret"]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-that-only-tests-use"

    run("cloudkey_account", "reencrypt")
    settings.SECRET_KEY_FALLBACKS = []

    assert Account.objects.get().api_key == account.api_key
    assert AccountSecret.objects.get().secret == secret


@pytest.mark.parametrize("action", ["show", "rotate", "disable", "enable"])
def test_an_unknown_account_is_named(account: Account, action: str) -> None:
    with pytest.raises(CommandError, match="no account named “nobody”"):
        run("cloudkey_account", action, "nobody")


def test_keys_of_before_are_encrypted_by_the_migration(transactional_db: None) -> None:
    from django.db.migrations.executor import MigrationExecutor

    connection = connections["cloud"]
    executor = MigrationExecutor(connection)
    executor.migrate([("cloudkey_server", "0001_initial")])
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO cloudkey_server_account (id, name, api_key, is_manager, is_test, "
                "is_active, public_thumbnails, created) VALUES (%s, 'old', %s, %s, %s, %s, %s, %s)",
                ["f" * 24, "a" * 40, False, False, True, False, "2026-01-01 00:00:00+00:00"],
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes("cloudkey_server"))

    assert Account.objects.get(pk="f" * 24).api_key == "a" * 40
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM cloudkey_server_account")
        assert "a" * 40 not in str(cursor.fetchall())
    Account.objects.all().delete()
