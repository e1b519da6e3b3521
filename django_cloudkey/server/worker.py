"""The worker: claims jobs, keeps their leases, tidies up between them, and sends notifications."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.db import Error
from django.db.models.functions import Now

from . import discards, files, jobs, notifications, one_time, pipeline
from .conf import cloud
from .models import (
    DiscardedFile,
    Job,
    RateCounter,
    SavedAnswer,
    UploadSlot,
    atomic,
    disconnect,
)
from .notifier import Notifier

logger = logging.getLogger(__name__)

POLL = 1.0  # seconds between two looks at an empty queue
SOON = 0.05  # seconds between two looks at a queue with a job that is not due yet
TIDY = 60.0  # seconds between two rounds of tidying up


class Worker:
    """
    Work off jobs until told to stop, and send notifications beside them.

    ``run`` must be called from the main thread: the encoder is killed with the thread that
    started it.
    """

    def __init__(self) -> None:
        # No threading.Event: its lock may be held by the very thread that a signal interrupts.
        self._is_stopping = False

    def stop(self) -> None:
        """End after giving back the job at hand. Safe to call from a signal handler."""
        self._is_stopping = True

    def run(self, *, drain: bool = False) -> int:
        """
        Return the number of jobs closed; with *drain*, as soon as none is due or nearly and every
        notification that was due has been sent.
        """
        with nullcontext() if drain else Notifier():
            closed = self._run(drain)
        if drain:
            notifications.deliver_due(lambda: self._is_stopping)
        return closed

    def _run(self, drain: bool) -> int:
        closed = 0
        tidied = 0.0
        while not self._is_stopping:
            job = None
            try:
                if time.monotonic() - tidied >= TIDY or not tidied:
                    tidied = time.monotonic()
                    tidy_up()
                job = jobs.claim()
            except Exception:
                # Databases and storages go away and come back, with errors of their own kinds; the
                # worker is there when they do.
                if drain:
                    raise
                logger.exception("The queue cannot be read or tidied up; trying again")
                disconnect()
            if job is not None:
                self._work(job)
                closed += 1
            elif drain and jobs.is_due_soon():
                time.sleep(SOON)
            elif drain:
                tidy_up()
                break
            else:
                time.sleep(POLL)
        return closed

    def _work(self, job: Job) -> None:
        started = time.monotonic()
        logger.info("Job %s: media %s, attempt %d", job.pk, job.media_id, job.attempts)
        with _kept_alive(job) as lost:
            try:
                pipeline.process(job, lambda: lost.is_set() or self._is_stopping)
            except jobs.ClaimLost:
                logger.warning("Job %s: the lease was lost, this attempt is void", job.pk)
            except Exception:
                # The job keeps its row and its lease: it is tried again when that runs out.
                logger.exception("Job %s: an unexpected failure", job.pk)
                disconnect()
        logger.info("Job %s: closed after %.1f s", job.pk, time.monotonic() - started)


@contextmanager
def _kept_alive(job: Job) -> Iterator[threading.Event]:
    """Renew the lease of *job* from a thread of its own; the event says that it was lost."""
    lost, ended = threading.Event(), threading.Event()

    def renew() -> None:
        try:
            deadline = time.monotonic() + cloud.lease
            while not ended.wait(cloud.lease / 4):
                try:
                    renewed = jobs.renew(job)
                except Error:
                    logger.exception("Job %s: the lease could not be renewed", job.pk)
                    disconnect()
                    renewed = time.monotonic() < deadline
                else:
                    deadline = time.monotonic() + cloud.lease
                if not renewed:
                    lost.set()
                    return
        finally:
            disconnect()

    thread = threading.Thread(target=renew, name=f"lease-{job.pk}", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        ended.set()
        thread.join()


def tidy_up() -> None:
    """Remove discarded files, expired rows and uploads, and what killed processes left behind."""
    discards.remove_discarded()
    for rows in (SavedAnswer.objects, RateCounter.objects):
        rows.filter(expires__lt=Now()).delete()
    one_time.forget_expired()
    notifications.tidy_up()
    _expire_uploads()
    _remove_stale_folders()


def _expire_uploads() -> None:
    with atomic():
        expired = list(UploadSlot.objects.filter(expires__lt=Now()).order_by("expires")[:500])
        DiscardedFile.discard(slot.file for slot in expired)
        UploadSlot.objects.filter(pk__in=[slot.pk for slot in expired]).delete()
    for slot in expired:
        files.partial_path(slot.pk).unlink(missing_ok=True)
    # A process that was killed while it received leaves a file that no row will ever finish.
    for path in (files.work_dir() / "uploads").glob("*.part"):
        try:
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            continue  # The upload ended meanwhile.
        if age > cloud.upload_lifetime:
            path.unlink(missing_ok=True)


def _remove_stale_folders() -> None:
    folders = [path for path in (files.work_dir() / "jobs").glob("*-*") if path.is_dir()]
    running = {
        f"{job.pk}-{job.claim}" for job in Job.objects.filter(state=Job.State.RUNNING).only("claim")
    }
    for folder in folders:
        # Another cloud of the same user may have the same work folder.
        if folder.name not in running and not files.is_in_use(folder):
            shutil.rmtree(folder, ignore_errors=True)
