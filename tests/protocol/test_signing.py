"""Signatures of URLs: what is signed is accepted, everything else is refused with its reason."""

from __future__ import annotations

import base64
import hashlib
import json
import string
import traceback
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from django_cloudkey.client import CloudKey
from django_cloudkey.protocol import public_part
from django_cloudkey.protocol.drm import gen_drm_token
from django_cloudkey.protocol.exceptions import AuthenticationError, SerializerError
from django_cloudkey.protocol.normalization import normalize
from django_cloudkey.protocol.seclevel import ANYONE, KNOWN_BITS, PUBLIC_BITS, SecLevel, Viewer
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import (
    URLRefused,
    URLToken,
    new_nonce,
    parse_auth,
    read_auth,
    sign,
    sign_call,
    sign_url,
    verify_call,
    verify_url,
)

KEY = "efe706ce78eb1b09cb0e68ed72dfe0cef3361348"
NOW = 1_790_000_000
EXPIRES = NOW + 7200
BASE = "https://video.example.org/route/4d0c0ffee000000000000001/4d0c0ffee0000000000000a1/a.mp4"
VIEWER = Viewer(ip="203.0.113.4", useragent="Mozilla/5.0 (X11)", asnum="AS64496")
SIGNED_VALUES: dict[str, Any] = {
    "ip": VIEWER.ip,
    "useragent": VIEWER.useragent,
    "asnum": VIEWER.asnum,
    "countries": ["fr", "be"],
    "referers": ["https://site.example.org/", "http://a.example/b c"],
}


def token_for(
    level: int = 0,
    *,
    base: str = BASE,
    expires: int = EXPIRES,
    nonce: str | None = None,
    **values: Any,
) -> str:
    """Return the auth parameter that a site signs for *base*."""
    url = sign_url(base, KEY, level, expires=expires, nonce=nonce, **{**SIGNED_VALUES, **values})
    return read_auth(url.partition("?")[2])


def verify(
    auth: str,
    base: str = BASE,
    viewer: Viewer = VIEWER,
    now: float = NOW,
    max_lifetime: float | None = None,
) -> URLToken:
    return verify_url(base, auth, KEY, viewer=viewer, now=now, max_lifetime=max_lifetime)


def refusal(check: Callable[..., object], *args: Any, **options: Any) -> str:
    """Return the reason with which *check* refuses."""
    with pytest.raises(URLRefused) as caught:
        check(*args, **options)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


def is_accepted(auth: str, base: str = BASE, viewer: Viewer = VIEWER) -> bool:
    try:
        verify(auth, base, viewer)
    except URLRefused:
        return False
    return True


# What is signed is accepted

words = st.text(st.characters(codec="utf-8", exclude_characters="?"), min_size=1, max_size=40)
agents = st.from_regex(r"[A-Za-z][ -~]{0,60}", fullmatch=True)
levels = st.sets(st.sampled_from(list(SecLevel.__members__.values()))).map(
    lambda bits: sum(bit.value for bit in bits)
)
hosts = st.from_regex(r"https?://[a-z]{1,9}\.example(:[0-9]{2,5})?/", fullmatch=True)
queries = st.just("") | st.from_regex(r"\?[b-z]=[ -%'-~]{0,9}(&[b-z]=[0-9]{0,3})?", fullmatch=True)


@given(
    host=hosts,
    path=words,
    query=queries,
    level=levels,
    viewer=st.builds(
        Viewer,
        ip=st.ip_addresses().map(str),
        useragent=agents.filter(lambda text: text[0] not in "abcdefABCDEF"),
        asnum=st.integers(1, 2**32).map(lambda number: f"AS{number}"),
    ),
    countries=st.lists(st.from_regex(r"[a-zA-Z]{2}", fullmatch=True), min_size=1, max_size=5),
    denied=st.booleans(),
    referers=st.lists(words, min_size=1, max_size=3),
    expires=st.integers(NOW + 1, 9_999_999_999),
)
def test_what_is_signed_is_accepted(
    host: str,
    path: str,
    query: str,
    level: int,
    viewer: Viewer,
    countries: list[str],
    denied: bool,
    referers: list[str],
    expires: int,
) -> None:
    url = sign_url(
        host + path + query,
        Secret(KEY),
        level,
        viewer.asnum,
        viewer.ip,
        viewer.useragent,
        (["-"] if denied else []) + countries,
        referers,
        expires,
    )

    base, _, given_query = url.partition("?")
    token = verify(read_auth(given_query), base, viewer)

    assert base == host + path
    assert given_query.startswith(query.removeprefix("?"))
    assert (token.expires, token.seclevel) == (expires, level)
    asks_public = level & PUBLIC_BITS and not level & SecLevel.DELEGATE
    assert bool(token.public_text) == bool(asks_public)
    if asks_public and level & SecLevel.COUNTRY:
        listed = f"cc={'-' if denied else ''}{','.join(countries).lower()}"
        assert token.public_text.split("&")[0] == listed


