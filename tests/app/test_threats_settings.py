"""Threats that come from settings, by their numbers: T235, T237 and T238."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.checks import run_checks
from django.core.exceptions import DisallowedHost
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import RequestFactory

import django_cloudkey
from django_cloudkey import SecLevel, cloudkeys
from django_cloudkey.client import sign_url
from django_cloudkey.fields import FieldMedia, MediaField

from ..conftest import Cloud

MEDIA = "4d0c0ffee0000000000000a1"
FILES = "django.core.files.storage.FileSystemStorage"
S3 = "storages.backends.s3.S3Storage"


def ids(level: int) -> set[str | None]:
    """Return the ids of our messages under ``--deploy`` that have *level*."""
    messages = run_checks(include_deployment_checks=True, databases=[])
    return {each.id for each in messages if each.level == level and "cloudkey" in str(each.id)}


# T235: a protected storage that is public


@pytest.mark.parametrize(
    ("backend", "options", "id_"),
    [
        (FILES, {"location": "/srv/site/media/cloud"}, "cloudkey_server.E006"),
        (FILES, {"location": "/srv/site/media"}, "cloudkey_server.E006"),
        (S3, {"bucket_name": "films", "default_acl": "public-read"}, "cloudkey_server.E007"),
        (FILES, {"location": "/srv/cloud"}, None),
        (S3, {"bucket_name": "films"}, None),
    ],
)
def test_t235_public_storage_is_an_error(
    settings: Any, backend: str, options: dict[str, Any], id_: str | None
) -> None:
    settings.MEDIA_ROOT = "/srv/site/media"
    settings.STORAGES = {
        **settings.STORAGES,
        "cloudkey": {"BACKEND": backend, "OPTIONS": options},
    }

    assert ids(40) == ({id_} if id_ else set())
    if id_:
        with pytest.raises(SystemCheckError, match=id_):
            call_command("check", databases=[])


def test_t235_addresses_of_objects_without_signature_are_a_warning(settings: Any) -> None:
    options = {"bucket_name": "films", "querystring_auth": False}
    settings.STORAGES = {**settings.STORAGES, "cloudkey": {"BACKEND": S3, "OPTIONS": options}}

    assert "cloudkey_server.W022" in ids(30)


# T237: settings that are missing, wrong or unwise


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [
        ("CLOUDKEYS", ["https://video.example.org"], "cloudkey.E002"),
        ("CLOUDKEYS", {"default": {}}, "cloudkey.E002"),
        ("CLOUDKEYS", {"default": {"TIMEOUT": "abc"}}, "cloudkey.E002"),
        ("CLOUDKEYS", {"default": {"BASE_ULR": "https://x"}}, "cloudkey.E001"),
        ("CLOUDKEYS", {"default": {"API_KEY": "short"}}, "cloudkey.E003"),
        ("CLOUDKEY_SERVER", "https://video.example.org", "cloudkey_server.E002"),
        ("CLOUDKEY_SERVER", {}, "cloudkey_server.E002"),
    ],
)
def test_t237_start_is_refused_for_errors(settings: Any, name: str, value: Any, id_: str) -> None:
    if isinstance(value, dict) and value.get("default"):
        value = {"default": {**settings.CLOUDKEYS["default"], **value["default"]}}
    setattr(settings, name, value)

    assert id_ in ids(40)
    with pytest.raises(SystemCheckError, match=id_):
        call_command("check", databases=[])


@pytest.mark.parametrize(
    ("settings_", "id_"),
    [
        ({"BASE_URL": "http://video.example.org"}, "cloudkey.W020"),
        ({"SECLEVEL": "referer"}, "cloudkey.W024"),  # with ALLOWED_HOSTS = ["*"]
        ({}, "cloudkey.W028"),  # tests.settings has the key, as a repository would
    ],
)
def test_t237_start_is_not_refused_for_warnings(
    settings: Any, settings_: dict[str, str], id_: str
) -> None:
    account = {**settings.CLOUDKEYS["default"], **settings_}
    settings.CLOUDKEYS = {"default": account}

    assert id_ in ids(30)
    assert ids(40) == set()
    call_command("check", deploy=True, databases=[])


def test_t237_debug_is_djangos_to_say(settings: Any) -> None:
    settings.DEBUG = True

    every = [each.id for each in run_checks(include_deployment_checks=True, databases=[])]
    assert every.count("security.W018") == 1


@pytest.mark.parametrize("method", ["embed", "stream"])
def test_t237_host_of_a_request_proves_nothing_to_the_cloud(
    cloud: Cloud, settings: Any, method: str
) -> None:
    assert "*" in settings.ALLOWED_HOSTS
    path = f"embed/{cloud.account.pk}/{MEDIA}"
    if method == "stream":
        path = f"route/{cloud.account.pk}/{MEDIA}/mp4_h264_aac.mp4"
    signed = sign_url(f"http://evil.example/cloud/{path}", cloud.account.api_key)
    query = signed.partition("?")[2]

    def status(query: str) -> int:
        url = f"{cloud.base_url}/{path}?{query}"
        return requests.get(url, headers={"Host": "evil.example"}, timeout=10).status_code

    assert status(query) == 403
    right = sign_url(f"{cloud.base_url}/{path}", cloud.account.api_key).partition("?")[2]
    assert status(right) == 404


def test_t237_host_of_a_request_is_what_the_page_level_binds_to(settings: Any) -> None:
    """The reason of ``cloudkey.W024``: with the hosts named, Django refuses the request."""
    media = FieldMedia(MediaField(seclevel="referer"), MEDIA)
    assert media.embed_url(RequestFactory().get("/", headers={"host": "evil.example"}))

    settings.ALLOWED_HOSTS = ["www.example.org"]
    with pytest.raises(DisallowedHost):
        media.embed_url(RequestFactory().get("/", headers={"host": "evil.example"}))


# T238: state of security in a cache that is no cache


def test_t238_no_state_is_in_djangos_cache() -> None:
    package = Path(django_cloudkey.__file__).parent
    sources = {path: path.read_text() for path in package.rglob("*.py")}

    assert len(sources) > 100
    assert [path.name for path, text in sources.items() if "django.core.cache" in text] == []


def test_t238_a_cache_that_forgets_everything_lets_nobody_in_twice(
    cloud: Cloud, settings: Any
) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    url = cloudkeys["default"].media.get_embed_url(MEDIA, seclevel=SecLevel.USEONCE)

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: requests.get(url, timeout=10).status_code, range(4))
        # The first is let in, to a media that there is not.
        assert sorted(answers) == [403, 403, 403, 404]
