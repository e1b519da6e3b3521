"""``cloudkey_explain``, the log and the header: one reason for a refusal, and none for viewers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from django_cloudkey.client import CloudKey, SecLevel, sign_url
from django_cloudkey.protocol.scheme2 import signing as scheme2
from django_cloudkey.protocol.scheme2.keys import Keys, new_secret
from django_cloudkey.protocol.seclevel import parse_seclevel
from django_cloudkey.protocol.urls import Page, stream_address
from django_cloudkey.server import account_secrets
from django_cloudkey.server.delivery.reasons import HEADER, REASONS
from django_cloudkey.server.models import Account, AccountSecret, Media

from ..conftest import DATABASES
from .places import FRENCH, GERMAN, NOWHERE
from .test_delivery import BASE, UNKNOWN, Viewer, add_media, configure

pytestmark = [
    pytest.mark.django_db(databases=DATABASES),
    pytest.mark.usefixtures("geography_files"),
]

HISTORICAL, SCHEME2 = "historical", "scheme 2"
PAGE = "https://courses.example/1"
AGENT = "Firefox/1"


def explain(url: str, *options: str) -> dict[str, Any]:
    """Return the report as JSON, after checking that the exit status says the same."""
    output = StringIO()
    status = 0
    try:
        call_command("cloudkey_explain", url, *options, "--json", stdout=output)
    except SystemExit as ended:
        status = int(str(ended.code))
    report: dict[str, Any] = json.loads(output.getvalue())
    assert status == bool(report["reason"])
    return report


def shown(url: str, *options: str) -> str:
    """Return what is written for people, without colours."""
    output = StringIO()
    with suppress(SystemExit):
        call_command("cloudkey_explain", url, *options, stdout=output, no_color=True)
    return output.getvalue()


@dataclass
class Site:
    """Who signs, under both schemes, and the cloud's rows behind it."""

    viewer: Viewer
    keys: Keys

    def sign(self, scheme: str, level: int = 0, *, page: bool = False, **values: Any) -> str:
        user, media = self.viewer.signer.user_id, self.viewer.media.pk
        stream = stream_address(user, media, values.pop("asset", "mp4_h264_aac"))
        url = f"{BASE}/{Page(user=user, media=media).path if page else stream.path}"
        if scheme == HISTORICAL:
            return sign_url(url, self.viewer.signer.api_key, level, **values)
        audience = "embed" if page else "stream"
        return scheme2.sign_url(
            url, values.pop("keys", self.keys), media=values.pop("media", media),
            audience=audience, seclevel=level, max_lifetime=10**9, **values,
        )  # fmt: skip


@pytest.fixture
def site() -> Site:
    account = Account.objects.create(name="demo")
    signer = CloudKey(account.pk, account.api_key, BASE)
    viewer = Viewer(signer, add_media(account), Client())
    return Site(viewer, account_secrets.keys_of(account_secrets.add(account)))


RIGHT = ("--ip", FRENCH, "--user-agent", AGENT, "--referer", PAGE)
WRONG = ("--ip", GERMAN, "--user-agent", "Chrome", "--referer", "https://evil.example/")


