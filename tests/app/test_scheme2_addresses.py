"""An account with a SECRET: everything that makes addresses makes those of scheme 2."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from io import StringIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.template import Context, Template
from django.test import RequestFactory
from hypothesis import given, strategies

from django_cloudkey import SecLevel, cloudkeys
from django_cloudkey.addresses import end_of, sign_for, signer_of, start_of
from django_cloudkey.admin import cells
from django_cloudkey.fields import FieldMedia, MediaField
from django_cloudkey.media_state import describe
from django_cloudkey.protocol.scheme2.claims import Claims
from django_cloudkey.protocol.scheme2.keys import Keys, new_secret
from django_cloudkey.protocol.scheme2.url_token import read_token, verify_token
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.signing import URLRefused
from django_cloudkey.protocol.urls import Page, Stream, Thumbnail, parse
from django_cloudkey.storage import CloudKeyStorage
from tests.testapp.models import Lesson

USER = "4d0c0ffee000000000000001"
MEDIA = "4d0c0ffee0000000000000aa"
BASE = "https://video.example.org/cloud"
SECRET = new_secret()
KEYS = Keys(USER, "k1", SECRET)
AGENT = "Firefox/140"


@pytest.fixture(autouse=True)
def _account(settings: Any) -> None:
    configure(settings)


def configure(settings: Any, **keys: object) -> None:
    account = {"USER_ID": USER, "SECRET": SECRET.reveal(), "KID": "k1", "BASE_URL": BASE}
    settings.CLOUDKEYS = {"default": {**account, **keys}}


def render(tag: str, **context: Any) -> str:
    return Template("{% load cloudkey %}{% " + tag + " %}").render(Context(context))


def addresses_in(text: str) -> list[str]:
    return [unescape(url) for url in re.findall(r"https://[^\s\"'<>]+", text)]


def read(url: str, viewer: Viewer = Viewer()) -> Claims:  # noqa: B008
    """Return the claims of an address, which *viewer* may use for what it names."""
    url = url.partition("#")[0]
    parsed, query = parse(url.partition("?")[0].removeprefix(f"{BASE}/")), urlsplit(url).query
    assert isinstance(parsed, Page | Stream | Thumbnail), url
    given = parse_qs(query, strict_parsing=True)
    assert list(given) == ["auth"]
    audiences = {Page: "embed", Thumbnail: "thumb", Stream: "stream"}
    is_download = isinstance(parsed, Stream) and parsed.protocol == "http"
    return verify_token(
        given["auth"][0], {"k1": KEYS}.get, user=parsed.user, media=parsed.media,
        audience="download" if is_download else audiences[type(parsed)],
        asset_name=None if isinstance(parsed, Page) else parsed.asset_name,
        viewer=viewer, now=time.time(),
    )[0]  # fmt: skip


def field_media(**options: Any) -> FieldMedia:
    field = MediaField(**options)
    field.set_attributes_from_name("video")
    return FieldMedia(field, MEDIA)


TAGS = [
    "cloudkey_embed media title='A talk'",
    "cloudkey_embed_url media",
    "cloudkey_stream_url media",
    "cloudkey_stream_url media filename='a \"b\" & c.mp4'",
    "cloudkey_thumbnail_url media",
    "cloudkey_video media start=30",
]


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag(tag: str) -> None:
    found = addresses_in(render(tag, media=Lesson(video=MEDIA).video))

    assert len(found) == (2 if "video media" in tag else 1)
    for url in found:
        claims = read(url)
        assert (claims.user, claims.media, claims.seclevel) == (USER, MEDIA, 0)
        assert claims.expires == pytest.approx(time.time() + 7200, abs=5)


@pytest.mark.parametrize("tag", TAGS)
def test_every_tag_is_for_its_viewer(tag: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.7", HTTP_USER_AGENT=AGENT)
    found = addresses_in(render(f"{tag} seclevel='ip|useragent'", media=MEDIA, request=request))

    for url in found:
        assert read(url, Viewer(ip="203.0.113.7", useragent=AGENT)).seclevel == 12
        for other in (Viewer(ip="203.0.113.8", useragent=AGENT), Viewer(ip="203.0.113.7")):
            with pytest.raises(URLRefused, match="bindings"):
                read(url, other)


def test_how_a_player_shows_is_inside_its_token() -> None:
    for tag in ("cloudkey_embed", "cloudkey_embed_url"):
        for arguments in ("autoplay=True start=30 chromeless=yes", "autoplay=yes start=s"):
            html = render(f"{tag} media {arguments}", media=MEDIA, yes=True, s=30)
            (url,) = addresses_in(html)
            shown = {"autoplay": 1, "start": 30, "chromeless": 1}
            if "chromeless" not in arguments:
                del shown["chromeless"]
            assert read(url).options == shown


def test_name_of_a_download_is_inside_its_token() -> None:
    (url,) = addresses_in(
        render("cloudkey_stream_url media filename=name", media=MEDIA, name="a & b.mp4")
    )

    assert read(url).options == {"filename": "a & b.mp4"}


def test_lists_are_inside_the_token() -> None:
    (url,) = addresses_in(
        render("cloudkey_embed_url media seclevel='country|referer' countries='-,fr' referers=r",
               media=MEDIA, r=["https://example.org/a"])
    )  # fmt: skip

    claims = read(url)
    assert claims.countries == ("deny", "fr")
    assert claims.referers == (("https", "example.org", "/a"),)


def network_of(request: Any, trusted_proxies: object) -> Viewer:
    return Viewer(ip=f"{request.META['REMOTE_ADDR']}/24")


def test_viewer_may_be_a_network(settings: Any) -> None:
    configure(settings, VIEWER=f"{__name__}.network_of", SECLEVEL="ip")
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.7")

    (url,) = addresses_in(render("cloudkey_embed media", media=MEDIA, request=request))

    assert read(url, Viewer(ip="203.0.113.200")).bindings["pfx"] == 24
    with pytest.raises(URLRefused, match="bindings"):
        read(url, Viewer(ip="203.0.114.7"))


# Values of a field, the storage, the command, the states of the admin


@pytest.mark.parametrize(
    ("make", "audience"),
    [
        (lambda media: media.embed_url(start=5), "embed"),
        (lambda media: media.stream_url(), "stream"),
        (lambda media: media.stream_url(filename="a.mp4"), "download"),
        (lambda media: media.thumbnail_url(), "thumb"),
    ],
)
def test_value_of_a_field(make: Callable[[FieldMedia], str], audience: str) -> None:
    assert read(make(field_media())).audience == audience


def test_level_of_a_field(settings: Any) -> None:
    configure(settings, SECLEVEL="useragent")
    media = field_media(seclevel="delegate|ip")

    claims = read(media.embed_url())

    assert (claims.seclevel, claims.bindings) == (SecLevel.DELEGATE | SecLevel.IP, {})


def test_file_of_a_storage() -> None:
    storage = CloudKeyStorage()
    url = storage.url(f"{MEDIA}/talk.mp4", parameters={"filename": "talk.mp4"}, expire=60)

    claims = read(url)
    assert (claims.asset_name, claims.options) == ("source", {"filename": "talk.mp4"})
    assert claims.expires == pytest.approx(time.time() + 60, abs=5)


def test_preview_of_the_admin_starts_by_itself() -> None:
    media = field_media()
    (player, still) = addresses_in(cells.picture(media, "Play"))
    state = describe(media.client, MEDIA, {"source": {"status": "ready"}}, [])

    assert read(still).audience == "thumb"
    for url in (player, state["embed"]):
        assert (read(url).audience, read(url).options) == ("embed", {"autoplay": 1})


def test_command() -> None:
    out = StringIO()
    call_command("cloudkey_embed_url", MEDIA, stdout=out)

    assert read(out.getvalue().strip()).media == MEDIA


# Lifetimes and caches


def test_addresses_live_as_long_as_the_account_says(settings: Any) -> None:
    configure(settings, URL_LIFETIME=600)

    claims = read(sign_for(None, "get_embed_url", MEDIA))

    assert claims.expires - claims.issued == pytest.approx(600, abs=2)


@pytest.mark.parametrize("tag", ["embed_url", "stream_url", "thumbnail_url"])
def test_viewer_gets_the_same_address_for_a_while(settings: Any, tag: str) -> None:
    configure(settings, URL_BUCKET=3600)
    one, other = (RequestFactory().get("/", REMOTE_ADDR=f"203.0.113.{n}") for n in (1, 2))
    text = f"cloudkey_{tag} media seclevel='ip'"

    urls = [render(text, media=MEDIA, request=request) for request in (one, one, other)]
    signed = sign_for(one, f"get_{tag}", MEDIA, seclevel="ip")

    if int(time.time()) % 3600 > 5:  # the bucket may have changed meanwhile
        assert urls[0] == urls[1] == signed != urls[2]
    claims = read(urls[0], Viewer(ip="203.0.113.1"))
    assert claims.expires - claims.issued == 7200 + 3600
    assert claims.issued <= time.time()


@given(
    now=strategies.floats(10**9, 4e9),
    lifetime=strategies.integers(1, 10**6),
    bucket=strategies.integers(1, 10**5),
)
def test_addresses_of_a_bucket_begin_at_once(now: float, lifetime: int, bucket: int) -> None:
    account: Any = SimpleNamespace(url_lifetime=lifetime, url_bucket=bucket)

    start = start_of(account, now)

    assert 0 < int(now) - start <= bucket
    assert end_of(account, now) - start == lifetime + bucket
    assert {start_of(account, start + 1 + each) for each in (0, bucket - 1)} == {start}


@pytest.mark.parametrize("seclevel", ["delegate|ip", "useonce"])
def test_addresses_for_whoever_comes_first_differ(settings: Any, seclevel: str) -> None:
    configure(settings, URL_BUCKET=10**6)

    urls = {
        render("cloudkey_embed_url media seclevel=s", media=MEDIA, s=seclevel) for _ in range(9)
    }

    assert len(urls) == 9


@pytest.mark.parametrize("bucket", [0, 3600])
def test_page_about_something_that_is_over_is_a_page(settings: Any, bucket: int) -> None:
    configure(settings, URL_BUCKET=bucket)

    (url,) = addresses_in(render("cloudkey_embed media expires=1700000000", media=MEDIA))

    with pytest.raises(URLRefused, match="expired"):
        read(url)


DAY = 24 * 3600


@pytest.mark.parametrize("bucket", [0, DAY])
def test_end_is_no_later_than_the_cloud_takes_tokens_for(settings: Any, bucket: int) -> None:
    configure(settings, URL_BUCKET=bucket)
    media = field_media()
    now = int(time.time())

    claims = read(media.embed_url(expires=now + 7 * DAY))  # as the cloud reads it

    assert claims.expires == now + 7 * DAY
    with pytest.raises(ValueError, match="expires: the cloud refuses an address that is valid for"):
        media.embed_url(expires=now + 7 * DAY + 60)
    assert render("cloudkey_embed media expires=end", media=media, end=now + 8 * DAY) == ""

    configure(settings, URL_BUCKET=bucket, MAX_TOKEN_LIFETIME=30 * DAY)
    auth = parse_qs(urlsplit(media.embed_url(expires=now + 30 * DAY)).query)["auth"][0]
    _kid, claims = read_token(auth)
    assert claims.expires == now + 30 * DAY
    assert now - bucket - 5 <= claims.issued <= now + 5
    assert claims.expires - claims.issued <= 30 * DAY


def test_historical_addresses_live_as_long_as_they_are_asked_to(settings: Any) -> None:
    account = {"USER_ID": USER, "API_KEY": "0123456789" * 4, "BASE_URL": BASE}
    settings.CLOUDKEYS = {"default": account}

    assert field_media().embed_url(expires=time.time() + 300 * DAY).startswith(BASE)


# One setting decides


def test_the_setting_decides_and_may_change(settings: Any) -> None:
    historical = {"USER_ID": USER, "API_KEY": "0123456789" * 4, "BASE_URL": BASE}
    both = {**historical, "SECRET": SECRET.reveal(), "KID": "k1"}
    schemes = []
    for account in (historical, both, historical, both):
        settings.CLOUDKEYS = {"default": account}
        url = render("cloudkey_embed_url media", media=MEDIA)
        schemes.append("new" if url.partition("?auth=")[2].startswith("ey") else "old")
        assert signer_of(MEDIA).client is cloudkeys["default"]

    assert schemes == ["old", "new", "old", "new"]


def test_what_cannot_be_signed_fails_as_ever(settings: Any) -> None:
    with pytest.raises(ValueError, match="needs the request"):
        sign_for(None, "get_embed_url", MEDIA, seclevel="ip")
    with pytest.raises(ValueError, match="list of country codes"):
        sign_for(None, "get_embed_url", MEDIA, seclevel="country")
    for tag in TAGS:
        assert render(tag, media="no id") == render(tag, media="")
    configure(settings, KID="")
    with pytest.raises(ImproperlyConfigured, match=r'"KID"\] is missing'):
        sign_for(None, "get_embed_url", MEDIA)
