"""Every level, for the right viewer and for others, under both schemes."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_cloudkey.client import CloudKey, SecLevel, sign_url
from django_cloudkey.protocol.scheme2 import signing as scheme2
from django_cloudkey.protocol.urls import Page, stream_address
from django_cloudkey.server import account_secrets, geography
from django_cloudkey.server.delivery import admission
from django_cloudkey.server.models import Account, AccountSecret, OneTimeClaim

from ..conftest import DATABASES
from .places import FRENCH, FRENCH6, GERMAN, NOWHERE
from .test_delivery import BASE, CONTENT, Viewer, add_media, configure

pytestmark = pytest.mark.django_db(databases=DATABASES)

SCHEMES = ("historical", "scheme 2")
Sign = Callable[..., str]


@pytest.fixture
def viewer() -> Viewer:
    account = Account.objects.create(name="demo")
    signer = CloudKey(account.pk, account.api_key, BASE)
    return Viewer(signer, add_media(account), Client())


@pytest.fixture(params=SCHEMES)
def sign(request: pytest.FixtureRequest, viewer: Viewer) -> Sign:
    """Return a function that signs the address of a stream, or of a player, under one scheme."""
    user, media = viewer.signer.user_id, viewer.media.pk
    secret = account_secrets.add(viewer.media.account)

    def sign(level: int, *, kind: str = "stream", **values: Any) -> str:
        stream = stream_address(user, media, "mp4_h264_aac")
        address = stream if kind == "stream" else Page(user=user, media=media)
        url = f"{BASE}/{address.path}"
        if request.param == "historical":
            return sign_url(url, viewer.signer.api_key, level, **values)
        keys = account_secrets.keys_of(secret)
        name = "mp4_h264_aac" if kind == "stream" else None
        return scheme2.sign_url(
            url, keys, media=media, audience=kind, asset_name=name, seclevel=level, **values
        )

    return sign


# Values of the viewer

AT = "REMOTE_ADDR"
AGENT = "HTTP_USER_AGENT"
BY = "HTTP_X_FORWARDED_FOR"


@pytest.mark.parametrize(
    ("proxies", "headers", "status"),
    [
        ([], {AT: FRENCH}, 200),
        ([], {AT: f"::ffff:{FRENCH}"}, 200),
        ([], {AT: GERMAN}, 403),
        ([], {AT: ""}, 403),
        ([], {AT: FRENCH6}, 403),
        # One proxy, and two: believed only when they are named.
        ([], {AT: "10.0.0.1", BY: FRENCH}, 403),
        (["10.0.0.1"], {AT: "10.0.0.1", BY: FRENCH}, 200),
        (["10.0.0.0/8"], {AT: "10.0.0.1", BY: f"{FRENCH}, 10.0.0.2"}, 200),
        (["10.0.0.1"], {AT: "10.0.0.1", BY: f"{FRENCH}, 10.0.0.2"}, 403),
        # What the viewer writes himself is in front of what the proxies saw.
        (["10.0.0.1"], {AT: "10.0.0.1", BY: f"{FRENCH}, {GERMAN}"}, 403),
        (["10.0.0.1"], {AT: GERMAN, BY: FRENCH}, 403),
        (["10.0.0.1"], {AT: "10.0.0.1", BY: "unknown"}, 403),
        (["10.0.0.1"], {AT: "10.0.0.1", BY: f"{FRENCH}:4711"}, 200),
        ([], {AT: GERMAN, "HTTP_X_REAL_IP": FRENCH, "HTTP_FORWARDED": f"for={FRENCH}"}, 403),
    ],
)
def test_t160_ip(
    viewer: Viewer, sign: Sign, settings: Any,
    proxies: list[str], headers: dict[str, str], status: int,
) -> None:  # fmt: skip
    configure(settings, TRUSTED_PROXIES=proxies)

    assert viewer.status(sign(SecLevel.IP, ip=FRENCH), **headers) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({AGENT: "Firefox/1"}, 200),
        ({AGENT: "Firefox/1 "}, 403),
        ({AGENT: "Chrome"}, 403),
        ({}, 403),
    ],
)
def test_t161_useragent(viewer: Viewer, sign: Sign, headers: dict[str, str], status: int) -> None:
    url = sign(SecLevel.USERAGENT, useragent="Firefox/1")

    assert viewer.status(url, **headers) == status


@pytest.mark.parametrize("ip", [FRENCH, FRENCH6])
def test_t162_asnum(viewer: Viewer, sign: Sign, geography_files: None, ip: str) -> None:
    url = sign(SecLevel.ASNUM, asnum="AS64496")

    assert viewer.status(url, REMOTE_ADDR=ip) == 200
    assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403
    assert viewer.status(url, REMOTE_ADDR=NOWHERE) == 403
    assert viewer.status(url, REMOTE_ADDR="") == 403


# Countries


@pytest.mark.parametrize(
    ("countries", "ip", "status"),
    [
        (["fr", "be"], FRENCH, 200),
        (["FR"], FRENCH, 200),
        (["fr"], FRENCH6, 200),
        (["fr"], GERMAN, 403),
        (["fr"], NOWHERE, 403),
        (["-", "fr"], FRENCH, 403),
        (["-", "fr"], GERMAN, 200),
        (["-", "fr"], NOWHERE, 403),
        (["-", "fr"], "", 403),
    ],
)
def test_t155_country(
    viewer: Viewer, sign: Sign, geography_files: None, countries: list[str], ip: str, status: int
) -> None:
    url = sign(SecLevel.COUNTRY, countries=countries)

    assert viewer.status(url, REMOTE_ADDR=ip) == status
    assert viewer.status(url, REMOTE_ADDR=ip, HTTP_X_COUNTRY="fr", HTTP_CF_IPCOUNTRY="FR") == status


def test_t155_without_files_nobody_is_anywhere(viewer: Viewer, sign: Sign) -> None:
    for url in (sign(SecLevel.COUNTRY, countries=["fr"]), sign(SecLevel.ASNUM, asnum="AS64496"),
                sign(SecLevel.COUNTRY, countries=["-", "fr"])):  # fmt: skip
        assert viewer.status(url, REMOTE_ADDR=FRENCH) == 403


def test_f46_a_file_may_be_broken_or_replaced_while_it_is_used(
    viewer: Viewer, sign: Sign, settings: Any, monkeypatch: pytest.MonkeyPatch,
    country_file: Path, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(geography, "LOOK", 0.0)
    path = tmp_path / "country.mmdb"
    configure(settings, COUNTRY_FILE=path)
    url = sign(SecLevel.COUNTRY, countries=["fr"])

    def status(content: bytes | None) -> int:
        if content is not None:
            beside = tmp_path / "new"
            beside.write_bytes(content)
            os.replace(beside, path)
        return viewer.status(url, REMOTE_ADDR=FRENCH)

    whole = country_file.read_bytes()
    assert status(None) == 403  # missing
    assert status(b"") == 403
    assert status(whole[:-200]) == 403
    assert status(whole) == 200
    assert status(whole[: len(whole) // 2]) == 200  # cut short: what was read before goes on
    path.unlink()
    assert status(None) == 200
    assert status(whole) == 200


def test_f46_a_file_with_wrong_bytes_admits_nobody_and_stops_nobody_else(
    viewer: Viewer, sign: Sign, settings: Any, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, country_file: Path, tmp_path: Path,
) -> None:  # fmt: skip
    """It is one of that kind, and fails when it is asked."""
    monkeypatch.setattr(geography, "LOOK", 0.0)
    path = tmp_path / "country.mmdb"
    configure(settings, COUNTRY_FILE=path)
    france, anyone = sign(SecLevel.COUNTRY, countries=["fr"]), sign(SecLevel.NONE)
    whole = country_file.read_bytes()
    source = random.Random(20_261_127)
    broken = 0

    for number in range(60):
        content = bytearray(whole)
        for _ in range(1 + number % 9):
            content[source.randrange(len(content))] = source.randrange(256)
        beside = tmp_path / f"{number}"
        beside.write_bytes(content)
        os.replace(beside, path)
        answers = [viewer.status(url, REMOTE_ADDR=GERMAN) for url in (france, anyone)]
        assert answers in ([403, 200], [200, 200]), f"{number}: {answers}"
        assert viewer.status(france, REMOTE_ADDR="") == 403
        broken += "cannot be read" in caplog.text
        caplog.clear()

    assert broken > 5


def test_f46_a_file_may_be_replaced_under_load(
    monkeypatch: pytest.MonkeyPatch, settings: Any, country_file: Path, tmp_path: Path
) -> None:
    """Whoever is in the country is in it all the time, from the first request on."""
    monkeypatch.setattr(geography, "LOOK", 0.01)
    path = tmp_path / "country.mmdb"
    configure(settings, COUNTRY_FILE=path)
    whole = country_file.read_bytes()
    read = geography.open_file

    def read_slowly(path: str) -> Any:
        time.sleep(0.02)
        return read(path)

    monkeypatch.setattr(geography, "open_file", read_slowly)
    path.write_bytes(whole)
    ended = threading.Event()

    def ask() -> set[str]:
        found = set()
        while not ended.is_set():
            found.add(geography.country_of(FRENCH))
        return found

    with ThreadPoolExecutor(8) as pool:
        askers = [pool.submit(ask) for _ in range(8)]
        for number in range(20):
            beside = tmp_path / "new"
            beside.write_bytes(whole[: len(whole) // 2] if number % 4 == 3 else whole)
            os.replace(beside, path)
            time.sleep(0.02)
        ended.set()
        found = [asker.result() for asker in askers]

    assert found == [{"fr"}] * 8


def test_f46_without_the_library_nobody_is_anywhere(
    viewer: Viewer, sign: Sign, geography_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geography, "_atlases", {})
    monkeypatch.setitem(sys.modules, "maxminddb", None)  # as if it were not installed

    france, anyone = sign(SecLevel.COUNTRY, countries=["fr"]), sign(SecLevel.NONE)

    assert viewer.status(france, REMOTE_ADDR=FRENCH) == 403
    assert viewer.status(anyone, REMOTE_ADDR=FRENCH) == 200


# Pages

COURSES = ["https://*.example.org/courses/", "https://example.net"]


@pytest.mark.parametrize(
    ("referer", "status"),
    [
        ("https://www.example.org/courses/1?a=b", 200),
        ("https://WWW.EXAMPLE.ORG/courses/", 200),
        ("https://www.example.org:443/courses/", 200),
        ("https://example.net", 200),
        ("https://example.net/any", 200),
        ("https://example.org/courses/", 403),
        ("https://www.example.org/", 403),
        ("http://www.example.org/courses/", 403),
        ("https://www.example.org:8443/courses/", 403),
        ("https://example.net.evil.example/", 403),
        ("https://evil.example/https://example.net/", 403),
        ("https://example.net@evil.example/", 403),
        ("https://evil.example\\@example.net/", 403),
        ("about:blank", 403),
        ("//example.net/", 403),
        ("https://[example.net/", 403),
    ],
)
@pytest.mark.parametrize("level", [SecLevel.REFERER, SecLevel.REFERER_STRICT])
def test_t154_referer(
    viewer: Viewer, sign: Sign, level: SecLevel, referer: str, status: int
) -> None:
    url = sign(level, referers=COURSES)

    assert viewer.status(url, HTTP_REFERER=referer) == status


def test_t154_a_missing_referer(viewer: Viewer, sign: Sign, settings: Any) -> None:
    loose, strict = (
        sign(level, referers=COURSES) for level in (SecLevel.REFERER, SecLevel.REFERER_STRICT)
    )

    assert viewer.status(loose) == 200
    assert viewer.status(strict) == 403
    configure(settings, MISSING_REFERER=False)
    assert viewer.status(loose) == 403


# The first viewer


def test_useonce_admits_once_to_a_session_that_can_seek(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.USEONCE)

    first = viewer.get(url, REMOTE_ADDR=FRENCH)

    assert first.status == 302
    session = first.headers["Location"]
    assert viewer.get(session, REMOTE_ADDR=FRENCH).body == CONTENT
    part = viewer.get(session, REMOTE_ADDR=FRENCH, HTTP_RANGE="bytes=10-19")
    assert (part.status, part.body) == (206, CONTENT[10:20])
    assert viewer.status(session, REMOTE_ADDR=GERMAN) == 403
    assert viewer.status(url, REMOTE_ADDR=FRENCH) == 403
    assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403


def test_t164_a_look_is_no_use(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.USEONCE)
    parts = urlsplit(url)

    for _ in range(10):
        head = viewer.browser.head(f"{parts.path}?{parts.query}")
        assert head.status_code == 200
        assert "Location" not in head.headers  # which would be a way in
    assert viewer.status(url) == 302
    assert viewer.browser.head(f"{parts.path}?{parts.query}").status_code == 403


def test_a_look_at_a_player_shows_no_way_in(viewer: Viewer, sign: Sign) -> None:
    parts = urlsplit(sign(SecLevel.USEONCE, kind="embed"))

    head: Any = viewer.browser.head(f"{parts.path}?{parts.query}")

    assert head.status_code == 200
    assert head.content == b""


def test_t165_used_stays_used_when_caches_are_emptied(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.USEONCE)
    assert viewer.status(url) == 302

    cache.clear()

    assert viewer.status(url) == 403


def test_delegate_belongs_to_the_first_viewer(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.DELEGATE | SecLevel.IP)

    assert viewer.status(url, REMOTE_ADDR=FRENCH) == 200
    assert viewer.status(url, REMOTE_ADDR=FRENCH, HTTP_RANGE="bytes=0-9") == 206
    assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403
    assert viewer.status(url, REMOTE_ADDR=GERMAN, HTTP_RANGE="bytes=0-9") == 403
    parts = urlsplit(url)
    head = viewer.browser.head(f"{parts.path}?{parts.query}", REMOTE_ADDR=GERMAN)
    assert head.status_code == 403
    assert viewer.status(url, REMOTE_ADDR=f"::ffff:{FRENCH}") == 200


def test_who_was_first_makes_nobody_wait_for_a_write_when_he_seeks(
    viewer: Viewer, sign: Sign
) -> None:
    """SQLite lets one write at a time, and a player asks for many ranges."""
    url = sign(SecLevel.DELEGATE | SecLevel.IP)
    assert viewer.status(url, REMOTE_ADDR=FRENCH) == 200

    with CaptureQueriesContext(connections["cloud"]) as queries:
        assert viewer.status(url, REMOTE_ADDR=FRENCH, HTTP_RANGE="bytes=0-9") == 206
        assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403

    assert {query["sql"].split()[0] for query in queries} == {"SELECT"}


def test_delegate_by_user_agent_and_by_country(
    viewer: Viewer, sign: Sign, geography_files: None
) -> None:
    url = sign(SecLevel.DELEGATE | SecLevel.USERAGENT)
    assert viewer.status(url, HTTP_USER_AGENT="Firefox") == 200
    assert viewer.status(url, HTTP_USER_AGENT="Chrome") == 403
    assert viewer.status(url) == 403

    url = sign(SecLevel.DELEGATE | SecLevel.COUNTRY)
    assert viewer.status(url, REMOTE_ADDR=FRENCH) == 200
    assert viewer.status(url, REMOTE_ADDR=FRENCH6) == 200
    assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403


def test_t169_delegate_by_network_follows_a_viewer_whose_address_changes(
    viewer: Viewer, sign: Sign, geography_files: None
) -> None:
    url = sign(SecLevel.DELEGATE | SecLevel.ASNUM)

    assert viewer.status(url, REMOTE_ADDR=FRENCH) == 200
    assert viewer.status(url, REMOTE_ADDR=FRENCH6) == 200
    assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403


def test_delegate_needs_to_know_the_first_viewer(viewer: Viewer, sign: Sign) -> None:
    """Without the file nobody's network is known: it must not become one that all share."""
    url = sign(SecLevel.DELEGATE | SecLevel.ASNUM)

    assert viewer.status(url, REMOTE_ADDR=FRENCH) == 403
    assert not OneTimeClaim.objects.exists()


