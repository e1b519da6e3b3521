"""What a client with a secret signs, as the cloud reads it: every level there is, every method."""

from __future__ import annotations

import time
from itertools import chain, combinations
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cloudkey.client import CloudKey, SecLevel
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.signing import URLRefused
from django_cloudkey.protocol.urls import Page, Stream, Thumbnail, parse
from django_cloudkey.protocol.viewer import parse_address
from django_cloudkey.server import account_secrets
from django_cloudkey.server.delivery.admission import decide
from django_cloudkey.server.delivery.terms import Terms
from django_cloudkey.server.models import Account

from ..conftest import DATABASES
from .test_delivery import BASE, UNKNOWN

pytestmark = pytest.mark.django_db(databases=DATABASES)

RIGHT = Viewer(
    ip="203.0.113.7", useragent="Firefox", asnum="AS64496", country="fr",
    referer="https://www.example.org/lessons/1",
)  # fmt: skip
WRONG = {
    "ip": (SecLevel.IP, "198.51.100.7"),
    "useragent": (SecLevel.USERAGENT, "Firefox "),
    "asnum": (SecLevel.ASNUM, "AS64497"),
    "country": (SecLevel.COUNTRY, "de"),
    "referer": (SecLevel.REFERER | SecLevel.REFERER_STRICT, "https://example.com/"),
}
REASONS = ("bindings", "country", "referer")
VALUES: dict[str, Any] = {
    "ip": "203.0.113.7", "useragent": "Firefox", "asnum": "AS64496", "countries": ["fr", "be"],
    "referers": ["https://*.example.org/lessons/"],
}  # fmt: skip
METHODS = ["get_embed_url", "get_stream_url", "get_thumbnail_url"]
NAMED = [level for level in SecLevel.__members__.values() if level]
LEVELS = [sum(each) for each in chain(*(combinations(NAMED, n) for n in range(len(NAMED) + 1)))]


@pytest.fixture
def client() -> CloudKey:
    account = Account.objects.create(name="demo", legacy=Account.Legacy.OFF)
    secret = account_secrets.add(account)
    return CloudKey(account.pk, None, BASE, secret=secret.secret, kid=secret.kid)


def ask(url: str, viewer: Viewer = RIGHT, *, now: float | None = None) -> Terms:
    """Return on which terms the cloud admits *viewer*."""
    parts = urlsplit(url)
    address = parse(parts._replace(query="").geturl().removeprefix(f"{BASE}/"))
    assert isinstance(address, Page | Stream | Thumbnail)
    now = time.time() if now is None else now
    return decide(address, parts.query, viewer, now=now, is_use=True).terms


def refusal(url: str, viewer: Viewer = RIGHT, **more: Any) -> str:
    with pytest.raises(URLRefused) as caught:
        ask(url, viewer, **more)
    return caught.value.reason


def test_every_combination_of_levels_admits_its_viewer_and_no_other(client: CloudKey) -> None:
    assert len(LEVELS) == 2**8
    for number, level in enumerate(LEVELS):
        sign = getattr(client.media, METHODS[number % 3])
        terms = ask(sign(UNKNOWN, seclevel=level, **VALUES))
        assert terms.level == level

        for name, (bits, value) in WRONG.items():
            if not level & bits or level & SecLevel.DELEGATE:
                continue
            other = sign(UNKNOWN, seclevel=level, **VALUES)
            assert refusal(other, _replace(name, value)) in REASONS
            # A page that is not named is admitted, unless the level is strict.
            if name != "referer" or level & SecLevel.REFERER_STRICT:
                assert refusal(other, _replace(name, "")) in REASONS


def _replace(name: str, value: str) -> Viewer:
    fields = ("ip", "useragent", "asnum", "country", "referer")
    return Viewer(**{**{each: getattr(RIGHT, each) for each in fields}, name: value})


