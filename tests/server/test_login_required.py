"""A site where everybody has to log in serves its cloud all the same: signatures let viewers in."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from ..conftest import DATABASES

pytestmark = pytest.mark.django_db(databases=DATABASES)
IDS = "4d0c0ffee000000000000001/4d0c0ffee0000000000000aa"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "api"),
        ("post", "api/api"),
        ("get", "upload"),
        ("get", "progress"),
        ("get", f"embed/{IDS}"),
        ("get", f"player/embed/{IDS}"),
        ("get", f"route/{IDS}/mp4_h264_aac.mp4"),
        ("get", f"{IDS}/jpeg_thumbnail_medium.jpeg"),
    ],
)
def test_no_address_of_the_cloud_leads_to_the_login(settings: Any, method: str, path: str) -> None:
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    plain = getattr(Client(), method)(f"/cloud/{path}").status_code
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]

    assert getattr(Client(), method)(f"/cloud/{path}").status_code == plain
    assert plain != 302
