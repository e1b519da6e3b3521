"""How often an account may call, and an address may fail to prove who it is."""

from __future__ import annotations

from ipaddress import ip_network

from ...protocol.exceptions import RateLimitExceeded
from ...protocol.viewer import parse_address
from ..conf import cloud
from ..counters import seconds_left, take
from ..models import Account


def count_call(account: Account) -> None:
    """
    Count a call of *account*.

    Raises:
        RateLimitExceeded: it has made as many as it may.
    """
    limit = cloud.rate_limit
    name = f"calls:{account.pk}"
    if limit is not None and not take(name, limit):
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
    if not take(name, limit):
        raise _exceeded(name)


def _name_of(address: str) -> str:
    # Whoever has one IPv6 address has a whole /64 of them.
    found = parse_address(address)
    if found is not None and found.version == 6:
        address = str(ip_network((found, 64), strict=False))
    return f"failures:{address}"


def _exceeded(name: str) -> RateLimitExceeded:
    seconds = seconds_left(name)
    return RateLimitExceeded(
        f"Too many calls; try again in {seconds} seconds.", {"retry_after": seconds}
    )
