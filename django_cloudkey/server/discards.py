"""Files that nothing needs any more: noted with the change that lets go of them, removed later."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from django.db.models import Max

from ..protocol.events import EventType
from . import files, notifications
from .batches import batches_of
from .models import Asset, DiscardedFile, Media, UploadSlot, atomic

logger = logging.getLogger(__name__)

REMOVING = 10.0  # seconds that a round of removing files may take; jobs wait meanwhile


def discard_media(media: Media) -> None:
    """
    Note the files of *media* for removal, its source too unless another media was made of it, and
    tell its site.

    Call it in the transaction that deletes the media.
    """
    names = set(media.assets.exclude(file="").values_list("file", flat=True))
    # All of them: the other media may be deleted at this very moment, and the worker looks again.
    DiscardedFile.discard(names)
    others = Asset.objects.filter(file__in=names).exclude(media=media)
    names -= set(others.values_list("file", flat=True))
    UploadSlot.objects.filter(file__in=names).delete()
    notifications.tell(media, (EventType.MEDIA_DELETED, ""))


def remove_discarded(seconds: float = REMOVING) -> None:
    """
    Delete discarded files, for *seconds* or a little longer.

    A source may be named by its upload and by several media: it stays until the last lets go. What
    cannot be deleted is tried again when all others were.
    """
    end = time.monotonic() + seconds
    last = DiscardedFile.objects.aggregate(last=Max("pk"))["last"] or 0
    for batch in batches_of(DiscardedFile.objects.filter(pk__lte=last)):
        needed = named({row.name for row in batch})
        settled = []
        try:
            for row in batch:
                try:
                    if row.name not in needed:
                        files.remove(row.name)
                except OSError as error:
                    logger.warning("Discarded file %s stays for now: %s", row.name, error)
                    _put_last(row)
                else:
                    settled.append(row.pk)
                if time.monotonic() >= end:
                    return
        finally:
            DiscardedFile.objects.filter(pk__in=settled).delete()


def _put_last(row: DiscardedFile) -> None:
    with atomic():
        # Unless another worker did.
        if DiscardedFile.objects.filter(pk=row.pk).delete()[0]:
            DiscardedFile.objects.create(name=row.name, created=row.created)


def named(names: Collection[str]) -> set[str]:
    """Return those of *names* that a row still needs."""
    assets = Asset.objects.filter(file__in=names).values_list("file", flat=True)
    slots = UploadSlot.objects.filter(file__in=names).values_list("file", flat=True)
    return {*assets, *slots}
