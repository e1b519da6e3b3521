"""Calls of scheme 2: what the header protects, and what each secret may."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, connections
from django.utils import timezone

from django_cloudkey.client import CloudKey
from django_cloudkey.protocol.exceptions import AuthenticationError
from django_cloudkey.protocol.scheme2.keys import Keys, new_secret
from django_cloudkey.protocol.scheme2.request import place_of, sign_request
from django_cloudkey.server import account_secrets, legacy_uses, one_time
from django_cloudkey.server.models import (
    Account,
    AccountSecret,
    LegacyUse,
    Media,
    OneTimeClaim,
    Organisation,
)

from ..conftest import Cloud
from .wire import LIST, call, code_of, signed

BODY = json.dumps(LIST).encode()
FAILED = {"error": {"message": "Authentication failed.", "code": 400}}


@pytest.fixture
def secret(cloud: Cloud) -> AccountSecret:
    return account_secrets.add(cloud.account)


@pytest.fixture
def client(cloud: Cloud, secret: AccountSecret) -> CloudKey:
    """A client that has no historical key at all."""
    return CloudKey(cloud.account.pk, None, cloud.base_url, secret=secret.secret, kid=secret.kid)


def header(cloud: Cloud, secret: AccountSecret, body: bytes = BODY, **changes: Any) -> str:
    keys = account_secrets.keys_of(secret)
    values = {"user": secret.account_id, "ts": int(time.time()), **place_of(cloud.base_url)}
    return sign_request(keys, body=body, **{**values, **changes})


def test_a_client_with_a_secret_calls_and_writes(client: CloudKey) -> None:
    media = client.media.create(meta={"title": "Knots"})

    assert client.media.info(id=media["id"], fields=["meta.title"]) == {"meta": {"title": "Knots"}}
    assert [each["id"] for each in client.media.iterate()] == [media["id"]]


def test_the_cloud_says_that_it_speaks_scheme_2(cloud: Cloud, client: CloudKey) -> None:
    client.media.count()

    assert "scheme2" in client._server.features


def test_t040_a_call_that_was_seen_is_not_taken_again(cloud: Cloud, secret: AccountSecret) -> None:
    body = json.dumps({"call": "media.create"}).encode()
    seen = header(cloud, secret, body)

    first = call(cloud, body, Authorization=seen)
    again = [call(cloud, body, Authorization=seen) for _ in range(3)]

    assert "result" in first
    assert again == [FAILED] * 3
    assert Media.objects.count() == 1


def test_t041_a_header_is_for_one_body_one_place_and_one_time(
    cloud: Cloud, secret: AccountSecret
) -> None:
    now = int(time.time())
    wrong = [
        header(cloud, secret, b'{"call": "media.delete"}'),
        header(cloud, secret, host="other.example.org"),
        header(cloud, secret, path="/api"),
        header(cloud, secret, user="f" * 24),
    ]

    assert [call(cloud, BODY, Authorization=each) for each in wrong] == [FAILED] * 4
    for ts in (now - 400, now + 400):
        answer = call(cloud, BODY, Authorization=header(cloud, secret, ts=ts))
        assert code_of(answer) == 400
        assert "clock" in answer["error"]["message"]


def test_t041_a_client_with_a_wrong_clock_is_told_so(
    client: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=time.monotonic, time=lambda: time.time() - 1000)
    monkeypatch.setattr("django_cloudkey.client.cloudkey.time", clock)

    with pytest.raises(AuthenticationError, match=r"dated -\d+ seconds from the server's clock"):
        client.media.count()


def test_t042_a_header_and_a_member_do_not_go_together(cloud: Cloud, secret: AccountSecret) -> None:
    body = signed(cloud.account, LIST)

    answer = call(cloud, body, Authorization=header(cloud, secret, body))

    assert code_of(answer) == 600
    assert "'auth'" in answer["error"]["message"]


def test_unknown_users_and_secrets_get_the_same_answer(cloud: Cloud, secret: AccountSecret) -> None:
    stranger = Keys(cloud.account.pk, "k9", new_secret())
    nobody = Keys("f" * 24, secret.kid, new_secret())
    place = place_of(cloud.base_url)

    for keys in (stranger, nobody):
        forged = sign_request(keys, keys.user, BODY, ts=int(time.time()), **place)
        assert call(cloud, BODY, Authorization=forged) == FAILED


@pytest.mark.parametrize(
    "change",
    [
        {"is_active": False},
        {"expires": timezone.now() - timedelta(seconds=1)},
    ],
    ids=["retired", "expired"],
)
def test_t033_a_secret_that_is_over_signs_nothing(
    cloud: Cloud, secret: AccountSecret, client: CloudKey, change: dict[str, Any]
) -> None:
    assert client.media.count() == 0
    AccountSecret.objects.filter(pk=secret.pk).update(**change)

    with pytest.raises(AuthenticationError):
        client.media.count()


def test_an_account_that_is_not_active_calls_nothing(cloud: Cloud, client: CloudKey) -> None:
    Account.objects.filter(pk=cloud.account.pk).update(is_active=False)

    with pytest.raises(AuthenticationError):
        client.media.count()


def test_a_secret_is_for_its_methods(secret: AccountSecret, client: CloudKey) -> None:
    AccountSecret.objects.filter(pk=secret.pk).update(methods=["media.count"])

    assert client.media.count() == 0
    with pytest.raises(AuthenticationError, match="may not be used for this call"):
        client.media.create()
    assert not Media.objects.exists()


@pytest.mark.parametrize(
    ("networks", "may"),
    [(["127.0.0.0/8"], True), (["192.0.2.0/24", "127.0.0.1"], True), (["192.0.2.0/24"], False)],
)
def test_a_secret_is_for_its_networks(
    secret: AccountSecret, client: CloudKey, networks: list[str], may: bool
) -> None:
    AccountSecret.objects.filter(pk=secret.pk).update(networks=networks)

    if may:
        assert client.media.count() == 0
    else:
        with pytest.raises(AuthenticationError, match="may not be used"):
            client.media.count()


def test_the_last_use_is_known(secret: AccountSecret, client: CloudKey) -> None:
    client.media.count()
    first = AccountSecret.objects.get(pk=secret.pk).last_used
    client.media.count()

    assert first is not None
    assert AccountSecret.objects.get(pk=secret.pk).last_used == first  # of this minute


def test_a_manager_acts_as_an_account_of_its_organisation(cloud: Cloud, client: CloudKey) -> None:
    school = Organisation.objects.create(name="school")
    pupil = Account.objects.create(name="pupil", organisation=school)
    acting = client.act_as_user(pupil.pk)

    with pytest.raises(AuthenticationError):
        acting.media.create()
    Account.objects.filter(pk=cloud.account.pk).update(organisation=school, is_manager=True)
    media = acting.media.create()

    assert Media.objects.get(pk=media["id"]).account == pupil


def test_three_secrets_are_active_at_most(cloud: Cloud) -> None:
    secrets = [account_secrets.add(cloud.account) for _ in range(3)]

    assert [each.kid for each in secrets] == ["k1", "k2", "k3"]
    with pytest.raises(account_secrets.TooManySecrets):
        account_secrets.add(cloud.account)
    AccountSecret.objects.filter(kid="k1").update(is_active=False)
    assert account_secrets.add(cloud.account).kid == "k4"


def test_t040_a_worker_whose_clock_is_ahead_forgets_no_call_too_early(
    cloud: Cloud, secret: AccountSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is dated as late as a client's may be, and taken until ten minutes from now."""
    seen = header(cloud, secret, ts=int(time.time()) + 295)
    assert "result" in call(cloud, BODY, Authorization=seen)
    real = timezone.now

    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: real() + timedelta(minutes=19))
        one_time.forget_expired()

    assert call(cloud, BODY, Authorization=seen) == FAILED


