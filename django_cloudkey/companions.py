"""
Columns beside a media: its state and its duration, which lists and queries of the site can use.

As the dimensions beside an ``ImageField`` they follow what is assigned, but what they say of a
media comes from the cloud later, by :mod:`.sync`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from .media_state import MediaState

if TYPE_CHECKING:
    from .fields import MediaField


def of_media(field: MediaField, *, is_empty: bool) -> dict[str, Any]:
    """Return name → value of the companions of a media that nobody asked about yet, or of none."""
    values: dict[str, Any] = {}
    if field.status_field:
        values[field.status_field] = "" if is_empty else MediaState.PROCESSING.value
    if field.duration_field:
        values[field.duration_field] = None
    return values


def check(field: MediaField) -> Iterator[checks.CheckMessage]:
    """Give what is wrong with the names of a field's companions."""
    column = _column(field, field.status_field)
    if field.status_field and not _holds_states(column):
        text = f"status_field={field.status_field!r} is not a CharField of {_room()} characters "
        text += f"or more of {field.model.__name__} that is never NULL."
        yield checks.Error(text, obj=field, id="cloudkey.E012")
    column = _column(field, field.duration_field)
    is_number = isinstance(column, models.FloatField | models.IntegerField) and column.null
    if field.duration_field and not is_number:
        text = f"duration_field={field.duration_field!r} is not a FloatField or IntegerField of "
        text += f"{field.model.__name__} with null=True."
        yield checks.Error(text, obj=field, id="cloudkey.E013")


def _column(field: MediaField, name: str) -> Any:
    try:
        return field.model._meta.get_field(name)
    except FieldDoesNotExist:
        return None


def _holds_states(column: Any) -> bool:
    if not isinstance(column, models.CharField) or column.null:
        return False
    return column.max_length is None or column.max_length >= _room()


def _room() -> int:
    return max(map(len, MediaState.values))
