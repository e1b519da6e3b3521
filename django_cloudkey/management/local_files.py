"""Files to upload: those that were named, and the videos in folders that were."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.utils.translation import gettext as _

VIDEOS = frozenset({
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip
"""Extensions of the files in a folder that are taken; a file that is named may have any."""


class LocalFiles:
    """
    Iterate over the files below *paths*, in order.

    Links to folders are not followed, hidden files and folders not entered.

    Raises:
        OSError: while iterating, a path that was named does not exist.

    Attributes:
        skipped: Path and reason of what was found in a folder and cannot be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.skipped: list[tuple[Path, str]] = []

    def __iter__(self) -> Iterator[Path]:
        for path in self._paths:
            if path.is_dir():
                yield from self._walk(path)
            else:
                yield path

    def _walk(self, folder: Path) -> Iterator[Path]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.skipped.append((folder, error.strerror or str(error)))
            return
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(path)
            elif path.suffix.lower() in VIDEOS and self._is_file(path):
                yield path

    def _is_file(self, path: Path) -> bool:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            self.skipped.append((path, error.strerror or str(error)))
            return False
        if not stat.S_ISREG(mode):
            self.skipped.append((path, _("not a file")))
        return stat.S_ISREG(mode)