@pytest.mark.parametrize(
    ("level", "values", "historical", "scheme_2"),
    [
        (SecLevel.NONE, {}, "", ""),
        (SecLevel.IP, {"ip": FRENCH}, "signature", "bindings"),
        (SecLevel.ASNUM, {"asnum": "AS64496"}, "signature", "bindings"),
        (SecLevel.USERAGENT, {"useragent": AGENT}, "signature", "bindings"),
        (SecLevel.COUNTRY, {"countries": ["fr"]}, "country", "country"),
        (SecLevel.REFERER, {"referers": [PAGE]}, "referer", "referer"),
        (SecLevel.REFERER_STRICT, {"referers": [PAGE]}, "referer", "referer"),
        (SecLevel.USEONCE, {}, "used", "used"),
        (SecLevel.DELEGATE, {}, "", ""),
        (SecLevel.DELEGATE | SecLevel.IP, {}, "delegated", "delegated"),
        (SecLevel.DELEGATE | SecLevel.ASNUM, {}, "delegated", "delegated"),
        (SecLevel.DELEGATE | SecLevel.USERAGENT, {}, "delegated", "delegated"),
        (SecLevel.DELEGATE | SecLevel.COUNTRY, {}, "delegated", "delegated"),
    ],
    ids=str,
)
@pytest.mark.parametrize("scheme", [HISTORICAL, SCHEME2])
def test_every_level_is_explained_for_the_right_viewer_and_for_another(
    site: Site, scheme: str, level: SecLevel, values: dict[str, Any],
    historical: str, scheme_2: str,
) -> None:  # fmt: skip
    url = site.sign(scheme, level, **values)

    for _ in range(2):  # nobody came by asking
        report = explain(url, *RIGHT)
        assert (report["reason"], report["scheme"]) == ("", scheme)
        assert parse_seclevel(report["level"]) == level
    site.viewer.get(url, REMOTE_ADDR=FRENCH, HTTP_USER_AGENT=AGENT, HTTP_REFERER=PAGE)
    expected = historical if scheme == HISTORICAL else scheme_2
    assert explain(url, *WRONG)["reason"] == expected


# Each reason, in all three places


def _expired(site: Site, scheme: str) -> str:
    return site.sign(scheme, expires=time.time() - 60, **_issued(scheme, -7000))


def _issued(scheme: str, seconds: int) -> dict[str, Any]:
    return {} if scheme == HISTORICAL else {"issued": time.time() + seconds}


def _of_an_inactive_account(site: Site, scheme: str) -> str:
    url = site.sign(scheme)
    Account.objects.update(is_active=False)
    return url


def _of_an_unknown_account(site: Site, scheme: str) -> str:
    return site.sign(scheme).replace(site.viewer.signer.user_id, UNKNOWN)


def _of_no_scheme(site: Site, scheme: str) -> str:
    Account.objects.update(legacy=Account.Legacy.OFF)
    return site.sign(scheme)


def _of_a_retired_secret(site: Site, scheme: str) -> str:
    AccountSecret.objects.update(is_active=False)
    return site.sign(scheme)


def _used(site: Site, scheme: str) -> str:
    url = site.sign(scheme, SecLevel.USEONCE)
    assert site.viewer.status(url) == 302
    return url


def _delegated(site: Site, scheme: str) -> str:
    url = site.sign(scheme, SecLevel.DELEGATE | SecLevel.IP)
    assert site.viewer.status(url, REMOTE_ADDR=FRENCH) == 200
    return url


def _of_another_media(site: Site, scheme: str) -> str:
    return site.sign(scheme, media="f" * 24)


def _of_two_texts(site: Site, scheme: str) -> str:
    return site.sign(scheme) + "&auth=x"


def _of_another_key(site: Site, scheme: str) -> str:
    keys = Keys(site.keys.user, site.keys.kid, new_secret())
    return site.sign(scheme, keys=keys) if scheme == SCHEME2 else site.sign(scheme)[:-3] + "000"


