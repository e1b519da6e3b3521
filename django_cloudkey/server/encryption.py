"""
Secrets in the database, encrypted with keys that come from ``SECRET_KEY``.

That protects a copy of the database, such as a backup that was lost. It protects nothing from
whoever has the settings too.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.crypto import salted_hmac

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

SALT = "django_cloudkey.server.encryption"
NOT_INSTALLED = 'The cloud encrypts its secrets: pip install "django-cloudkey[server]".'


class Unreadable(Exception):
    """A secret that none of ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS`` decrypts."""


def encrypt(text: str) -> str:
    """Return *text* encrypted with the key that comes from ``SECRET_KEY``."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """
    Return what *token* was made from.

    Raises:
        Unreadable: ``SECRET_KEY`` has changed, and the old one is not among its fallbacks.
    """
    from cryptography.fernet import InvalidToken

    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise Unreadable(
            "A secret in the cloud's database was encrypted with another SECRET_KEY. Put that one "
            "into SECRET_KEY_FALLBACKS, and run manage.py cloudkey_account reencrypt."
        ) from None


def _fernet() -> MultiFernet:
    return _fernet_of(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=4)
def _fernet_of(*keys: str) -> MultiFernet:
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError as error:
        raise ImproperlyConfigured(NOT_INSTALLED) from error
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    digest = salted_hmac(SALT, "key", secret=key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest)


class EncryptedField(models.TextField):  # type: ignore[type-arg]
    """A text that the database holds encrypted. No query finds it by its value."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return value if value is None else decrypt(value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return super().get_db_prep_save(value if value is None else encrypt(value), connection)
