"""The URL methods of a client that has a secret: the same addresses, signed by scheme 2."""

from __future__ import annotations

import pickle
import re
import time
from traceback import walk_tb
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from django_cloudkey.client import CloudKey, InvalidParameter, SecLevel
from django_cloudkey.client.media_urls import MediaURLs
from django_cloudkey.protocol.scheme2.claims import Claims
from django_cloudkey.protocol.scheme2.keys import Keys, new_secret
from django_cloudkey.protocol.scheme2.url_token import LIFETIME, read_token, verify_token
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.signing import URL_LIFETIME
from django_cloudkey.protocol.urls import Page, Stream, Thumbnail, parse

from .conftest import API_KEY, USER_ID, NoNetwork

MEDIA = "4d0c0ffee0000000000000a1"
BASE = "https://video.example.org/cloud"
SECRET = new_secret()
KEYS = Keys(USER_ID, "k1", SECRET)
VIEWER = Viewer(ip="203.0.113.7", useragent="Firefox", asnum="AS64496")


def client_of(api_key: str | None = None, **more: Any) -> CloudKey:
    given = {"secret": SECRET, "kid": "k1", "transport": NoNetwork(), **more}
    return CloudKey(USER_ID, api_key, BASE, **given)


@pytest.fixture
def media() -> MediaURLs:
    return client_of().media


def address_of(url: str) -> Page | Stream | Thumbnail:
    address = parse(url.partition("?")[0].removeprefix(f"{BASE}/"))
    assert isinstance(address, Page | Stream | Thumbnail), url
    return address


def read(url: str, audience: str, viewer: Viewer = VIEWER) -> Claims:
    """Return the claims of a token that is the whole query, verified for its own address."""
    address, query = address_of(url), parse_qs(urlsplit(url).query, strict_parsing=True)
    assert list(query) == ["auth"]
    return verify_token(
        query["auth"][0], {"k1": KEYS}.get,
        user=address.user, media=address.media, audience=audience,
        asset_name=None if isinstance(address, Page) else address.asset_name,
        viewer=viewer, now=time.time(),
    )[0]  # fmt: skip


def test_player(media: MediaURLs) -> None:
    url = media.get_embed_url(MEDIA)

    assert url.startswith(f"{BASE}/embed/{USER_ID}/{MEDIA}?auth=ey")
    claims = read(url, "embed")
    assert claims.expires - claims.issued == URL_LIFETIME
    assert (claims.seclevel, claims.asset_name, claims.options, claims.id) == (0, None, {}, None)


def test_player_is_shown_as_the_token_says(media: MediaURLs) -> None:
    url = media.get_embed_url(
        MEDIA, autoplay=True, start=30, chromeless=True, skin="dark & plain", secure=True
    )

    assert read(url, "embed").options == {
        "autoplay": 1, "start": 30, "chromeless": 1, "skin": "dark & plain",
    }  # fmt: skip


def test_historical_player_is_shown_as_its_query_says() -> None:
    media = CloudKey(USER_ID, API_KEY, BASE).media

    url = media.get_embed_url(MEDIA, autoplay=True, start=30, skin="dark & plain")

    query = parse_qs(urlsplit(url).query)
    assert query.pop("auth")
    assert query == {"skin": ["dark & plain"], "autoplay": ["1"], "start": ["30"]}


@pytest.mark.parametrize(
    ("options", "audience", "asset_name", "given"),
    [
        ({}, "stream", "mp4_h264_aac", {}),
        ({"asset_name": "flv_h263_mp3"}, "stream", "flv_h263_mp3", {}),
        ({"preset": "mp4_h264_aac_hd", "version": 4}, "stream", "mp4_h264_aac_hd", {}),
        ({"asset_name": "abs", "protocol": "hls"}, "stream", "abs", {}),
        ({"download": True}, "download", "mp4_h264_aac", {}),
        ({"filename": "Ré&=.mp4"}, "download", "mp4_h264_aac", {"filename": "Ré&=.mp4"}),
    ],
)
def test_stream(
    media: MediaURLs, options: dict[str, Any], audience: str, asset_name: str, given: Any
) -> None:
    claims = read(media.get_stream_url(MEDIA, **options), audience)

    assert (claims.asset_name, claims.options) == (asset_name, given)


