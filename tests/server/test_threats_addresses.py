"""Threats T149 to T182: signed addresses, under both schemes."""

# ruff: noqa: F811 - fixtures of another file

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cloudkey.client import CloudKey, SecLevel, sign_url
from django_cloudkey.protocol import signing
from django_cloudkey.protocol.scheme2.signing import sign_url as sign2
from django_cloudkey.protocol.urls import Page, Thumbnail, stream_address
from django_cloudkey.server import account_secrets
from django_cloudkey.server.models import Account, AccountSecret, Media, OneTimeClaim

from ..conftest import DATABASES, Cloud
from .places import FRENCH, FRENCH6, GERMAN
from .test_delivery import BASE, UNKNOWN, Viewer, add_media
from .test_levels import AGENT, AT, BY, Sign, sign, viewer  # noqa: F401 - fixtures
from .wire import raw, statuses

pytestmark = [
    pytest.mark.django_db(databases=DATABASES),
    pytest.mark.usefixtures("no_failure"),
]

NONCE = "abcdefgh"
Change = Callable[[str], str]


def parts_of(url: str) -> tuple[str, list[str]]:
    """Return what is in front of the token of a historical address, and the parts of the token."""
    base, _, auth = url.partition("?auth=")
    return base, auth.split("-", 4)


def is_historical(url: str) -> bool:
    return "?auth=ey" not in url


