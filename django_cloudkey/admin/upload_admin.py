"""What the site remembers of uploads, to look at; and the way to the media library."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ..models import WAITING_AGE, Upload
from .library_views import LibraryViews

CLAIMED, WAITING, EXPIRED = "claimed", "waiting", "expired"


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            (CLAIMED, _("held by a row")),
            (WAITING, _("waiting for a form")),
            (EXPIRED, _("never saved")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        limit = timezone.now() - WAITING_AGE
        conditions = {
            CLAIMED: Q(claimed=True),
            WAITING: Q(claimed=False, created__gt=limit),
            EXPIRED: Q(claimed=False, created__lte=limit),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


class UploadAdmin(LibraryViews, admin.ModelAdmin):  # type: ignore[type-arg]
    """
    Uploads as they were: nothing is added, changed or deleted here.

    ``cloudkey_reconcile`` ends those that came to nothing.
    """

    list_display = ["name", "state", "field", "owner", "created"]
    list_filter = [StateFilter, "account", "created"]
    list_select_related = ["owner"]
    search_help_text = _("File name, user, or id of a media")
    show_full_result_count = False
    fields = (
        "name", "shown_size", "state", "owner", "field", "account", "created", "shown_media",
    )  # fmt: skip
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return ["name", "=media", f"owner__{get_user_model().USERNAME_FIELD}"]

    def get_urls(self) -> list[URLPattern]:
        return [*self.library_urls(), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        library = {"library_url": self.library_url("library")}
        return super().changelist_view(request, {**(extra_context or {}), **library})

    @admin.display(description=_("state"), ordering="claimed")
    def state(self, upload: Upload) -> str:
        """Show what became of the upload; a link to its media in the library."""
        if upload.claimed:
            kind, label = "ready", _("held by a row")
        elif upload.is_waiting:
            kind, label = "processing", _("waiting for a form")
        else:
            kind, label = "missing", _("never saved")
        badge = format_html(
            '<span class="cloudkey-status is-{}"><span class="cloudkey-badge">{}</span></span>',
            kind,
            label,
        )
        return self._link_to_media(upload, badge) if upload.media else badge

    @admin.display(description=_("size"))
    def shown_size(self, upload: Upload) -> str | None:
        return filesizeformat(upload.size) if upload.size else None

    @admin.display(description=_("media"))
    def shown_media(self, upload: Upload) -> str:
        empty = self.get_empty_value_display()
        return self._link_to_media(upload, upload.media) if upload.media else empty

    def _link_to_media(self, upload: Upload, text: str) -> str:
        url = self.library_url("library", account=upload.account, query=upload.media)
        return format_html('<a href="{}">{}</a>', url, text)
