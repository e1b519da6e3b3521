"""
``MediaAdminMixin``: live states in lists, and the action that uploads local files.

::

    @admin.register(Lesson)
    class LessonAdmin(MediaAdminMixin, admin.ModelAdmin):
        list_display = ["title", "media_status"]
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .connection import cloudkeys
from .fields import FieldMedia, MediaField
from .forms import MediaFormField, _endpoints
from .protocol.exceptions import RPCException
from .references import Reference
from .uploads import upload_media
from .views import remote_failure


class MediaAdminMixin:
    """Mix into the ``ModelAdmin`` of a model with a :class:`~django_cloudkey.fields.MediaField`."""

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
        url = _endpoints().get("status")
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
            formfield.bind_user(str(request.user.pk))
        return formfield  # type: ignore[no-any-return]

    # The action

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        if self.actions is None or IS_POPUP_VAR in request.GET:  # type: ignore[attr-defined]
            return actions
        if self.media_field.source_field and self.has_change_permission(request):  # type: ignore[attr-defined]
            actions["upload_media"] = (
                upload_media_action,
                "upload_media",
                _("Upload the local files of selected rows to the video cloud"),
            )
        return actions

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("upload-media/", view(self.upload_page), name=self._url_name("page")),
            path("upload-media/<path:pk>/", view(self.upload_row), name=self._url_name("row")),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def _url_name(self, what: str) -> str:
        options = self.model._meta
        return f"{options.app_label}_{options.model_name}_upload_media_{what}"

    @property
    def _site(self) -> str:
        return str(self.admin_site.name)

    def upload_page(self, request: HttpRequest) -> HttpResponse:
        """Show the rows in ``?pk=…`` and upload them one by one."""
        if not self.has_change_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        field = self.media_field
        rows = [
            {
                "title": str(row),
                "file": str(getattr(row, field.source_field) or ""),
                "url": reverse(f"{self._site}:{self._url_name('row')}", args=[row.pk]),
            }
            for row in self._selected(request)
        ]
        options = self.model._meta
        context = {
            **self.admin_site.each_context(request),
            "title": _("Upload to the video cloud"),
            "opts": options,
            "rows": rows,
            "changelist_url": reverse(
                f"{self._site}:{options.app_label}_{options.model_name}_changelist"
            ),
        }
        return render(request, "admin/django_cloudkey/upload_media.html", context)

    def _selected(self, request: HttpRequest) -> list[models.Model]:
        """Return the rows in ``?pk=…``; what is no key names none."""
        try:
            keys = [self.model._meta.pk.to_python(key) for key in request.GET.getlist("pk")]
        except ValidationError:
            return []
        return list(self.get_queryset(request).filter(pk__in=keys))  # type: ignore[attr-defined]

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
                media = upload_media(
                    file, title=str(row), account=field.account, assets=field.assets
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


def upload_media_action(
    modeladmin: MediaAdminMixin, request: HttpRequest, queryset: models.QuerySet[Any]
) -> HttpResponse:
    """Go to the page that uploads the selected rows, one request each."""
    keys = list(queryset.values_list("pk", flat=True))
    page = reverse(f"{modeladmin._site}:{modeladmin._url_name('page')}")
    return HttpResponseRedirect(f"{page}?{urlencode({'pk': keys}, doseq=True)}")
