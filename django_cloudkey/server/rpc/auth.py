"""Who calls, and on whose behalf: by the historical signature in a call, or by a header over it."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from ...protocol.envelope import Call, decode_call
from ...protocol.exceptions import AuthenticationError
from ...protocol.scheme2.keys import Keys, new_secret
from ...protocol.scheme2.request import (
    NONCE_LIFETIME,
    Authorization,
    place_of,
    read_authorization,
    verify_request,
)
from ...protocol.secret import Secret
from ...protocol.signing import verify_call
from ...protocol.urls import is_media_id
from .. import account_secrets, legacy_uses, one_time
from ..conf import cloud
from ..models import Account, AccountSecret, new_key

# Signatures for unknown users are checked against these: the same work, the same answer.
_NOBODY = Secret(new_key())
_NOBODYS_KEYS = Keys("0" * 24, "nobody", new_secret())


def is_scheme2(authorization: str) -> bool:
    """Say whether an ``Authorization`` header is of this protocol; others are of the way here."""
    return authorization.lower().startswith("cloudkey")


def read_call(body: bytes) -> tuple[Call, Account]:
    """
    Return the call inside *body*, and the active account that it is for: the one that signed it, or
    the one it acts as.

    ``auth`` starts with ``<caller>`` or ``<caller>/<other>``; the caller's key signs both. A
    manager acts as any active account of its organisation.

    Raises:
        AuthenticationError: nobody signed it, or the caller may not act as the other; the text
            does not say which.
    """
    call = decode_call(body)
    user, slash, other = call.auth.rpartition(":")[0].partition("/")
    caller = _active(user)
    dialect = verify_call(call.auth, call.signed, Secret(caller.api_key) if caller else _NOBODY)
    if caller is None or caller.legacy == Account.Legacy.OFF:
        raise AuthenticationError("Authentication failed.")
    legacy_uses.note(caller.pk, f"call, {dialect}")
    return call, _acting(caller, other) if slash else caller


def read_request(body: bytes, authorization: str, address: str) -> tuple[Call, Account]:
    """
    Return what *body* calls under an ``Authorization`` header of scheme 2, and for which account.

    Args:
        address: Of the caller; ``""`` when it is not known.

    Raises:
        AuthenticationError: the header does not sign *body*, not now, or a second time; or the
            secret may not be used for this call or from this address.
    """
    given = read_authorization(authorization)
    user, slash, other = given.user.partition("/")
    caller = _active(user)
    secret = account_secrets.find(user, given.kid)
    _verify(given, body, account_secrets.keys_of(secret) if secret else _NOBODYS_KEYS)
    if caller is None or secret is None:
        raise AuthenticationError("Authentication failed.")
    _claim_nonce(secret, given.nonce)
    account_secrets.note_use(secret)
    call = decode_call(body, is_signed=False)
    if not account_secrets.may_call(secret, call.name, address):
        raise AuthenticationError(f"The secret {secret.kid!r} may not be used for this call.")
    return call, _acting(caller, other) if slash else caller


def _verify(given: Authorization, body: bytes, keys: Keys) -> None:
    """Check *given* for each address that this cloud is known by."""
    failure = AuthenticationError("Authentication failed.")
    for base in cloud.accepted_urls:
        try:
            verify_request(keys, given, body, now=time.time(), **place_of(base))
        except AuthenticationError as error:
            # Of several, the one that says more: a wrong clock is told only to who signed rightly.
            failure = error if "clock" in error.message else failure
        else:
            return
    raise failure


def _claim_nonce(secret: AccountSecret, nonce: str) -> None:
    key = f"call:{secret.account_id}:{secret.kid}:{nonce}"
    if not one_time.claim(key, timezone.now() + timedelta(seconds=NONCE_LIFETIME)):
        raise AuthenticationError("Authentication failed.")


def _active(user: str) -> Account | None:
    if not is_media_id(user):  # PostgreSQL fails on a text with NUL
        return None
    return Account.objects.filter(pk=user, is_active=True).first()


def _acting(caller: Account, other: str) -> Account:
    among = caller.managed().filter(is_active=True)
    account = among.filter(pk=other).first() if is_media_id(other) else None
    if account is None:
        raise AuthenticationError("Authentication failed.")
    return account
