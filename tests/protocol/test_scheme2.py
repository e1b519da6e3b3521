"""Scheme 2: vectors, what is refused, and that nothing but what was signed is accepted."""

from __future__ import annotations

import base64
import json
import pickle
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hmac import digest
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.protocol.exceptions import AuthenticationError
from django_cloudkey.protocol.scheme2.bindings import bind, is_bound
from django_cloudkey.protocol.scheme2.claims import Claims, check, from_wire, to_wire
from django_cloudkey.protocol.scheme2.encoding import b64decode, b64encode, from_json, to_json
from django_cloudkey.protocol.scheme2.keys import Keys, is_secret, new_secret
from django_cloudkey.protocol.scheme2.request import (
    MAX_SKEW,
    read_authorization,
    sign_request,
    verify_request,
)
from django_cloudkey.protocol.scheme2.url_token import is_token, make_token, new_id, verify_token
from django_cloudkey.protocol.scheme2.webhook import WebhookRefused, sign_webhook, verify_webhook
from django_cloudkey.protocol.seclevel import SecLevel, Viewer
from django_cloudkey.protocol.signing import URLRefused

VECTORS = json.loads((Path(__file__).parent.parent / "scheme2.json").read_text())
USER, MEDIA, KID = VECTORS["user"], VECTORS["media"], VECTORS["kid"]
KEYS = Keys(USER, KID, VECTORS["secret_b64url"])
NOW = 1_700_000_000
BASIC = Claims(user=USER, media=MEDIA, audience="embed", issued=NOW, expires=NOW + 7200)
VIEWER = Viewer(ip="203.0.113.45", useragent="Mozilla/5.0", asnum="AS3215")
RPC, WEBHOOK = VECTORS["rpc"][0], VECTORS["webhook"][0]


