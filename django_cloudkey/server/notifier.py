"""
Threads of a worker that send notifications, so that no receiver holds up the work on videos.

One looks for what is due and starts another for it, SENDERS at most at a time; that one goes on as
long as there is more. They are daemons: a worker that ends waits for them a while, and what they
leave is sent again when its claim runs out.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from django.db import Error

from . import notifications, outgoing
from .models import Notification, disconnect

logger = logging.getLogger(__name__)

POLL = 1.0  # seconds between two looks when nothing is due
SENDERS = 4
GRACE = outgoing.TIMEOUT  # seconds for what is under way at the end


class Notifier:
    """Sends what is due, between ``__enter__`` and ``__exit__``."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._free = threading.Semaphore(SENDERS)
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        end = time.monotonic() + GRACE
        self._thread.join(GRACE)
        for _ in range(SENDERS):
            self._free.acquire(timeout=max(0, end - time.monotonic()))

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=POLL):
                continue
            found = self._claim()
            if found is None:
                self._free.release()
                self._stopping.wait(POLL)
                continue
            sender = threading.Thread(
                target=self._send, args=(found,), name=f"notifier-{found.pk}", daemon=True
            )
            try:
                sender.start()
            except RuntimeError:
                # The machine has no thread left: it is sent from this one.
                self._send(found)
        disconnect()

    def _claim(self) -> Notification | None:
        try:
            return notifications.claim()
        except Error:
            # As in the worker: databases come back.
            logger.exception("Notifications cannot be read; trying again")
            disconnect()
            return None

    def _send(self, notification: Notification | None) -> None:
        try:
            while notification is not None:
                _deliver(notification)
                # Of the same account, perhaps, which was passed over while this one was under way.
                notification = None if self._stopping.is_set() else self._claim()
        finally:
            disconnect()
            self._free.release()


def _deliver(notification: Notification) -> None:
    try:
        notifications.deliver(notification)
    except Exception:
        # It keeps its claim: it is sent again when that runs out.
        logger.exception("Notification %s: an unexpected failure", notification.pk)
        disconnect()
