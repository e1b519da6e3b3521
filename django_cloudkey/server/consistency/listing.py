"""What the storage holds, in a temporary file: asked once for all, not once for each row."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Self

from .. import files
from ..batches import BATCH

PREFIXES = (files.RECEIVED_UNDER, files.MADE_UNDER)


class Listing:
    """
    The cloud's files at one time, with their sizes; a context manager.

    What else the storage holds is none of the cloud's business.
    """

    def __init__(self) -> None:
        # In a temporary file, which SQLite removes when it is closed.
        self._notes = sqlite3.connect("", isolation_level=None)
        self._notes.execute(
            "CREATE TABLE file (name TEXT PRIMARY KEY, size, modified) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._notes.close()

    def read(self) -> None:
        """Read the storage."""
        for prefix in PREFIXES:
            stored = iter(files.stored_under(prefix))
            while batch := list(islice(stored, BATCH)):
                self._notes.executemany("INSERT OR IGNORE INTO file VALUES (?, ?, ?)", batch)

    def sizes(self, names: Collection[str]) -> dict[str, int | None]:
        """Return the sizes of those of *names* that were there; ``None`` where it is not known."""
        marks = ", ".join("?" * len(names))
        query = f"SELECT name, size FROM file WHERE name IN ({marks})"  # noqa: S608
        return dict(self._notes.execute(query, list(names)))

    def batches(self) -> Iterator[list[files.StoredFile]]:
        """Yield all that was there, in the order of the names."""
        last = ""
        query = "SELECT * FROM file WHERE name > ? ORDER BY name LIMIT ?"
        while batch := [*map(files.StoredFile._make, self._notes.execute(query, (last, BATCH)))]:
            yield batch
            last = batch[-1].name

    def __len__(self) -> int:
        rows: Iterable[tuple[int]] = self._notes.execute("SELECT count(*) FROM file")
        return next(iter(rows))[0]