def minted(
    viewer: Viewer, level: object, *, expires: object = None, public: str = "", private: str = ""
) -> str:
    """Return an address whose digest is right, whatever is in it."""
    user, key = viewer.signer.user_id, viewer.signer.api_key
    base = f"{BASE}/{stream_address(user, viewer.media.pk, 'mp4_h264_aac').path}"
    expires = int(time.time()) + 600 if expires is None else expires
    text = f"{level}{base}{expires}{NONCE}{key.reveal()}{private}{public}"
    digest = hashlib.md5(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{base}?auth={expires}-{level}-{NONCE}-{digest}" + (f"-{public}" if public else "")


def packed(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(zlib.compress(data)).decode()


# What is no signature


@pytest.mark.parametrize("kind", ["stream", "embed"])
def test_t149_address_without_a_signature(viewer: Viewer, sign: Sign, kind: str) -> None:
    path, _, query = sign(SecLevel.NONE, kind=kind).partition("?")

    queries = ["", "auth", "auth=", "auth[]=", query.replace("auth", "auth[]"), "a=1",
               "auth=" + "9" * 100_000, "auth=ey" + "J" * 100_000, "&" * 10_000]  # fmt: skip
    assert [viewer.status(f"{path}?{each}") for each in queries] == [403] * len(queries)


@pytest.mark.parametrize("level", [SecLevel.NONE, SecLevel.IP, SecLevel.COUNTRY])
def test_t150_each_part_of_a_signature_counts(viewer: Viewer, level: SecLevel) -> None:
    url = viewer.stream_url(seclevel=level, ip=FRENCH, countries=["fr"])
    base, (expires, level_text, nonce, digest, *public) = parts_of(url)

    def auth(*parts: object) -> str:
        return "-".join(map(str, (*parts, *public)))

    bits = [f"{int(digest, 16) ^ 1 << bit:032x}" for bit in range(128)]
    wrong = [
        auth(int(expires) + 1, level_text, nonce, digest),
        auth(int(expires) - 1, level_text, nonce, digest),
        *(auth(expires, other, nonce, digest) for other in (1, 2, 8, 12, 16, 64) ),
        auth(expires, level_text, nonce[::-1], digest),
        auth(expires, level_text, nonce[:-1], digest),
        auth(expires, level_text, f"{nonce}a", digest),
        auth(expires, level_text, nonce.upper(), digest),
        *(auth(expires, level_text, nonce, each) for each in bits),
        auth(expires, level_text, nonce, digest[:-1]),
        auth(expires, level_text, nonce, f"{digest}0"),
        auth(expires, level_text, nonce, digest.upper()) if digest.upper() != digest else "",
    ]  # fmt: skip

    assert {viewer.status(f"{base}?auth={each}", REMOTE_ADDR=FRENCH) for each in wrong} == {403}


def test_t151_digits_do_not_move_and_have_one_spelling(viewer: Viewer) -> None:
    user, media, key = viewer.signer.user_id, viewer.media.pk, viewer.signer.api_key
    stream = f"{BASE}/{stream_address(user, media, 'mp4_h264_aac').path}"
    base, (expires, level, nonce, digest) = parts_of(sign_url(stream, key, nonce="9bcdefgh"))
    assert stream.endswith("4")
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in expires)

    forged = [
        f"{base}?auth={expires}9-{level}-bcdefgh-{digest}",  # a01
        f"{base}?auth={expires}9-{level}-bcdefghx-{digest}",
        f"{base[:-1]}?auth=4{expires}-{level}-{nonce}-{digest}",  # a02
        *(
            f"{base}?auth={other}-{level}-{nonce}-{digest}"  # a03
            for other in (f"0{expires}", f"%2B{expires}", f"%20{expires}", f"{expires[:4]}_"
                          f"{expires[4:]}", wide, f"{expires}%0A", f"{expires}.0")
        ),
        *(f"{base}?auth={expires}-{other}-{nonce}-{digest}" for other in ("00", "-0", "%2B0", "")),
    ]  # fmt: skip

    assert viewer.status(f"{base}?auth={expires}-{level}-{nonce}-{digest}") == 200
    assert {viewer.status(url) for url in forged} == {403}


# Time


@pytest.mark.parametrize(
    ("seconds", "status"), [(-7200, 403), (-1, 403), (0, 403), (30, 200), (600, 200)]
)
def test_t152_end(viewer: Viewer, sign: Sign, seconds: int, status: int) -> None:
    now = time.time()
    issued = {} if is_historical(sign(0)) else {"issued": now - 86_400}

    assert viewer.status(sign(SecLevel.NONE, expires=now + seconds, **issued)) == status


@pytest.mark.parametrize(
    "expires",
    ["999999999", "17900072000", "9" * 20, "0", "-1790007200", "1e9", "", "1790007200.5"],
)
def test_t152_end_that_is_no_time_of_ten_digits(viewer: Viewer, expires: str) -> None:
    assert viewer.status(minted(viewer, 0)) == 200
    assert viewer.status(minted(viewer, 0, expires=expires)) == 403


def test_t152_end_that_is_too_far_away(viewer: Viewer, sign: Sign) -> None:
    longest = (366 if is_historical(sign(0)) else 7) * 24 * 3600
    # A client that was told of another cloud's limit does not refuse by itself.
    told = {} if is_historical(sign(0)) else {"max_lifetime": 2 * longest}

    assert viewer.status(sign(SecLevel.NONE, expires=time.time() + longest - 5, **told)) == 200
    assert viewer.status(sign(SecLevel.NONE, expires=time.time() + longest + 5, **told)) == 403


# Levels


@pytest.mark.parametrize("level", [128, 256, 32768 | 256, 65535, 65536, 99999, "01", "1_6"])
def test_t153_level_with_a_bit_that_is_not_known(viewer: Viewer, level: object) -> None:
    assert viewer.status(minted(viewer, level, public=packed("cc=fr"))) == 403
    assert viewer.status(minted(viewer, level)) == 403


def test_t153_level_that_was_lowered(viewer: Viewer) -> None:
    base, (expires, _, nonce, digest) = parts_of(viewer.stream_url(seclevel=4, ip=FRENCH))

    for level in (0, 1, 5):
        url = f"{base}?auth={expires}-{level}-{nonce}-{digest}"
        assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403


PUBLIC = SecLevel.COUNTRY | SecLevel.REFERER
BOTH = "cc=fr&rf=https%3A%2F%2Fexample.net%2F"


@pytest.mark.parametrize(
    ("level", "public"),
    [
        (SecLevel.COUNTRY, ""),
        (SecLevel.COUNTRY, "????????"),
        (SecLevel.COUNTRY, base64.urlsafe_b64encode(b"cc=fr, not packed").decode()),
        (SecLevel.COUNTRY, packed("")),
        (SecLevel.COUNTRY, packed("cc=")),
        (SecLevel.COUNTRY, packed("rf=https%3A%2F%2Fexample.net%2F")),
        (SecLevel.COUNTRY, packed("cc=fr&cc=de")),
        (SecLevel.COUNTRY, packed("cc=fr&x=1")),
        (SecLevel.COUNTRY, packed("x=1&cc=fr")),
        (SecLevel.COUNTRY, packed("cc=fr\n")),
        (SecLevel.COUNTRY, packed("cc=fr\0")),
        (SecLevel.COUNTRY, packed("cc=f\u00e9")),
        (SecLevel.COUNTRY, packed(BOTH)),
        (SecLevel.COUNTRY, packed("cc=fr" + "&" * 9000)),
        (SecLevel.COUNTRY, packed(b"cc=" + b"fr," * 3_500_000)),
        (SecLevel.COUNTRY, packed("cc=fr")[:-8]),
        (
            SecLevel.COUNTRY,
            base64.urlsafe_b64encode(zlib.compress(b"cc=us") + zlib.compress(b"cc=fr")).decode(),
        ),
        (PUBLIC, packed("cc=fr")),
        (PUBLIC, packed("rf=https%3A%2F%2Fexample.net%2F&cc=fr")),
        (SecLevel.REFERER, packed("rf=")),
        (SecLevel.NONE, packed("cc=fr")),
        (SecLevel.DELEGATE | SecLevel.COUNTRY, packed("cc=fr")),
    ],
)  # fmt: skip
def test_t156_lists_that_are_not_those_of_the_level(
    viewer: Viewer, geography_files: None, level: SecLevel, public: str
) -> None:
    headers = {AT: FRENCH, "HTTP_REFERER": "https://example.net/"}
    assert viewer.status(minted(viewer, PUBLIC.value, public=packed(BOTH)), **headers) == 200

    assert viewer.status(minted(viewer, level.value, public=public), **headers) == 403


@pytest.mark.parametrize("legacy", [Account.Legacy.STRICT, Account.Legacy.LENIENT])
def test_t157_list_that_was_moved_into_the_user_agent(
    viewer: Viewer, geography_files: None, legacy: str
) -> None:
    """a05a, a05b: who chooses the User-Agent that the site signs does not choose the list."""
    Account.objects.update(legacy=legacy)
    agent = "M" * 1000
    own = packed("cc=de").rstrip("=")
    own += "A" * (-len(own) % 4)
    level = SecLevel.USERAGENT | SecLevel.COUNTRY
    url = viewer.stream_url(seclevel=level, useragent=agent + own, countries=["fr"])
    base, (expires, bits, nonce, digest, public) = parts_of(url)
    start = f"{base}?auth={expires}-{bits}-{nonce}-{digest}"

    answers = [
        viewer.status(start, REMOTE_ADDR=GERMAN, HTTP_USER_AGENT=agent + own + public),
        viewer.status(f"{start}-{own}{public}", REMOTE_ADDR=GERMAN, HTTP_USER_AGENT=agent),
        viewer.status(f"{start}-{own}", REMOTE_ADDR=GERMAN, HTTP_USER_AGENT=agent + public),
        viewer.status(url, REMOTE_ADDR=GERMAN, HTTP_USER_AGENT=agent + own),
    ]

    assert answers == [403] * 4
    right = viewer.status(url, REMOTE_ADDR=FRENCH, HTTP_USER_AGENT=agent + own)
    assert right == (200 if legacy == Account.Legacy.LENIENT else 403)


def test_t158_bytes_that_lengthen_a_digest(cloud: Cloud) -> None:
    media = add_media(cloud.account)
    url = urlsplit(cloud.client.media.get_stream_url(media.pk, "mp4_h264_aac"))
    tails = [b"%80%00", b"-%80" + b"%00" * 20, b"\x80\x00" * 8, b"\xff\xfe", b"-\xe9", b"%C3%A9"]

    for tail in tails:
        target = f"{url.path}?{url.query}".encode() + tail
        answer = raw(cloud, b"GET " + target + b" HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert statuses(answer)[0] in (400, 403), tail


# Values of the viewer


@pytest.mark.parametrize(
    ("signed", "viewers", "others"),
    [
        (FRENCH, [FRENCH, f"::ffff:{FRENCH}", f"::FFFF:{FRENCH}"], [GERMAN, FRENCH6, f"{FRENCH}1"]),
        (
            FRENCH6, [FRENCH6, "2001:0DB8:0001:0:0:0:0:7", "2001:db8:1:0::7"],
            ["2001:db8:1::8", "2001:db8:1:1::7", "2001:db8:1::7%eth0", "::7"],
        ),
        (FRENCH, [], ["", " ", "localhost", "203.0.113.007", "203.0.113", "0xcb007107", "\0"]),
    ],
)  # fmt: skip
def test_t159_one_address_in_all_its_notations(
    viewer: Viewer, sign: Sign, signed: str, viewers: list[str], others: list[str]
) -> None:
    url = sign(SecLevel.IP, ip=signed)

    assert [viewer.status(url, REMOTE_ADDR=each) for each in viewers] == [200] * len(viewers)
    assert [viewer.status(url, REMOTE_ADDR=each) for each in others] == [403] * len(others)


@pytest.mark.parametrize(
    "forwarded",
    [
        "unknown",
        "_hidden",
        "",
        ",",
        f"{FRENCH},",
        f"{FRENCH},,",
        f"{FRENCH}, {GERMAN}",
        f"{FRENCH} {GERMAN}",
        f"{FRENCH};{GERMAN}",
        f"for={FRENCH}",
        f'"{FRENCH}"',
        f"[{FRENCH}",
        f"{FRENCH}:port",
        f"{FRENCH}:" + "9" * 6,
        f"{FRENCH}, 10.0.0.1, unknown",
        f"{FRENCH}/24",
        f"{FRENCH}," * 20_000,
        ", ".join(["10.0.0.1"] * 20_000),
        "\u0662\u0660\u0663.0.113.7",
    ],
)
def test_t160_junk_in_front_of_a_trusted_proxy(
    viewer: Viewer, sign: Sign, settings: Any, forwarded: str
) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "TRUSTED_PROXIES": ["10.0.0.0/8"]}
    url = sign(SecLevel.IP, ip=FRENCH)

    assert viewer.status(url, **{AT: "10.0.0.1", BY: f"x, {FRENCH}"}) == 200
    assert viewer.status(url, **{AT: "10.0.0.1", BY: forwarded}) == 403


@pytest.mark.parametrize(
    "agent", ["", "F" * 65_536, "Firefox/1\0", "F\u00efrefox/1", "firefox/1", "Firefox/1,Firefox/1"]
)
def test_t161_another_user_agent(viewer: Viewer, sign: Sign, agent: str) -> None:
    assert viewer.status(sign(SecLevel.USERAGENT, useragent="Firefox/1"), **{AGENT: agent}) == 403


@pytest.mark.parametrize("asnum", ["AS64496", "64496", "as64496"])
def test_t162_number_of_a_network_in_three_spellings(
    viewer: Viewer, sign: Sign, geography_files: None, asnum: str
) -> None:
    """The historical digest has the letters in it: there it is what the cloud says, ``AS64496``."""
    url = sign(SecLevel.ASNUM, asnum=asnum)

    right = 403 if is_historical(url) and asnum != "AS64496" else 200
    assert viewer.status(url, REMOTE_ADDR=FRENCH) == right
    assert viewer.status(url, REMOTE_ADDR=GERMAN) == 403


# The first


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_RANGE": "bytes=0-0"},
        {"HTTP_RANGE": "bytes=99999999-"},
        {"HTTP_IF_NONE_MATCH": "*"},
        {"HTTP_USER_AGENT": "Slackbot-LinkExpanding 1.0"},
    ],
)
@pytest.mark.parametrize("kind", ["stream", "embed"])
def test_t164_t166_every_get_is_a_use(
    viewer: Viewer, sign: Sign, kind: str, headers: dict[str, str]
) -> None:
    """Also that of a programme which looks at links in messages: the guide says so."""
    url = sign(SecLevel.USEONCE, kind=kind)

    assert viewer.status(url, **headers) in (200, 302)
    assert viewer.status(url) == 403


