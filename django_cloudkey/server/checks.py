"""System checks of the cloud: what is wrong with the settings, each with an id and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from .conf import KEYS, NAME, CloudSettings, cloud
from .router import APP_LABEL
from .transcoding.errors import ToolMissing
from .transcoding.tools import find_tools


@register()
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Keys that mean nothing, and values that cannot work."""
    messages: list[CheckMessage] = []
    for key in sorted(set(getattr(settings, NAME, {})) - KEYS):
        close = get_close_matches(key, KEYS, n=1)
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
    if cloud.storage not in settings.STORAGES:
        hint = "Files of the cloud must not be where a web server publishes them."
        messages.append(
            Error(f"STORAGES has no {cloud.storage!r}.", hint=hint, id="cloudkey_server.E003")
        )
    return messages


@register()
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The alias of the cloud's tables, and the router that it needs."""
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
def check_tools(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """ffmpeg and ffprobe: without them uploads arrive and nothing becomes of them."""
    try:
        find_tools(cloud.ffmpeg, cloud.ffprobe)
    except ToolMissing as error:
        return [Warning(str(error), id="cloudkey_server.W001")]
    return []
