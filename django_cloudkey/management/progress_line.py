"""One line at the bottom of a terminal that says how far the work is."""

from __future__ import annotations

import shutil
import threading
import time
from typing import Any

from ..plain_text import printable

PERIOD = 0.1  # seconds between two changes
WIDTH = 20  # characters of a bar
SENT, LEFT = "━", "─"


class ProgressLine:
    """
    Show the progress of several files, from their threads; nothing where there is no terminal.

    Args:
        stream: A command's ``stderr``.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream if stream.isatty() else None
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[int, int]] = {}
        self._shown_at = 0.0

    def show(self, name: str, sent: int, size: int) -> None:
        """Note that *sent* of *size* bytes of the file *name* are over."""
        if self._stream is None:
            return
        with self._lock:
            self._sent[name] = (sent, size)
            if sent >= size:
                del self._sent[name]
            now = time.monotonic()
            if now - self._shown_at >= PERIOD:
                self._shown_at = now
                self._write(self._text())

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
        share = sent / size
        done = int(share * WIDTH)
        bar = SENT * done + LEFT * (WIDTH - done)
        name, *others = self._sent
        more = f" +{len(others)}" if others else ""
        return f"{bar} {share:4.0%}  {printable(name)}{more}"

    def _write(self, text: str) -> None:
        stream: Any = self._stream
        width = shutil.get_terminal_size().columns - 1
        if len(text) > width:
            text = text[: max(0, width - 1)] + "…"
        stream.write(f"\r\x1b[K{text}", style_func=str, ending="")  # not in red, as errors are
        stream.flush()
