"""
What it costs to be the first, against a bare INSERT of the same row through the same connection.

Both are a transaction of their own, on a file of SQLite as the quickstart has it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from . import site
from .rounds import Row, ratio, seconds_per_call


def rows(*, tiny: bool = False) -> list[Row]:
    rounds, many = (1, 10) if tiny else (41, 200)
    claim, bare = _functions()
    taken = []
    gc.disable()
    for _ in range(rounds):
        taken.append((seconds_per_call(bare, many), seconds_per_call(claim, many)))
    gc.enable()
    return [Row("claims: a bare INSERT / a one-time claim", ratio(taken), at_least=0.8)]


def _functions() -> tuple[Callable[[], object], Callable[[], object]]:
    site.set_up(with_tables=True)
    from django.db import connection

    from django_cloudkey.server import one_time

    numbers = count()
    expires = datetime.now(UTC) + timedelta(hours=2)
    written = expires.replace(tzinfo=None).isoformat(" ")

    def claim() -> None:
        if not one_time.claim(f"use:{next(numbers)}", expires):
            raise AssertionError("nobody can have been before")

    def bare() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO cloudkey_server_onetimeclaim (key, holder, expires) "
                "VALUES (%s, %s, %s)",
                (f"use:{next(numbers)}", "", written),
            )

    claim()
    return claim, bare
