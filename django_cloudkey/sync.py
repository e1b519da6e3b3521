"""
Bring the columns for states and durations up to date with the cloud.

``sync`` is for media that something is known to have happened to, ``sync_rows`` for whatever has to
be asked about. Both write only what differs, and only into rows that still hold the media that was
asked about: an editor may have replaced it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models

from . import companions
from .client import CloudKey
from .client.pages import each_once
from .companions import Known, known_of
from .connection import cloudkeys
from .media_state import MediaState, asset_fields, assets_of
from .protocol.exceptions import NotFound
from .protocol.urls import is_media_id

if TYPE_CHECKING:
    from .fields import MediaField

PAGE = 100
"""Media that are held in memory, asked about and written at a time."""


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
    return sum(companions.write(field, {media: _ask(client, media, field)}) for media in media_ids)


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
        changed += companions.write(field, known)
    return Synced(asked, changed)


class _Listing:
    """The account's media in the order of their ids, each page asked for when it is needed."""

    def __init__(self, client: CloudKey, field: MediaField) -> None:
        def page(where: dict[str, Any]) -> Any:
            fields = ["id", *asset_fields(field)]
            return client.media.list(fields=fields, per_page=PAGE, sort=[("id", 1)], **where)

        self._media = each_once(page)
        self._next = next(self._media, None)

    def take(self, ids: list[str]) -> dict[str, Known]:
        """Return what the list says of *ids*, which are sorted, and go on behind the last."""
        wanted, known = set(ids), {}
        while self._next is not None and self._next["id"] <= ids[-1]:
            if self._next["id"] in wanted:
                known[self._next["id"]] = _known(self._next)
            self._next = next(self._media, None)
        return known


def _rows_to_ask(field: MediaField, everything: bool) -> models.QuerySet[Any]:
    # An index finds those. A plain "" would be read as the NULL of a field that may be.
    rows = companions.rows(field).filter(**{f"{field.attname}__gt": models.Value("")})
    if everything:
        return rows
    if field.status_field:
        return rows.filter(**{f"{field.status_field}__in": companions.UNSETTLED})
    return rows.filter(**{f"{field.duration_field}__isnull": True})


def _pages(rows: models.QuerySet[Any], name: str) -> Iterator[list[str]]:
    """Give the ids of *rows*, sorted and each once, page by page."""
    ids = rows.order_by(name).values_list(name, flat=True).distinct()
    page = list(ids[:PAGE])
    while page:
        yield page
        page = list(ids.filter(**{f"{name}__gt": page[-1]})[:PAGE])


def _ask(client: CloudKey, media: str, field: MediaField) -> Known:
    if not is_media_id(media):
        return MediaState.MISSING, None
    try:
        return _known(client.media.info(id=media, fields=asset_fields(field)))
    except NotFound:
        return MediaState.MISSING, None


def _known(info: dict[str, Any]) -> Known:
    return known_of(assets_of(info))
