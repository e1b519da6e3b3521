"""Addresses of scheme 2: whatever is signed is what its claims say, and is accepted by all."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.protocol.exceptions import InvalidParameter
from django_cloudkey.protocol.scheme2.claims import Claims
from django_cloudkey.protocol.scheme2.keys import Keys
from django_cloudkey.protocol.scheme2.signing import sign_url
from django_cloudkey.protocol.scheme2.url_token import LIFETIME, make_token, verify_token
from django_cloudkey.protocol.seclevel import SecLevel, Viewer
from django_cloudkey.protocol.signing import URLRefused

from .test_scheme2 import KEYS, KID, MEDIA, NOW, USER, VECTORS, VIEWER

URL = f"https://video.example.org/embed/{USER}/{MEDIA}"
KEY = bytes.fromhex(VECTORS["keys"]["url"])
OTHER = "4d0c0ffee0000000000000a2"

# Every combination of levels there is.
LEVELS = st.sets(st.sampled_from(list(SecLevel))).map(sum)
TEXT = st.text(min_size=1, max_size=40)
ARGUMENTS: Any = st.fixed_dictionaries(
    {
        "media": st.from_regex(r"[0-9a-f]{24}", fullmatch=True),
        "audience": st.sampled_from(["embed", "stream", "download", "thumb"]),
        "seclevel": LEVELS | st.none(),
        "ip": st.sampled_from([VIEWER.ip, "203.0.113.0/24", "203.0.0.9/16", f"{VIEWER.ip}/32"]),
        "asnum": st.sampled_from(["AS3215", "3215"]),
        "useragent": st.just(VIEWER.useragent),
        "countries": st.sampled_from([["fr", "BE"], ["-", "de"]]),
        "referers": st.sampled_from([["https://example.org/"], ["http://*.example.org/a", "http://b.fr"]]),
        "issued": st.integers(NOW - LIFETIME // 2, NOW),
        "expires": st.integers(NOW + 1, NOW + LIFETIME // 2),
    },
    optional={
        "asset_name": st.sampled_from(["mp4_h264_aac", "jpeg_thumbnail_small"]),
        "options": st.fixed_dictionaries(
            {},
            optional={
                "filename": TEXT, "skin": TEXT, "lang": TEXT, "autoplay": st.just(1),
                "start": st.integers(0, 999_999),
            },
        ),
    },
)  # fmt: skip


def token_of(url: str) -> str:
    (token,) = parse_qs(urlsplit(url).query, strict_parsing=True)["auth"]
    return token


def read(token: str, given: dict[str, Any]) -> Claims:
    return verify_token(
        token, {KID: KEYS}.get,
        user=USER, media=given["media"], audience=given["audience"],
        asset_name=given.get("asset_name"), viewer=VIEWER, now=NOW, max_lifetime=10**7,
    )[0]  # fmt: skip


@given(given=ARGUMENTS)
def test_what_is_signed_is_accepted_and_says_what_was_meant(given: dict[str, Any]) -> None:
    token = token_of(sign_url(URL, KEYS, **given))

    claims = read(token, given)
    level = given["seclevel"] or 0
    assert (claims.seclevel, claims.issued, claims.expires) == (
        level, given["issued"], given["expires"],
    )  # fmt: skip
    assert claims.options == (given.get("options") or {})
    assert bool(claims.countries) == bool(level & SecLevel.COUNTRY)
    assert bool(claims.bindings) == (
        not level & SecLevel.DELEGATE
        and bool(level & (SecLevel.IP | SecLevel.ASNUM | SecLevel.USERAGENT))
    )
    # The one spelling that there is: what is written at once is what is written from its claims.
    assert token == make_token(KEYS, claims)


@given(given=ARGUMENTS)
def test_pyjwt_reads_every_address(given: dict[str, Any]) -> None:
    token = token_of(sign_url(URL, KEYS, **given))

    header = jwt.get_unverified_header(token)
    claims = jwt.decode(
        token, KEY, ["HS256"], audience=given["audience"], issuer=USER, subject=given["media"],
        options={"verify_exp": False, "verify_iat": False, "verify_jti": False},
    )  # fmt: skip

    assert header == {"alg": "HS256", "kid": KID, "typ": "cloudkey-url+jwt"}
    assert (claims["exp"], claims["lvl"]) == (given["expires"], given["seclevel"] or 0)


class Canonical(json.JSONEncoder):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "sort_keys": True, "separators": (",", ":")})


@given(given=ARGUMENTS)
def test_every_address_of_pyjwt_is_read(given: dict[str, Any]) -> None:
    token = token_of(sign_url(URL, KEYS, **given))
    claims = jwt.decode(token, options={"verify_signature": False})

    theirs = jwt.encode(
        dict(sorted(claims.items())), KEY, "HS256", {"kid": KID, "typ": "cloudkey-url+jwt"},
        json_encoder=Canonical, sort_headers=True,
    )  # fmt: skip

    assert read(theirs, given) == read(token, given)


@pytest.mark.parametrize("level", [SecLevel.NONE, SecLevel.IP, SecLevel.COUNTRY | SecLevel.REFERER])
def test_equal_requests_give_equal_addresses(level: int) -> None:
    values: Any = {
        "media": MEDIA, "audience": "embed", "seclevel": level, "ip": VIEWER.ip,
        "countries": ["fr"], "referers": ["https://example.org/"], "expires": NOW + 60,
    }  # fmt: skip
    first = sign_url(URL, KEYS, **values, stable=True)

    assert sign_url(URL, KEYS, **values, stable=True) == first
    assert read(token_of(first), values).issued == NOW + 60 - LIFETIME
    assert sign_url(URL, KEYS, **{**values, "media": OTHER}, stable=True) != first
    assert read(token_of(sign_url(URL, KEYS, **values, issued=NOW, stable=True)), values) == read(
        token_of(sign_url(URL, KEYS, **values, issued=NOW)), values
    )


@pytest.mark.parametrize("level", [SecLevel.USEONCE, SecLevel.DELEGATE | SecLevel.IP])
def test_addresses_for_the_first_who_comes_never_equal(level: int) -> None:
    urls = {
        sign_url(
            URL, KEYS, media=MEDIA, audience="embed", seclevel=level, expires=NOW + 60, stable=True
        )
        for _ in range(20)
    }

    assert len(urls) == 20


def test_what_one_account_signs_is_nothing_to_another() -> None:
    # They share what was written once for each, which must not be the other's.
    values: Any = {"media": MEDIA, "audience": "embed", "issued": NOW, "expires": NOW + 60}
    namesake = Keys(USER, KID, VECTORS["secret_b64url"][::-1])
    stranger = Keys("f" * 24, KID, VECTORS["secret_b64url"])

    tokens = [token_of(sign_url(URL, keys, **values)) for keys in (KEYS, namesake, stranger)]

    assert len(set(tokens)) == 3
    assert len({token.rpartition(".")[0] for token in tokens}) == 2
    assert read(tokens[0], values).user == USER


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"seclevel": SecLevel.IP}, "IP needs the viewer's IP address"),
        ({"seclevel": SecLevel.IP, "ip": "203.0.113.9/8"}, "prefix of at least 16 bits"),
        ({"seclevel": SecLevel.IP, "ip": "203.0.113.9/x"}, "prefix of at least 16 bits"),
        ({"seclevel": SecLevel.IP, "ip": "203.0.113.9/"}, "prefix of at least 16 bits"),
        ({"seclevel": SecLevel.ASNUM}, "ASNUM needs the viewer's AS number"),
        ({"seclevel": SecLevel.USERAGENT}, "USERAGENT needs the viewer's user agent"),
        ({"seclevel": SecLevel.COUNTRY}, "COUNTRY security level needs a list of country codes"),
        ({"seclevel": SecLevel.COUNTRY, "countries": "fr"}, "needs a list of country codes, got"),
        ({"seclevel": SecLevel.COUNTRY, "countries": ["fra"]}, "claim cc is not valid"),
        ({"seclevel": SecLevel.REFERER}, "REFERER security level needs a list of URL prefixes"),
        ({"seclevel": SecLevel.REFERER_STRICT, "referers": ["a b"]}, "beginning of an address"),
        ({"seclevel": 2**20}, "claim lvl is not valid"),
        ({"audience": "everything"}, "claim aud is not valid"),
        ({"asset_name": 'x"'}, "claim ast is not valid"),
        ({"options": {"colour": "red"}}, "claim q is not valid"),
        ({"options": {"filename": "x" * 256}}, "claim q is not valid"),
        ({"options": {"filename": "a\ud800.mp4"}}, "claim q is not valid"),
        ({"expires": NOW, "issued": NOW}, "expires after it was issued"),
        ({"expires": 10**11, "max_lifetime": 10**12}, "expires after it was issued"),
        ({"issued": NOW, "expires": NOW + LIFETIME + 1}, "valid for more than 604800 seconds"),
        ({"seclevel": 64, "referers": ["http://a.fr/" + "x" * 800] * 2}, "at most 1536 bytes"),
    ],
)
def test_what_nobody_would_accept_is_not_signed(values: dict[str, Any], sentence: str) -> None:
    for _ in range(2):  # nor the second time
        with pytest.raises(ValueError, match=sentence):
            sign_url(URL, KEYS, **{"media": MEDIA, "audience": "embed", **values})


def test_what_has_expired_is_signed_and_refused() -> None:
    values: Any = {"media": MEDIA, "audience": "embed"}
    token = token_of(sign_url(URL, KEYS, **values, expires=NOW - 60))

    with pytest.raises(URLRefused, match="expired"):
        read(token, values)


@pytest.mark.parametrize("media", ["", "x", MEDIA.upper(), f'{MEDIA}","exp":9', f"{MEDIA}\n", None])
def test_only_an_id_is_signed(media: Any) -> None:
    with pytest.raises(InvalidParameter):
        sign_url(URL, KEYS, media=media, audience="embed")


def test_no_text_inside_is_taken_for_a_claim() -> None:
    name = '","exp":1,"iat":0,"jti":"AAAAAAAAAAAAAAAAAAAAAA","sub":"' + "0" * 24 + '"}'
    values: Any = {"media": MEDIA, "audience": "download", "expires": NOW + 9, "issued": NOW}

    url = sign_url(URL, KEYS, **values, seclevel=SecLevel.USEONCE, options={"filename": name})

    claims = read(token_of(url), values)
    assert claims.options == {"filename": name}
    assert claims.id is not None
    assert (claims.expires, claims.media) == (NOW + 9, MEDIA)


def test_a_viewer_of_the_network_is_admitted_and_no_other() -> None:
    values: Any = {"media": MEDIA, "audience": "embed", "expires": NOW + 9, "issued": NOW}
    token = token_of(sign_url(URL, KEYS, **values, seclevel=SecLevel.IP, ip="203.0.113.45/24"))

    def admits(ip: str) -> bool:
        try:
            verify_token(
                token, {KID: KEYS}.get, user=USER, media=MEDIA, audience="embed",
                viewer=Viewer(ip=ip), now=NOW,
            )  # fmt: skip
        except URLRefused:
            return False
        return True

    assert admits("203.0.113.1")
    assert not admits("203.0.114.1")