def test_t164_aborted_request_was_a_use(cloud: Cloud) -> None:
    media = add_media(cloud.account)
    url = urlsplit(
        cloud.client.media.get_stream_url(media.pk, "mp4_h264_aac", seclevel=SecLevel.USEONCE)
    )
    request = f"GET {url.path}?{url.query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()

    assert raw(cloud, request)[:12] == b"HTTP/1.1 302"  # whatever the viewer reads of it
    assert statuses(raw(cloud, request)) == [403]
    assert OneTimeClaim.objects.count() == 1


@pytest.mark.parametrize("level", [SecLevel.ASNUM, SecLevel.COUNTRY])
@pytest.mark.parametrize("kind", ["stream", "embed"])
def test_t164_first_viewer_of_whom_nobody_knows_what_the_level_asks_for(
    viewer: Viewer, sign: Sign, kind: str, level: SecLevel
) -> None:
    """This cloud has no file of countries or of networks."""
    url = sign(SecLevel.DELEGATE | SecLevel.USEONCE | level, kind=kind)

    assert viewer.status(url) == 403
    assert not OneTimeClaim.objects.exists()


def test_t168_second_viewer_finds_no_other_way(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.DELEGATE | SecLevel.IP | SecLevel.USERAGENT)
    first = {AT: FRENCH, AGENT: "Firefox"}
    assert viewer.status(url, **first) == 200
    parts = urlsplit(url)

    tries = [
        viewer.status(url, **{AT: GERMAN, AGENT: "Firefox"}),
        viewer.status(url, **{AT: FRENCH, AGENT: "Chrome"}),
        viewer.status(url, **{AT: GERMAN, AGENT: "Firefox", "HTTP_RANGE": "bytes=0-0"}),
        viewer.status(url, **{AT: FRENCH}),  # HTTP/1.0, without a User-Agent
        viewer.browser.head(f"{parts.path}?{parts.query}", REMOTE_ADDR=GERMAN).status_code,
        viewer.status(url, **{AT: FRENCH, AGENT: "Fire\nfox"}),
    ]

    assert tries == [403] * len(tries)
    assert viewer.status(url, **first) == 200


