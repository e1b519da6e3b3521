"""The database router that keeps the cloud's tables where ``CLOUDKEY_SERVER["DATABASE"]`` says."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from .conf import cloud

APP_LABEL = "cloudkey_server"


class CloudRouter:
    """Name it in ``DATABASE_ROUTERS`` when the cloud has a database of its own."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return cloud.database if model._meta.app_label == APP_LABEL else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        try:
            own = cloud.database
        except ImproperlyConfigured:
            own = DEFAULT_DB_ALIAS  # Django asks during its checks, and one of ours tells this.
        if app_label == APP_LABEL:
            return db == own
        # A database that holds only the cloud holds nothing else.
        return False if db == own != DEFAULT_DB_ALIAS else None
