from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("cloud/", include("django_cloudkey.server.urls")),
    path("cloudkey/", include("django_cloudkey.urls")),
]
