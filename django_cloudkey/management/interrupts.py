"""Ctrl-C, for commands that end in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # exit status


@contextmanager
def stopping_once(event: threading.Event) -> Iterator[None]:
    """
    Let Ctrl-C set *event* rather than raise, and another one end the process at once.

    Outside the main thread, which alone gets signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        if event.is_set():
            os._exit(INTERRUPTED)
        event.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
