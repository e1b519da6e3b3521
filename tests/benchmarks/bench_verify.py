"""
What it costs to verify an address, by either scheme, beside PyJWT, which checks a signature and
the claims of the standard, and neither what the address asks for nor who asks.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median

import jwt

from django_cloudkey.client import sign_url
from django_cloudkey.protocol.scheme2 import signing as scheme2
from django_cloudkey.protocol.scheme2.keys import Keys
from django_cloudkey.protocol.scheme2.url_token import verify_token
from django_cloudkey.protocol.seclevel import SecLevel, Viewer
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import verify_url

from .rounds import Row, ratio, seconds_per_call
from .site import BASE_URL, KEY, KID, MEDIA, SECRET, USER

URL = f"{BASE_URL}/embed/{USER}/{MEDIA}"
VIEWER = Viewer(ip="192.0.2.7", useragent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
HISTORICAL, NEW, NEW_IP, PYJWT = range(4)


def rows(*, tiny: bool = False) -> list[Row]:
    rounds, many = (1, 10) if tiny else (41, 500)
    functions = _functions()
    taken = []
    gc.disable()
    for _ in range(rounds):
        taken.append([seconds_per_call(each, many) for each in functions])
    gc.enable()

    def a_second(which: int) -> float:
        return 1 / median(each[which] for each in taken) / 1000

    def beside(which: int) -> float:
        return ratio((each[PYJWT], each[which]) for each in taken)

    return [
        Row("verify: historical", a_second(HISTORICAL), unit="k/s"),
        Row("verify: scheme 2", a_second(NEW), unit="k/s"),
        Row("verify: scheme 2, level IP", a_second(NEW_IP), unit="k/s"),
        Row("verify: PyJWT", a_second(PYJWT), unit="k/s"),
        Row("verify: PyJWT / historical", beside(HISTORICAL)),
        Row("verify: PyJWT / scheme 2", beside(NEW)),
        Row("verify: PyJWT / scheme 2, level IP", beside(NEW_IP)),
    ]


def _functions() -> list[Callable[[], object]]:
    now, key, keys = time.time(), Secret(KEY), Keys(USER, KID, SECRET)
    old = _auth(sign_url(URL, key))
    new = _auth(scheme2.sign_url(URL, keys, media=MEDIA, audience="embed"))
    of_ip = _auth(
        scheme2.sign_url(
            URL, keys, media=MEDIA, audience="embed", seclevel=SecLevel.IP, ip=VIEWER.ip
        )
    )
    raw = b"\x07" * 32
    claims = {"aud": "embed", "exp": int(now) + 7200, "iat": int(now), "iss": USER, "sub": MEDIA}
    theirs = jwt.encode(claims, raw, "HS256", {"kid": KID})

    def verify(token: str) -> object:
        return verify_token(
            token, {KID: keys}.get,
            user=USER, media=MEDIA, audience="embed", viewer=VIEWER, now=now,
        )  # fmt: skip

    return [
        lambda: verify_url(URL, old, key, viewer=VIEWER, now=now),
        lambda: verify(new),
        lambda: verify(of_ip),
        lambda: jwt.decode(theirs, raw, ["HS256"], audience="embed", issuer=USER, subject=MEDIA),
    ]


def _auth(url: str) -> str:
    return url.partition("?auth=")[2]
