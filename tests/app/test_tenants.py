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
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import RequestContext, Template
from django.urls import include, path

from django_cloudkey import NotFound, cloudkeys
from django_cloudkey.fields import FieldMedia, MediaField
from django_cloudkey.protocol.seclevel import Viewer
from django_cloudkey.protocol.secret import Secret
from django_cloudkey.protocol.signing import read_auth, verify_url
from django_cloudkey.server.models import Account

from ..conftest import Cloud

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


def ask(request: HttpRequest, tenant: str) -> JsonResponse:
    """Ask the cloud in every way that a view may."""
    field = MediaField(account=tenant)
    gate.wait(timeout=30)
    listed = [each["id"] for each in cloudkeys[tenant].media.list(fields=["id"])["list"]]
    found = [FieldMedia(field, each).info(["meta.title"])["meta"]["title"] for each in listed]
    try:
        found.append(FieldMedia(field, request.GET["other"]).info(["id"]))
    except NotFound:
        found.append("not found")
    return JsonResponse({"user": cloudkeys[tenant].user.info()["id"], "found": found})


urlpatterns = [
    path("<tenant>/", show),
    path("<tenant>/ask/", ask),
    path("cloud/", include("django_cloudkey.server.urls")),
]


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


@pytest.mark.usefixtures("_impatient")
@pytest.mark.urls(__name__)
def test_tenants_never_call_by_each_others_account(cloud: Cloud, settings: Any) -> None:
    tenants = {name: Account.objects.create(name=name) for name in TENANTS}
    settings.CLOUDKEYS = {
        name: {"USER_ID": tenant.pk, "API_KEY": tenant.api_key, "BASE_URL": cloud.base_url}
        for name, tenant in tenants.items()
    }
    media = {
        name: str(cloudkeys[name].media.create(meta={"title": name})["id"]) for name in tenants
    }
    site = cloud.base_url.removesuffix("/cloud")

    def visit(number: int) -> tuple[str, dict[str, Any]]:
        tenant, other = ("north", "south") if number % 2 else ("south", "north")
        url = f"{site}/{tenant}/ask/?other={media[other]}"
        answer = requests.get(url, timeout=60)
        answer.raise_for_status()
        return tenant, answer.json()

    with ThreadPoolExecutor(REQUESTS) as pool:
        for tenant, answer in pool.map(visit, range(REQUESTS)):
            assert answer == {"user": tenants[tenant].pk, "found": [tenant, "not found"]}