def test_delegate_alone_binds_nobody(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.DELEGATE)

    assert viewer.status(url, REMOTE_ADDR=FRENCH) == viewer.status(url, REMOTE_ADDR=GERMAN) == 200


@pytest.fixture
def store_away(viewer: Viewer) -> Iterator[Callable[[], None]]:
    """Return a function that takes away the table of first uses."""
    table, elsewhere = OneTimeClaim._meta.db_table, "elsewhere"

    def rename(old: str, new: str) -> None:
        with connections["cloud"].cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    yield lambda: rename(table, elsewhere)
    rename(elsewhere, table)


# A statement that fails would end the transaction that other tests are in.
@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_t164_a_store_that_is_away_admits_nobody(
    viewer: Viewer, sign: Sign, store_away: Callable[[], None]
) -> None:
    urls = [sign(SecLevel.USEONCE), sign(SecLevel.DELEGATE | SecLevel.IP),
            sign(SecLevel.USEONCE, kind="embed")]  # fmt: skip

    store_away()

    assert [viewer.status(url) for url in urls] == [503] * 3
    assert viewer.status(sign(SecLevel.NONE)) == 200


# Players


def test_a_player_that_was_admitted_plays_in_whatever_program(viewer: Viewer, sign: Sign) -> None:
    """Native players ask with a user agent of their own, and without the page's address."""
    level = SecLevel.IP | SecLevel.USERAGENT
    page = viewer.get(sign(level, kind="embed", ip=FRENCH, useragent="Firefox"),
                      REMOTE_ADDR=FRENCH, HTTP_USER_AGENT="Firefox")  # fmt: skip
    video = page.body.decode().split('<video src="')[1].split('"')[0]

    assert page.status == 200
    assert viewer.status(video, REMOTE_ADDR=FRENCH, HTTP_USER_AGENT="Player/2") == 200
    assert viewer.status(video, REMOTE_ADDR=GERMAN, HTTP_USER_AGENT="Firefox") == 403


