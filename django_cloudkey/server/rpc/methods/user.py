"""``user``: the account that calls, and those that it manages."""

from __future__ import annotations

from typing import Any, NoReturn

from ....protocol.exceptions import AuthenticationError
from ...models import Account
from ..arguments import Fields, MediaId, Meta, PageNumber, PageSize, Text
from ..pages import page_of
from ..projection import project
from ..registry import method


@method("user.info")
def info(account: Account, *, id: MediaId | None = None, fields: Fields | None = None) -> Any:
    """Return what the account may know of itself, or of an account that it manages."""
    found: Account | None = account
    if id not in (None, account.pk):
        found = account.managed().filter(pk=id).first()
    if found is None:
        raise AuthenticationError("Only one's own user can be asked for.")
    return _describe(found, fields)


@method("user.whoami")
def whoami(account: Account) -> Any:
    """Return all fields of the account that the call is for."""
    return _describe(account, None)


@method("user.search")
def search(
    account: Account,
    *,
    org_id: MediaId | None = None,
    fields: Fields | None = None,
    page: PageNumber = 1,
    per_page: PageSize = 10,
) -> Any:
    """Return a page of the accounts of the organisation that the account manages, by name."""
    require_manager(account)
    if org_id not in (None, account.organisation_id):
        raise AuthenticationError("Only one's own organisation can be searched.")

    def describe(accounts: list[Account]) -> list[dict[str, Any]]:
        return [_describe(found, fields) for found in accounts]

    return page_of(account.managed(), describe, page=page, per_page=per_page)


@method("user.create", writes=True)
def create(account: Account, *, username: Text | None = None, password: Text | None = None) -> Any:
    """Refuse: accounts are the operator's."""
    _operator_only()


@method("user.set", writes=True)
def set_(account: Account, *, id: MediaId | None = None, fields: Meta | None = None) -> Any:
    """Refuse: accounts are the operator's."""
    _operator_only()


@method("user.delete", writes=True)
def delete(account: Account, *, id: MediaId | None = None) -> Any:
    """Refuse: accounts are the operator's."""
    _operator_only()


@method("user.list")
def list_(account: Account) -> Any:
    """Refuse: accounts are the operator's."""
    _operator_only()


def require_manager(account: Account) -> None:
    """
    Check that *account* manages an organisation.

    Raises:
        AuthenticationError: it does not.
    """
    if not (account.is_manager and account.organisation_id):
        raise AuthenticationError("Only a manager of an organisation may do this.")


def _operator_only() -> NoReturn:
    raise AuthenticationError(
        "Accounts are the operator's: manage.py cloudkey_account makes and lists them."
    )


def _describe(account: Account, fields: list[str] | None) -> dict[str, Any]:
    """
    Return the account as the wire has it.

    Historical clients know more of a user than this cloud keeps: names, an address and a last
    login are empty. The API key, which the former service answered too, is never shown.
    """
    known = {
        "id": account.pk,
        "username": account.name,
        "first_name": "",
        "last_name": "",
        "email": "",
        "created": int(account.created.timestamp()),
        "last_login": None,
        "is_active": account.is_active,
        "streaming_active": account.is_active,
        "permissions": ["manager"] if account.is_manager else [],
        "org_id": account.organisation_id,
    }
    return project(known, fields) if fields is not None else known