def test_thumbnail(media: MediaURLs) -> None:
    claims = read(media.get_thumbnail_url(MEDIA, "jpeg_thumbnail_small", version=3), "thumb")

    assert claims.asset_name == "jpeg_thumbnail_small"
    # As ever: this method does not sign those.
    assert "?" not in media.get_stream_url(MEDIA, "jpeg_thumbnail_small")


def test_hosts_are_those_of_the_client() -> None:
    media = client_of(cdn_url="https://cdn.example.org", static_url="https://static.example").media

    assert media.get_stream_url(MEDIA).startswith("https://cdn.example.org/route/")
    assert media.get_stream_url(MEDIA, cdn_url="https://b.example/").startswith(
        "https://b.example/"
    )
    assert media.get_thumbnail_url(MEDIA).startswith(f"https://static.example/{USER_ID}/")


METHODS = [("get_embed_url", "embed"), ("get_stream_url", "stream"), ("get_thumbnail_url", "thumb")]


@pytest.mark.parametrize(("method", "audience"), METHODS)
def test_every_restriction_is_in_every_address(
    media: MediaURLs, method: str, audience: str
) -> None:
    level = sum(
        (SecLevel.IP, SecLevel.ASNUM, SecLevel.USERAGENT, SecLevel.COUNTRY, SecLevel.REFERER)
    )

    url = getattr(media, method)(
        MEDIA, seclevel=level, ip="203.0.113.99/24", asnum="AS64496", useragent="Firefox",
        countries=["-", "FR"], referers=["https://example.org/a"], expires=time.time() + 60,
    )  # fmt: skip

    claims = read(url, audience)
    assert claims.seclevel == level
    assert set(claims.bindings) == {"ip", "pfx", "as", "ua"}
    assert claims.countries == ("deny", "fr")
    assert claims.referers == (("https", "example.org", "/a"),)
    assert claims.expires == pytest.approx(time.time() + 60, abs=2)
    for secret in ("203.0.113", "64496", "Firefox"):
        assert secret not in url


@pytest.mark.parametrize(("method", "audience"), METHODS)
def test_delegated_address_binds_nobody_yet(media: MediaURLs, method: str, audience: str) -> None:
    level = SecLevel.DELEGATE | SecLevel.IP

    claims = read(getattr(media, method)(MEDIA, seclevel=level, ip=VIEWER.ip), audience, Viewer())

    assert (claims.bindings, claims.seclevel) == ({}, level)
    assert claims.id is not None