def test_a_nonce_that_cannot_be_kept_is_not_taken(
    cloud: Cloud, secret: AccountSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is away: nobody is let in, and a client reads why in an answer of the protocol."""
    with connections["cloud"].schema_editor() as editor:
        editor.alter_db_table(OneTimeClaim, OneTimeClaim._meta.db_table, "elsewhere")
    try:
        with pytest.raises(DatabaseError):
            one_time.claim("any", timezone.now())
        answer = call(cloud, BODY, Authorization=header(cloud, secret))
    finally:
        with connections["cloud"].schema_editor() as editor:
            editor.alter_db_table(OneTimeClaim, "elsewhere", OneTimeClaim._meta.db_table)

    assert code_of(answer) == 200


def test_claims_are_forgotten_when_they_are_over(cloud: Cloud) -> None:
    now = timezone.now()
    assert one_time.claim("old", now - one_time.SKEW - timedelta(minutes=2), "me")
    assert one_time.claim("new", now + timedelta(minutes=1), "me")
    assert not one_time.claim("new", now + timedelta(minutes=1), "you")

    cloud.work()

    assert one_time.holder_of("old") is None
    assert one_time.holder_of("new") == "me"


# The historical scheme beside it


def test_an_account_may_end_the_historical_scheme(cloud: Cloud, client: CloudKey) -> None:
    assert cloud.client.media.count() == 0
    Account.objects.filter(pk=cloud.account.pk).update(legacy=Account.Legacy.OFF)

    assert call(cloud, signed(cloud.account, LIST)) == FAILED
    assert client.media.count() == 0


def test_uses_of_the_historical_scheme_are_counted(
    cloud: Cloud, client: CloudKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_uses, "PERIOD", 0.0)

    client.media.count()
    assert not LegacyUse.objects.exists()
    for _ in range(3):
        cloud.client.media.count()

    use = LegacyUse.objects.get()
    assert (use.account, use.count) == (cloud.account, 3)
    assert use.kind.startswith("call, ")


# Secrets at rest


def test_a_copy_of_the_database_shows_no_secret(cloud: Cloud, secret: AccountSecret) -> None:
    with connections["cloud"].cursor() as cursor:
        cursor.execute("SELECT api_key FROM cloudkey_server_account")
        stored = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT secret FROM cloudkey_server_accountsecret")
        stored += [row[0] for row in cursor.fetchall()]

    assert len(stored) == 2
    assert all(text.startswith("gAAAA") for text in stored)
    assert cloud.account.api_key not in str(stored)
    assert secret.secret not in str(stored)


def test_secrets_survive_a_change_of_the_secret_key(
    cloud: Cloud, client: CloudKey, settings: Any
) -> None:
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "another-key-that-only-tests-use"
    assert "error" in call(cloud, signed(cloud.account, LIST))

    settings.SECRET_KEY_FALLBACKS = [old]

    assert client.media.count() == cloud.client.media.count() == 0
