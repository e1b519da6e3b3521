"""
Bring the columns for states and durations up to date with the cloud.

``sync`` is for media that something is known to have happened to, ``sync_rows`` for whatever has to
be asked about. Both write only what differs, and only into rows that still hold the media that was
asked about: an editor may have replaced it meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models, router

from .client import CloudKey
from .client.pages import each_once
from .connection import cloudkeys
from .media_state import MediaState, asset_fields, assets_of, duration_of, state_of
from .protocol.exceptions import NotFound
from .protocol.urls import is_media_id

if TYPE_CHECKING:
    from .fields import MediaField

PAGE = 100
"""Media that are held in memory, asked about and written at a time."""
UNSETTLED = ("", MediaState.PROCESSING.value)

_Known = tuple[MediaState, float | None]


@dataclass(frozen=True, slots=True)
class Synced:
    """How many media were asked about, and how many rows were changed."""

    asked: int
    changed: int


def sync(field: MediaField, media_ids: Iterable[str]) -> int:
    """
    Ask about each of *media_ids* and return the number of rows of *field* that were changed.

    A field without columns for it asks nothing.

    Raises:
        RPCException: the cloud refused, or could not be reached; what was written before stays.
    """
    if not field.has_companions:
        return 0
    client = cloudkeys[field.account]
    return sum(_write(field, {media: _ask(client, media, field)}) for media in media_ids)


def sync_rows(field: MediaField, *, everything: bool = False) -> Synced:
    """
    Ask about the media of the rows whose state is not settled, or of all rows.

    Few are asked about one by one; for many, the account's list is read beside the rows, both in
    the order of their ids. Memory is bounded by a page of each.

    Raises:
        RPCException: the cloud refused, or could not be reached; what was written before stays.
    """
    rows = _rows_to_ask(field, everything)
    count = rows.aggregate(count=models.Count(field.attname, distinct=True))["count"]
    if not count:
        return Synced(0, 0)
    client = cloudkeys[field.account]
    is_listed = count > 1 and count - 1 > client.media.count() // PAGE
    listing = _Listing(client, field) if is_listed else None
    asked = changed = 0
    for ids in _pages(rows, field.attname):
        known = listing.take(ids) if listing else {}
        for media in ids:
            if media not in known:
                # Also of one that a list lacks, which may be younger than its page.
                known[media] = _ask(client, media, field)
        asked += len(ids)
        changed += _write(field, known)
    return Synced(asked, changed)


class _Listing:
    """The account's media in the order of their ids, each page asked for when it is needed."""

    def __init__(self, client: CloudKey, field: MediaField) -> None:
        def page(where: dict[str, Any]) -> Any:
            fields = ["id", *asset_fields(field)]
            return client.media.list(fields=fields, per_page=PAGE, sort=[("id", 1)], **where)

        self._media = each_once(page)
        self._next = next(self._media, None)

    def take(self, ids: list[str]) -> dict[str, _Known]:
        """Return what the list says of *ids*, which are sorted, and go on behind the last."""
        wanted, known = set(ids), {}
        while self._next is not None and self._next["id"] <= ids[-1]:
            if self._next["id"] in wanted:
                known[self._next["id"]] = _known(self._next)
            self._next = next(self._media, None)
        return known


def _rows(field: MediaField) -> models.QuerySet[Any]:
    # Whatever managers hide; from the database that is written, which knows all that was saved.
    return models.QuerySet(field.model, using=router.db_for_write(field.model))


def _rows_to_ask(field: MediaField, everything: bool) -> models.QuerySet[Any]:
    # An index finds those. A plain "" would be read as the NULL of a field that may be.
    rows = _rows(field).filter(**{f"{field.attname}__gt": models.Value("")})
    if everything:
        return rows
    if field.status_field:
        return rows.filter(**{f"{field.status_field}__in": UNSETTLED})
    return rows.filter(**{f"{field.duration_field}__isnull": True})


def _pages(rows: models.QuerySet[Any], name: str) -> Iterator[list[str]]:
    """Give the ids of *rows*, sorted and each once, page by page."""
    ids = rows.order_by(name).values_list(name, flat=True).distinct()
    page = list(ids[:PAGE])
    while page:
        yield page
        page = list(ids.filter(**{f"{name}__gt": page[-1]})[:PAGE])


def _ask(client: CloudKey, media: str, field: MediaField) -> _Known:
    if not is_media_id(media):
        return MediaState.MISSING, None
    try:
        return _known(client.media.info(id=media, fields=asset_fields(field)))
    except NotFound:
        return MediaState.MISSING, None


def _known(info: dict[str, Any]) -> _Known:
    assets = assets_of(info)
    state = state_of(assets)
    return state, duration_of(assets) if state is MediaState.READY else None


def _write(field: MediaField, known: dict[str, _Known]) -> int:
    alike = defaultdict(list)
    for media, of_media in known.items():
        alike[of_media].append(media)
    changed = 0
    for (state, duration), ids in alike.items():
        values = _values(field, state, duration)
        rows = _rows(field).filter(**{f"{field.attname}__in": ids})
        changed += rows.exclude(**values).update(**values)
    return changed


def _values(field: MediaField, state: MediaState, duration: float | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if field.status_field:
        values[field.status_field] = state.value
    if field.duration_field:
        column = field.model._meta.get_field(field.duration_field)
        is_whole = duration is not None and isinstance(column, models.IntegerField)
        values[field.duration_field] = round(duration or 0) if is_whole else duration
    return values
