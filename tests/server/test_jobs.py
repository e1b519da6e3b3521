"""The queue: every job has one worker at a time, and only that one may write."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from django_cloudkey.server import jobs
from django_cloudkey.server.models import Account, Asset, Job, Media

PAST = timedelta(seconds=-5)


@pytest.fixture
def media(account: Account) -> Media:
    media = Media.objects.create(account=account)
    jobs.enqueue(media)
    return media


def claimed() -> Job:
    job = jobs.claim()
    assert job is not None, "there is nothing to claim"
    return job


def let_lease_expire() -> None:
    Job.objects.update(lease_expires=timezone.now() + PAST)


def test_racing_workers_share_the_jobs_without_overlap(account: Account) -> None:
    for _ in range(12):
        jobs.enqueue(Media.objects.create(account=account))
    start = threading.Barrier(8)

    def work() -> list[int]:
        start.wait()
        mine = []
        try:
            while (job := jobs.claim()) is not None:
                mine.append(job.pk)
        finally:
            connections.close_all()
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [pk for mine in pool.map(lambda _: work(), range(8)) for pk in mine]

    assert sorted(taken) == sorted(Job.objects.values_list("pk", flat=True))
    assert set(Job.objects.values_list("state", "attempts")) == {("running", 1)}
    assert len(set(Job.objects.values_list("claim", flat=True))) == 12


def test_enqueueing_twice_makes_one_open_job(media: Media) -> None:
    jobs.enqueue(media)

    assert media.jobs.count() == 1


def test_job_of_a_silent_worker_goes_to_another(media: Media) -> None:
    first = claimed()
    assert jobs.claim() is None
    let_lease_expire()

    second = claimed()

    assert (second.pk, second.attempts) == (first.pk, 2)
    assert second.claim != first.claim


@pytest.mark.parametrize(
    "write",
    [jobs.finish, jobs.fail, lambda job: jobs.retry(job, 1)],
    ids=["finish", "fail", "retry"],
)
def test_worker_that_lost_its_claim_writes_nothing(media: Media, write: Any) -> None:
    stale = claimed()
    let_lease_expire()
    current = claimed()

    with pytest.raises(jobs.ClaimLost, match=f"Job {stale.pk} is no longer ours"):
        write(stale)
    jobs.release(stale)

    assert not jobs.renew(stale)
    assert jobs.renew(current)
    job = Job.objects.get()
    assert (job.state, job.claim, job.attempts) == ("running", current.claim, 2)


def test_renewal_keeps_the_job(media: Media) -> None:
    job = claimed()
    let_lease_expire()

    assert jobs.renew(job)
    assert jobs.claim() is None


def test_released_job_was_not_tried(media: Media) -> None:
    jobs.release(claimed())

    assert claimed().attempts == 1


def test_retried_job_waits(media: Media) -> None:
    jobs.retry(claimed(), 60)

    assert jobs.claim() is None
    Job.objects.update(due=timezone.now() + PAST)
    assert claimed().attempts == 2


def test_closed_job_is_not_claimed(media: Media) -> None:
    jobs.finish(claimed())

    assert jobs.claim() is None
    assert Job.objects.get().finished is not None


def test_oldest_job_is_first(account: Account) -> None:
    for _ in range(3):
        jobs.enqueue(Media.objects.create(account=account))

    assert [claimed().pk for _ in range(3)] == sorted(Job.objects.values_list("pk", flat=True))


def test_asset_that_was_asked_for_meanwhile_gets_a_job(media: Media) -> None:
    jobs.finish(claimed())
    jobs.requeue_if_pending(media)
    assert media.jobs.filter(state="queued").count() == 0
    Asset.objects.create(media=media, name="mp4_h264_aac")

    jobs.requeue_if_pending(media)

    assert media.jobs.filter(state="queued").count() == 1


def test_media_deleted_while_its_job_is_claimed_is_no_job(media: Media) -> None:
    alias = Job.objects.db

    def delete_after_update(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if sql.startswith("UPDATE") and "claim" in sql:
            with connections[alias].cursor() as cursor:
                cursor.execute("DELETE FROM cloudkey_server_job")
        return result

    with connections[alias].execute_wrapper(delete_after_update):
        assert jobs.claim() is None
