"""
The site's rows that hold media, looked up by media.

It stands below :mod:`.fields`, which asks it before a media is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models, router

from .conf import aliases

if TYPE_CHECKING:
    from .fields import MediaField


def media_fields() -> list[MediaField]:
    """Return every ``MediaField`` of the installed models, each once, where its column is."""
    fields: Iterable[Any] = (
        field
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
    )
    return [field for field in fields if getattr(field, "is_media_field", False)]


def is_held(account: str, media: str) -> bool:
    """Say whether a row of some field of *account*, an alias, holds the id *media*."""
    return bool(held(account, [media]))


def held(account: str, media: Collection[str]) -> set[str]:
    """Return those of the ids *media* that rows hold; as many as fit one statement, say 100."""
    found: set[str] = set()
    for field in fields_of(account):
        for rows in tables_of(field):
            chosen = rows.filter(**{f"{field.attname}__in": list(media)})
            found.update(chosen.values_list(field.attname, flat=True).distinct())
    return found


def holders(
    account: str, media: Collection[str], *, limit: int = 200
) -> Iterator[tuple[MediaField, models.Model]]:
    """
    Give the rows that hold one of the ids *media*, each with its field.

    Args:
        media: As many as fit one statement, say 100.
        limit: How many rows of a table to read at a time. Of more, some may be left out, but none
            of the ids that rows hold.
    """
    for field in fields_of(account):
        seen = set()
        for rows in tables_of(field):
            left, is_cut = set(media), True
            while left and is_cut:
                found = list(rows.filter(**{f"{field.attname}__in": left}).order_by("pk")[:limit])
                is_cut = len(found) == limit
                left -= {getattr(row, field.attname).id for row in found}
                for row in found:
                    if row.pk not in seen:
                        seen.add(row.pk)
                        yield field, row


def fields_of(account: str) -> list[MediaField]:
    """Return the fields whose media are in the account that the alias *account* stands for."""
    same = aliases_of(account)
    return [field for field in media_fields() if field.account in same]


def aliases_of(account: str) -> set[str]:
    """Return every alias that stands for the account of *account*, itself included."""
    users = {
        alias: given.get("USER_ID") for alias, given in aliases().items() if isinstance(given, dict)
    }
    user = users.get(account)
    return {account, *(alias for alias in users if user and users[alias] == user)}


def tables_of(field: MediaField) -> Iterator[models.QuerySet[Any]]:
    """
    Give all rows of the field's model, in each database that it is read from or written to.

    No manager may hide some: a row that was marked as deleted still holds its media, and a replica
    may not know yet what was just saved.
    """
    for alias in sorted({router.db_for_read(field.model), router.db_for_write(field.model)}):
        yield models.QuerySet(field.model, using=alias)
