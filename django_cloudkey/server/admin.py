"""The operator's view of the cloud. Keys are never shown here, nor read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from . import discards, notifications
from .models import Account, AccountSecret, Asset, Job, Media, Notification, Organisation, atomic


class ReadOnlyMixin:
    """Rows that only the cloud itself writes."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OfAccountMixin:
    """Rows of accounts; there may be too many of those for a list to choose from."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return rows.select_related("account").defer("account__api_key")


class SecretInline(ReadOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    """Secrets by their names; manage.py cloudkey_account makes, limits and retires them."""

    model = AccountSecret
    extra = 0
    fields = ["is_active", "allowed_networks", "allowed_methods", "created", "expires", "last_used"]
    readonly_fields = ["allowed_networks", "allowed_methods", "created", "last_used"]
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccountSecret]:
        return super().get_queryset(request).defer("secret")

    @admin.display(description=_("networks"))
    def allowed_networks(self, secret: AccountSecret) -> str:
        return ", ".join(secret.networks) or gettext("all")

    @admin.display(description=_("methods"))
    def allowed_methods(self, secret: AccountSecret) -> str:
        return ", ".join(secret.methods) or gettext("all")


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "id", "organisation", "is_active", "public_thumbnails", "created"]
    list_select_related = ["organisation"]
    search_fields = ["name", "id"]
    fields = [
        "name", "organisation", "is_manager", "is_active", "webhook_url", "public_thumbnails",
        "is_test", "id", "created",
    ]  # fmt: skip
    readonly_fields = ["id", "created"]
    inlines = [SecretInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        # Neither read nor written: a key that was replaced meanwhile is not brought back.
        return super().get_queryset(request).defer("api_key")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        # Encrypted as it is: who compares it with this and that has the ciphertext in the end.
        return not lookup.startswith("api_key") and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # manage.py cloudkey_account create shows the key once

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        return False


@admin.register(Organisation)
class OrganisationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "id"]
    search_fields = ["name", "id"]
    fields = ["name", "id"]
    readonly_fields = ["id"]


class AssetInline(ReadOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    model = Asset
    extra = 0
    fields = ["name", "status", "progress", "created", "error_code", "error_message"]
    readonly_fields = ["name", "status", "progress", "created", "error_code", "error_message"]
    can_delete = False


@admin.register(Media)
class MediaAdmin(OfAccountMixin, ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["__str__", "id", "account", "created"]
    search_fields = ["id", "account__name"]
    inlines = [AssetInline]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Jobs are not deleted by themselves, but they go with their media."""
        to_delete, counts, missing, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, missing - {Job._meta.verbose_name}, protected

    def delete_model(self, request: HttpRequest, obj: Media) -> None:
        with atomic():
            discards.discard_media(obj)
            obj.delete()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for media in queryset:
            self.delete_model(request, media)


@admin.register(Job)
class JobAdmin(ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["media", "state", "attempts", "due", "finished"]
    list_filter = ["state"]
    list_select_related = ["media"]

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False


@admin.register(Notification)
class NotificationAdmin(OfAccountMixin, ReadOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    # What became of it is before what a narrow screen has no room for.
    list_display = ["told", "state", "attempts", "failure", "account", "media", "created"]
    list_filter = ["state", "type"]
    search_fields = ["id", "media", "account__name"]
    date_hierarchy = "created"
    actions = ["send_again"]
    fields = [
        "id", "type", "media", "asset", "sequence", "account", "state", "attempts", "created",
        "due", "expires", "delivered", "failure", "data",
    ]  # fmt: skip

    @admin.display(description=_("type"), ordering="type")
    def told(self, notification: Notification) -> str:
        return f"{notification.type} {notification.asset}".rstrip()

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the user may change notifications, though no form does."""
        return bool(request.user.has_perm("cloudkey_server.change_notification"))

    @admin.action(description=_("Send the selected notifications again"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: Any) -> None:
        count = notifications.send_again(queryset)
        text = ngettext(
            "%(count)d notification will be sent again.",
            "%(count)d notifications will be sent again.",
            count,
        )
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