def test_t168_second_viewer_on_another_asset(viewer: Viewer) -> None:
    """A token that is for every asset is one right: who takes one asset has all."""
    secret = account_secrets.add(viewer.media.account)
    user, media = viewer.signer.user_id, viewer.media.pk
    level = SecLevel.DELEGATE | SecLevel.IP
    token = sign2("", account_secrets.keys_of(secret), media=media, audience="stream",
                  seclevel=level)  # fmt: skip
    one, other = (
        f"{BASE}/{stream_address(user, media, name).path}{token}"
        for name in ("mp4_h264_aac", "mp4_h264_aac_ld")
    )

    assert viewer.status(one, REMOTE_ADDR=FRENCH) == 200
    assert viewer.status(other, REMOTE_ADDR=GERMAN) == 403
    assert viewer.status(other, REMOTE_ADDR=FRENCH) == 200


# What a token is for


def test_t170_token_of_one_thing_opens_nothing_else(viewer: Viewer, sign: Sign) -> None:
    user, media = viewer.signer.user_id, viewer.media.pk
    other = add_media(viewer.media.account)
    stranger = Account.objects.create(name="stranger")
    theirs = add_media(stranger)
    stream, page = (
        sign(SecLevel.NONE, kind=kind).partition("?")[2] for kind in ("stream", "embed")
    )
    still = Thumbnail(user=user, media=media, asset_name="jpeg_thumbnail_medium").path
    http = stream_address(user, media, "mp4_h264_aac", protocol="http").path

    def path(account: str, media: str, name: str = "mp4_h264_aac") -> str:
        return stream_address(account, media, name).path

    wrong = [
        (path(user, other.pk), stream),
        (path(stranger.pk, theirs.pk), stream),
        (path(stranger.pk, media), stream),
        (path(user, media, "mp4_h264_aac_ld"), stream),
        (path(user, media), page),
        (http, stream),
        (still, stream),
        (still, page),
        (Page(user=user, media=media).path, stream),
        (Page(user=user, media=other.pk).path, page),
        (Page(user=stranger.pk, media=theirs.pk).path, page),
    ]

    assert viewer.status(f"{BASE}/{path(user, media)}?{stream}") == 200
    assert {viewer.status(f"{BASE}/{each}?{query}") for each, query in wrong} == {403}