@pytest.mark.parametrize(("method", "audience"), METHODS)
def test_equal_requests_give_equal_addresses(
    media: MediaURLs, method: str, audience: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign, end = getattr(media, method), int(time.time()) + 3600
    urls = [sign(MEDIA, seclevel=SecLevel.IP, ip=VIEWER.ip, expires=end, stable=True)]
    begun = sign(MEDIA, expires=end, issued=end - 7200, stable=True)
    monkeypatch.setattr(time, "time", lambda: end - 60.0)
    urls.append(sign(MEDIA, seclevel=SecLevel.IP, ip=VIEWER.ip, expires=end, stable=True))

    assert urls[0] == urls[1]
    assert read(urls[0], audience).issued == end - LIFETIME
    assert read(begun, audience).issued == end - 7200


def test_copies_sign_for_the_account_that_they_came_from() -> None:
    other = client_of().act_as_user("4d0c0ffee0000000000000ee").media

    assert read(other.get_embed_url(MEDIA), "embed").user == USER_ID


# What scheme 2 does not have


@pytest.mark.parametrize("method", ["get_swf_url", "get_qtref_url"])
def test_dead_players_stay_historical(method: str) -> None:
    assert re.search(r"\?auth=\d{10}-0-", getattr(client_of(API_KEY).media, method)(MEDIA))

    with pytest.raises(ValueError, match="needs the API key: it is not of scheme 2"):
        getattr(client_of().media, method)(MEDIA)


def test_drm_token_is_historical() -> None:
    for client in (client_of(), client_of(API_KEY)):
        with pytest.raises(ValueError, match="drm_token is not of scheme 2"):
            client.media.get_embed_url(MEDIA, drm_token={"rights": "play"})


@pytest.mark.parametrize(("method", "audience"), METHODS)
@pytest.mark.parametrize("id", ["", MEDIA.upper(), f"{MEDIA}/../x", None])
def test_only_ids_are_signed(media: MediaURLs, method: str, audience: str, id: Any) -> None:
    with pytest.raises(InvalidParameter):
        getattr(media, method)(id)


def test_secret_is_in_no_frame_and_no_pickle() -> None:
    client = client_of()
    text = SECRET.reveal()
    shown = [repr((client, vars(client), client.signing_keys, client.media))]
    for fails in (
        lambda: CloudKey(USER_ID, None, BASE, secret=text + "é", kid="k1"),
        lambda: CloudKey(USER_ID, None, BASE, secret=text, kid="no kid"),
        lambda: CloudKey(USER_ID, None, BASE, secret=text),
        lambda: CloudKey(USER_ID, None, "ftp://x", secret=text, kid="k1"),
        lambda: client.media.get_embed_url(MEDIA, SecLevel.IP),
        lambda: client.media.get_embed_url(MEDIA, SecLevel.COUNTRY, countries=["x"]),
        lambda: client.media.get_embed_url(MEDIA, expires=1, issued=1),
        lambda: client.media.get_embed_url("no id"),
        lambda: pickle.dumps(client.signing_keys),
        lambda: pickle.dumps(client),
    ):
        with pytest.raises((ValueError, TypeError, InvalidParameter)) as caught:
            fails()
        frames = [frame for frame, _ in walk_tb(caught.value.__traceback__)][2:]
        shown += [str(caught.value), *(repr(frame.f_locals) for frame in frames)]

    assert len(shown) > 20
    assert text not in "".join(shown)


DAY = 24 * 3600


@pytest.mark.parametrize("days", [1, 7, 30])
@pytest.mark.parametrize("stable", [False, True])
def test_address_that_the_cloud_would_never_take_is_not_made(days: int, stable: bool) -> None:
    sign = client_of(max_token_lifetime=days * DAY).media.get_embed_url
    now = int(time.time())

    (auth,) = parse_qs(urlsplit(sign(MEDIA, expires=now + days * DAY, stable=stable)).query)["auth"]

    claims = read_token(auth)[1]
    assert claims.issued <= time.time()
    assert claims.expires == now + days * DAY
    assert claims.expires - claims.issued <= days * DAY
    sentence = rf"valid for more than {days * DAY} seconds \(MAX_TOKEN_LIFETIME\), got"
    with pytest.raises(ValueError, match=sentence):
        sign(MEDIA, expires=now + days * DAY + 60, stable=stable)


def test_address_of_two_hours_is_shorter_where_the_cloud_takes_none() -> None:
    url = client_of(max_token_lifetime=600).media.get_embed_url(MEDIA)

    claims = read(url, "embed")
    assert claims.expires - claims.issued == 600


def test_address_may_begin_later_than_it_could_end_now(media: MediaURLs) -> None:
    now = int(time.time())

    url = media.get_embed_url(MEDIA, issued=now + 30 * DAY, expires=now + 31 * DAY)

    (auth,) = parse_qs(urlsplit(url).query)["auth"]
    assert read_token(auth)[1].issued == now + 30 * DAY