def test_time_of_validity_is_two_hours_when_none_is_given() -> None:
    token = parse_auth(read_auth(sign_url(BASE, KEY).partition("?")[2]))
    before = verify_url(BASE, read_auth(sign_url(BASE, KEY).partition("?")[2]), KEY)

    assert 0 <= before.expires - token.expires <= 5
    assert refusal(verify_url, BASE, _auth_of(token), KEY, now=token.expires) == "expired"


def _auth_of(token: URLToken) -> str:
    return f"{token.expires}-{token.seclevel}-{token.nonce}-{token.digest}"


@pytest.mark.parametrize("expires", [EXPIRES, EXPIRES + 0.9, str(EXPIRES)])
def test_expiry_may_be_a_number_or_its_text(expires: float | str) -> None:
    auth = read_auth(sign_url(BASE, KEY, expires=expires).partition("?")[2])

    assert verify(auth).expires == EXPIRES


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("http://h/p", "http://h/p?auth="),
        ("http://h/p?", "http://h/p?auth="),
        ("http://h/p?a=1", "http://h/p?a=1&auth="),
        ("http://h/p?a=1&b=?", "http://h/p?a=1&b=?&auth="),
    ],
)
def test_the_token_follows_the_query(url: str, start: str) -> None:
    assert sign_url(url, KEY).startswith(start)


def test_any_of_several_bases_may_have_been_signed() -> None:
    bases = [BASE, BASE.replace("https", "http")]
    auth = token_for(base=bases[1])

    assert verify_url(iter(bases), auth, KEY, now=NOW).nonce == parse_auth(auth).nonce
    assert refusal(verify_url, bases[:1], auth, KEY, now=NOW) == "signature"
    assert refusal(verify_url, [], auth, KEY, now=NOW) == "signature"


# No changed character is accepted

KINDS = [
    pytest.param(0, id="none"),
    pytest.param(SecLevel.DELEGATE | SecLevel.IP, id="delegate"),
    pytest.param(SecLevel.IP, id="ip"),
    pytest.param(SecLevel.ASNUM | SecLevel.USERAGENT, id="asnum-useragent"),
    pytest.param(SecLevel.USEONCE, id="useonce"),
    pytest.param(SecLevel.COUNTRY, id="country"),
    pytest.param(SecLevel.REFERER_STRICT | SecLevel.IP, id="referer-ip"),
    pytest.param(SecLevel.COUNTRY | SecLevel.REFERER | SecLevel.USERAGENT, id="all-public"),
]
ALPHABET = string.ascii_letters + string.digits + "-_+/=.,:|% \n\0é٣"


def changes(text: str) -> Iterator[str]:
    """Every text that is one substituted, inserted or deleted character away."""
    for position in range(len(text) + 1):
        for letter in ALPHABET:
            yield text[:position] + letter + text[position:]
            yield text[:position] + letter + text[position + 1 :]
        yield text[:position] + text[position + 1 :]


@pytest.mark.parametrize("level", KINDS)
def test_no_changed_character_of_the_token_is_accepted(level: int) -> None:
    auth = token_for(level, nonce="k2345678")
    assert is_accepted(auth)

    assert [text for text in changes(auth) if text != auth and is_accepted(text)] == []


@pytest.mark.parametrize("level", KINDS)
def test_no_changed_character_of_the_address_is_accepted(level: int) -> None:
    auth = token_for(level, nonce="k2345678")

    assert [text for text in changes(BASE) if text != BASE and is_accepted(auth, text)] == []


