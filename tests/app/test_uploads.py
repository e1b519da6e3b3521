"""What becomes of an upload, whichever way it came, and whatever goes wrong between two steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.files import File
from django.db import connections, transaction
from django.utils import timezone

from django_cloudkey import uploads
from django_cloudkey.client import InvalidCall
from django_cloudkey.connection import cloudkeys
from django_cloudkey.models import TICKET_AGE, Upload
from django_cloudkey.uploads import UploadRefused, finish_upload, open_upload, upload_media
from tests.testapp.models import Lesson

from ..conftest import Cloud

FIELD = "testapp.lesson.video"
ASSETS = ["mp4_h264_aac"]


@pytest.fixture
def editor(transactional_db: None) -> User:
    return User.objects.create_user("editor")


def sent(owner: User, name: str = "My talk.mp4") -> tuple[Upload, str]:
    """Return a ticket and the address of the file that was sent with it."""
    upload, url = open_upload(owner, FIELD, account="default", name=name, size=5)
    answer = requests.post(url, files={"file": (name, b"bytes")}, timeout=10)
    return upload, str(answer.json()["url"])


def count(cloud: Cloud) -> int:
    total: int = cloud.client.media.list()["total"]
    return total


def test_media_names_the_field_it_was_made_for(cloud: Cloud, tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"bytes")
    with path.open("rb") as file:
        lesson = Lesson(title="a")
        lesson.video = File(file)
        lesson.save()
    other = upload_media(path)

    metas = {
        media["id"]: media["meta"] for media in cloud.client.media.iterate(fields=["id", "meta"])
    }

    assert metas == {
        str(lesson.video): {"title": "talk", "field": FIELD},
        other: {"title": "talk"},
    }


def test_meta_identifies_the_upload_and_does_not_tell_its_ticket(
    cloud: Cloud, editor: User
) -> None:
    upload, url = sent(editor)

    media = finish_upload(upload, url, assets=ASSETS)

    meta = cloud.client.media.get_meta(id=media)
    assert meta == {"title": "My talk", "field": FIELD, "upload": str(upload.pk)}
    assert upload.ticket not in str(meta)


def test_crash_before_the_id_is_stored_makes_no_second_media(
    cloud: Cloud, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, url = sent(editor)

    def make_and_die(*args: Any, **options: Any) -> str:
        make(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        make = uploads.create_media
        patch.setattr(uploads, "create_media", make_and_die)
        with pytest.raises(KeyboardInterrupt):
            finish_upload(upload, url, assets=ASSETS)
    assert (count(cloud), Upload.objects.get().media) == (1, "")
    cloudkeys.forget()  # as a new process, which knows nothing of its cloud yet

    media = finish_upload(Upload.objects.get(), url, assets=ASSETS)

    assert (count(cloud), Upload.objects.get().media) == (1, media)


def test_many_clicks_at_once_make_one_media(cloud: Cloud, editor: User) -> None:
    upload, url = sent(editor)

    def click(_number: int) -> str:
        try:
            return finish_upload(Upload.objects.get(pk=upload.pk), url, assets=ASSETS)
        except InvalidCall:
            return ""  # "still at work"; the page asks again
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as clicks:
        media = set(clicks.map(click, range(4)))

    assert media - {""} == {Upload.objects.get().media}
    assert count(cloud) == 1


def test_expired_ticket_cannot_be_finished(cloud: Cloud, editor: User) -> None:
    upload, url = sent(editor)
    Upload.objects.update(created=timezone.now() - TICKET_AGE - timedelta(seconds=1))
    upload.refresh_from_db()

    with pytest.raises(UploadRefused, match="took too long"):
        finish_upload(upload, url, assets=ASSETS)

    assert count(cloud) == 0


def test_file_of_another_ticket_is_refused(cloud: Cloud, editor: User) -> None:
    _, theirs = sent(User.objects.create_user("other"))
    upload, _ = sent(editor)

    with pytest.raises(UploadRefused, match="belongs to another upload"):
        finish_upload(upload, theirs, assets=ASSETS)

    assert count(cloud) == 0


def test_rollback_of_the_row_takes_back_its_claim(cloud: Cloud, editor: User) -> None:
    upload, url = sent(editor)
    media = finish_upload(upload, url, assets=ASSETS)
    field = Lesson._meta.get_field("video")

    def save(*, roll_back: bool) -> bool:
        with transaction.atomic():
            lesson = Lesson(title="a")
            field.save_form_data(lesson, media)
            lesson.save()
            transaction.set_rollback(roll_back)
        return Upload.objects.get().claimed

    assert save(roll_back=True) is False
    assert save(roll_back=False) is True
