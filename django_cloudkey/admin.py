"""
``MediaAdminMixin``: live states in lists, and the action that uploads local files.

::

    @admin.register(Lesson)
    class LessonAdmin(MediaAdminMixin, admin.ModelAdmin):
        list_display = ["title", "media_status"]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import uploads
from .connection import cloudkeys
from .fields import FieldMedia, MediaField
from .forms import MediaFormField, endpoints
from .protocol.exceptions import RPCException
from .references import Reference
from .views import outside_transactions, remote_failure


class MediaAdminMixin:
    """
    Mix into the ``ModelAdmin`` of a model with a :class:`~django_cloudkey.fields.MediaField`.

    A ``ModelAdmin`` that lists ``actions`` of its own names ``"upload_media"`` among them.
    """

    actions: Sequence[Any] | None = ["upload_media"]
    model: type[models.Model]
    admin_site: admin.AdminSite

    class Media:
        css = {"all": ["django_cloudkey/media_input.css"]}
        js = [forms.Script("django_cloudkey/media_status.js", type="module")]

    @property
    def media_field(self) -> MediaField:
        """The model's media field; the first one when there are several."""
        return next(field for field in self.model._meta.fields if isinstance(field, MediaField))

    # States in the list

    @admin.display(description=gettext_lazy("video"))
    def media_status(self, obj: models.Model) -> str:
        """Show the state of the row's media; the page asks for it after it was rendered."""
        field = self.media_field
        media: FieldMedia = getattr(obj, field.attname)
        if not media.id:
            return self.get_empty_value_display()  # type: ignore[attr-defined, no-any-return]
        url = endpoints().get("status")
        if not url:
            return media.id  # nobody to ask: the project does not include this app's URLs
        reference = Reference(media=media.id, field=field.label).sign()
        return format_html(
            '<span class="cloudkey-status" data-url="{}" data-reference="{}">…</span>',
            url,
            reference,
        )

    # The form

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(formfield, MediaFormField):
            formfield.bind_user(request.user)
        return formfield  # type: ignore[no-any-return]

    # The action

    @admin.action(
        description=gettext_lazy("Upload the local files of selected rows to the video cloud"),
        permissions=["upload_media"],
    )
    def upload_media(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse:
        """Show the page that uploads the local files of *queryset*, one request each."""
        field = self.media_field
        rows = [
            {
                "title": str(row),
                "file": str(getattr(row, field.source_field) or ""),
                "url": self._reverse("upload_media", row.pk),
            }
            for row in queryset
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Upload to the video cloud"),
            "opts": self.model._meta,
            "rows": rows,
            "changelist_url": self._reverse("changelist"),
        }
        return render(request, "admin/django_cloudkey/upload_media.html", context)

    def has_upload_media_permission(self, request: HttpRequest) -> bool:
        """Say whether the action is offered: to whoever may change rows that have local files."""
        may_change: bool = self.has_change_permission(request)  # type: ignore[attr-defined]
        return bool(self.media_field.source_field) and may_change

    def get_urls(self) -> list[URLPattern]:
        view = outside_transactions(self.admin_site.admin_view(self.upload_row))
        own = path("upload-media/<path:pk>/", view, name=self._url_name("upload_media"))
        return [own, *super().get_urls()]  # type: ignore[misc]

    def _url_name(self, what: str) -> str:
        options = self.model._meta
        return f"{options.app_label}_{options.model_name}_{what}"

    def _reverse(self, what: str, *args: object) -> str:
        return reverse(f"{self.admin_site.name}:{self._url_name(what)}", args=args)

    def upload_row(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Upload the local file of one row and answer ``{"state", "label"}``."""
        if request.method != "POST":
            raise Http404
        row = self.get_object(request, pk)  # type: ignore[attr-defined]
        if row is None or not self.has_change_permission(request, row):  # type: ignore[attr-defined]
            raise PermissionDenied
        field = self.media_field
        if getattr(row, field.attname):
            return JsonResponse({"state": "skipped", "label": _("has a video already")})
        source = getattr(row, field.source_field)
        if not source:
            return JsonResponse({"state": "error", "label": _("has no local file")})
        try:
            with source.open("rb") as file:
                media = uploads.upload_media(
                    file,
                    title=str(row),
                    account=field.account,
                    assets=field.assets,
                    field=field.label,
                )
        except RPCException as error:
            return JsonResponse({"state": "error", "label": remote_failure(error)})
        except OSError as error:
            text = _("The local file cannot be read: %(reason)s") % {
                "reason": error.strerror or error
            }
            return JsonResponse({"state": "error", "label": text})
        row.refresh_from_db(fields=[field.attname])
        if getattr(row, field.attname):
            # A second click, or another editor, was quicker: his media is the one.
            cloudkeys[field.account].media.delete(id=media)
            return JsonResponse({"state": "skipped", "label": _("has a video already")})
        setattr(row, field.attname, media)
        row.save(update_fields=[field.attname])
        self.log_change(request, row, [{"changed": {"fields": [field.verbose_name]}}])  # type: ignore[attr-defined]
        return JsonResponse({"state": "done", "label": _("uploaded, being prepared")})