@pytest.mark.parametrize("scheme", ["historical", "scheme 2"])
def test_t171_paths_that_look_alike(cloud: Cloud, scheme: str) -> None:
    """Routing and signature see the same bytes."""
    media = add_media(cloud.account)
    keys = account_secrets.keys_of(account_secrets.add(cloud.account))
    address = stream_address(cloud.account.pk, media.pk, "mp4_h264_aac")
    url = f"{cloud.base_url}/{address.path}"
    if scheme == "historical":
        signed = sign_url(url, cloud.account.api_key)
    else:
        signed = sign2(url, keys, media=media.pk, audience="stream", asset_name="mp4_h264_aac")
    path, query = urlsplit(signed).path, urlsplit(signed).query

    def status(path: str) -> int:
        request = f"GET {path}?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n"
        return statuses(raw(cloud, request.encode()))[0]

    assert status(path) == 200
    tails = ["/", "/.", "/..", "%2f", "%00", "%0a", ";x", "%3Fa", ".", "%20", "%E2%80%AE", "/x",
             "%2e%2e", "\\"]  # fmt: skip
    alike = [
        *(path + tail for tail in tails),
        path.replace("/route/", "//route/"),
        path.replace("/route/", "/route//"),
        path.replace("/route/", "/route/x/../"),
        path.replace("/route/", "/route/%2e/"),
        path.replace("/route/", "/ROUTE/"),
        path.replace("mp4_", "MP4_"),
        path.replace("mp4_", "mp4%255f"),
        path.replace(media.pk, media.pk.upper()) if media.pk.upper() != media.pk else path + "/",
        path.replace(media.pk, f"{media.pk}%0a"),
    ]
    # What differs but in percent signs is the same path, and is served to no one else.
    assert {status(each) for each in alike} <= {400, 403, 404}


