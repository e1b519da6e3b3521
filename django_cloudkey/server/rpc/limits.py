"""
How often an account may call, and an address may fail to prove who it is.

The counters are rows of the cloud's database: the same for every process and machine, and on its
clock.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from ...protocol.exceptions import RateLimitExceeded
from ...protocol.viewer import parse_address
from ..conf import cloud
from ..models import Account, RateCounter

PERIOD = timedelta(minutes=1)


def count_call(account: Account) -> None:
    """
    Count a call of *account*.

    Raises:
        RateLimitExceeded: it has made as many as it may.
    """
    limit = cloud.rate_limit
    name = f"calls:{account.pk}"
    if limit is not None and not _take(name, limit):
        raise _exceeded(name)


def count_failure(address: str) -> None:
    """
    Note that *address* failed to prove who it is.

    Only failures are stopped, never a right signature: callers behind one proxy share an address,
    and one of them must not be able to lock out the rest.

    Raises:
        RateLimitExceeded: it has failed too often.
    """
    limit = cloud.auth_failure_limit
    if limit is None or not address:
        return
    name = _name_of(address)
    if not _take(name, limit):
        raise _exceeded(name)


def _name_of(address: str) -> str:
    # Whoever has one IPv6 address has a whole /64 of them.
    found = parse_address(address)
    if found is not None and found.version == 6:
        address = str(ip_network((found, 64), strict=False))
    return f"failures:{address}"


def _take(name: str, limit: int) -> bool:
    """Count one more; False when there were *limit* within the period already."""
    for _ in range(2):
        # The usual case is this one statement.
        running = RateCounter.objects.filter(name=name, expires__gt=Now())
        if running.filter(count__lt=limit).update(count=F("count") + 1):
            return True
        if running.exists():
            return False
        over = RateCounter.objects.filter(name=name, expires__lte=Now())
        if over.update(count=1, expires=Now() + PERIOD):
            return True
        first = RateCounter(name=name, count=0, expires=Now() + PERIOD)
        RateCounter.objects.bulk_create([first], ignore_conflicts=True)
    return False


def _exceeded(name: str) -> RateLimitExceeded:
    ends = RateCounter.objects.filter(name=name).values_list("expires", flat=True).first()
    left = (ends - timezone.now()).total_seconds() if ends is not None else 0
    seconds = max(1, min(round(left + 0.5), int(PERIOD.total_seconds())))
    return RateLimitExceeded(
        f"Too many calls; try again in {seconds} seconds.", {"retry_after": seconds}
    )
