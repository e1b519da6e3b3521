"""Two tenants of one site in fifty requests at once: each page is signed for its own account."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest
import requests
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import path

from django_cloudkey.fields import FieldMedia, MediaField
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import read_auth, verify_url

REQUESTS = 50
TENANTS = {
    "north": {
        "USER_ID": "4d0c0ffee000000000000001",
        "API_KEY": "1" * 40,
        "BASE_URL": "https://north.example.org",
    },
    "south": {
        "USER_ID": "4d0c0ffee000000000000002",
        "API_KEY": "2" * 40,
        "BASE_URL": "https://south.example.org",
        "SECLEVEL": "ip",
    },
}
# One template for all, as a cached loader has it.
PAGE = Template(
    "{% load cloudkey %}{% for media in all %}{% cloudkey_embed media title=tenant %}"
    "{% cloudkey_video media.id account=tenant seclevel='ip|useragent' %}{% endfor %}"
)
gate = threading.Barrier(REQUESTS)


def show(request: HttpRequest, tenant: str) -> HttpResponse:
    field = MediaField(account=tenant)
    media = [FieldMedia(field, f"{number:024x}") for number in range(20)]
    gate.wait(timeout=30)
    return HttpResponse(PAGE.render(RequestContext(request, {"all": media, "tenant": tenant})))


urlpatterns = [path("<tenant>/", show)]


@pytest.fixture
def _impatient() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.urls(__name__)
def test_tenants_never_see_each_others_account(settings: Any, live_server: Any) -> None:
    settings.CLOUDKEYS = {
        name: {**account, "TRUSTED_PROXIES": ["127.0.0.1", "::1"]}
        for name, account in TENANTS.items()
    }

    def visit(number: int) -> tuple[str, Viewer, str]:
        tenant = ("north", "south")[number % 2]
        viewer = Viewer(ip=f"192.0.2.{number}", useragent=f"Browser {number}")
        headers = {"X-Forwarded-For": viewer.ip, "User-Agent": viewer.useragent}
        answer = requests.get(f"{live_server.url}/{tenant}/", headers=headers, timeout=30)
        answer.raise_for_status()
        return tenant, viewer, answer.text

    with ThreadPoolExecutor(REQUESTS) as pool:
        pages = list(pool.map(visit, range(REQUESTS)))

    for tenant, viewer, html in pages:
        account = TENANTS[tenant]
        urls = re.findall(r'https?://[^"]+', unescape(html))
        assert len(urls) == 20 * 3
        for url in urls:
            assert url.startswith(account["BASE_URL"])
            assert account["USER_ID"] in url
            base, _, query = url.partition("?")
            verify_url(base, read_auth(query), Secret(account["API_KEY"]), viewer=viewer)
