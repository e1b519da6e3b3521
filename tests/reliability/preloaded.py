"""A site that makes its client, and calls, before the server forks its workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from django_cloudkey.client import CloudKey, RPCException

from ..echo import key_of

USER_ID = "4d0c0ffee000000000000001"

client = CloudKey(USER_ID, key_of(USER_ID), os.environ["ECHO_URL"], retries=0)
client.test.echo(number=0)  # a connection that every worker inherits


def wrong_answers(start: int, count: int) -> int:
    """Ask *count* times, each for another number; return how many answers were another's."""
    wrong = 0
    for number in range(start, start + count):
        try:
            wrong += client.test.echo(number=number)[:2] != [USER_ID, {"number": number}]
        except RPCException:
            wrong += 1
    return wrong


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    query = parse_qs(environ["QUERY_STRING"])
    wrong = wrong_answers(int(query["start"][0]), int(query["count"][0]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {wrong}".encode()]