@pytest.mark.parametrize("level", [SecLevel.IP, SecLevel.USERAGENT, SecLevel.ASNUM])
def test_no_changed_character_of_the_viewer_is_accepted(level: SecLevel) -> None:
    name = level.name.lower() if level.name else ""
    auth = token_for(level)

    def admits(value: str) -> bool:
        return is_accepted(auth, viewer=Viewer(**{name: value}))

    signed = SIGNED_VALUES[name]
    assert admits(signed)
    assert [value for value in changes(signed) if value != signed and admits(value)] == []
    assert not admits("")


@given(
    level=levels,
    position=st.integers(0, 400),
    removed=st.integers(0, 3),
    added=st.text(ALPHABET, max_size=3),
)
def test_no_change_of_the_whole_url_is_accepted(
    level: int, position: int, removed: int, added: str
) -> None:
    url = f"{BASE}|{token_for(level)}"
    changed = url[:position] + added + url[position + removed :]
    assume(changed != url)

    base, _, auth = changed.partition("|")

    assert not is_accepted(auth, base)


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "0", KEY.upper(), f"{KEY} "])
def test_another_key_is_refused(key: str) -> None:
    assert refusal(verify_url, BASE, token_for(), key, now=NOW) == "signature"


# Time

YEAR = 366 * 24 * 3600


@pytest.mark.parametrize(
    ("now", "reason"), [(EXPIRES, "expired"), (EXPIRES + 1, "expired"), (EXPIRES + 1e9, "expired")]
)
def test_expired_url_is_refused(now: float, reason: str) -> None:
    assert refusal(verify, token_for(), now=now) == reason


def test_url_is_valid_until_the_second_before_its_expiry() -> None:
    assert verify(token_for(), now=EXPIRES - 1).expires == EXPIRES


def test_url_that_is_valid_for_too_long_is_refused() -> None:
    auth = token_for(expires=NOW + YEAR + 1)

    assert refusal(verify, auth, max_lifetime=YEAR) == "lifetime"
    assert verify(auth, now=NOW + 1, max_lifetime=YEAR).expires == NOW + YEAR + 1


def test_the_signature_is_judged_before_the_time() -> None:
    auth = token_for().replace("0", "1")

    assert refusal(verify, auth, now=EXPIRES + 1e9) == "signature"


# Attacks, numbered as in the analysis

UNSAFE_NONCE = "9bcdefgh"


def test_a01_digit_moved_from_nonce_to_expiry_is_refused() -> None:
    expires, level, nonce, digest = token_for(nonce=UNSAFE_NONCE).split("-")

    assert refusal(verify, f"{expires}{nonce[0]}-{level}-{nonce[1:]}-{digest}") == "malformed"
    moved = f"{expires[1:]}{nonce[0]}-{level}-{nonce[1:]}-{digest}"
    assert refusal(verify, moved, BASE + expires[0]) == "malformed"


def test_a02_digit_moved_from_path_to_expiry_is_refused() -> None:
    auth = token_for()
    assert BASE.endswith("4")

    assert refusal(verify, "4" + auth, BASE[:-1]) == "malformed"


@pytest.mark.parametrize("moved", range(1, 10))
def test_a02_digits_moved_from_version_to_expiry_and_from_there_to_nonce_are_refused(
    moved: int,
) -> None:
    # abs-1…8 | 1790007200 | kkkkkkkk  reads as  abs-1… | 8179000720 | 0kkkkkkkk
    version = "1234567899"
    base = BASE.replace("a.mp4", f"abs-{version}")
    expires, level, nonce, digest = token_for(base=base).split("-")
    digits = version + expires
    forged = digits[len(version) - moved : -moved]
    auth = f"{forged}-{level}-{digits[-moved:]}{nonce}-{digest}"

    assert verify("-".join((expires, level, nonce, digest)), base)
    assert refusal(verify, auth, base[:-moved]) == "signature"


