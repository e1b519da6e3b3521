"""System checks of the setting ``CLOUDKEYS``. None of them asks the network."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from .conf import KEYS, NAME, account_settings, aliases


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
            account_settings(alias)
        except ImproperlyConfigured as error:
            messages.append(Error(str(error), id="cloudkey.E002"))
    return messages
