"""
Both sides compared: the media on the cloud, and the rows of the site that hold them.

A crash or a rollback does not undo a call that was carried out, so media are left that no row
holds. Whatever this site uploads for a field carries the field's name, so they are found again, and
nothing else is touched.

Both sides are read page by page, and what has to be remembered goes to a temporary file.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple, Self, TypeVar

from django.db.models import Q, QuerySet
from django.utils import timezone

from .connection import cloudkeys
from .models import Upload
from .protocol.exceptions import NotFound
from .protocol.urls import is_media_id
from .rows import aliases_of, fields_of, held, tables_of
from .uploads import let_go

BATCH = 100
FIELDS = (
    "id", "created", "meta.title", "meta.field", "meta.upload", "assets.source.file_size",
)  # fmt: skip

ORPHAN = "orphan"
"""A media that was uploaded for a field of this site, and that no row holds."""
TOO_LARGE = "too large"
"""A media of more bytes than its ticket announced."""
MISSING = "missing"
"""A row that names a media which is not on the cloud."""
UNFINISHED = "unfinished"
"""An upload that never became a media."""
GONE = "gone"
"""An upload whose media is not on the cloud any more."""

T = TypeVar("T")


class Finding(NamedTuple):
    """Something that is on one side only."""

    kind: str
    media: str
    """Its id; empty for an upload that never became one."""
    field: str
    """``app_label.model.field``."""
    since: int
    """When it was made, Unix time; 0 for a row, which does not tell."""
    about: str
    """Title of a media, primary key of a row, file name of an upload."""
    upload: int
    """Primary key of the ``Upload``; 0 for none."""
    is_mendable: bool
    """Whether :meth:`Reconciliation.mend` takes care of it."""


class Reconciliation:
    """
    One comparison of an account with the site's rows, a context manager.

    Args:
        account: Alias in ``CLOUDKEYS``.
        older_than: What is younger is left alone: a transaction that is still open may be about to
            hold it.
    """

    def __init__(self, account: str, *, older_than: timedelta) -> None:
        self.counts: Counter[str] = Counter()
        """How many there are of each kind of finding, and of ``held``, ``waiting``, ``other``."""
        self._account = account
        self._aliases = aliases_of(account)
        self._media = cloudkeys[account].media
        self._limit = timezone.now() - older_than
        # In a temporary file, which SQLite removes when it is closed.
        self._notes = sqlite3.connect("", isolation_level=None)
        self._notes.execute("CREATE TABLE seen (media TEXT PRIMARY KEY) WITHOUT ROWID")
        self._notes.execute(
            "CREATE TABLE finding (kind, media, field, since, about, upload, is_mendable,"
            " UNIQUE (kind, media, field, about, upload))"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._notes.close()

    def compare(self) -> None:
        """
        Read both sides. Nothing is changed.

        Raises:
            RPCException: the cloud refused, or could not be reached.
        """
        labels = {field.label for field in fields_of(self._account)}
        for media in _batches(self._media.iterate(fields=FIELDS)):
            self._read_media(media, labels)
        self._read_rows()
        for uploads in _batches(self._uploads().filter(created__lt=self._limit).iterator(BATCH)):
            self._read_uploads(uploads)

    def findings(self) -> Iterator[Finding]:
        """Give what was found, kind by kind as they were met."""
        last = 0
        while page := self._notes.execute(
            "SELECT rowid, * FROM finding WHERE rowid > ? ORDER BY rowid LIMIT ?", (last, BATCH)
        ).fetchall():
            for *values, is_mendable in page:
                yield Finding._make([*values[1:], bool(is_mendable)])
            last = page[-1][0]

    def mend(self) -> Counter[str]:
        """
        Delete orphans, and uploads of which nothing can become; return how many of each kind.

        Each is looked at again right before.

        Raises:
            RPCException: the cloud refused, or could not be reached; what was done is done.
        """
        done: Counter[str] = Counter()
        for finding in self.findings():
            if not finding.is_mendable:
                continue
            if finding.kind in (ORPHAN, TOO_LARGE):
                is_done = self._delete(finding)
            else:
                is_done = self._forget(Q(pk=finding.upload, media=finding.media))
            done[finding.kind] += is_done
        for uploads in _batches(self._uploads().filter(created__lt=self._limit).iterator(BATCH)):
            in_rows = held(self._account, {upload.media for upload in uploads if upload.media})
            finished = [
                each.pk for each in uploads if each.media in in_rows and not each.is_waiting
            ]
            self._forget(Q(pk__in=finished))
        return done

    # The cloud's side

    def _read_media(self, page: list[dict[str, Any]], labels: set[str]) -> None:
        ids = [media["id"] for media in page]
        self._notes.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(id_,) for id_ in ids])
        in_rows = held(self._account, ids)
        numbers = [number for media in page if (number := _upload_of(media))]
        uploads = list(self._uploads().filter(Q(media__in=ids) | Q(pk__in=numbers, media="")))
        for media in page:
            own = [
                each for each in uploads if media["id"] == each.media or _is_made_of(media, each)
            ]
            self._judge(media, own, is_held=media["id"] in in_rows, labels=labels)

    def _judge(
        self, media: dict[str, Any], uploads: list[Upload], *, is_held: bool, labels: set[str]
    ) -> None:
        # The cloud tells the size of a source once it was looked at, never before.
        size = media.get("assets", {}).get("source", {}).get("file_size") or 0
        if any(upload.media and 0 < upload.size < size for upload in uploads):
            self._note_media(TOO_LARGE, media, is_mendable=not is_held)
        elif is_held:
            self.counts["held"] += 1
        elif media.get("meta", {}).get("field") not in labels:
            self.counts["other"] += 1
        elif media["created"] > self._limit.timestamp() or any(each.is_waiting for each in uploads):
            self.counts["waiting"] += 1
        else:
            self._note_media(ORPHAN, media, is_mendable=True)

    def _note_media(self, kind: str, media: dict[str, Any], *, is_mendable: bool) -> None:
        meta = media.get("meta", {})
        self._note(
            Finding(
                kind=kind,
                media=media["id"],
                field=str(meta.get("field") or "").encode("utf-8", "replace").decode(),
                since=media["created"],
                # A title from another cloud may hold what no file can.
                about=str(meta.get("title") or "").encode("utf-8", "replace").decode(),
                upload=_upload_of(media),
                is_mendable=is_mendable,
            )
        )

    # The site's side

    def _read_rows(self) -> None:
        for field in fields_of(self._account):
            for rows in tables_of(field):
                full = rows.exclude(**{field.attname: ""}).exclude(**{field.attname: None})
                pairs = full.values_list("pk", field.attname).iterator(BATCH)
                for batch in _batches(pairs):
                    missing = self._missing({media for _pk, media in batch})
                    for pk, media in batch:
                        if media in missing:
                            self._note(Finding(MISSING, media, field.label, 0, str(pk), 0, False))

    def _read_uploads(self, uploads: list[Upload]) -> None:
        missing = self._missing({upload.media for upload in uploads if upload.media})
        for upload in uploads:
            if upload.media in missing:
                self._note_upload(GONE, upload)
            elif not upload.media and upload.is_expired:
                self._note_upload(UNFINISHED, upload)

    def _note_upload(self, kind: str, upload: Upload) -> None:
        since = int(upload.created.timestamp())
        self._note(Finding(kind, upload.media, upload.field, since, upload.name, upload.pk, True))

    def _missing(self, media: Collection[str]) -> set[str]:
        """Return those that were not met on the cloud, and that it says it does not have."""
        marks = ", ".join("?" * len(media))
        seen = self._notes.execute(
            f"SELECT media FROM seen WHERE media IN ({marks})",  # noqa: S608 - question marks
            list(media),
        )
        return {id_ for id_ in set(media) - {row[0] for row in seen} if not self._exists(id_)}

    def _exists(self, media: str) -> bool:
        """Ask the cloud: it may have been made after the cloud's pages were read."""
        if not is_media_id(media):
            return False
        try:
            self._media.info(id=media, fields=["id"])
        except NotFound:
            return False
        return True

    # Mending

    def _delete(self, finding: Finding) -> bool:
        """Delete a media, unless a row holds it by now or is about to."""
        crashed = Q(pk=finding.upload, field=finding.field, media="")
        records = Q(account__in=self._aliases) & (Q(media=finding.media) | crashed)
        is_refused = finding.kind == TOO_LARGE
        if not let_go(
            finding.media, account=self._account, records=records, even_waiting=is_refused
        ):
            return False
        try:
            self._media.delete(id=finding.media)
        except NotFound:
            return False  # somebody else reconciles, too
        return True

    def _forget(self, which: Q) -> bool:
        return bool(self._uploads().filter(which).delete()[0])

    def _uploads(self) -> QuerySet[Upload]:
        return Upload.objects.filter(account__in=self._aliases).order_by()

    def _note(self, finding: Finding) -> None:
        cursor = self._notes.execute(
            "INSERT OR IGNORE INTO finding VALUES (?, ?, ?, ?, ?, ?, ?)", finding
        )
        self.counts[finding.kind] += cursor.rowcount


def _upload_of(media: dict[str, Any]) -> int:
    """Return the primary key of the ``Upload`` that a media's meta names; 0 for none."""
    text = str(media.get("meta", {}).get("upload") or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _is_made_of(media: dict[str, Any], upload: Upload) -> bool:
    """Say whether *media* was made of an upload whose process died before it stored the id."""
    is_for_it = media.get("meta", {}).get("field") == upload.field
    return is_for_it and not upload.media and _upload_of(media) == upload.pk


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
