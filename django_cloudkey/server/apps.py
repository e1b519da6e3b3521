from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CloudKeyServerConfig(AppConfig):
    name = "django_cloudkey.server"
    label = "cloudkey_server"
    verbose_name = _("Video cloud")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, deploy_checks  # noqa: F401 - registers them
