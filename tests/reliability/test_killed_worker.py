"""``kill -9`` of the worker in the middle of a job: nothing lost, nothing double, nothing left."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone

from django_cloudkey.server import files
from django_cloudkey.server.consistency.findings import Kind
from django_cloudkey.server.consistency.inspection import Inspection
from django_cloudkey.server.models import Asset, DiscardedFile, Job

from ..conftest import Cloud

LEASE = 2  # seconds
ASSETS = ("mp4_h264_aac", "jpeg_thumbnail_medium", "jpeg_thumbnail_source")


@pytest.mark.parametrize(
    ("kills", "number"), [(6, 3), pytest.param(20, 5, marks=pytest.mark.full)], ids=["some", "full"]
)
def test_media_become_ready_once_however_often_workers_are_killed(
    kills: int,
    number: int,
    cloud: Cloud,
    draw_clip: Callable[..., Path],
    settings: Any,
    start_worker: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "LEASE": LEASE, "MAX_ATTEMPTS": 99}
    source = draw_clip("longer.mp4", seconds=36, size="640x360")
    media = [cloud.upload(source, ASSETS) for _ in range(number)]
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    moments = random.Random(seed)
    orphans: set[int] = set()

    with polled([cloud.client.media.get_stream_url(each) for each in media]) as answers:
        for _ in range(kills):
            if not Job.objects.filter(state__in=["queued", "running"]).exists():
                media.append(cloud.upload(source, ASSETS))  # a fast machine has done all
            before = claims()
            worker = start_worker()
            wait_for_claim(before, 60)
            time.sleep(moments.uniform(0, 1.5))
            children = descendants(worker.pid)
            worker.kill()
            worker.wait(10)
            orphans |= {pid for pid in children if not ends_within(pid, 5)}
        finish(start_worker, deadline=240)

    assert not orphans, "ffmpeg outlived its worker"
    attempts = sum(Job.objects.values_list("attempts", flat=True))
    assert attempts > len(media) + kills // 2, "too few kills hit a job at work"
    assert Job.objects.filter(state=Job.State.DONE).count() == len(media)
    assert Job.objects.exclude(state=Job.State.DONE).count() == 0
    assert set(Asset.objects.values_list("status", flat=True)) == {"ready"}
    for each in media[:number]:
        sizes = answers[cloud.client.media.get_stream_url(each).partition("?")[0]]
        whole = Asset.objects.get(media=each, name="mp4_h264_aac").facts["file_size"]
        assert sizes <= {404, whole}, "a part of a file was served, or two versions were"
    named = set(Asset.objects.values_list("file", flat=True))
    stored = {
        str(path.relative_to(tmp_path / "cloud"))
        for path in (tmp_path / "cloud").rglob("*")
        if path.is_file()
    }
    assert stored == named
    assert not DiscardedFile.objects.exists()
    assert list(Inspection(older_than=timedelta(0)).findings()) == []
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


def test_killed_worker_leaves_nothing_that_looks_wrong(
    cloud: Cloud,
    draw_clip: Callable[..., Path],
    settings: Any,
    start_worker: Callable[..., subprocess.Popen[bytes]],
) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "LEASE": LEASE}
    cloud.upload(draw_clip("long.mp4", seconds=12, size="640x360"), ASSETS)
    worker = start_worker()
    wait_for_claim({""}, 20)
    end = time.monotonic() + 20
    while not Asset.objects.filter(status="processing").exists():
        assert time.monotonic() < end, "nothing is encoded"
        time.sleep(0.02)
    worker.kill()
    worker.wait(10)

    # The job is there, and the next worker takes it up: nothing is lost and nothing to be mended.
    assert Job.objects.get().state == Job.State.RUNNING
    assert list(Inspection(older_than=timedelta(0)).findings()) == []
    # A worker that never comes is told, and so is what the dead one left.
    Job.objects.update(lease_expires=timezone.now() - timedelta(days=2))
    for path in (files.work_dir() / "jobs").iterdir():
        os.utime(path, (0, 0))
    found = [each.kind for each in Inspection(older_than=timedelta(days=1)).findings()]
    assert found == [Kind.NO_WORKER]
    finish(start_worker, deadline=60)
    assert set(Asset.objects.values_list("status", flat=True)) == {"ready"}
    assert list(Inspection(older_than=timedelta(0)).findings()) == []


def claims() -> set[str]:
    return set(Job.objects.values_list("claim", flat=True))


def wait_for_claim(before: set[str], seconds: float) -> None:
    """Return when a worker claimed a job that nobody had claimed *before*."""
    end = time.monotonic() + seconds
    while not claims() - before:
        assert time.monotonic() < end, "no worker claimed a job in time"
        time.sleep(0.02)


def finish(start_worker: Callable[..., subprocess.Popen[bytes]], *, deadline: float) -> None:
    """Let workers work undisturbed until every job is closed."""
    end = time.monotonic() + deadline
    while Job.objects.filter(state__in=["queued", "running"]).exists():
        assert time.monotonic() < end, "jobs are left over"
        assert start_worker("--drain").wait(deadline) == 0
        time.sleep(LEASE / 2)
    assert start_worker("--drain").wait(deadline) == 0


@contextmanager
def polled(urls: list[str]) -> Iterator[dict[str, set[int]]]:
    """Ask for *urls* all the time; collect, for each, the status of refusals or the length."""
    answers: dict[str, set[int]] = {url.partition("?")[0]: set() for url in urls}
    ended = threading.Event()

    def poll() -> None:
        with requests.Session() as session:
            while not ended.wait(0.05):
                for url in urls:
                    answer = session.get(url, timeout=10)
                    found = len(answer.content) if answer.ok else answer.status_code
                    answers[url.partition("?")[0]].add(found)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


def descendants(pid: int) -> set[int]:
    """Return the ids of the processes below *pid*."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def ends_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False
