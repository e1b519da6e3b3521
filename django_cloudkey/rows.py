"""The rows that hold media: which columns there are, and whether one holds a media."""

from __future__ import annotations

from django.apps import apps

from .fields import MediaField


def media_fields() -> list[MediaField]:
    """Return every ``MediaField`` of the installed models, each where its column is."""
    return [
        field
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if isinstance(field, MediaField)
    ]


def is_held(account: str, media: str) -> bool:
    """Say whether some row of a field of *account*, an alias, holds the id *media*."""
    return any(
        field.model._base_manager.filter(**{field.attname: media}).exists()
        for field in media_fields()
        if field.account == account
    )
