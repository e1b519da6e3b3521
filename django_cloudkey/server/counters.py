"""
How often something happened within a minute.

The counters are rows of the cloud's database: the same for every process and machine, and on its
clock.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from .models import RateCounter

PERIOD = timedelta(minutes=1)


def take(name: str, limit: int) -> bool:
    """Count one more of *name*; False when there were *limit* within the period already."""
    for _ in range(2):
        # The usual case is this one statement.
        # One that ends later than it can is of a clock that was put back since.
        running = RateCounter.objects.filter(
            name=name, expires__gt=Now(), expires__lte=Now() + PERIOD
        )
        if running.filter(count__lt=limit).update(count=F("count") + 1):
            return True
        if running.exists():
            return False
        is_over = Q(expires__lte=Now()) | Q(expires__gt=Now() + PERIOD)
        over = RateCounter.objects.filter(is_over, name=name)
        if over.update(count=1, expires=Now() + PERIOD):
            return True
        first = RateCounter(name=name, count=0, expires=Now() + PERIOD)
        RateCounter.objects.bulk_create([first], ignore_conflicts=True)
    return False


def seconds_left(name: str) -> int:
    """Return after how many seconds *name* is counted anew, from 1 to 60."""
    ends = RateCounter.objects.filter(name=name).values_list("expires", flat=True).first()
    left = (ends - timezone.now()).total_seconds() if ends is not None else 0
    return max(1, min(round(left + 0.5), int(PERIOD.total_seconds())))
