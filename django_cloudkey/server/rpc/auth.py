"""Who calls."""

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
    Return the active account that signed *call*.

    Raises:
        AuthenticationError: none did; the text does not say why.
    """
    user = call.auth.rpartition(":")[0]
    account = None
    if is_media_id(user):  # PostgreSQL fails on a text with NUL
        account = Account.objects.filter(pk=user, is_active=True).first()
    verify_call(call.auth, call.signed, Secret(account.api_key) if account else _NOBODY)
    if account is None:
        raise AuthenticationError("Authentication failed.")
    return account