def named(items: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize(
        "vector", [pytest.param(each, id=each["name"]) for each in items]
    )


def verify(token: str, **route: Any) -> Claims:
    asked = {"user": USER, "media": MEDIA, "audience": "embed", "viewer": VIEWER, "now": NOW + 1}
    return verify_token(token, {KID: KEYS}.get, **{**asked, **route})[0]


def refusal(token: str, **route: Any) -> str:
    with pytest.raises(URLRefused) as caught:
        verify(token, **route)
    return caught.value.reason


def signed(payload: str, header: str | None = None) -> str:
    """Return a token over any text, signed rightly."""
    first = KEYS.url_header if header is None else b64encode(header.encode())
    text = f"{first}.{b64encode(payload.encode())}"
    return f"{text}.{b64encode(KEYS.url.sign(text.encode()))}"


# Vectors


@pytest.mark.parametrize("purpose", ["url", "rpc", "webhook", "bind"])
def test_keys_of_the_vectors(purpose: str) -> None:
    expected = bytes.fromhex(VECTORS["keys"][purpose])

    assert getattr(KEYS, purpose).sign(b"a message") == digest(expected, b"a message", "sha256")


@pytest.mark.parametrize("vector", VECTORS["url_tokens"], ids=lambda vector: vector["name"])
def test_address_of_the_vectors(vector: dict[str, Any]) -> None:
    claims = from_wire(vector["claims"])

    assert make_token(KEYS, claims) == vector["token"]
    assert is_token(vector["token"])
    assert verify(vector["token"], audience=claims.audience, asset_name=claims.asset_name) == claims


@pytest.mark.parametrize("vector", VECTORS["binds"])
def test_binding_of_the_vectors(vector: dict[str, str]) -> None:
    kind, value = vector["kind"], vector["value"]
    address, _, prefix = value.partition("/")
    level = {"ip": SecLevel.IP, "as": SecLevel.ASNUM, "ua": SecLevel.USERAGENT}[kind]
    bits = int(prefix) if kind == "ip" and prefix else None

    found = bind(KEYS.bind, level, ip=address, asnum=value, useragent=value, prefix=bits)

    assert found[kind] == vector["out"]


@pytest.mark.parametrize("vector", VECTORS["rpc"])
def test_request_of_the_vectors(vector: dict[str, Any]) -> None:
    body = vector["body"].encode()
    place = {"host": vector["host"], "path": vector["path"]}
    text = vector["string_to_sign"].encode()

    header = sign_request(
        KEYS, vector["user"], body, ts=vector["ts"], nonce=vector["nonce"], **place
    )

    assert header == vector["authorization"]
    assert b64encode(KEYS.rpc.sign(text)) == read_authorization(header).signature
    verify_request(KEYS, read_authorization(header), body, now=vector["ts"], **place)


@pytest.mark.parametrize("vector", VECTORS["webhook"])
def test_webhook_of_the_vectors(vector: dict[str, Any]) -> None:
    body = vector["body"].encode()

    headers = sign_webhook([KEYS], vector["id"], vector["ts"], body)

    assert headers["webhook-signature"] == vector["signature"]
    verify_webhook([KEYS], headers, body, now=vector["ts"])


def test_nothing_else_is_in_the_vectors() -> None:
    tested = {"keys", "url_tokens", "binds", "rpc", "webhook"}

    assert VECTORS.keys() - tested == {"secret_b64url", "kid", "user", "media"}
    assert all(VECTORS[name] for name in tested)


# Beside PyJWT

CLAIMS_OF_PYJWT = {"issuer": USER, "subject": MEDIA, "audience": "embed"}


KEY = bytes.fromhex(VECTORS["keys"]["url"])


class Canonical(json.JSONEncoder):
    """Writes as the scheme asks for; PyJWT leaves that to its callers."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "sort_keys": True, "separators": (",", ":")})


def exchange(claims: Claims) -> str:
    """Have PyJWT read our token, and return the one that it writes for us."""
    ignored: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}

    read = jwt.decode(
        make_token(KEYS, claims), KEY, ["HS256"], options=ignored,
        audience=claims.audience, issuer=claims.user, subject=claims.media,
    )  # fmt: skip

    assert to_json(read) == to_json(to_wire(claims))
    return jwt.encode(
        read, KEY, "HS256", {"kid": KID, "typ": "cloudkey-url+jwt"},
        json_encoder=Canonical, sort_headers=True,
    )  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS["url_tokens"], ids=lambda vector: vector["name"])
def test_pyjwt_accepts_our_tokens_and_we_its(vector: dict[str, Any]) -> None:
    claims = from_wire(vector["claims"])

    theirs = exchange(claims)

    assert verify(theirs, audience=claims.audience, asset_name=claims.asset_name) == claims


@pytest.mark.parametrize(
    ("key", "audience"), [(KEY[:-1] + b"x", "embed"), (KEY, "stream"), (KEY, "thumb")]
)
def test_pyjwt_refuses_what_we_refuse(key: bytes, audience: str) -> None:
    token = make_token(KEYS, BASIC)

    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(token, key, ["HS256"], options={"verify_exp": False}, audience=audience)


# Addresses


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ({"user": "f" * 24}, "claims"),
        ({"media": "f" * 24}, "claims"),
        ({"audience": "stream"}, "claims"),
        ({"now": NOW + 7200}, "expired"),
        ({"now": NOW - 31}, "early"),
        ({"max_lifetime": 7199}, "lifetime"),
    ],
)
def test_a_token_is_for_its_route_and_its_time(route: dict[str, Any], reason: str) -> None:
    assert refusal(make_token(KEYS, BASIC), **route) == reason


def test_a_token_is_valid_to_its_last_second_and_a_little_before_its_first() -> None:
    token = make_token(KEYS, BASIC)

    assert verify(token, now=NOW + 7199) == verify(token, now=NOW - 30) == BASIC


def test_a_token_may_begin_later() -> None:
    later = make_token(KEYS, replace(BASIC, not_before=NOW + 600))

    assert refusal(later, now=NOW + 500) == "early"
    assert verify(later, now=NOW + 600)


def test_a_token_of_one_asset_opens_no_other() -> None:
    token = make_token(KEYS, replace(BASIC, audience="stream", asset_name="mp4_h264_aac"))
    of_any = make_token(KEYS, replace(BASIC, audience="stream"))

    assert verify(token, audience="stream", asset_name="mp4_h264_aac")
    assert refusal(token, audience="stream", asset_name="mp4_h264_aac_hd") == "claims"
    assert verify(of_any, audience="stream", asset_name="mp4_h264_aac_hd")


def test_a_key_that_is_not_known_and_one_of_another_account_open_nothing() -> None:
    stranger = Keys(USER, "k9", new_secret())
    namesake = Keys("f" * 24, KID, VECTORS["secret_b64url"])

    assert refusal(make_token(stranger, BASIC)) == "kid"
    assert refusal(make_token(namesake, BASIC)) == "signature"


def test_a_key_signs_for_one_purpose() -> None:
    text = make_token(KEYS, BASIC).rpartition(".")[0]
    token = f"{text}.{b64encode(KEYS.rpc.sign(text.encode()))}"

    assert refusal(token) == "signature"


@pytest.mark.parametrize(
    "payload",
    [
        "{}",
        "[]",
        "1",
        "null",
        to_json({**to_wire(BASIC), "lvl": True}),
        to_json({**to_wire(BASIC), "lvl": 128}),
        to_json({**to_wire(BASIC), "lvl": -1}),
        to_json({**to_wire(BASIC), "exp": float(NOW + 7200)}),
        to_json({**to_wire(BASIC), "exp": str(NOW + 7200)}),
        to_json({**to_wire(BASIC), "exp": NOW}),
        to_json({**to_wire(BASIC), "iat": -1}),
        to_json({**to_wire(BASIC), "aud": ["embed"]}),
        to_json({**to_wire(BASIC), "admin": 1}),
        to_json({**to_wire(BASIC), "jti": new_id()}),
        to_json({**to_wire(BASIC), "lvl": 16}),
        to_json({**to_wire(BASIC), "lvl": 16, "jti": "short"}),
        to_json({**to_wire(BASIC), "lvl": 4}),
        to_json({**to_wire(BASIC), "bnd": {"ip": new_id()}}),
        to_json({**to_wire(BASIC), "lvl": 4, "bnd": {"ua": new_id()}}),
        to_json({**to_wire(BASIC), "lvl": 12, "bnd": {"ip": new_id()}}),
        to_json({**to_wire(BASIC), "lvl": 8, "bnd": {"pfx": 24, "ua": new_id()}}),
        to_json({**to_wire(BASIC), "lvl": 5, "jti": new_id(), "bnd": {"ip": new_id()}}),
        to_json({**to_wire(BASIC), "lvl": 32}),
        to_json({**to_wire(BASIC), "cc": ["allow", "fr"]}),
        to_json({**to_wire(BASIC), "lvl": 32, "cc": ["fr"]}),
        to_json({**to_wire(BASIC), "lvl": 32, "cc": ["allow", "FR"]}),
        to_json({**to_wire(BASIC), "lvl": 64, "rf": []}),
        to_json({**to_wire(BASIC), "lvl": 64, "rf": [["https", "example.org"]]}),
        to_json({**to_wire(BASIC), "lvl": 64, "rf": [["ftp", "example.org", "/"]]}),
        to_json({**to_wire(BASIC), "q": {"autoplay": 2}}),
        to_json({**to_wire(BASIC), "q": {"onload": "x"}}),
        to_json({**to_wire(BASIC), "sub": "../" + MEDIA}),
        to_json(to_wire(BASIC)).replace(":", ": "),
        to_json(to_wire(BASIC)).replace('"lvl":0', '"lvl":0,"lvl":4'),
        json.dumps(dict(reversed(list(to_wire(BASIC).items()))), separators=(",", ":")),
        "[" * 1500,
    ],
)
def test_claims_that_are_not_as_they_must_be_are_refused_though_signed(payload: str) -> None:
    assert refusal(signed(payload)) == "claims"


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"none","kid":"k1","typ":"cloudkey-url+jwt"}',
        '{"alg":"HS512","kid":"k1","typ":"cloudkey-url+jwt"}',
        '{"alg":"HS256","kid":"k1","typ":"JWT"}',
        '{"alg":"HS256","kid":"k1"}',
        '{"kid":"k1","alg":"HS256","typ":"cloudkey-url+jwt"}',
        '{"alg":"HS256","jku":"https://example.org/","kid":"k1","typ":"cloudkey-url+jwt"}',
        '{"alg":"HS256","kid":"../k1","typ":"cloudkey-url+jwt"}',
    ],
)
def test_a_header_of_another_kind_is_refused(header: str) -> None:
    assert refusal(signed(to_json(to_wire(BASIC)), header)) == "malformed"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token + " ",
        lambda token: token + ".",
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0],
        lambda token: token[:-1],
        lambda token: token.replace(".", "..", 1),
        lambda token: "." + token,
        lambda token: token + "x" * 3000,
        lambda token: "",
        lambda token: "é" + token,
    ],
)
def test_a_text_that_is_no_token_is_malformed(change: Callable[[str], str]) -> None:
    assert refusal(change(make_token(KEYS, BASIC))) == "malformed"


def test_what_cannot_be_verified_is_not_signed() -> None:
    for wrong in (
        replace(BASIC, seclevel=SecLevel.COUNTRY.value),
        replace(BASIC, seclevel=SecLevel.USEONCE.value),
        replace(BASIC, seclevel=SecLevel.IP.value),
        replace(BASIC, media="x"),
        replace(BASIC, expires=NOW),
        replace(BASIC, options={"filename": ""}),
    ):
        with pytest.raises(ValueError, match=r"claim|bindings|expires"):
            make_token(KEYS, wrong)
    long = [("https", f"{number}.example.org", "/" * 200) for number in range(9)]
    with pytest.raises(ValueError, match="1536"):
        make_token(KEYS, replace(BASIC, seclevel=SecLevel.REFERER.value, referers=tuple(long)))


# Bindings


@pytest.mark.parametrize(
    ("bound", "viewer", "admitted"),
    [
        ({"ip": "203.0.113.45"}, "203.0.113.45", True),
        ({"ip": "203.0.113.45"}, "203.0.113.4", False),
        ({"ip": "203.0.113.45"}, "::ffff:203.0.113.45", True),
        ({"ip": "203.0.113.45"}, "", False),
        ({"ip": "203.0.113.45"}, "no address", False),
        ({"ip": "2001:DB8::1"}, "2001:db8:0:0:0:0:0:1", True),
        ({"ip": "2001:db8::1"}, "2001:db8::2", False),
        ({"ip": "203.0.113.45", "prefix": 24}, "203.0.113.99", True),
        ({"ip": "203.0.113.45", "prefix": 24}, "203.0.114.45", False),
        ({"ip": "203.0.113.45", "prefix": 24}, "2001:db8::1", False),
        ({"ip": "2001:db8:1::5", "prefix": 56}, "2001:db8:1:ff::9", True),
        ({"ip": "2001:db8:1::5", "prefix": 56}, "2001:db8:1:100::9", False),
    ],
)
def test_an_address_binds_whole_or_by_its_prefix(
    bound: dict[str, Any], viewer: str, admitted: bool
) -> None:
    bindings = bind(KEYS.bind, SecLevel.IP, **bound)

    assert is_bound(KEYS.bind, bindings, Viewer(ip=viewer)) is admitted


@pytest.mark.parametrize(("ip", "prefix"), [("203.0.113.45", 15), ("2001:db8::1", 31), ("", None)])
def test_a_network_that_is_too_wide_binds_nothing(ip: str, prefix: int | None) -> None:
    with pytest.raises(ValueError, match="IP"):
        bind(KEYS.bind, SecLevel.IP, ip=ip, prefix=prefix)


def test_the_number_of_a_network_is_one_however_it_is_written() -> None:
    bindings = bind(KEYS.bind, SecLevel.ASNUM, asnum="as3215")

    assert is_bound(KEYS.bind, bindings, Viewer(asnum="3215"))
    assert not is_bound(KEYS.bind, bindings, Viewer(asnum="AS3216"))
    assert not is_bound(KEYS.bind, bindings, Viewer(asnum=""))


def test_a_user_agent_binds_by_its_bytes() -> None:
    bindings = bind(KEYS.bind, SecLevel.USERAGENT, useragent="Müller/1")

    assert is_bound(KEYS.bind, bindings, Viewer(useragent="Müller/1"))
    assert not is_bound(KEYS.bind, bindings, Viewer(useragent="Müller/1 "))


def test_values_of_a_viewer_cannot_be_read_or_moved() -> None:
    bindings = bind(KEYS.bind, 12, ip="203.0.113.4", useragent="5 Mozilla")
    moved = bind(KEYS.bind, 12, ip="203.0.113.45", useragent=" Mozilla")

    assert "203" not in str(bindings)
    assert set(bindings.values()).isdisjoint(moved.values())


# Requests

PLACE = {"host": "video.example.org", "path": "/api"}
BODY = b'{"call":"media.info"}'


def request_header(**changes: Any) -> str:
    return sign_request(KEYS, USER, BODY, **{**PLACE, "ts": NOW, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"host": "other.example.org"},
        {"path": "/api/"},
        {"body": BODY + b" "},
        {"now": NOW + MAX_SKEW + 1},
        {"now": NOW - MAX_SKEW - 1},
    ],
)
def test_a_request_is_for_its_place_its_bytes_and_its_time(change: dict[str, Any]) -> None:
    given = read_authorization(request_header())
    asked = {**PLACE, "now": NOW, **change}
    body = asked.pop("body", BODY)

    with pytest.raises(AuthenticationError):
        verify_request(KEYS, given, body, **asked)


def test_a_wrong_clock_is_named_to_whoever_signed_rightly_only() -> None:
    given = read_authorization(request_header(ts=NOW - 600))

    with pytest.raises(AuthenticationError, match="-600 seconds"):
        verify_request(KEYS, given, BODY, now=NOW, **PLACE)
    with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
        verify_request(KEYS, given, b"other", now=NOW, **PLACE)


def test_a_request_in_the_name_of_another_user() -> None:
    header = sign_request(KEYS, f"{USER}/{MEDIA}", BODY, ts=NOW, **PLACE)

    assert read_authorization(header).user == f"{USER}/{MEDIA}"
    verify_request(KEYS, read_authorization(header), BODY, now=NOW, **PLACE)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic dXNlcjprZXk=",
        "CLOUDKEY3-HMAC-SHA256 x",
        request_header() + ",",
        request_header() + ' sig="x"',
        request_header().replace(", ", ","),
        request_header().replace("ts=1", "ts=0"),
        request_header().replace(USER, USER + '", user="' + USER),
    ],
)
def test_a_header_that_is_not_of_the_scheme_is_malformed(header: str) -> None:
    with pytest.raises(AuthenticationError, match="malformed"):
        read_authorization(header)


# Webhooks


def test_a_notification_is_verified_by_any_of_the_keys_while_they_rotate() -> None:
    old, new = KEYS, Keys(USER, "k2", new_secret())
    both = sign_webhook([old, new], "msg_2", NOW, BODY)

    for keys in ([old], [new], [new, old]):
        verify_webhook(keys, both, BODY, now=NOW)
    with pytest.raises(WebhookRefused, match="signature"):
        verify_webhook([Keys(USER, "k3", new_secret())], both, BODY, now=NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": "msg_2"}, "signature"),
        ({"webhook-id": ""}, "malformed"),
        ({"webhook-id": "msg 1"}, "malformed"),
        ({"webhook-timestamp": str(NOW + 1)}, "signature"),
        ({"webhook-timestamp": "soon"}, "malformed"),
        ({"webhook-timestamp": f"0{NOW}"}, "malformed"),
        ({"webhook-signature": ""}, "malformed"),
        ({"webhook-signature": f" {WEBHOOK['signature']}"}, "malformed"),
        ({"webhook-signature": " ".join([WEBHOOK["signature"]] * 9)}, "malformed"),
        ({"webhook-signature": WEBHOOK["signature"].replace("v1", "v2")}, "signature"),
        ({"webhook-signature": WEBHOOK["signature"].upper()}, "signature"),
        ({"webhook-signature": "v1,é"}, "signature"),
    ],
)
def test_a_notification_with_other_headers_is_refused(change: dict[str, str], reason: str) -> None:
    headers = {**sign_webhook([KEYS], "msg_1", NOW, BODY), **change}

    with pytest.raises(WebhookRefused, match=reason):
        verify_webhook([KEYS], headers, BODY, now=NOW)


@pytest.mark.parametrize("skew", [301, -301])
def test_a_notification_of_another_time_is_refused(skew: int) -> None:
    headers = sign_webhook([KEYS], "msg_1", NOW, BODY)

    with pytest.raises(WebhookRefused, match="time"):
        verify_webhook([KEYS], headers, BODY, now=NOW + skew)


# Keys


@pytest.mark.parametrize("secret", ["", "x", "A" * 42, "A" * 44 + "=", "é" * 43, "A" * 88])
def test_a_secret_is_32_to_64_bytes(secret: str) -> None:
    with pytest.raises(ValueError, match="32 to 64") as caught:
        Keys(USER, KID, secret)

    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("kid", ["", "a b", "é", "x" * 33, 'k"'])
def test_a_key_id_is_a_short_word(kid: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        Keys(USER, kid, new_secret())


def test_new_secrets_are_secrets_and_show_nothing() -> None:
    secret = new_secret()

    assert is_secret(secret)
    assert secret != new_secret()
    keys = Keys(USER, KID, secret)
    assert secret.reveal() not in repr(keys) + repr(keys.url) + str(keys.url)
    with pytest.raises(TypeError):
        pickle.dumps(keys)


# Properties

levels = st.integers(0, 127).map(lambda bits: bits & sum(SecLevel)) | st.just(32768)
words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)


@st.composite
def claims_of(draw: st.DrawFn) -> Claims:
    level = draw(levels)
    is_delegated = bool(level & 1)
    referer = st.tuples(st.sampled_from(["http", "https", "*"]), words, words.map("/{}".format))
    optional = st.booleans() if is_delegated else st.just(True)
    return Claims(
        user=USER,
        media=MEDIA,
        audience=draw(st.sampled_from(["embed", "stream", "download", "thumb"])),
        issued=NOW,
        expires=NOW + draw(st.integers(1, 600_000)),
        seclevel=level,
        not_before=draw(st.none() | st.just(NOW)),
        asset_name=draw(st.none() | words),
        bindings=bind(KEYS.bind, level, ip="192.0.2.1", asnum="AS1", useragent=draw(words)),
        countries=("deny", "fr") if level & 32 and draw(optional) else (),
        referers=tuple(draw(st.lists(referer, min_size=1, max_size=3)))
        if level & (64 | 32768) and draw(optional)
        else (),
        options=draw(st.dictionaries(st.sampled_from(["filename", "skin"]), words)),
        id=new_id() if level & 17 else None,
    )  # fmt: skip


@given(claims_of())
def test_pyjwt_and_we_write_the_same_token_for_any_claims(claims: Claims) -> None:
    assert exchange(claims) == make_token(KEYS, claims)


@given(claims_of())
def test_what_was_written_is_what_is_read(claims: Claims) -> None:
    values = json.loads(to_json(to_wire(claims)))

    check(values)
    assert from_wire(values) == claims


@given(st.binary(max_size=80))
def test_bytes_have_one_spelling(data: bytes) -> None:
    text = b64encode(data)

    assert b64decode(text) == data
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")


@given(st.text(max_size=60))
def test_a_text_is_refused_or_canonical(text: str) -> None:
    for read, write in ((b64decode, b64encode), (from_json, to_json)):
        try:
            value = read(text)
        except ValueError:
            continue
        assert write(value) == text


@given(st.text(max_size=300))
def test_no_text_is_a_token_or_an_authorization(text: str) -> None:
    with pytest.raises(URLRefused):
        verify(text)
    with pytest.raises(AuthenticationError):
        read_authorization(text)


# Mutations

ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.,=+/" {}é\n\0'


def mutated(text: str, source: random.Random) -> str:
    """Return *text* with one character changed, put in, taken out, or two of them swapped."""
    while True:
        at = source.randrange(len(text))
        char = source.choice(ALPHABET)
        how = source.randrange(5)
        if how == 0:
            changed = text[:at] + char + text[at + 1 :]
        elif how == 1:
            changed = text[:at] + char + text[at:]
        elif how == 2:
            changed = text[:at] + text[at + 1 :]
        elif how == 3:
            changed = text[:at] + chr(ord(text[at]) ^ 1 << source.randrange(7)) + text[at + 1 :]
        else:
            to = source.randrange(len(text))
            chars = list(text)
            chars[at], chars[to] = chars[to], chars[at]
            changed = "".join(chars)
        if changed != text:
            return changed


def mutated_part(message: dict[str, str], source: random.Random) -> dict[str, str]:
    """Return *message* with one of its parts mutated."""
    name = source.choice(list(message))
    return {**message, name: mutated(message[name], source)}


TOKENS = [
    {"token": vector["token"], "audience": claims["aud"], "asset_name": claims.get("ast", "")}
    for vector in VECTORS["url_tokens"]
    for claims in (vector["claims"],)
]
REQUEST = {"header": request_header(), "body": BODY.decode(), **PLACE}
NOTIFICATION = {**sign_webhook([KEYS], "msg_1", NOW, BODY), "body": BODY.decode()}


def accept_token(message: dict[str, str]) -> None:
    verify(message["token"], audience=message["audience"], asset_name=message["asset_name"] or None)


def accept_request(message: dict[str, str]) -> None:
    given = read_authorization(message["header"])
    place = {"host": message["host"], "path": message["path"]}
    verify_request(KEYS, given, message["body"].encode(), now=NOW, **place)


def accept_webhook(message: dict[str, str]) -> None:
    verify_webhook([KEYS], message, message["body"].encode(), now=NOW)


def test_what_is_mutated_below_is_accepted_as_it_is() -> None:
    for token in TOKENS:
        accept_token(token)
    accept_request(REQUEST)
    accept_webhook(NOTIFICATION)


@pytest.mark.parametrize(
    "times", [pytest.param(3_000, id="some"), pytest.param(1_000_000, marks=pytest.mark.full)]
)
def test_no_single_mutation_is_accepted(times: int) -> None:
    """A third each: tokens; calls with their bodies and places; notifications with their bodies."""
    source = random.Random(20_261_123)
    accepted = []
    refused = Counter[str]()
    for number in range(times):
        if number % 3 == 0:
            token = TOKENS[number // 3 % len(TOKENS)]
            message = {**token, "token": mutated(token["token"], source)}
            accept: Callable[[dict[str, str]], None] = accept_token
        elif number % 3 == 1:
            message, accept = mutated_part(REQUEST, source), accept_request
        else:
            message, accept = mutated_part(NOTIFICATION, source), accept_webhook
        try:
            accept(message)
        except (URLRefused, AuthenticationError, WebhookRefused):
            refused[accept.__name__] += 1
            continue
        accepted.append(message)
    assert accepted == []
    assert min(refused.values()) == times // 3
    assert refused.total() == times
