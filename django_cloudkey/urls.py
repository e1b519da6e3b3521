"""
Addresses that the widget and clouds ask: ``path("cloudkey/", include("django_cloudkey.urls"))``.
"""

from __future__ import annotations

from django.urls import path

from . import views, webhooks

app_name = "django_cloudkey"

urlpatterns = [
    path("ticket/", views.ticket, name="ticket"),
    path("finish/", views.finish, name="finish"),
    path("status/", views.status, name="status"),
    path("library/", views.library, name="library"),
    path("pick/", views.pick, name="pick"),
    path("webhook/<str:account>/", webhooks.webhook, name="webhook"),
]

for _pattern in urlpatterns:
    views.outside_transactions(_pattern.callback)
