"""Each wrong setting of the cloud is one message with an id and, where it helps, a hint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from django_cloudkey.server.checks import (
    check_database,
    check_encryption,
    check_geography,
    check_settings,
    check_tools,
)

from ..conftest import DATABASES


def ids(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}


def test_good_settings_are_silent() -> None:
    assert [*check_settings(None), *check_database(None), *check_tools(None)] == []


def test_misspelt_key_is_guessed(settings: Any) -> None:
    configure(settings, MAX_UPLOAD_SIZ=5)

    (message,) = check_settings(None)
    assert (message.id, message.level) == ("cloudkey_server.E001", 40)
    assert message.msg == "CLOUDKEY_SERVER has an unknown key 'MAX_UPLOAD_SIZ'."
    assert message.hint == "Did you mean 'MAX_UPLOAD_SIZE'?"


def test_strange_key_gets_the_list(settings: Any) -> None:
    configure(settings, zzz=5)

    (message,) = check_settings(None)
    assert "ACCEPTED_URLS, ASNUM_FILE, AUTH_FAILURE_LIMIT" in str(message.hint)


@pytest.mark.parametrize("url", ["", "video.example", "ftp://video.example"])
def test_base_url_is_needed(settings: Any, url: str) -> None:
    configure(settings, BASE_URL=url)

    (message,) = check_settings(None)
    assert message.id == "cloudkey_server.E002"
    assert repr(url) in message.msg


def test_storage_must_exist(settings: Any) -> None:
    configure(settings, STORAGE="elsewhere")

    (message,) = check_settings(None)
    assert (message.id, message.msg) == ("cloudkey_server.E003", "STORAGES has no 'elsewhere'.")


@pytest.mark.parametrize("key", ["TRUSTED_PROXIES", "WEBHOOK_NETWORKS"])
def test_proxy_must_be_an_address(settings: Any, key: str) -> None:
    configure(settings, **{key: ["proxy.example"]})

    (message,) = check_settings(None)
    assert message.id == "cloudkey_server.E002"
    assert key in message.msg
    assert "proxy.example" in message.msg


def test_database_must_exist(settings: Any) -> None:
    configure(settings, DATABASE="elsewhere")

    (message,) = check_database(None)
    assert (message.id, message.msg) == ("cloudkey_server.E004", "DATABASES has no 'elsewhere'.")


def test_database_needs_the_router(settings: Any) -> None:
    settings.DATABASE_ROUTERS = []

    (message,) = check_database(None)
    assert message.id == "cloudkey_server.E005"
    assert "django_cloudkey.server.router.CloudRouter" in str(message.hint)


def test_cryptography_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_encryption(None) == []
    monkeypatch.setitem(sys.modules, "cryptography", None)

    (message,) = check_encryption(None)
    assert (message.id, message.level) == ("cloudkey_server.E008", 40)
    assert 'pip install "django-cloudkey[server]"' in message.msg


def test_missing_ffmpeg_is_a_warning(settings: Any) -> None:
    configure(settings, FFMPEG="/nowhere/ffmpeg")

    assert ids(check_tools(None)) == ["cloudkey_server.W001"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("BASE_URL", None, "an http(s) address, got ''"),
        ("CDN_URL", "ftp://cdn.example.org", "an http(s) address, got 'ftp://cdn.example.org'"),
        ("CDN_URL", "https://", "an http(s) address, got 'https://'"),
        ("STATIC_URL", "https://a:b/c", "an http(s) address, got 'https://a:b/c'"),
        ("ACCEPTED_URLS", ["a.example"], "a list of http(s) addresses, got ('a.example',)"),
        ("ACCEPTED_URLS", 7, "a list of texts, got 7"),
        ("LEASE", 0, "a whole number from 1, got 0"),
        ("RATE_LIMIT", "many", "a whole number from 0, got 'many'"),
        ("AUTH_FAILURE_LIMIT", -1, "a whole number from 0, got -1"),
        ("MAX_UPLOAD_SIZE", "1 GB", "a whole number from 1, got '1 GB'"),
        ("UPLOAD_ORIGINS", "https://example.org", "a list of texts, got 'https://example.org'"),
        ("MISSING_REFERER", "false", "True or False, got 'false'"),
        ("WORK_DIR", 7, "a path, got 7"),
    ],
)
def test_value_that_cannot_work_is_an_error(
    settings: Any, key: str, value: object, expected: str
) -> None:
    configure(settings, **{key: value})

    (message,) = check_settings(None)
    assert message.id == "cloudkey_server.E002"
    assert message.msg == f'CLOUDKEY_SERVER["{key}"] must be {expected}.'


@pytest.mark.parametrize("content", [None, b"", b"no such file"])
@pytest.mark.parametrize(("key", "level"), [("COUNTRY_FILE", "COUNTRY"), ("ASNUM_FILE", "ASNUM")])
def test_f46_file_that_cannot_be_read_is_told(
    settings: Any, tmp_path: Path, key: str, level: str, content: bytes | None
) -> None:
    path = tmp_path / "places.mmdb"
    if content is not None:
        path.write_bytes(content)
    configure(settings, **{key: path})

    (message,) = check_geography(None)

    assert (message.id, message.level) == ("cloudkey_server.W002", 30)
    assert f'["{key}"] cannot be read' in message.msg
    assert f"the level {level} are refused to everybody: " in message.msg


def test_files_that_know_where_viewers_are_are_right(geography_files: None) -> None:
    assert check_geography(None) == []


def test_f46_missing_library_is_told(
    geography_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "maxminddb", None)  # as if it were not installed

    messages = check_geography(None)

    assert ids(messages) == ["cloudkey_server.W002"] * 2
    assert "pip install" in messages[0].msg


@pytest.mark.django_db(databases=DATABASES)
@pytest.mark.parametrize("given", [["https://x"], "https://x", None])
def test_setting_of_a_wrong_type_stops_no_check_of_databases(settings: Any, given: Any) -> None:
    settings.CLOUDKEY_SERVER = given

    errors = {each.id for each in run_checks(databases=DATABASES) if each.level >= 40}
    assert errors == {"cloudkey_server.E002"}
