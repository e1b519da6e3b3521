"""
The configured clients: ``cloudkeys["archive"]`` for an alias, ``cloudkey`` for the default one.

A client is made when it is first used, shared by all threads, and forgotten when the setting
changes. Making one opens no connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from django.utils.connection import ConnectionProxy

from .client import CloudKey
from .conf import DEFAULT_ALIAS, AccountSettings, account_settings, aliases
from .in_process import InProcessTransport
from .setting_values import IN_PROCESS


class CloudKeys:
    """The clients of every alias in ``CLOUDKEYS``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[AccountSettings, CloudKey]] = {}
        self._changes = 0

    def __getitem__(self, alias: str) -> CloudKey:
        """Return the client of *alias*; raises ImproperlyConfigured when it cannot be made."""
        return self.made(alias)[1]

    def __iter__(self) -> Iterator[str]:
        return iter(aliases())

    def settings(self, alias: str) -> AccountSettings:
        """Return the settings that the client of *alias* was made from."""
        return self.made(alias)[0]

    def made(self, alias: str) -> tuple[AccountSettings, CloudKey]:
        """Return the settings of *alias*, and the client that was made from them."""
        made = self._made.get(alias)
        while made is None:
            # Without the lock: it imports a module of the site's, which may use an account.
            changes, new = self._changes, _new(account_settings(alias))
            with self._lock:
                if changes == self._changes:  # else the settings are of before
                    made = self._made.setdefault(alias, new)
        return made

    def forget(self) -> None:
        """Make new clients from now on."""
        with self._lock:
            self._made.clear()
            self._changes += 1


def _new(account: AccountSettings) -> tuple[AccountSettings, CloudKey]:
    base_url = account.base_url.rstrip("/")
    client = CloudKey(
        account.user_id,
        account.api_key,
        account.base_url,
        cdn_url=account.cdn_url,
        # Not the historical guess ("cdn." read as "static."), which only old clients rely on.
        static_url=account.static_url or account.cdn_url or account.base_url,
        timeout=account.timeout,
        proxy=account.proxy,
        retries=account.retries,
        transport=InProcessTransport(base_url) if account.transport == IN_PROCESS else None,
        secret=account.secret,
        kid=account.kid,
        max_token_lifetime=account.max_token_lifetime,
    )
    return account, client


cloudkeys = CloudKeys()
cloudkey: CloudKey = ConnectionProxy(cloudkeys, DEFAULT_ALIAS)  # type: ignore[assignment,arg-type]
