"""One look at the whole cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from typing import Any

from ..models import Asset, Job, Media, UploadSlot
from . import files, leftovers, rows
from .findings import Finding, Kind
from .listing import Listing

TABLES: dict[str, Any] = {"media": Media, "assets": Asset, "jobs": Job, "uploads": UploadSlot}


class Inspection:
    """
    One look at the whole cloud: its rows, its storage, its work folder.

    Args:
        older_than: What is younger is left alone, for it may be work in progress.
    """

    def __init__(self, *, older_than: timedelta) -> None:
        self.found: Counter[Kind] = Counter()
        self.read: dict[str, int] = {}
        """How many there were of each thing."""
        self._older_than = older_than
        # What a worker does by itself is not late before it had the time to.
        self._overdue = max(older_than, rows.ACTIVE)

    def findings(self) -> Iterator[Finding]:
        """Look at everything, and give what is not as it has to be as it is met."""
        with Listing() as listing:
            listing.read()
            for finding in chain(self._in_rows(), self._in_files(listing), self._left_over()):
                self.found[finding.kind] += 1
                yield finding
            self.read = {name: model.objects.count() for name, model in TABLES.items()}
            self.read["files"] = len(listing)

    def _in_rows(self) -> Iterator[Finding]:
        yield from rows.unreadable_keys()
        yield from rows.illegal_states()
        yield from rows.incomplete_assets()
        yield from rows.forgotten_media()
        yield from rows.jobs_without_lease()
        yield from rows.waiting_jobs(self._overdue)
        yield from rows.waiting_notifications(self._overdue)

    def _in_files(self, listing: Listing) -> Iterator[Finding]:
        yield from files.asset_files(listing)
        yield from files.upload_files(listing)
        yield from files.orphan_files(listing, self._older_than)

    def _left_over(self) -> Iterator[Finding]:
        yield from leftovers.unremoved_files(self._overdue)
        yield from leftovers.expired_rows(self._overdue)
        yield from leftovers.temporary_files(self._overdue)
