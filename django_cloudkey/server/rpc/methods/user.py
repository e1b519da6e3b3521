"""``user``: the account that calls."""

from __future__ import annotations

from typing import Any

from ....protocol.exceptions import AuthenticationError
from ...models import Account
from ..arguments import Fields, MediaId
from ..projection import project
from ..registry import method


@method("user.info")
def info(account: Account, *, id: MediaId | None = None, fields: Fields | None = None) -> Any:
    """Return what the account may know of itself."""
    if id not in (None, account.pk):
        raise AuthenticationError("Only one's own user can be asked for.")
    known = {
        "id": account.pk,
        "username": account.name,
        "created": int(account.created.timestamp()),
        "is_active": account.is_active,
        "permissions": [],
    }
    return project(known, fields) if fields is not None else known
