"""Emptying the databases after a test, which takes longer than most tests as Django does it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.core.management.sql import emit_post_migrate_signal
from django.db import router

MADE_BY_MIGRATING = (ContentType, Permission)
"""What Django's own apps write after a migration: the same after each test."""

_rows: dict[str, list[list[Any]]] = {}


def restore(verbosity: int, interactive: bool, db: str, **kwargs: Any) -> None:
    """Do once what follows a migration, and from then on only write the rows that it wrote."""
    if db not in _rows:
        emit_post_migrate_signal(verbosity, interactive, db, **kwargs)
        _rows[db] = [
            list(model._default_manager.using(db).order_by("pk"))
            for model in MADE_BY_MIGRATING
            if router.allow_migrate_model(db, model)
        ]
        return
    for rows in _rows[db]:
        type(rows[0])._default_manager.using(db).bulk_create(rows)


def be_quick() -> None:
    """Let ``flush`` do so."""
    flush.emit_post_migrate_signal = restore  # type: ignore[attr-defined]
