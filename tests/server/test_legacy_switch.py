"""What an account takes whose switch for the historical scheme is strict, lenient or off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connections

from django_cloudkey.client import CloudKey, SecLevel, sign_url
from django_cloudkey.protocol.scheme2.request import place_of, sign_request
from django_cloudkey.protocol.scheme2.signing import sign_url as sign2
from django_cloudkey.protocol.signing import sign_call
from django_cloudkey.protocol.urls import stream_address
from django_cloudkey.server import account_secrets, legacy_uses
from django_cloudkey.server.models import Account, LegacyUse

from ..conftest import DATABASES
from .places import FRENCH
from .test_delivery import BASE, Viewer, add_media, configure
from .wire import LIST

pytestmark = pytest.mark.django_db(databases=DATABASES)

HTTPS = BASE.replace("http:", "https:")
AGENT = {"HTTP_USER_AGENT": "Firefox", "REMOTE_ADDR": FRENCH}


@pytest.fixture
def viewer(settings: Any, client: Any, geography_files: None) -> Viewer:
    configure(settings, BASE_URL=HTTPS)
    account = Account.objects.create(name="demo")
    return Viewer(CloudKey(account.pk, account.api_key, HTTPS), add_media(account), client)


def call(viewer: Viewer) -> bool:
    signer = viewer.signer
    body = {**LIST, "auth": sign_call(signer.user_id, LIST, signer.api_key)}
    answer = viewer.browser.post("/cloud/api", json.dumps(body), "application/json")
    return "result" in answer.json()


def call_of_scheme2(viewer: Viewer) -> bool:
    secret = account_secrets.active(viewer.signer.user_id).get()
    body = json.dumps(LIST).encode()
    header = sign_request(
        account_secrets.keys_of(secret), viewer.signer.user_id, body,
        ts=int(time.time()), **place_of(HTTPS),
    )  # fmt: skip
    answer = viewer.browser.post(
        "/cloud/api", body, "application/json", headers={"authorization": header}
    )
    return "result" in answer.json()


def stream(level: SecLevel = SecLevel.NONE, **values: Any) -> Callable[[Viewer], bool]:
    def ask(viewer: Viewer) -> bool:
        return viewer.status(viewer.stream_url(seclevel=level, **values), **AGENT) == 200

    return ask


def stream_signed_for_http(viewer: Viewer) -> bool:
    signer = CloudKey(viewer.signer.user_id, viewer.signer.api_key, BASE)
    return viewer.status(signer.media.get_stream_url(viewer.media.pk)) == 200


def stream_with_a_moved_digit(viewer: Viewer) -> bool:
    """Attack a01."""
    url = viewer.stream_url().partition("?")[0]
    base, _, auth = sign_url(url, viewer.signer.api_key, nonce="9bcdefgh").partition("?auth=")
    expires, level, nonce, digest = auth.split("-")
    return viewer.status(f"{base}?auth={expires}9-{level}-{nonce[1:]}-{digest}") == 200


def stream_of_scheme2(viewer: Viewer) -> bool:
    secret = account_secrets.active(viewer.signer.user_id).get()
    path = stream_address(viewer.signer.user_id, viewer.media.pk, "mp4_h264_aac").path
    url = sign2(
        f"{HTTPS}/{path}", account_secrets.keys_of(secret),
        media=viewer.media.pk, audience="stream",
    )  # fmt: skip
    return viewer.status(url) == 200


def page(viewer: Viewer) -> bool:
    return viewer.status(viewer.signer.media.get_embed_url(viewer.media.pk)) == 200


def still(viewer: Viewer) -> bool:
    return viewer.status(viewer.signer.media.get_thumbnail_url(viewer.media.pk)) == 200


WITH_A_LIST = SecLevel.USERAGENT | SecLevel.COUNTRY
# What is asked                                                    strict lenient off
TABLE: list[tuple[str, Callable[[Viewer], bool], tuple[bool, bool, bool]]] = [
    ("historical call", call, (True, True, False)),
    ("historical page", page, (True, True, False)),
    ("historical stream", stream(), (True, True, False)),
    ("historical still", still, (True, True, False)),
    ("level USERAGENT", stream(SecLevel.USERAGENT, useragent="Firefox"), (True, True, False)),
    (
        "level USERAGENT|COUNTRY", stream(WITH_A_LIST, useragent="Firefox", countries=["fr"]),
        (False, True, False),
    ),
    ("address signed for http", stream_signed_for_http, (False, True, False)),
    ("digit moved into the end", stream_with_a_moved_digit, (False, False, False)),
    ("call of scheme 2", call_of_scheme2, (True, True, True)),
    ("stream of scheme 2", stream_of_scheme2, (True, True, True)),
]  # fmt: skip


@pytest.mark.parametrize("mode", Account.Legacy.values)
def test_what_each_mode_takes(viewer: Viewer, mode: str) -> None:
    account_secrets.add(viewer.media.account)
    Account.objects.update(legacy=mode)
    column = Account.Legacy.values.index(mode)

    found = {name: ask(viewer) for name, ask, _ in TABLE}

    assert found == {name: expected[column] for name, _, expected in TABLE}


def test_a_new_account_is_strict() -> None:
    assert Account.objects.create(name="new").legacy == Account.Legacy.STRICT


def test_players_that_are_open_end_when_the_scheme_does(viewer: Viewer) -> None:
    text = viewer.get(viewer.signer.media.get_embed_url(viewer.media.pk)).body.decode()
    video = text.split('<video src="')[1].split('"')[0]
    assert viewer.status(video) == 200

    Account.objects.update(legacy=Account.Legacy.OFF)

    assert viewer.status(video) == 403


def test_t178_players_that_are_open_end_when_the_key_does(viewer: Viewer) -> None:
    text = viewer.get(viewer.signer.media.get_embed_url(viewer.media.pk)).body.decode()
    video = text.split('<video src="')[1].split('"')[0]
    assert viewer.status(video) == 200

    call_command("cloudkey_account", "rotate", "demo", "--historical", stdout=StringIO())

    assert viewer.status(video) == 403


def test_one_account_s_switch_is_its_own(viewer: Viewer) -> None:
    Account.objects.create(name="other", legacy=Account.Legacy.OFF)

    assert page(viewer)


# The counter


@pytest.mark.parametrize("mode", Account.Legacy.values)
def test_what_was_taken_is_counted_and_nothing_else(
    viewer: Viewer, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_uses, "PERIOD", 0.0)
    account_secrets.add(viewer.media.account)
    Account.objects.update(legacy=mode)

    taken = {"call": 0, "address": 0}
    for name, ask, _ in TABLE:
        if ask(viewer) and "scheme 2" not in name:
            taken["call" if "call" in name else "address"] += 1

    counted = {"call": 0, "address": 0}
    for use in LegacyUse.objects.all():
        counted[use.kind.partition(",")[0]] += use.count
    assert counted == taken
    assert sum(counted.values()) == {"strict": 5, "lenient": 7, "off": 0}[mode]


def test_f33_use_that_cannot_be_counted_refuses_nobody(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_uses, "PERIOD", 0.0)

    def fail(execute: Any, sql: str, *more: Any) -> Any:
        if "legacyuse" in sql:
            raise OperationalError("database is locked")
        return execute(sql, *more)

    with connections["cloud"].execute_wrapper(fail):
        assert viewer.status(viewer.stream_url()) == 200
    assert not LegacyUse.objects.exists()

    assert viewer.status(viewer.stream_url()) == 200
    assert LegacyUse.objects.get().count == 2


def test_a_player_is_one_use_however_much_of_it_is_watched(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_uses, "PERIOD", 0.0)
    text = viewer.get(viewer.signer.media.get_embed_url(viewer.media.pk)).body.decode()
    video = text.split('<video src="')[1].split('"')[0]

    for start in range(5):
        assert viewer.status(video, HTTP_RANGE=f"bytes={start}-") == 206

    assert LegacyUse.objects.get().count == 1
