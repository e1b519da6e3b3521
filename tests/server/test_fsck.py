"""Each thing that has to be true of a cloud, broken on purpose: it is found, and mended or told."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from django_cloudkey.server import files, one_time
from django_cloudkey.server.batches import BATCH
from django_cloudkey.server.consistency.findings import Kind
from django_cloudkey.server.consistency.inspection import Inspection
from django_cloudkey.server.models import (
    Account,
    AccountSecret,
    Asset,
    DiscardedFile,
    Job,
    Media,
    Notification,
    RateCounter,
    UploadSlot,
)
from django_cloudkey.server.uploads.slots import open_slot
from django_cloudkey.server.worker import Worker

from ..conftest import Cloud
from ..processes import ROOT, environment

STILL = "jpeg_thumbnail_small"
DAYS_AGO = timedelta(days=3)


def fsck(*args: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Run the command; return exit status, findings and summary."""
    out = io.StringIO()
    status = 0
    try:
        call_command("cloudkey_fsck", "--json", *args, stdout=out)
    except CommandError as error:
        status = error.returncode
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return status, [line for line in lines if "kind" in line], lines[-1]["summary"]


def kinds(findings: list[dict[str, Any]]) -> list[str]:
    return [finding["kind"] for finding in findings]


@pytest.fixture
def media(cloud: Cloud, clip: Path) -> str:
    """A media that is ready, of an upload that is still there."""
    id_ = cloud.upload(clip, (STILL,))
    cloud.work()
    assert fsck("--older-than", "0")[:2] == (0, [])
    return id_


def still(media: str) -> Any:
    return Asset.objects.filter(media=media, name=STILL)


def source(media: str) -> Any:
    return Asset.objects.filter(media=media, name="source")


def age(path: Path) -> None:
    then = time.time() - DAYS_AGO.total_seconds()
    os.utime(path, (then, then))


# What is broken, and what becomes of it


def break_state_of_asset(media: str, stored: Path) -> None:
    still(media).update(status="done")


def break_state_of_job(media: str, stored: Path) -> None:
    Job.objects.update(state="paused")


def break_state_of_upload(media: str, stored: Path) -> None:
    UploadSlot.objects.update(state="here")


def break_ready_asset_without_file(media: str, stored: Path) -> None:
    DiscardedFile.discard(still(media).values_list("file", flat=True))
    still(media).update(file="")


def break_ready_asset_without_time(media: str, stored: Path) -> None:
    still(media).update(created=None)


def break_job_is_gone(media: str, stored: Path) -> None:
    DiscardedFile.discard(still(media).values_list("file", flat=True))
    still(media).update(status="pending", file="")
    Job.objects.all().delete()


def break_job_without_lease(media: str, stored: Path) -> None:
    Job.objects.update(state="running", lease_expires=None, claim="x")


def break_file_is_gone(media: str, stored: Path) -> None:
    (stored / still(media).get().file).unlink()


def break_source_is_gone(media: str, stored: Path) -> None:
    UploadSlot.objects.all().delete()
    (stored / source(media).get().file).unlink()


def break_file_is_cut_short(media: str, stored: Path) -> None:
    os.truncate(stored / still(media).get().file, 10)


def break_upload_is_cut_short(media: str, stored: Path) -> None:
    Media.objects.all().delete()
    DiscardedFile.discard(["media/gone"])
    os.truncate(stored / UploadSlot.objects.get().file, 10)
    for path in (stored / "media").rglob("*.jpeg"):
        path.unlink()


def break_file_of_another_media(media: str, stored: Path) -> None:
    other = Media.objects.create(account=Account.objects.get())
    file = still(media).get().file
    Asset.objects.create(media=other, name=STILL, file=file, status="ready", created=timezone.now())


def break_source_of_another_account(media: str, stored: Path) -> None:
    other = Media.objects.create(account=Account.objects.create(name="other"))
    Asset.objects.create(media=other, name="source", file=source(media).get().file)
    Job.objects.create(media=other, due=timezone.now())


def break_file_without_row(media: str, stored: Path) -> None:
    path = stored / "media" / "a" / "b" / "c" / "mp4_h264_aac.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"left over")
    age(path)


def break_upload_without_row(media: str, stored: Path) -> None:
    path = stored / "uploads" / ("0" * 32)
    path.write_bytes(b"left over")
    age(path)


def break_file_is_never_removed(media: str, stored: Path) -> None:
    DiscardedFile.objects.create(name="uploads/1", created=timezone.now() - DAYS_AGO)


def break_queue_without_worker(media: str, stored: Path) -> None:
    Job.objects.update(state="queued", finished=None, due=timezone.now() - DAYS_AGO)


