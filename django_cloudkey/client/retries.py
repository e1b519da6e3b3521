"""
When a call is sent again: what may be, how long to wait before, and when to stop for good.

A call is repeated where doing it twice is doing it once. Clients that wait for a random time do not
come back together, and a process that sees little but failures stops repeating: an outage must not
be answered by several times the load.
"""

from __future__ import annotations

import random
import re
import time
from email.utils import parsedate_to_datetime

READS = frozenset({
    "encoding_settings.get_active_assets",
    "encoding_settings.get_asset_setting",
    "media.count",
    "media.get_asset",
    "media.get_asset_url",
    "media.get_assets",
    "media.get_meta",
    "media.get_subs_urls",
    "media.info",
    "media.list",
    "media.list_asset",
    "media.list_meta",
    "media.search",
    "media.stats",
    "organisation.get",
    "player_preset.list",
    "user.info",
    "user.list",
    "user.search",
    "user.whoami",
})  # fmt: skip
"""Remote methods that change nothing. Any other name may be a write."""

PASSING = frozenset({429, 502, 503, 504})
"""HTTP statuses of a trouble that may be over soon."""

FIRST_PAUSE = 0.1  # seconds
LONGEST_PAUSE = 2.0  # seconds
LONGEST_RETRY_AFTER = 60.0  # seconds


class Budget:
    """
    Tokens for repetitions: each costs one, each call that gets an answer earns a tenth.

    There is no lock: an update that is lost costs a fraction of a token, and a lock that is held
    while the process forks would never open in the child.

    Source: gRPC, proposal A6, "Throttling Retry Attempts and Hedged RPCs".
    """

    FULL = 10.0
    EARNED = 0.1

    def __init__(self) -> None:
        self.tokens = self.FULL

    def spend(self) -> bool:
        """Take a token, if there is one."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def earn(self) -> None:
        self.tokens = min(self.FULL, self.tokens + self.EARNED)


BUDGET = Budget()
"""Of this process, for all its clients."""


def pause(repetition: int, retry_after: float = 0) -> float:
    """
    Return the seconds to wait before a repetition: what the server asks for, and a random time.

    Args:
        repetition: 0 for the first.
        retry_after: What :func:`read_retry_after` returned.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog 2015 (full jitter).
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**repetition)
    return retry_after + random.uniform(0, longest)  # noqa: S311 - spreads clients, guards nothing


def read_retry_after(text: str, now: float | None = None) -> float:
    """
    Return the seconds that a ``Retry-After`` header asks for, at most 60; 0 when it is neither a
    number of seconds nor a date (RFC 9110 §10.2.3).
    """
    if re.fullmatch("[0-9]{1,20}", text, re.ASCII):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text).timestamp()
        except (TypeError, ValueError, OverflowError, OSError):
            return 0
        seconds = date - (time.time() if now is None else now)
    return min(max(seconds, 0), LONGEST_RETRY_AFTER)
