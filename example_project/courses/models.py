"""Courses, their lessons, and who may see a lesson."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_cloudkey.fields import MediaField
from django_cloudkey.media_state import MediaState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


class Course(models.Model):
    title = models.CharField(_("title"), max_length=120)
    slug = models.SlugField(_("address"), max_length=60, unique=True)
    summary = models.TextField(_("summary"), blank=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = _("course")
        verbose_name_plural = _("courses")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:course", args=[self.slug])


class Lesson(models.Model):
    class Audience(models.TextChoices):
        PUBLIC = "public", _("everyone")
        MEMBERS = "members", _("members only")

    course = models.ForeignKey(
        Course, models.CASCADE, related_name="lessons", verbose_name=_("course")
    )
    title = models.CharField(_("title"), max_length=120)
    slug = models.SlugField(_("address"), max_length=60)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    audience = models.CharField(
        _("audience"), max_length=10, choices=Audience, default=Audience.MEMBERS
    )
    summary = models.TextField(
        _("summary"), blank=True, help_text=_("A sentence or two that everyone may read.")
    )
    body = models.TextField(_("text"), blank=True)
    recording = models.FileField(
        _("recording"),
        upload_to="recordings/",
        blank=True,
        help_text=_("The original. The action in the list of lessons uploads it."),
    )
    video = MediaField(
        _("video"),
        blank=True,
        source_field="recording",
        status_field="video_state",
        max_size=2_000_000_000,  # bytes
        assets=[
            "mp4_h264_aac",
            "mp4_h264_aac_hq",
            "jpeg_thumbnail_medium",
            "jpeg_thumbnail_source",
        ],
    )

    video_state = models.CharField(
        _("state of the video"),
        max_length=10,
        blank=True,
        choices=MediaState.choices,
        editable=False,
    )

    class Meta:
        ordering = ["course__position", "course", "position", "pk"]
        verbose_name = _("lesson")
        verbose_name_plural = _("lessons")
        constraints = [
            models.UniqueConstraint(fields=["course", "slug"], name="lesson_address_in_course")
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:lesson", args=[self.course.slug, self.slug])

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> bool:
        """
        Tell whether *user* may watch and read this lesson.

        Every page asks here before it writes an address of the video or of its picture.
        """
        return self.audience == self.Audience.PUBLIC or user.is_authenticated
