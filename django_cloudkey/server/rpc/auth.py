"""Who calls, and on whose behalf."""

from __future__ import annotations

from ...protocol.envelope import Call
from ...protocol.exceptions import AuthenticationError
from ...protocol.secret import Secret
from ...protocol.signing import verify_call
from ...protocol.urls import is_media_id
from ..models import Account, new_key

# Signatures for unknown users are checked against this key: the same work, the same answer.
_NOBODY = Secret(new_key())


def authenticate(call: Call) -> Account:
    """
    Return the active account that *call* is for: the one that signed it, or the one it acts as.

    ``auth`` starts with ``<caller>`` or ``<caller>/<other>``; the caller's key signs both. A
    manager acts as any active account of its organisation.

    Raises:
        AuthenticationError: nobody signed it, or the caller may not act as the other; the text
            does not say which.
    """
    user, slash, other = call.auth.rpartition(":")[0].partition("/")
    caller = None
    if is_media_id(user):  # PostgreSQL fails on a text with NUL
        caller = Account.objects.filter(pk=user, is_active=True).first()
    verify_call(call.auth, call.signed, Secret(caller.api_key) if caller else _NOBODY)
    account = caller
    if caller is not None and slash:
        among = caller.managed().filter(is_active=True)
        account = among.filter(pk=other).first() if is_media_id(other) else None
    if account is None:
        raise AuthenticationError("Authentication failed.")
    return account
