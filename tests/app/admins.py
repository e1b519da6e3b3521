"""Browsers of people who may do this and that in the admin, and clouds that are down."""

from __future__ import annotations

import socket
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client


def browser_with(*permissions: str, name: str = "editor") -> Client:
    """Return a browser of a member of the staff with *permissions*, ``app_label.codename``."""
    user = User.objects.create_user(name, is_staff=True)
    for permission in permissions:
        app_label, codename = permission.split(".")
        found = Permission.objects.get(content_type__app_label=app_label, codename=codename)
        user.user_permissions.add(found)
    client = Client()
    client.force_login(user)
    return client


def take_the_cloud_away(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    base_url = f"http://127.0.0.1:{port}"
    settings.CLOUDKEYS = {
        alias: {**account, "BASE_URL": base_url} for alias, account in settings.CLOUDKEYS.items()
    }
