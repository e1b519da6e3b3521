"""System checks of the setting ``CLOUDKEYS``. None of them asks the network."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from .conf import IN_PROCESS, KEYS, NAME, AccountSettings, account_settings, aliases
from .in_process import cloud_database

MIN_KEY_LENGTH = 32
KEY_HINT = "manage.py cloudkey_account create, on the cloud, shows the key of an account once."


@register()
def check_accounts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Aliases that no client could be made from."""
    messages: list[CheckMessage] = []
    for alias, given in aliases().items():
        unknown = sorted(set(given) - KEYS) if isinstance(given, dict) else []
        for key in unknown:
            close = get_close_matches(key, KEYS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else None
            text = f'{NAME}["{alias}"] has an unknown key {key!r}.'
            messages.append(Error(text, hint=hint, id="cloudkey.E001"))
        if unknown:
            continue
        try:
            account = account_settings(alias)
        except ImproperlyConfigured as error:
            messages.append(Error(str(error), id="cloudkey.E002"))
            continue
        weakness = _weakness(account)
        if weakness:
            text = f'{NAME}["{alias}"]["API_KEY"] {weakness}.'
            messages.append(Error(text, hint=KEY_HINT, id="cloudkey.E003"))
    return messages


def _weakness(account: AccountSettings) -> str:
    """Return why the key is none, or none that is secret."""
    key = account.api_key.reveal()
    if account.user_id in key:
        return "contains the USER_ID, which every address shows"
    if len(key) < MIN_KEY_LENGTH:
        return f"must have {MIN_KEY_LENGTH} characters or more: a shorter one can be guessed"
    return ""


@register()
def check_databases(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Clouds in the process whose tables share the site's SQLite file."""
    if not _shares_sqlite(cloud_database()):
        return []
    return [
        Warning(
            f'{NAME}["{alias}"]["TRANSPORT"] is {IN_PROCESS!r}, and the cloud\'s tables are in the '
            "site's SQLite database. Uploads and changes of media are refused inside atomic(), and "
            "each other's writes are waited for.",
            hint='Give the cloud a database of its own: CLOUDKEY_SERVER["DATABASE"].',
            id="cloudkey.W001",
        )
        for alias, given in aliases().items()
        if isinstance(given, dict) and given.get("TRANSPORT") == IN_PROCESS
    ]


def _shares_sqlite(alias: str) -> bool:
    cloud, site = settings.DATABASES.get(alias, {}), settings.DATABASES.get("default", {})
    is_sqlite = str(cloud.get("ENGINE", "")).endswith(("sqlite3", "spatialite"))
    return is_sqlite and str(cloud.get("NAME")) == str(site.get("NAME"))
