"""
Columns beside a media: its state and its duration, which lists and queries of the site can use.

As the dimensions beside an ``ImageField`` they follow what is assigned, but what they say of a
media comes from the cloud later, by :mod:`.sync` and by notifications.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import models, router

from .media_state import MediaState, duration_of, state_of

if TYPE_CHECKING:
    from .fields import MediaField


Known = tuple[MediaState, float | None]
"""What is known of a media: its state, and the seconds of one that is ready."""
UNSETTLED = ("", MediaState.PROCESSING.value)


def known_of(assets: dict[str, dict[str, Any]]) -> Known:
    """Return what *assets* say of their media."""
    state = state_of(assets)
    return state, duration_of(assets) if state is MediaState.READY else None


def rows(field: MediaField) -> models.QuerySet[Any]:
    """Return all rows, whatever managers hide, of the database that is written."""
    return models.QuerySet(field.model, using=router.db_for_write(field.model))


def write(field: MediaField, known: Mapping[str, Known]) -> int:
    """Write what is *known* of media, by id, into their rows; return the number that changed."""
    alike = defaultdict(list)
    for media, of_it in known.items():
        alike[of_it].append(media)
    changed = 0
    for of_it, ids in alike.items():
        named = values(field, of_it)
        holding = rows(field).filter(**{f"{field.attname}__in": ids})
        changed += holding.exclude(**named).update(**named)
    return changed


def values(field: MediaField, known: Known) -> dict[str, Any]:
    """Return name → value of the companions of a media of which that is *known*."""
    state, duration = known
    named: dict[str, Any] = {}
    if field.status_field:
        named[field.status_field] = state.value
    if field.duration_field:
        column = field.model._meta.get_field(field.duration_field)
        is_whole = duration is not None and isinstance(column, models.IntegerField)
        named[field.duration_field] = round(duration or 0) if is_whole else duration
    return named


def is_settled(field: MediaField, row: models.Model) -> bool:
    """Say whether *row*, as it is in hand, knows what became of its media; not loaded is known."""
    if field.status_field:
        return row.__dict__.get(field.status_field) not in UNSETTLED
    return row.__dict__.get(field.duration_field, 0) is not None


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