def test_long_nonce_of_another_client_is_accepted() -> None:
    versioned = BASE.replace("a.mp4", "a-17.mp4")

    assert verify(token_for(nonce="0123456789abcdef"))
    assert verify(token_for(nonce="0123456789abcdef", base=versioned), versioned)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: f"0{e}",
        lambda e: f"+{e}",
        lambda e: f" {e}",
        lambda e: f"{e} ",
        lambda e: f"{e[:5]}_{e[5:]}",
        lambda e: f"{e}0",
        lambda e: e[:-1],
        lambda e: f"-{e}",
        lambda e: "0",
        lambda e: "".join(chr(ord(digit) + 0xFEE0) for digit in e),  # full-width
        lambda e: "".join(chr(ord(digit) + 0x630) for digit in e),  # Arabic
        lambda e: f"{e}.0",
        lambda e: f"{float(e):e}",
        lambda e: f"{int(e):x}",
    ],
)
def test_a03_another_spelling_of_the_expiry_is_refused(change: Callable[[str], str]) -> None:
    expires, rest = token_for().split("-", 1)

    assert refusal(verify, f"{change(expires)}-{rest}") == "malformed"


@pytest.mark.parametrize("level", ["00", "+0", "０", "", "-0", "0x0", "100000", "0 "])
def test_a03_another_spelling_of_the_level_is_refused(level: str) -> None:
    expires, _, nonce, digest = token_for().split("-")

    assert refusal(verify, f"{expires}-{level}-{nonce}-{digest}") == "malformed"


IP_AND_AGENT = SecLevel.IP | SecLevel.USERAGENT


@pytest.mark.parametrize(
    ("level", "signed", "attacker"),
    [
        (
            IP_AND_AGENT,
            {"ip": "203.0.113.45", "useragent": "Mozilla"},
            Viewer(ip="203.0.113.4", useragent="5Mozilla"),
        ),
        (
            IP_AND_AGENT,
            {"ip": "203.0.113.45", "useragent": "Mozilla"},
            Viewer(ip="203.0.113", useragent=".45Mozilla"),
        ),
        (
            IP_AND_AGENT,
            {"ip": "2001:db8::1f", "useragent": "Mozilla"},
            Viewer(ip="2001:db8::1", useragent="fMozilla"),
        ),
        (
            IP_AND_AGENT,
            {"ip": "2001:db8::1:2", "useragent": "Mozilla"},
            Viewer(ip="2001:db8::1", useragent=":2Mozilla"),
        ),
        (
            SecLevel.ASNUM | SecLevel.USERAGENT,
            {"asnum": "AS64496", "useragent": "Mozilla"},
            Viewer(asnum="AS6449", useragent="6Mozilla"),
        ),
        (
            SecLevel.ASNUM | IP_AND_AGENT,
            {"asnum": "AS64496", "ip": "203.0.113.45", "useragent": "Mozilla"},
            Viewer(asnum="AS64496", ip="203.0.113.4", useragent="5Mozilla"),
        ),
    ],
)
def test_a04_first_letters_of_the_user_agent_do_not_complete_an_address(
    level: int, signed: dict[str, Any], attacker: Viewer
) -> None:
    auth = token_for(level, **signed)

    assert verify(auth, viewer=Viewer(**signed))
    assert refusal(verify, auth, viewer=attacker) == "signature"


PUBLIC_LEVEL = SecLevel.USERAGENT | SecLevel.COUNTRY


def test_a05a_public_part_moved_into_the_user_agent_is_refused() -> None:
    auth = token_for(PUBLIC_LEVEL)
    token = parse_auth(auth)
    attacker = Viewer(useragent=VIEWER.useragent + token.public)

    assert refusal(verify, auth.removesuffix(f"-{token.public}"), viewer=attacker) == "malformed"


def pack(text: str | bytes) -> bytes:
    return zlib.compress(text.encode() if isinstance(text, str) else text)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def test_a05b_own_list_in_front_of_the_sites_is_refused() -> None:
    own = b64(pack("cc=us")).rstrip("=")
    own += "A" * (-len(own) % 4)
    auth = token_for(PUBLIC_LEVEL, useragent=f"Mozilla{own}")
    site = parse_auth(auth).public

    forged = auth.replace(site, own + site)

    assert refusal(verify, forged, viewer=Viewer(useragent="Mozilla")) == "malformed"


