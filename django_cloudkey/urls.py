"""Addresses that the widget asks: ``path("cloudkey/", include("django_cloudkey.urls"))``."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "django_cloudkey"

urlpatterns = [
    path("ticket/", views.ticket, name="ticket"),
    path("finish/", views.finish, name="finish"),
    path("status/", views.status, name="status"),
    path("library/", views.library, name="library"),
    path("pick/", views.pick, name="pick"),
]

for _pattern in urlpatterns:
    views.outside_transactions(_pattern.callback)
