"""
What a media shall have: its source, files given as they are, assets asked for, removed.

What is asked for anew is a new row, never an old one set back: a worker that is still busy with the
old one finds it gone, and publishes nothing for it. By the same rule an asset whose row is older
than the source's was made from an earlier source.

Call these functions in a transaction that holds the lock of the media's row.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from ..protocol.assets import SOURCE, UNFINISHED, is_thumbnail
from ..protocol.exceptions import NotFound
from . import jobs
from .files import MADE_UNDER
from .models import Asset, DiscardedFile, Media


def set_source(media: Media, file: str, extension: str) -> None:
    """
    Make *file* the source; nothing happens if it is already and is not in error.

    What was asked for and is not ready will be made from the new source; files that were given for
    other assets stay.
    """
    old = media.assets.filter(name=SOURCE).first()
    if old is not None and old.file == file and old.status != Asset.Status.ERROR:
        return
    unfinished = media.assets.filter(status__in=UNFINISHED, file="").exclude(name=SOURCE)
    names = list(unfinished.values_list("name", flat=True))
    remove(media, [SOURCE, *names])
    facts = {"file_extension": extension}
    Asset.objects.create(media=media, name=SOURCE, file=file, facts=facts)
    if media.still_at is not None:
        media.still_at = None
        media.save(update_fields=["still_at"])
    _queue(media, names)


def give(media: Media, name: str, file: str, extension: str) -> None:
    """
    Make *file* the asset *name* as it is; nothing happens if it is already and is not in error.

    The worker looks at it first, as at a source: what is no video ends in error.
    """
    old = media.assets.filter(name=name).first()
    if old is not None and old.file == file and old.status != Asset.Status.ERROR:
        return
    remove(media, [name])
    facts = {"file_extension": extension}
    Asset.objects.create(media=media, name=name, file=file, facts=facts)
    jobs.enqueue(media)


def ask_for(media: Media, names: Iterable[str]) -> None:
    """
    Queue the assets *names*, but for those that the present source has or will have.

    Raises:
        NotFound: the media has no source.
    """
    source = _source(media)
    asked = set(
        media.assets.filter(pk__gt=source.pk)
        .exclude(status=Asset.Status.ERROR)
        .values_list("name", flat=True)
    )
    _replace(media, [name for name in dict.fromkeys(names) if name not in {SOURCE, *asked}])


def remove(media: Media, names: Iterable[str]) -> None:
    """Take assets away at once; the worker removes their files."""
    rows = media.assets.filter(name__in=list(names))
    DiscardedFile.discard(list(rows.values_list("file", flat=True)))
    rows.delete()


def retake_stills(media: Media, at: float, every: Iterable[str]) -> None:
    """
    Queue the media's thumbnails, or *every* one when it has none, from the moment *at*.

    Raises:
        NotFound: the media has no source.
    """
    _source(media)
    media.still_at = at
    media.save(update_fields=["still_at"])
    names = [name for name in media.assets.values_list("name", flat=True) if is_thumbnail(name)]
    _replace(media, names or list(every))


def remake(media: Media, names: Iterable[str] = ()) -> list[str]:
    """
    Queue assets to be made of the source again, ready or not, and return their names.

    They are gone until the worker has made them.

    Args:
        names: Those to be made; by default all that were made here, or failed to be. Files that
            were given as they are stay.

    Raises:
        NotFound: the media has no source, or no such asset that is made of it.
    """
    _source(media)
    made = media.assets.exclude(name=SOURCE).filter(Q(file="") | Q(file__startswith=MADE_UNDER))
    found = set(made.values_list("name", flat=True))
    wanted = list(dict.fromkeys(names)) or sorted(found)
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise NotFound(f"The media has no asset {unknown[0]} that is made of its source")
    _replace(media, wanted)
    return wanted


def _source(media: Media) -> Asset:
    source = media.assets.filter(name=SOURCE).exclude(file="").first()
    if source is None:
        raise NotFound("The media has no source")
    return source


def _replace(media: Media, names: list[str]) -> None:
    if names:
        remove(media, names)
        _queue(media, names)


def _queue(media: Media, names: list[str]) -> None:
    Asset.objects.bulk_create(Asset(media=media, name=name) for name in names)
    jobs.enqueue(media)