Build = Callable[[Site, str], str]
CASES: list[tuple[str, tuple[str, ...], Build]] = [
    ("missing", (HISTORICAL, SCHEME2), lambda site, scheme: site.sign(scheme).partition("?")[0]),
    ("malformed", (HISTORICAL, SCHEME2), _of_two_texts),
    ("malformed", (HISTORICAL, SCHEME2), lambda site, scheme: site.sign(scheme) + "%00"),
    ("account", (HISTORICAL, SCHEME2), _of_an_inactive_account),
    ("account", (HISTORICAL, SCHEME2), _of_an_unknown_account),
    ("legacy", (HISTORICAL,), _of_no_scheme),
    ("kid", (SCHEME2,), _of_a_retired_secret),
    ("signature", (HISTORICAL, SCHEME2), _of_another_key),
    ("claims", (SCHEME2,), _of_another_media),
    ("expired", (HISTORICAL, SCHEME2), _expired),
    ("early", (SCHEME2,), lambda site, scheme: site.sign(scheme, issued=time.time() + 60)),
    (
        "lifetime", (HISTORICAL, SCHEME2),
        lambda site, scheme: site.sign(scheme, expires=time.time() + 367 * 24 * 3600),
    ),
    ("bindings", (SCHEME2,), lambda site, scheme: site.sign(scheme, SecLevel.IP, ip=FRENCH)),
    (
        "seams", (HISTORICAL,),
        lambda site, scheme: site.sign(
            scheme, SecLevel.USERAGENT | SecLevel.COUNTRY, useragent=AGENT, countries=["de"]
        ),
    ),
    (
        "country", (HISTORICAL, SCHEME2),
        lambda site, scheme: site.sign(scheme, SecLevel.COUNTRY, countries=["fr"]),
    ),
    (
        "referer", (HISTORICAL, SCHEME2),
        lambda site, scheme: site.sign(scheme, SecLevel.REFERER_STRICT, referers=[PAGE]),
    ),
    ("used", (HISTORICAL, SCHEME2), _used),
    ("delegated", (HISTORICAL, SCHEME2), _delegated),
    (
        "viewer", (HISTORICAL, SCHEME2),
        lambda site, scheme: site.sign(scheme, SecLevel.DELEGATE | SecLevel.REFERER),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "scheme", "build"),
    [
        pytest.param(reason, scheme, build, id=f"{reason}-{scheme}")
        for reason, schemes, build in CASES
        for scheme in schemes
    ],
)
def test_command_log_and_header_name_the_same_reason(
    site: Site, settings: Any, caplog: pytest.LogCaptureFixture,
    reason: str, scheme: str, build: Build,
) -> None:  # fmt: skip
    url = build(site, scheme)
    settings.DEBUG = True
    caplog.clear()

    with caplog.at_level(logging.INFO, logger="django_cloudkey.server.delivery"):
        answer = site.viewer.get(url, REMOTE_ADDR=GERMAN, HTTP_USER_AGENT=AGENT)

    assert (answer.status, answer.headers[HEADER]) == (403, reason)
    assert f"Refused ({reason}): " in caplog.text
    report = explain(url, "--ip", GERMAN, "--user-agent", AGENT)
    assert (report["reason"], report["sentence"]) == (reason, REASONS[reason])


def test_every_reason_is_tried() -> None:
    assert {reason for reason, _, _ in CASES} == REASONS.keys()


@pytest.mark.parametrize("page", [False, True])
@pytest.mark.parametrize("scheme", [HISTORICAL, SCHEME2])
def test_staff_see_the_reason_and_viewers_never(site: Site, scheme: str, page: bool) -> None:
    url = site.sign(scheme, SecLevel.COUNTRY, countries=["fr"], page=page)
    User.objects.create_user("viewer", password="x")
    User.objects.create_user("staff", password="x", is_staff=True)
    answers = {}

    for name in ("", "viewer", "staff"):
        browser = Client()
        assert not name or browser.login(username=name, password="x")
        answers[name] = Viewer(site.viewer.signer, site.viewer.media, browser).get(url)

    assert {answer.status for answer in answers.values()} == {403}
    assert {name: answer.headers.get(HEADER) for name, answer in answers.items()} == {
        "": None, "viewer": None, "staff": "country",
    }  # fmt: skip
    assert not any(b"country" in answer.body for answer in answers.values())


# What is written


def test_checks_are_listed_up_to_the_one_that_fails(site: Site) -> None:
    end = int(time.time()) + 7200
    level = SecLevel.IP | SecLevel.COUNTRY
    url = site.sign(SCHEME2, level, ip=FRENCH, countries=["fr"], expires=end)

    text = shown(url, "--ip", GERMAN, "--at", str(end - 7140))

    head, checks, sentence = text.strip().split("\n\n")
    facts = dict(line.split(maxsplit=1) for line in head.splitlines())
    assert facts["Scheme"] == "scheme 2"
    assert facts["Level"] == "ip|country"
    assert facts["Viewer"] == f"{GERMAN}, AS64497, de"
    assert facts["Expires"].endswith(" UTC, in 1:59:00")
    assert [line[:4].strip() for line in checks.splitlines()] == [*["ok"] * 6, "no", "-", "-"]
    assert "  no  It was signed for this viewer (bindings)" in checks
    assert sentence == REASONS["bindings"]


