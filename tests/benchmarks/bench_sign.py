"""
What a signed address costs, as ratios to the least that one can cost: ``python -m
tests.benchmarks.bench_sign``.

Floor A is MD5 over ready bytes. Floor B is the least code that returns a valid address: the clock,
a nonce from the system's random source, one format and MD5. Rows take turns, times are those of the
processor, and each ratio is the median of those of the rounds: a slow minute cancels out.
"""

from __future__ import annotations

import gc
import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from django_cloudkey.client import CloudKey, SecLevel, sign_url
from django_cloudkey.protocol.secret import Secret

USER = "4c1a4d3edede832bfd000002"
MEDIA = "4c1a4d3edede832bfd000003"
URL = f"https://cdn.example.org/route/{USER}/{MEDIA}/mp4_h264_aac.mp4"
KEY = "a6e3c0d3ac1b9d1d2e2f3b4c5d6e7f8091a2b3c4"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"
COUNTRIES = ["fr", "us", "de"]
REFERERS = ["https://*.example.com/", "https://example.org/a b"]

ROUNDS = 21
ROUND = 0.04  # seconds

_MESSAGE = f"0{URL}1800000000abcdefgh{KEY}".encode()


def floor_a() -> str:
    return hashlib.md5(_MESSAGE, usedforsecurity=False).hexdigest()


def floor_b(
    now: Callable[[], float] = time.time, random: Callable[[int], bytes] = os.urandom
) -> str:
    expires = int(now() + 7200)
    nonce = random(4).hex()
    message = f"0{URL}{expires}{nonce}{KEY}".encode()
    return f"{URL}?auth={expires}-0-{nonce}-{hashlib.md5(message).hexdigest()}"


def rows() -> dict[str, tuple[Callable[[], str], float | None]]:
    """Return name → what to measure and how many times floor B it may cost."""
    key = Secret(KEY)
    media = CloudKey(USER, KEY, "https://video.example.org").media
    both = SecLevel.IP | SecLevel.USERAGENT
    lists = SecLevel.COUNTRY | SecLevel.REFERER
    return {
        "floor A: MD5 of ready bytes": (floor_a, None),
        "floor B: a valid address": (floor_b, None),
        "sign_url NONE": (partial(sign_url, URL, key), 1.25),
        "sign_url IP|USERAGENT": (
            partial(sign_url, URL, key, both, ip="192.0.2.7", useragent=AGENT),
            1.45,
        ),
        "sign_url COUNTRY|REFERER": (
            partial(sign_url, URL, key, lists, countries=COUNTRIES, referers=REFERERS),
            1.75,
        ),
        "media.get_embed_url": (partial(media.get_embed_url, MEDIA), None),
        "media.get_stream_url": (partial(media.get_stream_url, MEDIA), None),
    }


def seconds_per_call(function: Callable[[], str], calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - started) / calls


def main() -> None:
    table = rows()
    calls = {name: int(ROUND / seconds_per_call(row[0], 2000)) for name, row in table.items()}
    gc.disable()
    rounds = [
        {name: seconds_per_call(row[0], calls[name]) for name, row in table.items()}
        for _ in range(ROUNDS)
    ]
    gc.enable()
    floor = "floor B: a valid address"
    print(f"{'':30}{'us':>8}{'x floor B':>11}{'goal':>7}")  # noqa: T201
    for name, (_, goal) in table.items():
        microseconds = 1e6 * median(each[name] for each in rounds)
        ratio = median(each[name] / each[floor] for each in rounds)
        print(f"{name:30}{microseconds:8.2f}{ratio:11.2f}{goal or '':>7}")  # noqa: T201


if __name__ == "__main__":
    main()