def forge(level: int, public: str, *, nonce: str = "abcdefgh") -> str:
    """Return a token with a right digest around any public part."""
    text = f"{level}{BASE}{EXPIRES}{nonce}{KEY}{public}"
    digest = hashlib.md5(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{EXPIRES}-{level}-{nonce}-{digest}-{public}"


@pytest.mark.parametrize("level", [0, SecLevel.IP, SecLevel.USEONCE, SecLevel.DELEGATE])
def test_a06_public_part_that_nobody_asked_for_is_refused(level: int) -> None:
    assert refusal(verify, forge(level, b64(pack("cc=fr")))) == "malformed"
    assert refusal(verify, token_for(level) + "-" + b64(pack("cc=fr"))) == "malformed"


@pytest.mark.parametrize("bit", [SecLevel.COUNTRY, SecLevel.REFERER, SecLevel.REFERER_STRICT])
def test_a06_missing_public_part_is_refused(bit: SecLevel) -> None:
    auth = token_for(bit)

    assert refusal(verify, auth.rpartition("-")[0] if "_" not in auth else auth[:60]) == "malformed"
    assert refusal(verify, "-".join(auth.split("-")[:4])) == "malformed"


@pytest.mark.parametrize("bit", [SecLevel.COUNTRY, SecLevel.REFERER, SecLevel.REFERER_STRICT])
def test_delegation_carries_no_public_part(bit: SecLevel) -> None:
    level = bit | SecLevel.DELEGATE

    assert verify(token_for(level), viewer=ANYONE).public == ""
    assert refusal(verify, forge(level, b64(pack("cc=fr")))) == "malformed"


def test_the_forged_public_part_is_otherwise_right() -> None:
    assert verify(forge(SecLevel.COUNTRY, b64(pack("cc=fr")))).public_text == "cc=fr"
    assert verify(forge(SecLevel.REFERER, b64(pack("rf=a")))).public_text == "rf=a"


def _stored(data: bytes) -> bytes:
    compressor = zlib.compressobj(0)
    return compressor.compress(data) + compressor.flush()


def _with_dictionary(data: bytes) -> bytes:
    compressor = zlib.compressobj(zdict=b"cc=fr,be,de")
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    "public",
    [
        pytest.param(b64(b"no zlib at all"), id="not-zlib"),
        pytest.param(b64(pack("cc=fr"))[:-6], id="cut"),
        pytest.param(b64(pack("cc=fr") + b"xyz"), id="trailing-data"),
        pytest.param(b64(pack("cc=us") + pack("cc=fr")), id="two-streams"),
        pytest.param(b64(pack("cc=" + "fr," * 4000)), id="bomb"),
        pytest.param(b64(pack(b"cc=" + b"a" * 8190)), id="just-too-long"),
        pytest.param(b64(_with_dictionary(b"cc=fr,be")), id="preset-dictionary"),
        pytest.param(b64(pack("cc=fr")[:-1] + b"\0"), id="wrong-checksum"),
        pytest.param(b64(pack("cc=é")), id="not-ascii"),
        pytest.param(b64(pack(b"cc=\xff\xfe")), id="not-utf-8"),
        pytest.param(b64(pack("cc=fr\n")), id="line-break"),
        pytest.param(b64(pack("cc=fr\0")), id="nul"),
        pytest.param(b64(pack("")), id="empty"),
        pytest.param(b64(pack("cc")), id="no-value"),
        pytest.param(b64(pack("cc=")), id="empty-value"),
        pytest.param(b64(pack("cc=fr&cc=us")), id="twice"),
        pytest.param(b64(pack("cc=fr&rf=a")), id="unknown-beside"),
        pytest.param(b64(pack("rf=a")), id="other-list"),
        pytest.param(b64(pack("CC=fr")), id="upper-case"),
        pytest.param(b64(pack("x=1&cc=fr")), id="unknown-in-front"),
        pytest.param("A", id="short"),
        pytest.param("A" * 5000, id="long"),
        pytest.param("AAAAAAAAA", id="not-base64-length"),
        pytest.param(b64(pack("cc=fr")) + "===", id="padding"),
        pytest.param("%%%%%%%%", id="not-base64"),
        pytest.param("éééééééé", id="not-ascii-base64"),
    ],
)
def test_malformed_public_part_is_refused_though_its_digest_is_right(public: str) -> None:
    assert refusal(verify, forge(SecLevel.COUNTRY, public)) == "malformed"


def test_order_of_the_two_lists_is_fixed() -> None:
    level = SecLevel.COUNTRY | SecLevel.REFERER

    assert verify(forge(level, b64(pack("cc=fr&rf=a"))))
    assert refusal(verify, forge(level, b64(pack("rf=a&cc=fr")))) == "malformed"
    assert refusal(verify, forge(level, b64(pack("cc=fr")))) == "malformed"