def test_what_was_not_given_of_the_viewer_is_asked_for(site: Site) -> None:
    url = site.sign(SCHEME2, SecLevel.IP | SecLevel.USERAGENT, ip=FRENCH, useragent=AGENT)

    assert "not given of the viewer: --ip, --user-agent." in shown(url)
    assert "not given" not in shown(url, "--ip", GERMAN, "--user-agent", AGENT)
    assert "not given" not in shown(url, "--ip", FRENCH, "--user-agent", AGENT)


def test_an_address_that_is_served_passes_all_checks(site: Site) -> None:
    text = shown(site.sign(HISTORICAL))

    assert "no  " not in text
    assert text.endswith("It would be served.\n")


@pytest.mark.parametrize("scheme", [HISTORICAL, SCHEME2])
def test_a_right_signature_for_what_does_not_exist(site: Site, scheme: str) -> None:
    missing = site.sign(scheme, asset="mp4_h264_aac_hd")
    page = site.sign(scheme, page=True)
    assert explain(missing)["reason"] == "not_found"
    assert "asset" in explain(missing)["sentence"]

    Media.objects.all().delete()

    assert explain(page)["reason"] == "not_found"
    assert "media" in explain(page)["sentence"]


def test_a_source_is_served_whatever_became_of_it(site: Site) -> None:
    site.viewer.media.assets.create(name="source", status="error", file="x")

    assert explain(site.sign(HISTORICAL, asset="source"))["reason"] == ""


def test_public_stills_need_no_signature(site: Site) -> None:
    url = site.viewer.signer.media.get_thumbnail_url(site.viewer.media.pk).partition("?")[0]
    assert explain(url)["reason"] == "missing"

    Account.objects.update(public_thumbnails=True)

    assert explain(url)["reason"] == ""
    assert "public" in shown(url)
    assert explain(url.replace("medium", "large"))["reason"] == "not_found"


def test_a_player_s_own_address_is_explained(site: Site) -> None:
    page = site.viewer.get(site.sign(HISTORICAL, SecLevel.IP, ip=FRENCH, page=True),
                           REMOTE_ADDR=FRENCH)  # fmt: skip
    video = page.body.decode().split('<video src="')[1].split('"')[0]

    assert explain(video, "--ip", FRENCH)["reason"] == ""
    assert explain(video, "--ip", NOWHERE)["reason"] == "bindings"


@pytest.mark.parametrize("at", ["1795820705", "2026-11-27T12:00:00Z", "2026-11-27 12:00:00+01:00"])
def test_another_time_may_be_asked_for(site: Site, at: str) -> None:
    assert explain(site.sign(HISTORICAL), "--at", at)["reason"] in ("", "expired", "lifetime")
    assert explain(site.sign(HISTORICAL), "--at", "2099-01-01")["reason"] == "expired"


@pytest.mark.parametrize("at", ["9" * 12, "9" * 400])
def test_a_time_beyond_all_calendars_is_refused(site: Site, at: str) -> None:
    with pytest.raises(CommandError, match="--at"):
        explain(site.sign(HISTORICAL, SecLevel.NONE), "--at", at)


def test_a_time_that_is_none_is_refused(site: Site) -> None:
    with pytest.raises(CommandError, match="--at"):
        explain(site.sign(HISTORICAL), "--at", "soon")


def test_country_lists_of_this_cloud_count(site: Site, settings: Any) -> None:
    url = site.sign(SCHEME2, SecLevel.COUNTRY, countries=["fr"])
    assert explain(url, "--ip", FRENCH)["reason"] == ""

    configure(settings, COUNTRY_FILE=None)

    assert explain(url, "--ip", FRENCH)["reason"] == "country"


def test_addresses_of_others_are_no_matter_of_this_cloud() -> None:
    media = f"{UNKNOWN}/{UNKNOWN}"
    for url in (
        "https://other.example/embed/x", f"{BASE}/api", f"{BASE}/files/{'a' * 32}",
        # Of the grammar, and not answered by this cloud.
        f"{BASE}/player/swf/{media}", f"{BASE}/stream/{media}.mov",
    ):  # fmt: skip
        with pytest.raises(CommandError, match="no address of a player"):
            call_command("cloudkey_explain", url)
