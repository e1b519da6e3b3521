"""``organisation``: the accounts that belong together."""

from __future__ import annotations

from typing import Any

from ...models import Account
from ..registry import method
from .user import require_manager


@method("organisation.get")
def get(account: Account) -> Any:
    """Return ``{"id", "name"}`` of the organisation that the account manages."""
    require_manager(account)
    organisation = account.organisation
    return {"id": account.organisation_id, "name": str(organisation)}