@pytest.mark.parametrize(
    "public",
    [
        b64(pack("cc=fr,be&x?>~")),
        b64(pack("cc=fr,be&x?>~")).rstrip("="),
        base64.b64encode(pack("cc=fr,be&x?>~")).decode(),
        b64(_stored(b"cc=fr,be&x?>~")),
        b64(pack("cc=fr,be&x?>~"))[:20] + "\n" + b64(pack("cc=fr,be&x?>~"))[20:],
    ],
)
def test_every_historical_spelling_of_the_public_part_is_read(public: str) -> None:
    assert public_part.decode(public) == "cc=fr,be&x?>~"


@pytest.mark.parametrize("text", ["cc=-fr,it", "cc=-,fr,it", "cc=-FR, it"])
def test_denied_countries_are_read_as_python_and_java_write_them(text: str) -> None:
    assert public_part.read(b64(pack(text))) == (("deny", "fr", "it"), ())


@pytest.mark.parametrize("bits", [128, 256, 512, 16384, 65536, 99999 & ~KNOWN_BITS])
def test_unknown_bits_are_refused(bits: int) -> None:
    text = f"{bits}{BASE}{EXPIRES}abcdefgh{KEY}"
    auth = f"{EXPIRES}-{bits}-abcdefgh-{hashlib.md5(text.encode()).hexdigest()}"

    assert refusal(verify, auth) == "malformed"


def test_lowering_the_level_is_refused() -> None:
    expires, _, nonce, digest = token_for(SecLevel.IP).split("-")

    assert refusal(verify, f"{expires}-0-{nonce}-{digest}") == "signature"
    assert refusal(verify, f"{expires}-1-{nonce}-{digest}", viewer=ANYONE) == "signature"


# Reading the query


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "missing"),
        ("a=1", "missing"),
        ("auth[]=x", "missing"),
        ("Auth=x", "missing"),
        ("auth=", "malformed"),
        ("auth", "malformed"),
        ("auth=x&auth=x", "malformed"),
        ("auth=&auth=x", "malformed"),
        ("auth=x&%61uth=x", "malformed"),
        ("%61uth=x&a=1&aut%68=y", "malformed"),
        ("auth=%80%00", "malformed"),
        ("auth=%ff", "malformed"),
        ("auth=x&%ff=y", "malformed"),
    ],
)
def test_a08_query_without_exactly_one_token_is_refused(query: str, reason: str) -> None:
    assert refusal(read_auth, query) == reason


@pytest.mark.parametrize(
    "query", ["auth=a-b%2Bc", "x=1&auth=a-b+c", "auth=a-b+c&x=%20", "%61uth=a-b%2bc"]
)
def test_a_plus_is_a_letter_of_the_token(query: str) -> None:
    assert read_auth(query) == "a-b+c"


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_query_makes_reading_fail(text: str) -> None:
    for query in (text, f"auth={text}", f"auth={quote(text)}"):
        try:
            auth = read_auth(query)
        except URLRefused as error:
            assert error.reason in ("missing", "malformed")  # noqa: PT017
            continue
        assert not is_accepted(auth)


@pytest.mark.parametrize(
    "viewer",
    [
        Viewer(useragent="\ud800"),
        Viewer(useragent="x" * 65536),
        Viewer(useragent="\0"),
        Viewer(useragent="é"),
        Viewer(useragent=""),
    ],
)
def test_strange_user_agent_is_refused_without_failing(viewer: Viewer) -> None:
    assert refusal(verify, token_for(SecLevel.USERAGENT), viewer=viewer) == "signature"


# Nonces


def test_first_character_of_a_nonce_is_a_letter() -> None:
    nonces = [new_nonce() for _ in range(4000)]

    assert {len(nonce) for nonce in nonces} == {8}
    assert {nonce[0] for nonce in nonces} <= set(string.ascii_lowercase)
    assert set("".join(nonces)) <= set(string.ascii_lowercase + string.digits)
    assert len(set(nonces)) == len(nonces)
    assert len({nonce[0] for nonce in nonces}) >= 16


# Arguments of sign_url


