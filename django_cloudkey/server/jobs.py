"""The queue of work: enqueue, claim, keep, finish. Every write is fenced by the claim."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from .conf import cloud
from .models import Asset, Job, Media, atomic


class ClaimLost(Exception):
    """The lease ran out and the job may be another worker's: nothing may be written any more."""


def enqueue(media: Media) -> None:
    """
    Make sure that a job will make the pending assets of *media*, and not before clients saw them.

    Call it with the media's row locked, as a worker does that closes its job: whoever comes second
    sees what the first one did.
    """
    due = Now() + timedelta(seconds=cloud.pending_time)
    Job.objects.filter(media=media, state=Job.State.QUEUED, due__lt=due).update(due=due)
    open_states = [Job.State.QUEUED, Job.State.RUNNING]
    Job.objects.get_or_create(media=media, state__in=open_states, defaults={"due": due})


def is_due_soon() -> bool:
    """Return whether a job only waits for its assets to have been seen pending."""
    soon = Now() + timedelta(seconds=cloud.pending_time)
    return Job.objects.filter(state=Job.State.QUEUED, due__lte=soon).exists()


def claim() -> Job | None:
    """
    Take the job that waits longest, or one whose worker fell silent; ``None`` when there is none.

    One UPDATE decides. The clock is the database's, so that workers with different clocks agree.
    """
    token = secrets.token_hex(16)
    free = Q(state=Job.State.QUEUED, due__lte=Now()) | Q(
        state=Job.State.RUNNING, lease_expires__lt=Now()
    )
    with atomic():
        next_one = (
            Job.objects.filter(free).order_by("due", "id").select_for_update(skip_locked=True)
        )
        # "=", not "IN": PostgreSQL may run the subquery of an IN once for each row, and each run
        # would skip the row locked before and take another.
        taken = Job.objects.filter(free, pk=next_one.values("pk")[:1]).update(
            state=Job.State.RUNNING,
            attempts=F("attempts") + 1,
            claim=token,
            lease_expires=_lease(),
        )
    if not taken:
        return None
    # By its state too, for which there is an index: rows of jobs that are done stay.
    claimed = Job.objects.filter(state=Job.State.RUNNING, claim=token)
    # None after all, when its media was deleted at this very moment.
    return claimed.select_related("media__account").first()


def renew(job: Job) -> bool:
    """Extend the lease; False when the job is not the caller's any more."""
    return bool(_mine(job).update(lease_expires=_lease()))


def finish(job: Job) -> None:
    """
    Close *job*, whose work is done.

    Call it first in the transaction that publishes: if the claim is lost nothing is published.

    Raises:
        ClaimLost: the job is another worker's.
    """
    _change(job, state=Job.State.DONE, finished=Now())


def fail(job: Job) -> None:
    """Close *job* for good; raises ClaimLost as :func:`finish` does."""
    _change(job, state=Job.State.FAILED, finished=Now())


def retry(job: Job, delay: float) -> None:
    """Queue *job* again in *delay* seconds; raises ClaimLost as :func:`finish` does."""
    _change(job, state=Job.State.QUEUED, due=Now() + timedelta(seconds=delay))


def release(job: Job) -> None:
    """Give *job* back untried, as a worker that is told to stop does."""
    _mine(job).update(
        state=Job.State.QUEUED, attempts=F("attempts") - 1, claim="", lease_expires=None
    )


def requeue_if_pending(media: Media) -> None:
    """Queue the assets that were asked for while a job of *media* was at work."""
    if media.assets.filter(status=Asset.Status.PENDING).exists():
        enqueue(media)


def _mine(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING)


def _change(job: Job, **changes: object) -> None:
    if not _mine(job).update(lease_expires=None, **changes):
        raise ClaimLost(f"Job {job.pk} is no longer ours.")


def _lease() -> object:
    return Now() + timedelta(seconds=cloud.lease)
