from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _


class CloudKeyConfig(AppConfig):
    name = "django_cloudkey"
    verbose_name = _("Videos")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, deploy_checks  # noqa: F401 - registers them

        setting_changed.connect(_forget_clients, dispatch_uid="django_cloudkey.connection")


def _forget_clients(*, setting: str, **kwargs: Any) -> None:
    # A cloud in the process has loaded the middleware.
    if setting in ("CLOUDKEYS", "MIDDLEWARE"):
        from .connection import cloudkeys

        cloudkeys.forget()
