"""
What a signed address costs, against the least that a valid one can cost, and against a token
that is signed with RSA.

The floor is the least code that returns a valid address: the clock, a nonce from the system's
random source, one format and MD5. That of scheme 2 returns nothing: it is the JSON of the claims
and one HMAC over the token, and neither the clock nor base64.
"""

from __future__ import annotations

import gc
import hashlib
import hmac
import json
import secrets
import time
from base64 import b64encode
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from django_cloudkey.client import CloudKey, SecLevel, sign_url
from django_cloudkey.protocol.scheme2.keys import new_secret
from django_cloudkey.protocol.secret import Secret

from .rounds import Row, ratio, seconds_per_call

USER = "4c1a4d3edede832bfd000002"
MEDIA = "4c1a4d3edede832bfd000003"
URL = f"https://cdn.example.org/route/{USER}/{MEDIA}/mp4_h264_aac.mp4"
KEY = "a6e3c0d3ac1b9d1d2e2f3b4c5d6e7f8091a2b3c4"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
COUNTRIES = ["fr", "us", "de"]
REFERERS = ["https://*.example.com/", "https://example.org/a b"]

# Of scheme 2
SECRET = new_secret()
RAW = b"\x07" * 32
CLAIMS = {
    "aud": "embed", "exp": 1_800_007_200, "iat": 1_800_000_000, "iss": USER, "lvl": 0, "sub": MEDIA,
}  # fmt: skip
ENCODER = json.JSONEncoder(separators=(",", ":"))
TOKEN = b".".join(b64encode(each) for each in (b"x" * 57, ENCODER.encode(CLAIMS).encode()))

FLOOR, NONE, IP, LISTS, EMBED, STREAM, RS256, NEW_FLOOR, NEW_EMBED, NEW_STREAM, NEW_IP = range(11)


def floor(
    now: Callable[[], float] = time.time, random: Callable[[int], str] = secrets.token_hex
) -> str:
    expires = int(now() + 7200)
    nonce = random(4)
    message = f"0{URL}{expires}{nonce}{KEY}".encode()
    return f"{URL}?auth={expires}-0-{nonce}-{hashlib.md5(message).hexdigest()}"


def new_floor() -> bytes:
    ENCODER.encode(CLAIMS)
    return hmac.digest(RAW, TOKEN, "sha256")


def rows(*, tiny: bool = False) -> list[Row]:
    rounds, share = (1, 1e-4) if tiny else (21, 0.04)  # share: seconds of each in a round
    functions = _functions()
    calls = [max(1, int(share / seconds_per_call(function, 20))) for function in functions]
    taken = []
    gc.disable()
    for _ in range(rounds):
        taken.append([seconds_per_call(*each) for each in zip(functions, calls, strict=True)])
    gc.enable()

    def against(one: int, other: int) -> float:
        return ratio((each[one], each[other]) for each in taken)

    return [
        Row("sign: NONE / floor", against(NONE, FLOOR), 1.25),
        Row("sign: IP|USERAGENT / floor", against(IP, FLOOR), 1.4),
        Row("sign: COUNTRY|REFERER / floor", against(LISTS, FLOOR), 1.75),
        Row("sign: media.get_embed_url / floor", against(EMBED, FLOOR)),
        Row("sign: media.get_stream_url / floor", against(STREAM, FLOOR)),
        Row("sign: an RS256 token / NONE", against(RS256, NONE), at_least=150),
        Row("sign: scheme 2, get_embed_url / HMAC and JSON", against(NEW_EMBED, NEW_FLOOR), 3),
        Row("sign: scheme 2, get_stream_url / HMAC and JSON", against(NEW_STREAM, NEW_FLOOR), 3),
        Row("sign: scheme 2, level IP / HMAC and JSON", against(NEW_IP, NEW_FLOOR), 3),
        Row("sign: scheme 2, get_embed_url / historical", against(NEW_EMBED, EMBED)),
    ]


def _functions() -> list[Callable[[], object]]:
    key = Secret(KEY)
    media = CloudKey(USER, KEY, "https://video.example.org").media
    new = CloudKey(USER, None, "https://video.example.org", secret=SECRET, kid="k1").media
    both = SecLevel.IP | SecLevel.USERAGENT
    lists = SecLevel.COUNTRY | SecLevel.REFERER
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return [
        floor,
        lambda: sign_url(URL, key),
        lambda: sign_url(URL, key, both, ip="192.0.2.7", useragent=AGENT),
        lambda: sign_url(URL, key, lists, countries=COUNTRIES, referers=REFERERS),
        lambda: media.get_embed_url(MEDIA),
        lambda: media.get_stream_url(MEDIA),
        lambda: jwt.encode({"sub": MEDIA, "exp": int(time.time() + 7200)}, rsa_key, "RS256"),
        new_floor,
        lambda: new.get_embed_url(MEDIA),
        lambda: new.get_stream_url(MEDIA),
        lambda: new.get_embed_url(MEDIA, SecLevel.IP, ip="192.0.2.7"),
    ]
