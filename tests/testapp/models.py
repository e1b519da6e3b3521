from __future__ import annotations

from typing import Any

from django.core.files.storage import Storage, storages
from django.db import models
from django.utils.deconstruct import deconstructible

from django_cloudkey.fields import MediaField


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