@pytest.mark.parametrize(
    ("level", "values", "message"),
    [
        (2, {"asnum": None}, "The ASNUM security level needs the viewer's AS number."),
        (4, {"ip": ""}, "The IP security level needs the viewer's IP address."),
        (8, {"useragent": None}, "The USERAGENT security level needs the viewer's user agent."),
        (32, {"countries": None}, "The COUNTRY security level needs a list of country codes."),
        (32, {"countries": []}, "The COUNTRY security level needs a list of country codes."),
        (
            32,
            {"countries": "fr"},
            "The COUNTRY security level needs a list of country codes, got 'fr'.",
        ),
        (32, {"countries": ["fra"]}, "Country codes are two letters each, got ['fra']."),
        (32, {"countries": ["fr\n"]}, "Country codes are two letters each, got ['fr\\n']."),
        (32, {"countries": ["-"]}, "Country codes are two letters each, got ['-']."),
        (32, {"countries": ["fr", "-", "be"]}, None),
        (32, {"countries": ["ſs"]}, "Country codes are two letters each, got ['ſs']."),
        (32, {"countries": ["fr&rf=x"]}, "Country codes are two letters each, got ['fr&rf=x']."),
        (64, {"referers": None}, "The REFERER security level needs a list of URL prefixes."),
        (
            32768,
            {"referers": "http://a/"},
            "The REFERER security level needs a list of URL prefixes, got 'http://a/'.",
        ),
    ],
)
def test_missing_value_of_a_level_is_said(
    level: int, values: dict[str, Any], message: str | None
) -> None:
    with pytest.raises(ValueError) as caught:
        sign_url(BASE, KEY, level, **{**SIGNED_VALUES, **values})

    if message is not None:
        assert str(caught.value) == message


@pytest.mark.parametrize("level", [SecLevel.DELEGATE | bit for bit in (2, 4, 8, 32, 64, 32768)])
def test_delegation_needs_no_value(level: int) -> None:
    assert f"-{int(level)}-" in sign_url(BASE, KEY, level)


# Calls and DRM tokens


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.booleans()),
    st.integers(0, 71),
)
def test_a_signed_call_verifies_and_a_changed_one_does_not(args: dict[str, Any], at: int) -> None:
    request = {"call": "media.info", "args": args}
    auth = sign_call("4d0c0ffee000000000000001", request, Secret(KEY))

    assert verify_call(auth, request, KEY) == "python"
    position = at % len(auth)
    changed = auth[:position] + ("0" if auth[position] != "0" else "1") + auth[position + 1 :]
    for wrong_auth, wrong_request, key in (
        (changed, request, KEY),
        (auth, {**request, "call": "media.delete"}, KEY),
        (auth, request, KEY[::-1]),
    ):
        with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
            verify_call(wrong_auth, wrong_request, key)


@pytest.mark.parametrize("auth", ["", ":", "x", "u:", "u:é", "u:\ud800", ":" + "0" * 32, "a:b:c"])
def test_malformed_authentication_is_refused(auth: str) -> None:
    with pytest.raises(AuthenticationError, match="Authentication failed"):
        verify_call(auth, {"call": "media.info"}, KEY)


def test_end_of_a_drm_token_is_a_whole_number() -> None:
    token = gen_drm_token("u", "m", KEY, expires=EXPIRES + 0.75, encode=False)

    assert f'"expires": {EXPIRES},' in token


def test_drm_token_is_signed_over_its_other_members() -> None:
    token = gen_drm_token("u", "m", Secret(KEY), {"playback_window": 600}, max_replay=2)

    claims = json.loads(base64.urlsafe_b64decode(token))
    auth = claims.pop("auth")
    assert auth == sign(KEY, normalize(claims))
    assert set(claims) == {"user_id", "media_id", "expires", "nonce", "rights", "max_replay"}


# Normalization against ten lines written from the protocol's text


def reference(value: Any) -> str:
    """Protocol reference 2.2, for everything but floats."""
    if isinstance(value, dict):
        return "".join(key + reference(value[key]) for key in sorted(value))
    if isinstance(value, list):
        return "".join(reference(item) for item in value)
    if value is None:
        return ""
    if value is True or value is False:
        return str(value).lower()
    return value if isinstance(value, str) else str(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    )
)
def test_normalized_text_is_the_references(value: Any) -> None:
    assert normalize(value) == reference(value)


