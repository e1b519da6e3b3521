"""The widget on a site that trusts its own files only, or only what bears the page's nonce."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from pytest_django.live_server_helper import LiveServer

from ..conftest import Cloud
from ..testapp.models import Lesson
from .conftest import sign_in_as

pytestmark = pytest.mark.browser

NONCES = django.VERSION >= (6, 1)
"""The admin has them since Django 6.1."""


def directives(script: str, cloud: str) -> dict[str, list[str]]:
    return {
        "default-src": ["'none'"],
        "script-src": [script],
        "style-src": [script],
        "img-src": ["'self'", cloud],
        "connect-src": ["'self'", cloud],
        "frame-src": [cloud],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
    }


class OwnFilesOnly:
    """Middleware for every Django: the site's own files, nothing inline."""

    cloud = ""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        parts = directives("'self'", self.cloud).items()
        policy = "; ".join(f"{name} {' '.join(values)}" for name, values in parts)
        response.headers["Content-Security-Policy"] = policy
        return response


@pytest.fixture(params=["own files only", *(["nonces only"] if NONCES else [])])
def strict_site(
    request: pytest.FixtureRequest, cloud: Cloud, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Run a site under a policy, whose cloud is at another origin, and return its address."""
    parts = urlsplit(cloud.base_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    if request.param == "nonces only":
        middleware = "django.middleware.csp.ContentSecurityPolicyMiddleware"
        nonce = import_module("django.utils.csp").CSP.NONCE
        settings.SECURE_CSP = directives(nonce, origin)
        (engine,) = settings.TEMPLATES
        names = engine["OPTIONS"]["context_processors"]
        options = {"context_processors": [*names, "django.template.context_processors.csp"]}
        settings.TEMPLATES = [{**engine, "OPTIONS": options}]
    else:
        middleware = f"{__name__}.{OwnFilesOnly.__name__}"
        monkeypatch.setattr(OwnFilesOnly, "cloud", origin)
    settings.MIDDLEWARE = [middleware, *settings.MIDDLEWARE]
    server = LiveServer("localhost")
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "UPLOAD_ORIGINS": [server.url]}
    yield server.url
    server.stop()


def test_everything_works_and_nothing_is_reported(
    page: Any, strict_site: str, cloud: Cloud, clip: Path
) -> None:
    sign_in_as(User.objects.create_superuser("editor"), page, strict_site)

    answer = page.goto(f"{strict_site}/admin/testapp/lesson/add/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self'" in policy or "script-src 'nonce-" in policy
    assert "unsafe" not in policy
    page.fill("#id_title", "Knots")
    page.set_input_files("#id_video_file", clip)
    page.get_by_text("uploaded, being prepared").first.wait_for()
    page.click("[name=_continue]")
    page.wait_for_url("**/change/")
    cloud.work()
    page.wait_for_selector(".cloudkey-input__state.is-ready", timeout=30_000)
    page.wait_for_function("() => document.querySelector('.cloudkey-input img').naturalWidth > 0")
    page.click(".cloudkey-input__play")
    page.frame_locator(".cloudkey-input iframe").locator("video").wait_for(state="attached")

    page.get_by_role("button", name="Library").click()
    page.get_by_role("option", name="clip").click()
    page.get_by_role("dialog").wait_for(state="hidden")

    page.goto(f"{strict_site}/admin/testapp/lesson/")
    page.wait_for_selector(".cloudkey-status.is-ready")
    page.goto(f"{strict_site}/admin/django_cloudkey/upload/library/")
    page.get_by_text("clip", exact=True).first.wait_for()
    assert Lesson.objects.get().video
