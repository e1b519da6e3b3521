from __future__ import annotations

import uuid
from typing import Any

from django.core.files.storage import Storage, storages
from django.db import models
from django.utils.deconstruct import deconstructible

from django_cloudkey.fields import MediaField
from django_cloudkey.media_state import MediaState


class Lesson(models.Model):
    title = models.CharField(max_length=100)
    recording = models.FileField(upload_to="recordings/", blank=True)
    video = MediaField(blank=True, source_field="recording")

    def __str__(self) -> str:
        return self.title


@deconstructible
class SplitStorage(Storage):
    """Keeps the files of one row here and of another there: names that begin with ``s3/`` in S3."""

    def _of(self, name: str) -> Storage:
        return storages["s3" if name.startswith("s3/") else "default"]

    def _open(self, name: str, mode: str = "rb") -> Any:
        return self._of(name).open(name, mode)

    def _save(self, name: str, content: Any) -> str:
        return self._of(name).save(name, content)

    def exists(self, name: str) -> bool:
        return self._of(name).exists(name)

    def size(self, name: str) -> int:
        return self._of(name).size(name)

    def url(self, name: str | None) -> str:
        return self._of(name or "").url(name)


class Talk(models.Model):
    title = models.CharField(max_length=100)
    recording = models.FileField(storage=SplitStorage())
    video = MediaField(blank=True, source_field="recording")

    def __str__(self) -> str:
        return self.title


class Clip(models.Model):
    """A video that has to be small, and of a kind."""

    video = MediaField(max_size=100, allowed_extensions=["mp4", ".MOV"])

    def __str__(self) -> str:
        return str(self.pk)


class Course(models.Model):
    title = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.title


class Watched(models.Model):
    """Whatever has a video that goes with its row, and columns for what becomes of it."""

    # One before the video and one behind it: neither order may matter.
    state = models.CharField(max_length=10, blank=True, choices=MediaState.choices)
    video = MediaField(
        blank=True, on_delete="delete", status_field="state", duration_field="seconds"
    )
    seconds = models.FloatField(null=True, blank=True)

    class Meta:
        abstract = True


class Episode(Watched):
    course = models.ForeignKey(Course, models.CASCADE, null=True, blank=True)
    title = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.title


class Pilot(Episode):
    """An episode with a table of its own, beside that of all episodes."""

    audience = models.CharField(max_length=100, blank=True)


class Rerun(Episode):
    """An episode, seen otherwise."""

    class Meta:
        proxy = True


class Teaser(Watched):
    """A key that it makes itself, a whole number of seconds, and at most one row for each media."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    video = MediaField(
        null=True, blank=True, unique=True, on_delete="delete", duration_field="seconds"
    )
    seconds = models.PositiveIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return str(self.pk)
