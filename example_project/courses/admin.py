from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_cloudkey.admin import MediaAdminMixin

from .models import Course, Lesson

admin.site.site_header = _("The Small Hours")
admin.site.site_title = _("The Small Hours")
admin.site.index_title = _("Courses and their videos")


@admin.register(Course)
class CourseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["title", "slug", "position"]
    list_editable = ["position"]
    prepopulated_fields = {"slug": ["title"]}
    search_fields = ["title", "summary"]


@admin.register(Lesson)
class LessonAdmin(MediaAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["media_thumbnail", "title", "course", "media_status", "media_duration"]
    list_display_links = ["title"]
    list_filter = ["course", "audience"]
    list_select_related = ["course"]
    prepopulated_fields = {"slug": ["title"]}
    search_fields = ["title", "summary", "body"]
    fieldsets = [
        (None, {"fields": ["title", "video"]}),
        (_("Place and audience"), {"fields": ["course", "position", "slug", "audience"]}),
        (_("Text"), {"fields": ["summary", "body"]}),
        (_("Original"), {"fields": ["recording"], "classes": ["collapse"]}),
    ]
