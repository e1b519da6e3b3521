"""
How often the historical scheme is still used, so that an operator knows when it can go.

An address is verified for each range that a player asks for: a row that is written each time would
be the slowest part of it. The first use is written at once, those of the next seconds together;
what a process that is killed has not written is lost. Nobody is refused because of a count: one
that the database does not take is written with the next.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import Error
from django.db.models import F
from django.utils import timezone

from .models import LegacyUse, atomic

logger = logging.getLogger(__name__)

PERIOD = 10.0  # seconds

_lock = threading.Lock()
_written: dict[tuple[str, str], float] = {}
_waiting: dict[tuple[str, str], int] = {}


def note(account: str, kind: str) -> None:
    """Count one use of *kind*, such as ``address``, by the account with this id."""
    use = (account, kind)
    now = time.monotonic()
    with _lock:
        _waiting[use] = _waiting.get(use, 0) + 1
        if now - _written.get(use, -PERIOD) < PERIOD:
            return
        _written[use] = now
        count = _waiting.pop(use)
    try:
        with atomic():
            _write(account, kind, count)
    except Error as error:
        logger.warning("Account %s: a use (%s) could not be counted yet: %s", account, kind, error)
        with _lock:
            _waiting[use] = _waiting.get(use, 0) + count


def _write(account: str, kind: str, count: int) -> None:
    rows = LegacyUse.objects.filter(account=account, kind=kind)
    if not rows.update(count=F("count") + count, last=timezone.now()):
        row = LegacyUse(account_id=account, kind=kind, count=0)
        LegacyUse.objects.bulk_create([row], ignore_conflicts=True)
        rows.update(count=F("count") + count, last=timezone.now())
