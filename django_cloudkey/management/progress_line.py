"""One line at the bottom of a terminal that says how far the work is."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from ..plain_text import printable
from .table import GAP, cut, duration

PERIOD = 0.1  # seconds between two changes
WIDTH = 20  # characters of a bar
SENT, LEFT = "━", "─"


MEMORY = 10.0  # seconds that the pace is measured over


class Pace:
    """How fast bytes go, of late."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def seconds_for(self, left: int, *, so_far: int) -> float | None:
        """Return how long *left* bytes take; None in the first second, which tells nothing."""
        now = time.monotonic()
        self._marks.append((now, so_far))
        while now - self._marks[0][0] > MEMORY:
            self._marks.popleft()
        since, before = self._marks[0]
        if now - since < 1 or so_far <= before:
            return None
        return left * (now - since) / (so_far - before)


class ProgressLine:
    """
    Show the progress of several files, from their threads; nothing where there is no terminal.

    Args:
        stream: A command's ``stderr``.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream if stream.isatty() else None
        self._lock = threading.Lock()
        self._sent: dict[Path, tuple[int, int]] = {}
        self._gone = 0  # bytes of files that are over
        self._pace = Pace()
        self._shown_at = 0.0

    def show(self, path: Path, sent: int, size: int) -> None:
        """Note that *sent* of *size* bytes of the file *path* are over."""
        if self._stream is None:
            return
        with self._lock:
            self._sent[path] = (sent, size)
            if sent >= size:
                del self._sent[path]
                self._gone += size
            now = time.monotonic()
            if now - self._shown_at >= PERIOD:
                self._shown_at = now
                self._write(self._text())

    def drop(self, path: Path) -> None:
        """Show a file no more, whether or not it was sent to the end."""
        with self._lock:
            self._sent.pop(path, None)

    def write(self, text: str) -> None:
        """Show *text* in place of files."""
        if self._stream is not None:
            with self._lock:
                self._write(text)

    def clear(self) -> None:
        """Make room for a line that stays."""
        self.write("")

    def _text(self) -> str:
        if not self._sent:
            return ""
        sent = sum(each for each, _size in self._sent.values())
        size = sum(size for _sent, size in self._sent.values())
        done = int(sent / size * WIDTH)
        bar = f"{SENT * done}{LEFT * (WIDTH - done)} {sent / size:4.0%}"
        seconds = self._pace.seconds_for(size - sent, so_far=self._gone + sent)
        if seconds is not None:
            bar += f"  {duration(seconds):>5}"
        path, *others = self._sent
        more = f" +{len(others)}" if others else ""
        room = shutil.get_terminal_size().columns - 1 - len(bar) - len(GAP) - len(more)
        return f"{bar}{GAP}{cut(printable(path.name), max(1, room))}{more}"

    def _write(self, text: str) -> None:
        stream: Any = self._stream
        width = shutil.get_terminal_size().columns - 1
        text = cut(text, width)
        stream.write(f"\r\x1b[K{text}", style_func=str, ending="")  # not in red, as errors are
        stream.flush()
