"""The worker between jobs: what it keeps, renews and sweeps."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.utils import timezone

from django_cloudkey.server import files, jobs
from django_cloudkey.server.models import Account, DiscardedFile, Job, Media
from django_cloudkey.server.worker import Worker, _kept_alive, tidy_up

from ..conftest import Cloud, cut_connection
from ..processes import ROOT, environment


@pytest.fixture
def job(account: Account) -> Job:
    jobs.enqueue(Media.objects.create(account=account))
    job = jobs.claim()
    assert job is not None
    return job


def test_drained_queue_ends_the_worker(cloud: Cloud, clip: Path) -> None:
    for _ in range(2):
        cloud.upload(clip, ("jpeg_thumbnail_small",))

    assert Worker().run(drain=True) == 2
    assert Worker().run(drain=True) == 0


def test_stopped_worker_starts_nothing(cloud: Cloud, clip: Path) -> None:
    cloud.upload(clip)
    worker = Worker()
    worker.stop()

    assert worker.run() == 0
    assert Job.objects.get().state == "queued"


def test_idle_worker_stops_within_a_second(account: Account) -> None:
    worker = Worker()
    threading.Timer(0.3, worker.stop).start()
    started = time.monotonic()

    worker.run()

    assert time.monotonic() - started < 5


def test_signal_may_stop_the_worker_at_any_line(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python runs a handler between two lines of the main thread, wherever that is: inside a lock,
    # too, and a handler that waits for that lock waits for ever.
    monkeypatch.setattr("django_cloudkey.server.worker.POLL", 0.001)
    monkeypatch.setattr("django_cloudkey.server.worker.tidy_up", lambda: None)

    def run(number: int) -> None:
        worker, lines = Worker(), itertools.count(1)

        def trace(frame: FrameType, event: str, arg: object) -> Any:
            if not frame.f_code.co_filename.endswith(("threading.py", "worker.py")):
                return None
            if event == "line" and next(lines) == number:
                worker.stop()
            return trace

        sys.settrace(trace)
        try:
            worker._run(drain=False)
        finally:
            sys.settrace(None)
            connections.close_all()

    for number in range(1, 61, 2):
        thread = threading.Thread(target=run, args=[number], daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive(), f"stopped at line {number}, the worker hangs"


def test_lease_is_renewed_while_the_work_goes_on(job: Job, settings: Any) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "LEASE": 1}
    Job.objects.update(lease_expires=timezone.now())

    with _kept_alive(job) as lost:
        time.sleep(1.5)
        assert jobs.claim() is None
        assert not lost.is_set()


def test_loss_of_the_lease_is_noticed(job: Job, settings: Any) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "LEASE": 1}
    Job.objects.update(claim="another")

    with _kept_alive(job) as lost:
        assert lost.wait(5)


def test_f12_lease_is_renewed_after_its_connection_was_cut(
    job: Job, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "LEASE": 1}
    really, calls = jobs.renew, []

    def renew(job: Job) -> bool:
        calls.append(job)
        if len(calls) == 2:
            cut_connection()
        return really(job)

    monkeypatch.setattr(jobs, "renew", renew)

    with _kept_alive(job) as lost:
        time.sleep(2)
        assert jobs.claim() is None
        assert not lost.is_set()
    assert len(calls) > 3


def test_discarded_files_are_removed(account: Account, tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    name = files.store(path, "media/a/b/c/old.mp4")
    DiscardedFile.discard([name, "", "never/there"])

    tidy_up()

    assert list(files.names_under("media")) == []
    assert not DiscardedFile.objects.exists()


def test_folders_of_dead_jobs_are_removed_and_no_others(job: Job) -> None:
    root = files.work_dir() / "jobs"
    for name in (f"{job.pk}-{job.claim}", f"{job.pk}-earlier", "999-dead"):
        (root / name / "output").mkdir(parents=True)

    tidy_up()

    assert [path.name for path in root.iterdir()] == [f"{job.pk}-{job.claim}"]


def test_folder_of_another_clouds_job_is_left_alone(account: Account) -> None:
    # Two clouds of one user share the default WORK_DIR; this one's database knows no such job.
    with files.job_dir("7-of-another") as folder:
        tidy_up()
        assert folder.is_dir()

        killed = folder.with_name("8-killed")
        command = [sys.executable, "-c", KILLED_IN_FOLDER, str(killed.name)]
        subprocess.run(command, env=environment(django_settings), cwd=ROOT, timeout=60, check=False)
        assert killed.is_dir()
        tidy_up()
        assert not killed.exists()


KILLED_IN_FOLDER = """
import os, signal, sys
import django
django.setup()
from django_cloudkey.server import files
with files.job_dir(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_upload_that_ends_during_the_sweep_is_no_failure(account: Account) -> None:
    # glob() lists the name and stat() finds no file, as when the upload ended in between.
    path = files.partial_path("0" * 32)
    path.symlink_to("nowhere")

    tidy_up()

    assert path.is_symlink()