@pytest.mark.parametrize("scheme", ["historical", "scheme 2"])
def test_t172_signature_has_one_place(viewer: Viewer, sign: Sign, scheme: str) -> None:
    path, _, query = sign(SecLevel.NONE).partition("?")
    auth = query.removeprefix("auth=")
    target = urlsplit(path).path

    assert viewer.status(f"{path}?{query}&{query}") == 403
    assert viewer.status(f"{path}?{query}&%61uth={auth}") == 403
    assert viewer.status(f"{path}?{query}&aut%68=") == 403
    assert viewer.status(f"{path}?Auth={auth}") == 403
    assert viewer.status(f"{path}?a=1;{query}") == 403
    viewer.browser.cookies["auth"] = auth
    assert viewer.ask(target, HTTP_AUTH=auth, HTTP_AUTHORIZATION=f"Bearer {auth}").status == 403
    body = viewer.browser.generic("GET", target, query, "application/x-www-form-urlencoded")
    assert body.status_code == 403
    assert viewer.browser.post(f"{target}?{query}").status_code == 405
    assert viewer.status(f"{path}?%61uth={auth}") == 200  # one, however it is written


@pytest.mark.parametrize(
    "query",
    ["utm_source=x", "fbclid=%3Cscript%3E", "skin=%3Cscript%3E", "skin=../x", "skin=javascript:1",
     "drm_token=%3Cscript%3E", "autoplay=%3Cscript%3E", "x" * 5000, "&&&", "a=%00"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["stream", "embed"])
def test_t173_t175_what_is_not_signed_is_ignored_and_not_shown(
    viewer: Viewer, sign: Sign, kind: str, query: str
) -> None:
    url = sign(SecLevel.NONE, kind=kind)

    answer = viewer.get(f"{url}&{query}")

    assert answer.status == 200
    shown = answer.body + str(answer.headers).encode()
    assert not any(each in shown for each in (b"<script>", b"%3Cscript", b"javascript:", b"utm_"))


def test_t173_more_parameters_than_any_address_has(viewer: Viewer) -> None:
    """Of the historical scheme, which has to read them: they say how a page is shown."""
    assert viewer.status(f"{viewer.stream_url()}{'&a=1' * 62}") == 200
    assert viewer.status(f"{viewer.stream_url()}{'&a=1' * 100}") == 403


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x=y", 'a"b', "../../x", "x.exe", "\u202egpj"])
def test_t174_name_inside_a_token(viewer: Viewer, name: str) -> None:
    user, media = viewer.signer.user_id, viewer.media.pk
    keys = account_secrets.keys_of(account_secrets.add(viewer.media.account))
    path = stream_address(user, media, "mp4_h264_aac", protocol="http").path
    url = sign2(f"{BASE}/{path}", keys, media=media, audience="download",
                options={"filename": name})  # fmt: skip

    answer = viewer.get(f"{url}&filename=other.exe")

    disposition = answer.headers["Content-Disposition"]
    assert answer.status == 200
    assert disposition.startswith("attachment; filename")
    assert disposition.rstrip('"').endswith(".mp4")
    assert not any(each in disposition for each in ("\r", "\n", "/", "other", "\u202e"))
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", ["a" * 300, "\u00e9" * 250, "\U0001f3ac" * 250])
def test_t174_name_that_is_longer_than_a_token(viewer: Viewer, name: str) -> None:
    """Whoever may watch once gets an address with all that is left of the name."""
    url = viewer.stream_url(protocol="http", seclevel=SecLevel.USEONCE, filename=name)

    location = viewer.get(url).headers["Location"]

    answer = viewer.get(location)
    assert answer.status == 200
    assert quote(name[:40]) in answer.headers["Content-Disposition"]


def test_t176_drm_tokens_open_nothing(viewer: Viewer) -> None:
    """There is no such protection of streams here: the parameter means nothing."""
    path = viewer.stream_url().partition("?")[0]

    assert viewer.status(f"{path}?drm_token=e30") == 403


def test_t177_rights_end_at_once(viewer: Viewer, sign: Sign) -> None:
    urls = [sign(SecLevel.NONE), sign(SecLevel.NONE, kind="embed")]
    assert [viewer.status(url) for url in urls] == [200, 200]

    Account.objects.update(is_active=False)
    assert [viewer.status(url) for url in urls] == [403, 403]
    Account.objects.update(is_active=True)
    viewer.media.assets.update(status="pending")
    assert [viewer.status(url) for url in urls] == [404, 200]  # a page that says so
    Media.objects.all().delete()
    assert [viewer.status(url) for url in urls] == [404, 404]


def test_t178_addresses_end_with_the_secret_that_signed_them(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.NONE)
    AccountSecret.objects.update(expires=timezone.now() + timedelta(seconds=60))
    assert viewer.status(url) == 200

    AccountSecret.objects.update(expires=timezone.now())
    assert viewer.status(url) == (200 if is_historical(url) else 403)
    Account.objects.update(api_key="0" * 40)
    assert viewer.status(url) == 403


def test_t180_every_refusal_takes_the_same_work(
    viewer: Viewer, sign: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted rather than timed: what a shared machine does to times says nothing of ours."""
    right = sign(SecLevel.NONE)
    user, media = viewer.signer.user_id, viewer.media.pk
    closed = Account.objects.create(name="closed", is_active=False)
    wrong = right[:-4] + ("0000" if right[-4:] != "0000" else "1111")
    digests = [0]

    def counted(digest: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            digests[0] += 1
            return digest(*args, **kwargs)

        return count

    viewer.status(right)  # derives what is derived once
    monkeypatch.setattr(signing, "md5", counted(hashlib.md5))
    monkeypatch.setattr(hmac, "digest", counted(hmac.digest))
    found = set()
    for url in (wrong, wrong.replace(media, UNKNOWN), right.replace(user, UNKNOWN),
                right.replace(user, closed.pk)):  # fmt: skip
        digests[0] = 0
        with CaptureQueriesContext(connections["cloud"]) as queries:
            answer = viewer.get(url)
        found.add((answer.status, answer.body, digests[0], len(queries)))

    assert len(found) == 1, found


def test_t181_each_letter_of_a_token_counts(viewer: Viewer) -> None:
    user, media = viewer.signer.user_id, viewer.media.pk
    keys = account_secrets.keys_of(account_secrets.add(viewer.media.account))
    path = stream_address(user, media, "mp4_h264_aac").path
    url = sign2(f"{BASE}/{path}", keys, media=media, audience="stream", asset_name="mp4_h264_aac")
    base, _, token = url.partition("?auth=")
    letters = "Ab0-_"

    accepted = [
        place
        for place, letter in enumerate(token)
        if (new := letters[place % 5]) != letter
        and viewer.status(f"{base}?auth={token[:place]}{new}{token[place + 1 :]}") != 403
    ]

    assert viewer.status(url) == 200
    assert accepted == []


def test_t182_one_scheme_is_not_the_other(viewer: Viewer, sign: Sign) -> None:
    url = sign(SecLevel.NONE)
    base, _, token = url.partition("?auth=")

    assert viewer.status(url) == 200
    for other in (f"ey{token}", token[2:], token.replace(".", "-"), token.replace("-", "."),
                  base64.urlsafe_b64encode(token.encode()).decode()):  # fmt: skip
        assert viewer.status(f"{base}?auth={other}") == 403 or other == token
    Account.objects.update(legacy=Account.Legacy.OFF)
    assert viewer.status(url) == (403 if is_historical(url) else 200)


def test_t182_historical_key_is_no_secret_and_no_secret_is_such_a_key(viewer: Viewer) -> None:
    secret = account_secrets.add(viewer.media.account)
    forger = CloudKey(viewer.signer.user_id, secret.secret, BASE)

    assert viewer.status(forger.media.get_stream_url(viewer.media.pk)) == 403
