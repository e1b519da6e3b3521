"""
The admin of what has videos.

:class:`MediaAdminMixin` is for models with a :class:`~django_cloudkey.fields.MediaField`: columns,
previews, and actions. :class:`UploadAdmin` shows what the site remembers of uploads, and is the
host of the media library.
"""

from __future__ import annotations

from django.contrib import admin

from ..models import Upload
from .mixin import MediaAdminMixin
from .upload_admin import UploadAdmin

__all__ = ["MediaAdminMixin", "UploadAdmin"]

admin.site.register(Upload, UploadAdmin)
