"""
What notifications told last of each media.

"Ready" may come before the row that holds the id is committed: so it is kept, and looked at again
when such a row is. Neither may miss the other. A notification commits what it told before it looks
for rows; a row is committed before what was told is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, router, transaction
from django.db.models.functions import Now

from . import companions
from .conf import aliases
from .media_state import MediaState
from .models import LastEvent
from .protocol.assets import SOURCE
from .protocol.events import Event, EventType
from .rows import fields_of

if TYPE_CHECKING:
    from .fields import MediaField

KEPT = timedelta(days=14)  # longer than a cloud goes on sending, or a form stays open


def remember(user: str, event: Event) -> None:
    """Keep what *event* tells of the account *user*'s media, unless something newer is known."""
    mine = LastEvent.objects.filter(user=user, media=event.media)
    told: dict[str, Any] = {
        "sequence": event.sequence,
        "is_deleted": event.type == EventType.MEDIA_DELETED,
        "assets": event.assets,
        "heard": Now(),
    }
    while not mine.filter(sequence__lt=event.sequence).update(**told):
        row, is_new = LastEvent.objects.get_or_create(user=user, media=event.media, defaults=told)
        if is_new or row.sequence >= event.sequence:
            return


def write_columns(account: str, user: str, media: str) -> LastEvent | None:
    """Write what was told last of *media* into all its rows, and return it."""
    with _locked(user, media) as row:
        if row is None:
            return None
        for field in fields_of(account):
            if field.has_companions:
                companions.write(field, {media: _known(field, row)})
        return row


def write_row(field: MediaField, rows: models.QuerySet[Any], media: str) -> dict[str, Any]:
    """
    Write what was told last of *media* into *rows*, as far as they hold it still.

    Returns:
        Name → value of the companions that were written; nothing when nothing was told.
    """
    given = aliases().get(field.account)
    user = str(given.get("USER_ID")) if isinstance(given, dict) else ""
    with _locked(user, media) as row:
        if row is None:
            return {}
        values = companions.values(field, _known(field, row))
        rows.filter(**{field.attname: media}).update(**values)
    return values


def forget_old() -> None:
    """Delete what was told long ago."""
    LastEvent.objects.filter(heard__lt=Now() - KEPT).delete()


@contextmanager
def _locked(user: str, media: str) -> Iterator[LastEvent | None]:
    """Give what was told last; nobody else changes it, or writes columns by it, meanwhile."""
    using = router.db_for_write(LastEvent)
    rows = LastEvent.objects.using(using).filter(user=user, media=media)
    # As long as nothing was told, as of most media that are saved, there is nothing to lock.
    if not rows.exists():
        yield None
        return
    with transaction.atomic(using=using):
        yield rows.select_for_update().first()


def _known(field: MediaField, row: LastEvent) -> companions.Known:
    if row.is_deleted:
        return MediaState.MISSING, None
    wanted = (SOURCE, *field.assets)
    return companions.known_of({name: row.assets[name] for name in wanted if name in row.assets})
