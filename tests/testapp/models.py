from __future__ import annotations

from django.db import models

from django_cloudkey.fields import MediaField


class Lesson(models.Model):
    title = models.CharField(max_length=100)
    recording = models.FileField(upload_to="recordings/", blank=True)
    video = MediaField(blank=True, source_field="recording")

    def __str__(self) -> str:
        return self.title