@pytest.mark.parametrize("method", METHODS)
def test_the_first_is_let_in_once_or_stays_the_only_one(client: CloudKey, method: str) -> None:
    sign = getattr(client.media, method)
    once = sign(UNKNOWN, seclevel=SecLevel.USEONCE)
    delegated = sign(UNKNOWN, seclevel=SecLevel.DELEGATE | SecLevel.IP)

    assert ask(once).level == SecLevel.USEONCE
    assert refusal(once) == "used"
    assert [ask(delegated).level for _ in range(2)] == [SecLevel.DELEGATE | SecLevel.IP] * 2
    assert refusal(delegated, _replace("ip", "198.51.100.7")) == "delegated"


TEXTS = st.text(min_size=1, max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    # Without addresses of IPv4 inside IPv6, whose prefix counts the bits of the former.
    ip=st.ip_addresses().filter(lambda ip: parse_address(str(ip)) == ip),
    bits=st.integers(0, 16),
    useragent=TEXTS,
    filename=TEXTS,
    lifetime=st.integers(1, 7 * 24 * 3600),
)
def test_whatever_the_viewer_is_he_is_admitted(
    client: CloudKey, ip: Any, bits: int, useragent: str, filename: str, lifetime: int
) -> None:
    now = int(time.time())
    prefix = ip.max_prefixlen - bits
    viewer = Viewer(ip=str(ip), useragent=useragent)

    url = client.media.get_stream_url(
        UNKNOWN, seclevel=SecLevel.IP | SecLevel.USERAGENT, ip=f"{ip}/{prefix}",
        useragent=useragent, filename=filename, issued=now, expires=now + lifetime,
    )  # fmt: skip

    assert ask(url, viewer, now=now).options == {"filename": filename}
    assert ask(url, viewer, now=now + lifetime - 1).expires == now + lifetime
    assert refusal(url, viewer, now=now + lifetime) == "expired"
    assert refusal(url, Viewer(ip=str(ip), useragent=f"{useragent}."), now=now) == "bindings"


def test_an_address_is_for_what_it_was_made_for(client: CloudKey) -> None:
    media = client.media
    streams = media.get_stream_url(UNKNOWN), media.get_stream_url(UNKNOWN, download=True)
    urls = [media.get_embed_url(UNKNOWN), *streams, media.get_thumbnail_url(UNKNOWN)]

    for number, url in enumerate(urls):
        ask(url)
        for other in urls[:number] + urls[number + 1 :]:
            assert refusal(f"{url.partition('?')[0]}?{urlsplit(other).query}") == "claims"
        assert refusal(url.replace(UNKNOWN, "4d0c0ffee0000000000000fe")) == "claims"


@pytest.mark.parametrize("ending", ["", ".ap4", ".html", ".mp4.mp4", ".MP4"])
def test_an_asset_has_one_ending(client: CloudKey, ending: str) -> None:
    for name in ("mp4_h264_aac", "source"):
        url, _, query = client.media.get_stream_url(UNKNOWN, name).partition("?")
        stem = url.removesuffix(".mp4")
        ask(f"{url}?{query}")
        if f"{stem}{ending}" == url:
            continue
        if parse(f"{stem}{ending}".removeprefix(f"{BASE}/")) is not None:
            assert refusal(f"{stem}{ending}?{query}") == "claims"


def test_stable_addresses_are_taken_until_they_end(client: CloudKey) -> None:
    end = int(time.time()) + 7200

    url = client.media.get_embed_url(UNKNOWN, expires=end, stable=True)

    assert url == client.media.get_embed_url(UNKNOWN, expires=end, stable=True)
    assert ask(url).expires == end
    assert ask(url, now=end - 1).expires == end


def test_an_address_that_would_live_too_long_says_so_to_operators(client: CloudKey) -> None:
    client.max_token_lifetime = 9 * 24 * 3600  # of another cloud

    url = client.media.get_embed_url(UNKNOWN, expires=time.time() + 8 * 24 * 3600)

    assert refusal(url) == "lifetime"


def test_a_site_whose_clock_is_ahead_is_told_apart(client: CloudKey) -> None:
    now = time.time()

    assert ask(client.media.get_embed_url(UNKNOWN, issued=now + 20), now=now)
    assert refusal(client.media.get_embed_url(UNKNOWN, issued=now + 120), now=now) == "early"
