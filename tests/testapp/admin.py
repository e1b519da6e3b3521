from __future__ import annotations

from django.contrib import admin

from django_cloudkey.admin import MediaAdminMixin

from .models import Episode, Lesson, Talk


@admin.register(Lesson)
class LessonAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "media_thumbnail", "media_status", "media_duration"]


@admin.register(Talk)
class TalkAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "media_status"]


@admin.register(Episode)
class EpisodeAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "media_thumbnail", "media_status", "media_duration"]