@pytest.mark.parametrize("value", [b"x", {1}, object(), {1: "x"}, {"a": [{None: 1}]}, 1j])
def test_what_is_no_json_is_not_normalized(value: Any) -> None:
    with pytest.raises(SerializerError, match=r"cannot be sent as JSON|must be texts"):
        normalize(value)


# Secrets


def shown_by(error: BaseException) -> str:
    """Return all that a page of frame variables would show of our own frames."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines = [str(error), repr(error), *found.format_exception_only()]
    for frame in found.stack:
        if "django_cloudkey" in frame.filename:
            lines.append(f"{frame.name} {frame.line} {frame.locals}")
    return "\n".join(lines)


CLIENT = CloudKey("4d0c0ffee000000000000001", KEY, "https://video.example.org")
FAILURES: list[Any] = [
    pytest.param(lambda: sign_url(BASE, KEY, SecLevel.IP), id="sign_url-no-ip"),
    pytest.param(lambda: sign_url(BASE, KEY, "x"), id="sign_url-bad-level"),  # type: ignore[arg-type]
    pytest.param(lambda: sign_url(BASE, KEY, expires="soon"), id="sign_url-bad-expiry"),
    pytest.param(lambda: sign_url(7, KEY), id="sign_url-bad-url"),  # type: ignore[arg-type]
    pytest.param(
        lambda: sign_url(BASE, Secret(KEY), SecLevel.COUNTRY, countries=["x"]), id="sign_url-secret"
    ),
    pytest.param(lambda: sign(KEY, 7), id="sign"),  # type: ignore[arg-type]
    pytest.param(lambda: sign_call("u", {"args": {"x": b""}}, KEY), id="sign_call"),
    pytest.param(lambda: verify_call("u:x", {"call": "x"}, KEY), id="verify_call"),
    pytest.param(lambda: verify_url(BASE, token_for()[:-1] + "x", KEY), id="verify_url-malformed"),
    pytest.param(lambda: verify_url(BASE + "x", token_for(), KEY), id="verify_url-signature"),
    pytest.param(lambda: verify_url(BASE, token_for(SecLevel.IP), KEY), id="verify_url-viewer"),
    pytest.param(lambda: gen_drm_token("u", "m", KEY, rights={"x": b""}), id="drm-value"),
    pytest.param(lambda: gen_drm_token("u", "m", KEY, rights={1: "x"}), id="drm-key"),  # type: ignore[dict-item]
    pytest.param(lambda: CloudKey("u", KEY, "ftp://x"), id="client-bad-url"),
    pytest.param(lambda: CloudKey("u", KEY, None), id="client-no-url"),  # type: ignore[arg-type]
    pytest.param(lambda: CLIENT.media.get_embed_url("x"), id="embed-bad-id"),
    pytest.param(lambda: CLIENT.media.get_embed_url("0" * 24, 4), id="embed-no-ip"),
    pytest.param(lambda: CLIENT.media.get_stream_url("0" * 24, "abs"), id="stream-no-protocol"),
    pytest.param(
        lambda: CLIENT.media.get_embed_url("0" * 24, drm_token={"rights": {"x": b""}}),
        id="embed-bad-drm-token",
    ),
    pytest.param(lambda: CLIENT.call("media.info", id=b"x"), id="call-bad-argument"),
    pytest.param(lambda: CLIENT.call("media.info", id=float("nan")), id="call-nan"),
]


@pytest.mark.parametrize("fail", FAILURES)
def test_no_failure_shows_the_key(fail: Callable[[], object]) -> None:
    with pytest.raises(Exception) as caught:
        fail()

    shown = shown_by(caught.value)
    assert "django_cloudkey" in "".join(traceback.format_tb(caught.value.__traceback__))
    assert KEY not in shown


def test_no_form_of_a_client_shows_the_key() -> None:
    assert KEY not in f"{CLIENT} {CLIENT!r} {CLIENT.media!r} {vars(CLIENT)} {vars(CLIENT.media)}"
    assert repr(CLIENT) == ("<CloudKey '4d0c0ffee000000000000001' at 'https://video.example.org'>")


@given(levels)
@settings(max_examples=20)
def test_no_address_holds_the_key(level: int) -> None:
    url = sign_url(BASE, KEY, level, **SIGNED_VALUES)

    assert KEY not in url
    assert urlsplit(url).path == urlsplit(BASE).path
