"""
What may happen once: the first use of an address, a nonce of a call.

One INSERT decides, in the database and nowhere else: a cache that is flushed would let everybody in
again. A database that cannot be reached lets nobody in.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from django.db import connections
from django.utils import timezone

from .conf import cloud
from .models import OneTimeClaim

MINUTE = timedelta(minutes=1)
SKEW = timedelta(minutes=10)  # by which the clock of a worker that tidies up may be ahead


def claim(key: str, expires: datetime, holder: str = "") -> bool:
    """
    Say whether this is the first claim of *key*.

    Args:
        expires: To the end of that minute it is remembered; nothing that *key* stands for may be
            valid longer.
        holder: Who claims it, to be compared by :func:`holder_of`.

    Raises:
        DatabaseError: nobody knows.
    """
    connection = connections[cloud.database]
    end = expires.replace(second=0, microsecond=0) + MINUTE
    with connection.cursor() as cursor:
        cursor.execute(
            _insert(connection.vendor),
            (key, holder, _written(connection.vendor, connection.timezone, end)),
        )
        return bool(cursor.rowcount == 1)


@lru_cache
def _insert(vendor: str) -> str:
    """Return the statement, as databases of this kind quote names."""
    quote = connections[cloud.database].ops.quote_name
    name = quote(OneTimeClaim._meta.db_table)
    columns = ", ".join(map(quote, ("key", "holder", "expires")))
    return f"INSERT INTO {name} ({columns}) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"  # noqa: S608


# Writing a time costs a third of what the database does, and many claims end in the same minute.
@lru_cache(maxsize=256)
def _written(vendor: str, zone: tzinfo | None, time: datetime) -> Any:
    """Return *time* as databases of this kind take it."""
    return connections[cloud.database].ops.adapt_datetimefield_value(time)


def holder_of(key: str) -> str | None:
    """Return who claimed *key*; ``None`` when nobody did."""
    return OneTimeClaim.objects.filter(key=key).values_list("holder", flat=True).first()


def forget_expired() -> None:
    """Delete what nothing valid stands for any more, on any clock of this cloud."""
    OneTimeClaim.objects.filter(expires__lt=timezone.now() - SKEW).delete()
