"""The named secrets of accounts: which are active, what each may, and how they are replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from ..protocol.scheme2.keys import Keys
from ..protocol.secret import Secret
from ..protocol.viewer import parse_address, parse_networks
from .models import Account, AccountSecret, atomic

MAX_ACTIVE = 3
USE_NOTED = timedelta(minutes=1)  # how exactly the last use is known


class TooManySecrets(Exception):
    """An account has MAX_ACTIVE active secrets already."""


class NoSecret(Exception):
    """An account has no active secret: nothing can be signed for it."""


def active(account: str) -> QuerySet[AccountSecret]:
    """Return the secrets that count for the account with this id, the newest first."""
    is_over = Q(expires__lte=timezone.now())
    return AccountSecret.objects.filter(account=account, is_active=True).exclude(is_over)


def find(account: str, kid: str) -> AccountSecret | None:
    """Return the active secret *kid* of the account."""
    return active(account).filter(kid=kid).first()


def keys_of(secret: AccountSecret) -> Keys:
    """Return what *secret* signs with, derived once per process."""
    return _derived(secret.account_id, secret.kid, Secret(secret.secret))


def all_keys(account: str) -> list[Keys]:
    """
    Return all that the account's notifications are signed with, the newest first.

    Raises:
        NoSecret: there is nothing.
    """
    keys = [keys_of(secret) for secret in active(account)]
    if not keys:
        raise NoSecret(_("The account has no active secret to sign with."))
    return keys


def key_finder(account: str) -> Callable[[str], Keys | None]:
    """Return a function that finds the account's active keys by their name."""

    def find_keys(kid: str) -> Keys | None:
        secret = find(account, kid)
        return None if secret is None else keys_of(secret)

    return find_keys


def add(
    account: Account,
    *,
    expires: datetime | None = None,
    networks: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> AccountSecret:
    """
    Return a new secret of *account*, named after the highest number so far: ``k1``, ``k2``…

    Args:
        networks, methods: Where from, and for what, it may call; empty: no limit.

    Raises:
        TooManySecrets: MAX_ACTIVE are active; retire one first.
    """
    with atomic():
        # Locks out another process that adds one at the same time.
        Account.objects.select_for_update().only("pk").get(pk=account.pk)
        if active(account.pk).count() >= MAX_ACTIVE:
            raise TooManySecrets
        kids = account.secrets.values_list("kid", flat=True)
        numbers = [int(kid[1:]) for kid in kids if kid[:1] == "k" and kid[1:].isdigit()]
        return account.secrets.create(
            kid=f"k{max(numbers, default=0) + 1}",
            expires=expires,
            networks=list(networks),
            methods=list(methods),
        )


def may_call(secret: AccountSecret, method: str, address: str) -> bool:
    """Say whether *secret* may be used for the remote method *method* from *address*."""
    if secret.methods and method not in secret.methods:
        return False
    if not secret.networks:
        return True
    found = parse_address(address)
    networks = parse_networks(secret.networks)
    return found is not None and any(found in each for each in networks)


def note_use(secret: AccountSecret) -> None:
    """Remember that *secret* was used now, to the minute: one write, not one for each call."""
    now = timezone.now()
    if secret.last_used is None or secret.last_used < now - USE_NOTED:
        AccountSecret.objects.filter(pk=secret.pk).update(last_used=now)


@lru_cache(maxsize=1024)
def _derived(user: str, kid: str, secret: Secret) -> Keys:
    return Keys(user, kid, secret)
