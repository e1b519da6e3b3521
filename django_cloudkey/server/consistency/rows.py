"""Rows that contradict each other, told by the database alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from django.db.models import Exists, Model, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, Now
from django.utils import timezone

from ...protocol.assets import UNFINISHED
from .. import jobs
from ..batches import batches_of
from ..encryption import Unreadable, decrypt
from ..models import (
    Account,
    AccountSecret,
    Asset,
    Job,
    Media,
    Notification,
    UploadSlot,
    atomic,
)
from .findings import Finding, Kind

ACTIVE = timedelta(minutes=10)  # in which a worker that has work closes a job or holds one
STATES: list[tuple[type[Model], str, list[str]]] = [
    (Account, "legacy", Account.Legacy.values),
    (Asset, "status", Asset.Status.values),
    (Job, "state", Job.State.values),
    (Notification, "state", Notification.State.values),
    (UploadSlot, "state", UploadSlot.State.values),
]
"""Table → field → what may be in it."""
_OPEN = [Job.State.QUEUED, Job.State.RUNNING]


def about(row: Model) -> str:
    """Return the name of a row: the media's and the asset's for an asset."""
    return f"{row._meta.model_name} {row if isinstance(row, Asset) else row.pk}"


def unreadable_keys() -> Iterator[Finding]:
    """Find accounts and secrets that were encrypted with a SECRET_KEY that is gone."""
    for model, field in ((Account, "api_key"), (AccountSecret, "secret")):
        rows = model._default_manager.defer(field)
        for batch in batches_of(rows.annotate(token=Cast(field, TextField()))):
            for row in batch:
                try:
                    decrypt(vars(row)["token"])
                except Unreadable:
                    yield Finding(Kind.UNREADABLE_KEY, about(row), str(row))


def illegal_states() -> Iterator[Finding]:
    """Find rows in states that do not exist."""
    for model, field, values in STATES:
        rows = model._default_manager.exclude(**{f"{field}__in": values})
        for batch in batches_of(rows.defer("api_key") if model is Account else rows):
            for row in batch:
                yield Finding(Kind.ILLEGAL_STATE, about(row), f"{field} {getattr(row, field)!a}")


def incomplete_assets() -> Iterator[Finding]:
    """Find assets that are ready and say not where or since when."""
    ready = Asset.objects.filter(status=Asset.Status.READY)
    for batch in batches_of(ready.filter(Q(file="") | Q(created=None))):
        for asset in batch:
            yield Finding(Kind.INCOMPLETE, about(asset))


def forgotten_media() -> Iterator[Finding]:
    """Find media whose assets wait for a job that does not exist."""
    # One query: assets and their job are written in one transaction, and are read in one.
    for batch in batches_of(_forgotten()):
        for media in batch:
            yield Finding(Kind.NO_JOB, about(media), mend=partial(_queue, media.pk))


def jobs_without_lease() -> Iterator[Finding]:
    """Find jobs that are running and that no claim ever finds."""
    for batch in batches_of(_without_lease()):
        for job in batch:
            yield Finding(Kind.NO_LEASE, about(job), job.media_id, partial(_end_lease, job.pk))


def waiting_jobs(older_than: timedelta) -> Iterator[Finding]:
    """Find out whether jobs are due that no worker takes."""
    is_held = Q(state=Job.State.RUNNING, lease_expires__gt=Now())
    if Job.objects.filter(is_held | Q(finished__gt=Now() - ACTIVE)).exists():
        return  # Somebody works; the queue is long.
    before = timezone.now() - older_than
    queued = Q(state=Job.State.QUEUED, due__lt=before)
    waiting = Job.objects.filter(
        queued | Q(state=Job.State.RUNNING, lease_expires__lt=before)
    ).order_by("due", "id")
    if oldest := waiting.first():
        detail = f"{waiting.count()} jobs, the first since {oldest.due:%Y-%m-%d %H:%M}"
        yield Finding(Kind.NO_WORKER, about(oldest), detail)


def waiting_notifications(older_than: timedelta) -> Iterator[Finding]:
    """Find out whether notifications are due that nobody sends."""
    before = timezone.now() - older_than
    waiting = Notification.objects.filter(state=Notification.State.WAITING, due__lt=before)
    if oldest := waiting.order_by("due", "id").first():
        detail = f"{waiting.count()} notifications, the first since {oldest.due:%Y-%m-%d %H:%M}"
        yield Finding(Kind.NOT_SENT, about(oldest), detail)


def _forgotten() -> QuerySet[Media]:
    waiting = Asset.objects.filter(media=OuterRef("pk"), status__in=UNFINISHED)
    job = Job.objects.filter(media=OuterRef("pk"), state__in=_OPEN)
    return Media.objects.filter(Exists(waiting), ~Exists(job))


def _queue(media_id: str) -> bool:
    with atomic():
        media = _forgotten().select_for_update(of=("self",)).filter(pk=media_id).first()
        if media is None:
            return False
        jobs.enqueue(media)
    return True


def _without_lease() -> QuerySet[Job]:
    return Job.objects.filter(state=Job.State.RUNNING).filter(Q(lease_expires=None) | Q(claim=""))


def _end_lease(job_id: int) -> bool:
    return bool(_without_lease().filter(pk=job_id).update(lease_expires=Now()))
