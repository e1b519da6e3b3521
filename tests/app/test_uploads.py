"""What becomes of an upload, whichever way it came, and whatever goes wrong between two steps."""

from __future__ import annotations

from pathlib import Path

from django.core.files import File

from django_cloudkey.uploads import upload_media
from tests.testapp.models import Lesson

from ..conftest import Cloud

FIELD = "testapp.lesson.video"


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
