"""
System checks of the setting ``CLOUDKEYS``; :mod:`.deploy_checks` has those of ``--deploy``.

None of them asks the network or the database.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from .conf import (
    NAME,
    AccountSettings,
    Problem,
    aliases,
    read_account,
    unknown_keys,
    wrong_setting,
)
from .in_process import cloud_database
from .setting_values import IN_PROCESS

MIN_KEY_LENGTH = 32
STORAGE = "django_cloudkey.storage.CloudKeyStorage"
KEY_HINT = "manage.py cloudkey_account create, on the cloud, shows the key of an account once."
MISSPELT = ("CLOUDKEY", "CLOUD_KEYS", "CLOUD_KEY")


@register()
def check_accounts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Aliases that no client could be made from."""
    wrong = wrong_setting()
    messages: list[CheckMessage] = []
    for alias in () if wrong else aliases():
        unknown = unknown_keys(alias)
        for each in unknown:
            messages.append(Error(each.text, hint=each.hint, id="cloudkey.E001"))
        found: list[Problem] = []
        account = read_account(alias, found)
        # What is missing is what was misspelt.
        wrong += [each for each in found if not (unknown and each.is_missing)]
        weakness = _weakness(account) if account is not None else ""
        if weakness:
            text = f'{NAME}["{alias}"]["API_KEY"] {weakness}.'
            messages.append(Error(text, hint=KEY_HINT, id="cloudkey.E003"))
    return messages + [Error(each.text, hint=each.hint, id="cloudkey.E002") for each in wrong]


@register()
def check_name(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Settings that are called nearly ``CLOUDKEYS``, which is missing."""
    given = (
        None if hasattr(settings, NAME) else [each for each in MISSPELT if hasattr(settings, each)]
    )
    if not given:
        return []
    text = f"There is a setting {given[0]}, which means nothing here, and no {NAME}."
    return [Warning(text, hint=f"Rename {given[0]} to {NAME}.", id="cloudkey.W002")]


@register()
def check_lifetimes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Accounts whose addresses would live for longer than a cloud takes tokens."""
    accounts = ((alias, read_account(alias, [])) for alias in aliases())
    return [
        Warning(
            f'{NAME}["{alias}"] signs addresses for {longest} seconds (URL_LIFETIME and '
            f"URL_BUCKET), and under scheme 2 a cloud refuses those of more than {most} "
            "(MAX_TOKEN_LIFETIME).",
            hint=f'"URL_LIFETIME": {max(1, most - account.url_bucket)}, or less; or here, too, the '
            'cloud\'s CLOUDKEY_SERVER["MAX_TOKEN_LIFETIME"].',
            id="cloudkey.W003",
        )
        for alias, account in accounts
        if account is not None
        and account.secret is not None
        and (longest := account.url_lifetime + account.url_bucket)
        > (most := account.max_token_lifetime)
    ]


def _weakness(account: AccountSettings) -> str:
    """Return why the key is none, or none that is secret."""
    if account.api_key is None:
        return ""
    key = account.api_key.reveal()
    if account.user_id in key:
        return "contains the USER_ID, which every address shows"
    if len(key) < MIN_KEY_LENGTH:
        return f"must have {MIN_KEY_LENGTH} characters or more: a shorter one can be guessed"
    return ""


@register()
def check_databases(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Clouds in the process whose tables share the site's SQLite file."""
    if not shares_sqlite(cloud_database()):
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


@register()
def check_storage(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A cloud that would keep its files on a cloud, perhaps on itself."""
    if not apps.is_installed("django_cloudkey.server"):
        return []
    given = getattr(settings, "CLOUDKEY_SERVER", None)
    alias = (given.get("STORAGE") if isinstance(given, dict) else None) or "cloudkey"
    storage: Any = settings.STORAGES.get(str(alias), {})
    backend = storage.get("BACKEND", "")
    try:
        found = import_string(backend) if backend else None
    except ImportError:
        return []  # the cloud's own check says so
    if not any(
        f"{each.__module__}.{each.__name__}" == STORAGE for each in getattr(found, "__mro__", ())
    ):
        return []
    text = f"STORAGES[{alias!r}], where the cloud keeps its files, is a CloudKeyStorage."
    hint = "Use a storage of files, such as FileSystemStorage outside MEDIA_ROOT, or S3."
    return [Error(text, hint=hint, id="cloudkey.E020")]


def shares_sqlite(alias: str) -> bool:
    """Say whether the database *alias* is the site's, and SQLite."""
    cloud, site = settings.DATABASES.get(alias, {}), settings.DATABASES.get("default", {})
    is_sqlite = str(cloud.get("ENGINE", "")).endswith(("sqlite3", "spatialite"))
    return is_sqlite and (cloud is site or _file(cloud) == _file(site) is not None)


def _file(database: dict[str, Any]) -> str | None:
    name = str(database.get("NAME") or ":memory:")
    return None if name == ":memory:" else os.path.abspath(name)