def break_notification_is_not_sent(media: str, stored: Path) -> None:
    Notification.objects.create(
        id="n1", account=Account.objects.get(), type="media.ready", media=media, sequence=1,
        due=timezone.now() - DAYS_AGO,
    )  # fmt: skip


def break_claims_are_kept(media: str, stored: Path) -> None:
    one_time.claim("k", timezone.now() - DAYS_AGO)
    RateCounter.objects.create(name="calls:x", expires=timezone.now() - DAYS_AGO)


def break_partial_upload_is_kept(media: str, stored: Path) -> None:
    path = files.partial_path("0" * 32)
    path.write_bytes(b"part")
    age(path)


def break_folder_of_a_job_is_kept(media: str, stored: Path) -> None:
    path = files.work_dir() / "jobs" / "7-dead"
    path.mkdir()
    age(path)


def break_key(media: str, stored: Path) -> None:
    account = Account.objects.get()
    AccountSecret.objects.create(account=account, kid="k1")
    with connections["cloud"].cursor() as cursor:
        table = AccountSecret._meta.db_table
        cursor.execute(f"UPDATE {table} SET secret = 'gAAAAA'")


REPAIRED = [
    (break_job_is_gone, ["no_job"]),
    (break_job_without_lease, ["no_lease"]),
    (break_file_is_gone, ["missing_file"]),
    (break_file_without_row, ["orphan_file"]),
    (break_upload_without_row, ["orphan_file"]),
    (break_claims_are_kept, ["leftover", "leftover"]),
    (break_partial_upload_is_kept, ["leftover"]),
    (break_folder_of_a_job_is_kept, ["leftover"]),
]
TOLD = [
    (break_state_of_asset, ["illegal_state"]),
    (break_state_of_job, ["illegal_state"]),
    (break_state_of_upload, ["illegal_state"]),
    (break_ready_asset_without_file, ["incomplete"]),
    (break_ready_asset_without_time, ["incomplete"]),
    (break_source_is_gone, ["missing_file"]),
    (break_file_is_cut_short, ["wrong_size"]),
    (break_upload_is_cut_short, ["wrong_size"]),
    (break_file_of_another_media, ["foreign_file", "foreign_file"]),
    (break_source_of_another_account, ["foreign_file", "foreign_file"]),
    (break_file_is_never_removed, ["not_removed"]),
    (break_queue_without_worker, ["no_worker"]),
    (break_notification_is_not_sent, ["not_sent"]),
    (break_key, ["unreadable_key"]),
]
Break = Callable[[str, Path], None]


@pytest.mark.parametrize(("break_it", "expected"), REPAIRED)
def test_what_is_broken_is_found_and_mended(
    cloud: Cloud, media: str, tmp_path: Path, break_it: Break, expected: list[str]
) -> None:
    break_it(media, tmp_path / "cloud")

    status, findings, summary = fsck()
    assert (status, kinds(findings)) == (1, expected)
    assert all(finding["is_mendable"] for finding in findings)
    assert summary["mended"] == {}
    assert fsck()[:2] == (status, findings), "looking changed something"
    status, _, summary = fsck("--repair", "--no-input")

    assert status == 0
    assert summary["mended"]
    assert fsck("--older-than", "0")[1] == []
    cloud.work()
    assert fsck("--older-than", "0")[:2] == (0, [])
    assert cloud.client.media.get_assets(id=media)[STILL]["status"] == "ready"


@pytest.mark.parametrize(("break_it", "expected"), TOLD)
def test_what_cannot_be_mended_is_told_and_left_alone(
    media: str, tmp_path: Path, break_it: Break, expected: list[str]
) -> None:
    break_it(media, tmp_path / "cloud")

    status, findings, _ = fsck()
    assert (status, kinds(findings)) == (1, expected)
    assert not any(finding["is_mendable"] for finding in findings)

    assert fsck("--repair", "--no-input")[:2] == (1, findings)
    assert fsck()[:2] == (1, findings)


def test_every_kind_of_finding_is_tried() -> None:
    tried = {kind for _, found in [*REPAIRED, *TOLD] for kind in found}

    assert tried == {kind.label for kind in Kind}


def test_findings_are_lines_that_say_what_they_mean_and_what_mends_them(
    media: str, tmp_path: Path
) -> None:
    break_file_is_gone(media, tmp_path / "cloud")
    out = io.StringIO()

    with pytest.raises(CommandError, match=r"^1 finding remains"):
        call_command("cloudkey_fsck", stdout=out)

    finding, read, found = out.getvalue().splitlines()
    assert finding.startswith(f"missing_file   asset {media}/{STILL} (media/")
    assert "viewers get an error. Remedy: --repair has" in finding
    assert read == "Looked at: 1 media, 2 assets, 1 jobs, 1 uploads, 1 files."
    assert found == "Found: 1 missing_file."


