"""
What a call costs the client's processor, against a default ``requests.Session`` that signs, sends
and reads the same.
"""

from __future__ import annotations

from typing import Any

import requests

from django_cloudkey.client import CloudKey
from django_cloudkey.protocol.envelope import decode_answer, encode_call
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import sign_call

from .rounds import Row, ratio, seconds_per_call
from .sink import Sink

USER = "4c1a4d3edede832bfd000002"
KEY = "a6e3c0d3ac1b9d1d2e2f3b4c5d6e7f8091a2b3c4"
ARGS: dict[str, Any] = {"id": "4c1a4d3edede832bfd000003", "fields": ["id", "meta.title"]}


def rows(*, tiny: bool = False) -> list[Row]:
    calls, rounds = (3, 1) if tiny else (150, 15)
    key = Secret(KEY)
    with Sink() as url, requests.Session() as session:
        client = CloudKey(USER, KEY, url)

        def call() -> Any:
            return client.call("media.info", **ARGS)

        def post() -> Any:
            auth = sign_call(USER, {"call": "media.info", "args": ARGS}, key)
            response = session.post(
                f"{url}/api",
                data=encode_call("media.info", ARGS, auth),
                headers={"Content-Type": "application/json"},
                timeout=(5, 30),
            )
            return decode_answer(response.content)

        call()
        post()
        pairs = [
            (seconds_per_call(call, calls), seconds_per_call(post, calls)) for _ in range(rounds)
        ]
    return [Row("rpc: a call / requests.Session.post", ratio(pairs), at_most=0.6)]
