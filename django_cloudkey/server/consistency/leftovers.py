"""What should have been swept up: a worker does so every minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.db.models import Model
from django.utils import timezone

from .. import files
from ..conf import cloud
from ..models import DiscardedFile, Job, OneTimeClaim, RateCounter, SavedAnswer, UploadSlot
from ..worker import tidy_up
from .findings import Finding, Kind

EXPIRING: list[type[Model]] = [OneTimeClaim, RateCounter, SavedAnswer, UploadSlot]


def expired_rows(older_than: timedelta) -> Iterator[Finding]:
    """Find out which tables keep rows that expired long ago."""
    for model in EXPIRING:
        expired = model._default_manager.filter(expires__lt=timezone.now() - older_than)
        if number := expired.count():
            mend = partial(_sweep_rows, model)
            yield Finding(Kind.LEFTOVER, f"table {model._meta.db_table}", f"{number} rows", mend)


def unremoved_files(older_than: timedelta) -> Iterator[Finding]:
    """Find out whether files wait for long to be removed from the storage."""
    waiting = DiscardedFile.objects.filter(created__lt=timezone.now() - older_than)
    if oldest := waiting.order_by("created", "pk").first():
        yield Finding(Kind.NOT_REMOVED, f"file {oldest.name!a}", f"{waiting.count()} files")


def temporary_files(older_than: timedelta) -> Iterator[Finding]:
    """Find what killed processes left in this machine's work folder."""
    limit = time.time() - older_than.total_seconds()
    folder = files.work_dir()
    for path in (folder / "uploads").glob("*.part"):
        if _modified(path) < limit - cloud.upload_lifetime:
            yield _leftover(path)
    for path in (folder / "jobs").glob("*-*"):
        number, _, claim = path.name.partition("-")
        is_old = number.isdigit() and _modified(path) < limit
        running = Job.objects.filter(claim=claim, state=Job.State.RUNNING)
        if is_old and not running.exists() and path.exists():
            yield _leftover(path)


def _leftover(path: Path) -> Finding:
    return Finding(Kind.LEFTOVER, f"file {str(path)!a}", mend=partial(_sweep_file, path))


def _sweep_rows(model: type[Model]) -> bool:
    expired = model._default_manager.filter(expires__lt=timezone.now())
    while before := expired.count():
        tidy_up()  # takes some hundred uploads at a time
        if expired.count() >= before:
            return False
    return True


def _sweep_file(path: Path) -> bool:
    tidy_up()
    return not path.exists()


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")  # It was removed meanwhile.
