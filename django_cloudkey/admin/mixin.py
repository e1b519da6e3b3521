"""
``MediaAdminMixin``: live columns in lists, and actions that go row by row.

::

    @admin.register(Lesson)
    class LessonAdmin(MediaAdminMixin, admin.ModelAdmin):
        list_display = ["media_thumbnail", "title", "media_status", "media_duration"]
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..field_media import FieldMedia
from ..fields import MediaField
from ..forms import MediaFormField
from ..models import DELETE_MEDIA, REPROCESS_MEDIA
from ..views import outside_transactions
from . import cells, row_actions
from .held_rows import HeldBy, shown_rows
from .row_actions import RowAction

MAX_ROWS = 500
"""Rows that an action takes at a time: each is on its page, and a request of its own."""


class MediaAdminMixin:
    """
    Mix into the ``ModelAdmin`` of a model with a :class:`~django_cloudkey.fields.MediaField`.

    A ``ModelAdmin`` that lists ``actions`` of its own names ``"upload_media"``,
    ``"reprocess_media"`` and ``"delete_media"`` among them, or those that it wants.
    """

    actions: Sequence[Any] | None = ["upload_media", "reprocess_media", "delete_media"]
    model: type[models.Model]
    admin_site: admin.AdminSite

    class Media:
        css = {
            "all": ["django_cloudkey/media_input.css", "django_cloudkey/media_admin.css"],
        }
        js = [forms.Script("django_cloudkey/media_cells.js", type="module")]

    @property
    def media_field(self) -> MediaField:
        """
        The model's media field; the first one when there are several.

        Raises:
            ImproperlyConfigured: there is none.
        """
        for field in self.model._meta.fields:
            if isinstance(field, MediaField):
                return field
        raise ImproperlyConfigured(
            f"{type(self).__name__} is a MediaAdminMixin, and {self.model._meta.label} has no "
            "MediaField."
        )

    def _media_of(self, obj: models.Model) -> FieldMedia:
        media: FieldMedia = getattr(obj, self.media_field.attname)
        return media

    # Columns: what the site knows is there at once, and the page asks for the rest afterwards

    @admin.display(description=gettext_lazy("video"))
    def media_status(self, obj: models.Model) -> str:
        """Show the state of the row's media, with the reason of a failure."""
        return cells.status(self._media_of(obj), obj) or self._empty_value

    @admin.display(description=gettext_lazy("duration"))
    def media_duration(self, obj: models.Model) -> str:
        """Show how long the row's media is."""
        return cells.duration(self._media_of(obj), obj) or self._empty_value

    @admin.display(description=gettext_lazy("preview"))
    def media_thumbnail(self, obj: models.Model) -> str:
        """Show a still of the row's media, which plays it."""
        return cells.thumbnail(self._media_of(obj), obj) or self._empty_value

    @admin.display(description=gettext_lazy("video"))
    def media_preview(self, obj: models.Model) -> str:
        """Show still, state and duration together; for ``readonly_fields``."""
        return cells.preview(self._media_of(obj), obj) or self._empty_value

    @property
    def _empty_value(self) -> str:
        return self.get_empty_value_display()  # type: ignore[attr-defined, no-any-return]

    # The form

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(formfield, MediaFormField):
            formfield.bind_user(request.user)
        return formfield  # type: ignore[no-any-return]

    # Actions: each leads to a page of the selected rows, which asks for one after the other

    @admin.action(
        description=gettext_lazy("Upload local files to the video cloud"),
        permissions=["upload_media"],
    )
    def upload_media(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> HttpResponse | None:
        """Show the page that uploads the local files of *queryset*."""
        return self._show_rows(request, queryset, row_actions.UPLOAD)

    @admin.action(
        description=gettext_lazy("Make videos again"),
        permissions=["reprocess_media"],
    )
    def reprocess_media(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> HttpResponse | None:
        """Show the page that makes the assets of the media of *queryset* again."""
        return self._show_rows(request, queryset, row_actions.REPROCESS)

    @admin.action(
        description=gettext_lazy("Delete videos from the video cloud"),
        permissions=["delete_media"],
    )
    def delete_media(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> HttpResponse | None:
        """Show what would be deleted, on the page that deletes the media of *queryset*."""
        return self._show_rows(request, queryset, row_actions.DELETE)

    def has_upload_media_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        """Say whether the user may upload: who may change rows that have local files."""
        return bool(self.media_field.source_field) and self._may_change(request, obj)

    def has_reprocess_media_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        """Say whether the user may have media made again: a permission, and that of the row."""
        return request.user.has_perm(REPROCESS_MEDIA) and self._may_change(request, obj)

    def has_delete_media_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        """Say whether the user may delete media: a permission, and that of the row."""
        return request.user.has_perm(DELETE_MEDIA) and self._may_change(request, obj)

    def _may_change(self, request: HttpRequest, obj: models.Model | None) -> bool:
        return bool(self.has_change_permission(request, obj))  # type: ignore[attr-defined]

    def _show_rows(
        self, request: HttpRequest, queryset: models.QuerySet[Any], action: RowAction
    ) -> HttpResponse | None:
        selected = list(queryset[: MAX_ROWS + 1])
        if len(selected) > MAX_ROWS:
            text = _("Please select at most %(count)d rows at a time.") % {"count": MAX_ROWS}
            self.message_user(request, text, messages.ERROR)  # type: ignore[attr-defined]
            return None
        account = self.media_field.account
        media = [self._media_of(row).id for row in selected if self._media_of(row).id]
        held = shown_rows(self.admin_site, request, account, media) if action.shows_holders else {}
        rows = [self._describe_row(row, action, held) for row in selected]
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": action.title,
            "opts": self.model._meta,
            "action": action,
            "intro": action.intro % {"count": len(rows)},
            "rows": rows,
            "changelist_url": self._reverse("changelist"),
        }
        return render(request, "admin/django_cloudkey/row_action.html", context)

    def _describe_row(
        self, row: models.Model, action: RowAction, held: dict[str, HeldBy]
    ) -> dict[str, Any]:
        media, source = self._media_of(row), self.media_field.source_field
        return {
            "title": str(row),
            "media": media.id,
            "file": str(getattr(row, source) or "") if source else "",
            "preview": cells.preview(media, row),
            "others": held[media.id].without(row) if media.id in held else None,
            "url": self._reverse(action.name, row.pk),
        }

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"{action.name.replace('_', '-')}/<path:pk>/",
                outside_transactions(
                    self.admin_site.admin_view(partial(self.act_on_row, action=action))
                ),
                name=self._url_name(action.name),
            )
            for action in row_actions.ALL
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def _url_name(self, what: str) -> str:
        options = self.model._meta
        return f"{options.app_label}_{options.model_name}_{what}"

    def _reverse(self, what: str, *args: object) -> str:
        return reverse(f"{self.admin_site.name}:{self._url_name(what)}", args=args)

    def act_on_row(self, request: HttpRequest, pk: str, *, action: RowAction) -> HttpResponse:
        """
        Do what an action does to one row and answer ``{"state", "label"}``.

        A form without JavaScript, which says ``plain``, gets it as a message in the list.
        """
        if request.method != "POST":
            raise Http404
        row = self.get_object(request, pk)  # type: ignore[attr-defined]
        is_allowed = getattr(self, f"has_{action.name}_permission")
        if row is None or not is_allowed(request, row):
            raise PermissionDenied
        outcome = action.run(self.media_field, row, request.POST.get("media", ""))
        if outcome.log:
            self.log_change(request, row, outcome.log)  # type: ignore[attr-defined]
        if "plain" not in request.POST:
            return JsonResponse({"state": outcome.state, "label": outcome.label})
        level = {"done": messages.SUCCESS, "skipped": messages.WARNING}
        text = f"{row}: {outcome.label}"
        self.message_user(request, text, level.get(outcome.state, messages.ERROR))  # type: ignore[attr-defined]
        return HttpResponseRedirect(self._reverse("changelist"))