# What is left alone


def test_young_files_stay(media: str, tmp_path: Path) -> None:
    path = tmp_path / "cloud" / "uploads" / "new"
    path.write_bytes(b"about to be named")

    assert fsck("--repair", "--no-input")[:2] == (0, [])

    assert path.exists()


def test_files_of_work_in_progress_stay_however_old(
    cloud: Cloud, media: str, tmp_path: Path
) -> None:
    slot = open_slot(cloud.account)
    UploadSlot.objects.filter(pk=slot.pk).update(state="receiving")
    lease = timezone.now() + DAYS_AGO
    Job.objects.update(state="running", claim="c1", lease_expires=lease, finished=None)
    paths = [
        tmp_path / "cloud" / "uploads" / slot.pk,
        tmp_path / "cloud" / "media" / cloud.account.pk / media / "c1" / "mp4_h264_aac.mp4",
    ]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"being stored")
        age(path)

    assert fsck("--older-than", "0")[:2] == (0, [])


def test_files_of_others_in_the_same_storage_stay(media: str, tmp_path: Path) -> None:
    path = tmp_path / "cloud" / "backups" / "dump"
    path.parent.mkdir()
    path.write_bytes(b"not the cloud's")
    age(path)

    assert fsck("--repair", "--no-input")[:2] == (0, [])


def test_file_that_a_row_names_by_now_is_not_removed(
    cloud: Cloud, media: str, tmp_path: Path
) -> None:
    break_upload_without_row(media, tmp_path / "cloud")
    fsck("--repair", "--no-input")
    name = DiscardedFile.objects.get().name

    UploadSlot.objects.update(file=name, size=len("left over"))
    cloud.work()

    assert not DiscardedFile.objects.exists()
    assert (tmp_path / "cloud" / name).exists()


def test_storage_that_is_out_of_reach_costs_no_asset(media: str, tmp_path: Path) -> None:
    (tmp_path / "cloud").rename(tmp_path / "elsewhere")

    status, findings, summary = fsck("--repair", "--no-input")
    (tmp_path / "elsewhere").rename(tmp_path / "cloud")

    assert status == 1
    assert set(kinds(findings)) == {"missing_file"}
    assert summary["mended"] == {}
    assert fsck()[:2] == (0, [])


def test_wrong_database_costs_no_file(media: str, tmp_path: Path) -> None:
    for path in (tmp_path / "cloud").rglob("*"):
        age(path)
    Media.objects.all().delete()
    UploadSlot.objects.all().delete()

    with pytest.raises(CommandError, match="is this the right database") as caught:
        call_command("cloudkey_fsck", "--repair", "--no-input", stdout=io.StringIO())

    assert caught.value.returncode == 1
    assert not DiscardedFile.objects.exists()


@pytest.mark.parametrize(("answer", "files_left"), [("y", 2), ("n", 3), ("", 3)])
def test_repair_asks(
    cloud: Cloud, media: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str,
    files_left: int,
) -> None:  # fmt: skip
    break_upload_without_row(media, tmp_path / "cloud")
    asked = []

    def ask(text: str) -> str:
        asked.append(text)
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", ask)

    assert fsck_status("--repair") == (0 if answer == "y" else 1)
    cloud.work()

    assert asked == ["Mend 1 of these? 1 of 3 files go for good. [y/N] "]
    stored = [path for path in (tmp_path / "cloud").rglob("*") if path.is_file()]
    assert len(stored) == files_left


def fsck_status(*args: str) -> int:
    try:
        call_command("cloudkey_fsck", *args, stdout=io.StringIO())
    except CommandError as error:
        return error.returncode
    return 0