def test_a_player_is_shown_once(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.USEONCE, kind="embed")
    page = viewer.get(url, REMOTE_ADDR=FRENCH)
    video = page.body.decode().split('<video src="')[1].split('"')[0]

    assert page.status == 200
    assert viewer.status(video, REMOTE_ADDR=FRENCH) == 200
    assert viewer.status(video, REMOTE_ADDR=GERMAN) == 403
    assert viewer.status(url, REMOTE_ADDR=FRENCH) == 403


def test_a_session_ends_with_the_secret_that_opened_it(viewer: Viewer, sign: Sign) -> None:
    page = viewer.get(sign(SecLevel.NONE, kind="embed"))
    video = page.body.decode().split('<video src="')[1].split('"')[0]
    assert viewer.status(video) == 200

    AccountSecret.objects.update(is_active=False)
    Account.objects.update(legacy=Account.Legacy.OFF)

    assert viewer.status(video) == 403


def test_a_session_is_not_longer_than_the_right(viewer: Viewer, sign: Sign) -> None:
    end = int(time.time()) + 300
    session = viewer.get(sign(SecLevel.USEONCE, expires=end)).headers["Location"]

    answer = viewer.get(session)

    assert answer.status == 200
    assert 290 <= int(answer.headers["Cache-Control"].removeprefix("private, max-age=")) <= 300


