from __future__ import annotations

from django.contrib import admin

from django_cloudkey.admin import MediaAdminMixin

from .models import Clip, Course, Episode, Lesson, Pilot, Talk


@admin.register(Lesson)
class LessonAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "media_thumbnail", "media_status", "media_duration"]


@admin.register(Talk)
class TalkAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "media_status"]


@admin.register(Episode)
class EpisodeAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "media_thumbnail", "media_status", "media_duration"]


@admin.register(Clip)
class ClipAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    pass


class EpisodeInline(MediaAdminMixin, admin.TabularInline):  # type: ignore[type-arg]
    model = Episode
    fields = ["title", "video"]
    extra = 1


class PilotInline(MediaAdminMixin, admin.StackedInline):  # type: ignore[type-arg]
    model = Pilot
    fields = ["title", "video"]
    extra = 1


@admin.register(Course)
class CourseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    inlines = [EpisodeInline, PilotInline]
