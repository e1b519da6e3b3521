"""
System checks of the cloud: what is wrong with the settings, each with an id and a hint.

:mod:`.deploy_checks` has those of ``--deploy``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, Storage

from .conf import KEYS, NAME, CloudSettings, cloud
from .encryption import NOT_INSTALLED
from .files import storage
from .geography import LEVELS_BY_FILE, Unusable, open_file
from .router import APP_LABEL
from .transcoding.errors import ToolMissing
from .transcoding.tools import find_tools


@register()
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Keys that mean nothing, and values that cannot work."""
    messages: list[CheckMessage] = []
    given = getattr(settings, NAME, {})
    for key in sorted(given.keys() - KEYS, key=str) if isinstance(given, dict) else ():
        close = get_close_matches(str(key).upper(), KEYS, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(sorted(KEYS))}."
        messages.append(
            Error(f"{NAME} has an unknown key {key!r}.", hint=hint, id="cloudkey_server.E001")
        )
    # Every property reads one key and says what is wrong with it.
    for name in [name for name, each in vars(CloudSettings).items() if isinstance(each, property)]:
        try:
            getattr(cloud, name)
        except ImproperlyConfigured as error:
            wrong = Error(str(error), id="cloudkey_server.E002")
            messages += [] if wrong in messages else [wrong]
    return messages if _is_no_dict() else [*messages, *_check_storage()]


def _check_storage() -> list[CheckMessage]:
    text = ""
    if cloud.storage not in settings.STORAGES:
        text = f"STORAGES has no {cloud.storage!r}."
    else:
        try:
            return [*_published_folders(storage()), *_published_objects(storage())]
        except (ImproperlyConfigured, ImportError, TypeError) as error:
            text = f'STORAGES["{cloud.storage}"] cannot be used: {error}'
    hint = "Files of the cloud must not be where a web server publishes them."
    return [Error(text, hint=hint, id="cloudkey_server.E003")]


def _published_folders(files: Storage) -> Iterator[CheckMessage]:
    folders = {}
    if isinstance(files, FileSystemStorage):
        folders[f'STORAGES["{cloud.storage}"]'] = files.location
    with suppress(ImproperlyConfigured):  # E002 says so
        folders[f'{NAME}["WORK_DIR"]'] = str(cloud.work_dir)
    for what, folder in folders.items():
        for setting, published in _publishing_settings():
            if Path(folder).resolve().is_relative_to(Path(published).resolve()):
                yield Error(
                    f"{what} keeps files of the cloud in {folder}, which is inside {setting}: "
                    "whoever guesses their names has them, without a signed address.",
                    hint="Choose a folder that no web server publishes, beside that one.",
                    id="cloudkey_server.E006",
                )


def _publishing_settings() -> Iterator[tuple[str, str]]:
    for setting in ("MEDIA_ROOT", "STATIC_ROOT"):
        if folder := getattr(settings, setting):
            yield setting, str(folder)
    folders: Sequence[Any] = settings.STATICFILES_DIRS
    for each in folders:  # some with a prefix
        yield "STATICFILES_DIRS", str(each[1] if isinstance(each, tuple | list) else each)


def _published_objects(files: Storage) -> Iterator[CheckMessage]:
    parameters = getattr(files, "object_parameters", None) or {}
    acl = parameters.get("ACL") or getattr(files, "default_acl", None)
    if str(acl).lower().replace("-", "").startswith("public"):
        yield Error(
            f'STORAGES["{cloud.storage}"] makes every file public ({acl}): whoever guesses '
            "its name has it, without a signed address.",
            hint='Write "default_acl": "private" into its "OPTIONS", and change what is there.',
            id="cloudkey_server.E007",
        )


def _is_no_dict() -> bool:
    return not isinstance(getattr(settings, NAME, {}), dict)  # E002 says so


@register()
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The alias of the cloud's tables, and the router that it needs."""
    if _is_no_dict():
        return []
    alias = cloud.database
    if alias not in settings.DATABASES:
        return [Error(f"DATABASES has no {alias!r}.", id="cloudkey_server.E004")]
    from django.db import router

    from .models import Account

    if router.db_for_write(Account) != alias:
        hint = (
            'Add "django_cloudkey.server.router.CloudRouter" to DATABASE_ROUTERS '
            f"(the tables of {APP_LABEL} would go elsewhere without it)."
        )
        return [
            Error(f"The cloud's tables are not routed to {alias!r}.", hint=hint,
                  id="cloudkey_server.E005")
        ]  # fmt: skip
    return []


@register()
def check_encryption(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The library that encrypts keys: without it no account can be made or read."""
    if find_spec("cryptography") is None:
        return [Error(NOT_INSTALLED, id="cloudkey_server.E008")]
    return []


@register()
def check_tools(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """ffmpeg and ffprobe: without them uploads arrive and nothing becomes of them."""
    if _is_no_dict():
        return []
    try:
        find_tools(cloud.ffmpeg, cloud.ffprobe)
    except ToolMissing as error:
        return [Warning(str(error), id="cloudkey_server.W001")]
    return []


@register()
def check_geography(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Files that know where viewers are: a level whose file cannot be read refuses everybody."""
    return [] if _is_no_dict() else [*_unreadable_files()]


def _unreadable_files() -> Iterator[CheckMessage]:
    for key, level in LEVELS_BY_FILE.items():
        path = None
        with suppress(ImproperlyConfigured):  # E002 says so
            path = getattr(cloud, key.lower())
        try:
            if path is not None:
                open_file(path, whole=False).close()
        except (Unusable, ImproperlyConfigured) as error:
            yield Warning(
                f'{NAME}["{key}"] cannot be read, and addresses of the level {level} are refused '
                f"to everybody: {error}",
                hint="Put a file in MaxMind's format there; it is found without a restart.",
                id="cloudkey_server.W002",
            )
