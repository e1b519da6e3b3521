"""Local originals, and the cloud's own files, in an S3 bucket through django-storages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.config import Config
from django.core.files import File
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from django_cloudkey.server.consistency.findings import Finding
from django_cloudkey.server.consistency.inspection import Inspection
from django_cloudkey.server.files import names_under, storage
from django_cloudkey.server.models import Asset, DiscardedFile, Job, RateCounter, UploadSlot

from ..conftest import Cloud
from ..testapp.models import Lesson
from .conftest import free_port

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


def test_admin_action_uploads_a_row_whose_file_is_in_s3(
    cloud: Cloud, clip: Path, s3: dict[str, Any], settings: Any, admin_client: Any
) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": s3}
    lesson = Lesson(title="Knots")
    with clip.open("rb") as file:
        lesson.recording.save("knots.mp4", File(file))

    answer = admin_client.post(reverse("admin:testapp_lesson_upload_media", args=[lesson.pk]))

    assert answer.json()["state"] == "done"
    lesson.refresh_from_db()
    assert cloud.client.media.info(id=lesson.video.id, fields=["meta.title"]) == {
        "meta": {"title": "Knots"}
    }
    cloud.work()
    assert cloud.client.media.get_assets(id=lesson.video.id)["source"]["status"] == "ready"


def test_cloud_keeps_its_files_in_s3(
    cloud: Cloud, clip: Path, s3: dict[str, Any], settings: Any
) -> None:
    settings.STORAGES = {**settings.STORAGES, "cloudkey": s3}

    media = cloud.upload(clip)
    cloud.work()

    url = cloud.client.media.get_stream_url(media)
    whole = requests.get(url, timeout=30)
    part = requests.get(url, headers={"Range": "bytes=100-199"}, timeout=30)
    assert whole.status_code == 200
    assert part.status_code == 206
    assert part.content == whole.content[100:200]

    cloud.client.media.delete(id=media)
    cloud.work()
    assert requests.get(url, timeout=30).status_code == 404
    assert [*names_under("uploads"), *names_under("media")] == []


def test_f20_bucket_that_does_not_answer_is_waited_for(
    cloud: Cloud, clip: Path, s3: dict[str, Any], settings: Any
) -> None:
    settings.STORAGES = {**settings.STORAGES, "cloudkey": s3}
    cloud.upload(clip)
    DiscardedFile.discard(["uploads/not-needed"])
    RateCounter.objects.create(name="old", expires=timezone.now() - timedelta(days=1))
    away = {**s3["OPTIONS"], "endpoint_url": f"http://127.0.0.1:{free_port()}"}
    away["client_config"] = Config(retries={"max_attempts": 0})
    settings.STORAGES = {**settings.STORAGES, "cloudkey": {**s3, "OPTIONS": away}}

    cloud.work()

    # A failure that may go away: the job is tried again soon, and all else is tidied up.
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("queued", 1)
    assert DiscardedFile.objects.get().name == "uploads/not-needed"
    assert not RateCounter.objects.exists()

    Job.objects.update(due=timezone.now())
    settings.STORAGES = {**settings.STORAGES, "cloudkey": s3}
    cloud.work()
    assert set(Asset.objects.values_list("status", flat=True)) == {"ready"}
    assert not DiscardedFile.objects.exists()


def test_files_in_s3_are_looked_at(
    cloud: Cloud, clip: Path, s3: dict[str, Any], settings: Any
) -> None:
    s3["OPTIONS"]["location"] = "of-the-cloud"
    settings.STORAGES = {**settings.STORAGES, "cloudkey": s3}
    cloud.upload(clip, ("jpeg_thumbnail_small",))
    cloud.work()
    now = timedelta(0)
    assert _findings(now) == []

    made = Asset.objects.get(name="jpeg_thumbnail_small").file
    storage().delete(made)
    storage().save("uploads/orphan", ContentFile(b"left over"))
    storage().save("backups/dump", ContentFile(b"of somebody else"))
    UploadSlot.objects.update(size=10)
    found = [(each.kind.label, each.detail or each.about) for each in _findings(now)]

    uploaded = UploadSlot.objects.get().file
    assert found == [
        ("missing_file", made),
        ("wrong_size", uploaded),
        ("orphan_file", "file 'uploads/orphan'"),
    ]
    for finding in _findings(now):
        assert finding.mend is None or finding.mend()
    cloud.work()
    assert [each.kind.label for each in _findings(now)] == ["wrong_size"]
    assert not storage().exists("uploads/orphan")
    assert storage().exists("backups/dump")


def _findings(older_than: timedelta) -> list[Finding]:
    return list(Inspection(older_than=older_than).findings())