def test_repair_without_anybody_to_ask_does_nothing(
    media: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_upload_without_row(media, tmp_path / "cloud")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert fsck_status("--repair") == 1
    assert not DiscardedFile.objects.exists()


# In a script


def test_exit_status_tells_findings_from_failures(
    media: str, tmp_path: Path, settings: Any
) -> None:
    def status(**changes: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "django", "cloudkey_fsck"],
            cwd=ROOT, env={**environment(settings), **changes}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr

    break_file_is_gone(media, tmp_path / "cloud")
    assert status() == (1, "CommandError: 1 finding remains.\n")
    changes = json.loads(environment(settings)["TEST_CHANGES"])
    if django_settings.DATABASES["cloud"]["ENGINE"].endswith("sqlite3"):
        changes["DATABASES"]["cloud"] = str(tmp_path / "no" / "database")
    else:
        changes["DATABASES"]["cloud"] = "no_database"
    returncode, text = status(TEST_CHANGES=json.dumps(changes))
    assert returncode == 2
    assert text.startswith("CommandError: OperationalError: ")


class Failing(FileSystemStorage):
    def path(self, name: str) -> str:
        raise RuntimeError("the bucket does not answer")


def test_storage_that_fails_is_no_finding(media: str, settings: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES, "cloudkey": {"BACKEND": f"{__name__}.Failing"},
    }  # fmt: skip

    with pytest.raises(CommandError, match=r"^RuntimeError: the bucket does not answer$") as caught:
        call_command("cloudkey_fsck", stdout=io.StringIO())
    assert caught.value.returncode == 2


class Unlisted(FileSystemStorage):
    """A storage of another kind: no paths, and a listing of names alone."""

    def path(self, name: str) -> str:
        if name in ("uploads/", "media/"):
            raise NotImplementedError
        return super().path(name)


def test_storage_that_lists_names_alone_is_looked_at(
    cloud: Cloud, clip: Path, settings: Any, tmp_path: Path
) -> None:
    options = {"location": tmp_path / "cloud"}
    settings.STORAGES = {
        **settings.STORAGES,
        "cloudkey": {"BACKEND": f"{__name__}.Unlisted", "OPTIONS": options},
    }
    media = cloud.upload(clip, (STILL,))
    cloud.work()
    assert fsck()[:2] == (0, [])

    break_file_is_cut_short(media, tmp_path / "cloud")
    break_upload_without_row(media, tmp_path / "cloud")

    assert kinds(fsck()[1]) == ["wrong_size", "orphan_file"]


# While the cloud works


BRIEF = timedelta(seconds=3)  # a grace that no file of this test's work outlasts


def test_busy_cloud_has_no_finding(cloud: Cloud, clip: Path) -> None:
    ended = threading.Event()
    failures: list[BaseException] = []
    made: list[str] = []

    def use() -> None:
        try:
            while not ended.is_set():
                media = cloud.upload(clip, (STILL,))
                made.append(media)
                time.sleep(0.2)
                cloud.client.media.delete(id=media)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(2)]
    threads.append(threading.Thread(target=work_until, args=[ended]))
    for thread in threads:
        thread.start()
    found = []
    looks = 0
    try:
        end = time.monotonic() + 6
        while time.monotonic() < end and not failures:
            found += list(Inspection(older_than=BRIEF).findings())
            looks += 1
    finally:
        ended.set()
        for thread in threads:
            thread.join()

    assert failures == []
    assert found == []
    assert looks > 1
    assert len(made) > 3


def work_until(ended: threading.Event) -> None:
    try:
        while not ended.is_set():
            Worker().run(drain=True)
    finally:
        connections.close_all()


@pytest.mark.parametrize(
    "rows", [2_000, pytest.param(40_000, marks=pytest.mark.full)], ids=["some", "many"]
)
def test_memory_is_that_of_a_batch(account: Account, tmp_path: Path, rows: int) -> None:
    few = peak_with(account, tmp_path / "cloud", 0, 2 * BATCH)
    many = peak_with(account, tmp_path / "cloud", 2 * BATCH, rows)

    assert many < few + 512 * 1024
    assert many < 8 * 1024 * 1024


def peak_with(account: Account, stored: Path, start: int, stop: int) -> int:
    """Fill up to *stop* rows of each table, and return the most bytes that a look takes."""
    (stored / "uploads").mkdir(parents=True, exist_ok=True)
    expires, now = timezone.now() + DAYS_AGO, timezone.now()
    for first in range(start, stop, 1_000):
        numbers = range(first, min(first + 1_000, stop))
        media = [Media(id=f"{number:024x}", account=account) for number in numbers]
        names = [f"uploads/{number:032x}" for number in numbers]
        Media.objects.bulk_create(media)
        Asset.objects.bulk_create(
            Asset(media=each, name="source", file=name, status="ready", created=now,
                  facts={"file_size": 4})
            for each, name in zip(media, names, strict=True)
        )  # fmt: skip
        UploadSlot.objects.bulk_create(
            UploadSlot(id=name[8:], account=account, state="done", size=4, file=name,
                       expires=expires)
            for name in names
        )  # fmt: skip
        for name in names:
            (stored / name).write_bytes(b"film")
    tracemalloc.start()
    try:
        assert list(Inspection(older_than=timedelta(0)).findings()) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