@pytest.mark.parametrize("longest", [60, 3600])
def test_a_session_keeps_to_the_longest_life_of_a_token(
    viewer: Viewer, sign: Sign, settings: Any, longest: int
) -> None:
    configure(settings, MAX_TOKEN_LIFETIME=longest)
    end = time.time() + (7200 if "?auth=ey" not in sign(0) else longest - 5)

    page = viewer.get(sign(SecLevel.NONE, kind="embed", expires=end))

    video = page.body.decode().split('<video src="')[1].split('"')[0]
    assert viewer.status(video) == 200


@pytest.mark.parametrize("behind", [0, 60, 600])
def test_f30_a_session_is_good_on_a_machine_whose_clock_is_behind(
    viewer: Viewer, sign: Sign, monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    page = viewer.get(sign(SecLevel.NONE, kind="embed"))
    video = page.body.decode().split('<video src="')[1].split('"')[0]

    clock = SimpleNamespace(time=lambda: time.time() - behind)
    monkeypatch.setattr(admission, "time", clock)

    assert viewer.status(video) == 200


def test_claims_outlive_the_addresses_they_stand_for(viewer: Viewer, sign: Sign) -> None:
    end = int(time.time()) + 300
    viewer.status(sign(SecLevel.USEONCE, expires=end))

    assert OneTimeClaim.objects.get().expires > datetime.fromtimestamp(end, UTC) + timedelta(
        minutes=30
    )


# Reasons


@pytest.mark.parametrize(
    ("level", "values", "reason"),
    [
        (SecLevel.COUNTRY, {"countries": ["fr"]}, "country"),
        (SecLevel.REFERER_STRICT, {"referers": COURSES}, "referer"),
    ],
)
def test_operators_are_told_why_and_viewers_are_not(
    viewer: Viewer, sign: Sign, settings: Any, caplog: pytest.LogCaptureFixture,
    level: SecLevel, values: dict[str, Any], reason: str,
) -> None:  # fmt: skip
    urls = [sign(level, kind=kind, **values) for kind in ("stream", "embed")]

    with caplog.at_level("INFO", logger="django_cloudkey"):
        told_nothing = [viewer.get(url) for url in urls]
        settings.DEBUG = True
        told = [viewer.get(url) for url in urls]

    assert [answer.status for answer in told_nothing + told] == [403] * 4
    assert not any("CloudKey-Refusal" in answer.headers for answer in told_nothing)
    assert [answer.headers["CloudKey-Refusal"] for answer in told] == [reason] * 2
    assert caplog.text.count(f"Refused ({reason})") == 4
