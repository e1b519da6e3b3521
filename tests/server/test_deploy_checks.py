"""What harms a public cloud is told with the setting to write; what only looks like it is not."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db.backends.base.base import BaseDatabaseWrapper

from django_cloudkey.server.checks import check_settings
from django_cloudkey.server.deploy_checks import check_deployment, check_geography

# The checks read what DATABASES says; nothing here connects.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")

FILES = "django.core.files.storage.FileSystemStorage"
S3 = "storages.backends.s3.S3Storage"
MIB = 1024 * 1024
PATIENT = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", refuse)


def deployed(settings: Any, **keys: Any) -> list[CheckMessage]:
    given = {"BASE_URL": "https://video.example.org", "DATABASE": "cloud", **keys}
    settings.CLOUDKEY_SERVER = given
    return check_deployment(None)


def use_sqlite(settings: Any, options: Any) -> None:
    engine = "django.db.backends.sqlite3"
    settings.DATABASES = {"cloud": {"ENGINE": engine, "NAME": "cloud.sqlite3", "OPTIONS": options}}


def store_in(settings: Any, backend: str, **options: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "cloudkey": {"BACKEND": backend, "OPTIONS": options},
    }


def test_cloud_as_it_should_be_is_silent(settings: Any) -> None:
    assert deployed(settings) == []


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"BASE_URL": "http://video.example.org/cloud"}, ["BASE_URL"]),
        ({"BASE_URL": "http://a.org", "STATIC_URL": "http://b.org"}, ["BASE_URL", "STATIC_URL"]),
        ({"CDN_URL": "http://cdn.example.org"}, ["CDN_URL"]),
        ({"BASE_URL": "http://127.0.0.1:8000/cloud"}, []),
        ({"BASE_URL": "http://cloud.localhost", "CDN_URL": "http://[::1]:8000"}, []),
    ],
)  # fmt: skip
def test_plain_http_is_warned_of_once(
    settings: Any, keys: dict[str, Any], named: list[str]
) -> None:
    messages = deployed(settings, **keys)

    assert [message.id for message in messages] == ["cloudkey_server.W020"] * len(named)
    for message, key in zip(messages, named, strict=True):
        assert message.msg.startswith(f'CLOUDKEY_SERVER["{key}"] is http: ')


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (
            None,
            '"OPTIONS": {"transaction_mode": "IMMEDIATE", '
            '"init_command": "PRAGMA journal_mode=WAL;"}',
        ),
        (
            {**PATIENT, "transaction_mode": "DEFERRED"},
            '"OPTIONS": {"transaction_mode": "IMMEDIATE"}',
        ),
        (
            {**PATIENT, "init_command": "PRAGMA journal_mode=DELETE;"},
            '"OPTIONS": {"init_command": "PRAGMA journal_mode=WAL;"}',
        ),
    ],
)
def test_impatient_sqlite_is_warned_of(settings: Any, options: Any, hint: str) -> None:
    use_sqlite(settings, options)

    (message,) = deployed(settings)
    assert (message.id, message.hint) == ("cloudkey_server.W021", hint)
    assert message.msg.startswith('DATABASES["cloud"] is SQLite without "')


@pytest.mark.parametrize(
    "options",
    [
        PATIENT,
        {"transaction_mode": "exclusive", "init_command": "pragma x; pragma journal_mode = 'wal'"},
        {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode(WAL)"},
    ],
)  # fmt: skip
def test_patient_sqlite_is_silent(settings: Any, options: Any) -> None:
    use_sqlite(settings, options)

    assert deployed(settings) == []


def test_database_of_another_kind_needs_none_of_that(settings: Any) -> None:
    settings.DATABASES = {"cloud": {"ENGINE": "django.db.backends.postgresql", "NAME": "cloud"}}

    assert deployed(settings) == []


@pytest.mark.parametrize("by", ["option", "setting"])
def test_addresses_of_objects_without_signature_are_warned_of(settings: Any, by: str) -> None:
    store_in(
        settings,
        S3,
        bucket_name="films",
        max_memory_size=MIB,
        **({"querystring_auth": False} if by == "option" else {}),
    )
    settings.AWS_QUERYSTRING_AUTH = by != "setting"

    (message,) = deployed(settings)
    assert message.id == "cloudkey_server.W022"
    assert message.hint == (
        'Write "querystring_auth": True into its "OPTIONS", and make its bucket private.'
    )


def test_signed_addresses_of_objects_are_right(settings: Any) -> None:
    store_in(settings, S3, bucket_name="films", max_memory_size=MIB, querystring_auth=True)
    settings.AWS_QUERYSTRING_AUTH = False

    assert deployed(settings) == []


def test_whole_films_in_memory_are_warned_of(settings: Any) -> None:
    store_in(settings, S3, bucket_name="films")

    (message,) = deployed(settings)
    assert message.id == "cloudkey_server.W024"
    assert message.hint == 'Write "max_memory_size": 8388608 into its "OPTIONS".'

    settings.AWS_S3_MAX_MEMORY_SIZE = MIB
    store_in(settings, S3, bucket_name="films")
    assert deployed(settings) == []


@pytest.mark.parametrize("broken", [["https://x"], {"BASE_URL": ""}, {"BASE_URL": 5}])
def test_settings_that_are_wrong_are_left_to_the_other_checks(settings: Any, broken: Any) -> None:
    settings.CLOUDKEY_SERVER = broken

    assert check_deployment(None) == []


def test_messages_are_silenced_by_their_ids_and_not_for_a_desk(settings: Any) -> None:
    use_sqlite(settings, {})
    store_in(settings, S3, bucket_name="films", max_memory_size=MIB, querystring_auth=False)
    messages = deployed(settings, BASE_URL="http://video.example.org")
    assert [message.id for message in messages] == [
        f"cloudkey_server.W02{number}" for number in range(3)
    ]
    assert not any(message.is_silenced() for message in messages)

    settings.SILENCED_SYSTEM_CHECKS = [message.id for message in messages]
    assert all(message.is_silenced() for message in messages)
    ours = {message.id for message in messages}
    assert not ours & {message.id for message in run_checks(databases=[])}
    assert ours <= {each.id for each in run_checks(include_deployment_checks=True, databases=[])}


# Files that everybody could have are an error, everywhere


def found(settings: Any) -> list[tuple[str | None, str]]:
    return [(message.id, message.msg) for message in check_settings(None)]


@pytest.mark.parametrize("setting", ["MEDIA_ROOT", "STATIC_ROOT", "STATICFILES_DIRS"])
@pytest.mark.parametrize("folder", ["public", "public/films", "link/films"])
def test_folder_that_is_published_is_an_error(
    settings: Any, tmp_path: Path, setting: str, folder: str
) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "public")
    published = tmp_path / "public"
    value = [("films", published)] if setting == "STATICFILES_DIRS" else str(published)
    setattr(settings, setting, value)
    store_in(settings, FILES, location=tmp_path / folder)

    ((id_, text),) = found(settings)
    assert id_ == "cloudkey_server.E006"
    assert text.startswith(f'STORAGES["cloudkey"] keeps files of the cloud in {tmp_path / folder}')
    assert f"inside {setting}:" in text


def test_work_folder_that_is_published_is_an_error(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "WORK_DIR": tmp_path / "media/work"}

    ((id_, text),) = found(settings)
    assert id_ == "cloudkey_server.E006"
    assert text.startswith('CLOUDKEY_SERVER["WORK_DIR"] keeps files of the cloud in')


def test_folder_beside_what_is_published_is_right(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STATIC_ROOT = tmp_path / "cloud/static"
    store_in(settings, FILES, location=tmp_path / "media-cloud")
    assert found(settings) == []

    store_in(settings, FILES, location=tmp_path / "cloud")
    assert found(settings) == []


@pytest.mark.parametrize(
    ("options", "acl"),
    [
        ({"default_acl": "public-read"}, "public-read"),
        ({"object_parameters": {"ACL": "public-read-write"}}, "public-read-write"),
        ({"default_acl": "private"}, None),
        ({"default_acl": None, "object_parameters": {"CacheControl": "public, max-age=9"}}, None),
        ({"default_acl": "public-read", "object_parameters": {"ACL": "private"}}, None),
    ],
)
def test_objects_that_are_public_are_an_error(
    settings: Any, options: dict[str, Any], acl: str | None
) -> None:
    store_in(settings, S3, bucket_name="films", **options)

    messages = found(settings)
    assert [id_ for id_, _ in messages] == ["cloudkey_server.E007"] * (acl is not None)
    assert all(f"makes every file public ({acl}):" in text for _, text in messages)


@pytest.mark.parametrize(
    ("backend", "options", "reason"),
    [
        (FILES, {"locatoin": "x"}, "unexpected keyword argument 'locatoin'"),
        (S3, {"bukcet": "x"}, "Invalid setting 'bukcet' for S3Storage"),
        ("mysite.Storage", {}, "Could not find backend 'mysite.Storage'"),
    ],
)
def test_storage_that_cannot_be_made_is_named(
    settings: Any, backend: str, options: dict[str, Any], reason: str
) -> None:
    store_in(settings, backend, **options)

    ((id_, text),) = found(settings)
    assert id_ == "cloudkey_server.E003"
    assert text.startswith('STORAGES["cloudkey"] cannot be used: ')
    assert reason in text


@pytest.mark.parametrize("given", [["https://x"], "https://x", None])
def test_setting_of_a_wrong_type_is_one_error(settings: Any, given: Any) -> None:
    settings.CLOUDKEY_SERVER = given

    errors = [
        each
        for each in run_checks(include_deployment_checks=True, databases=[])
        if each.level >= 40
    ]
    assert [(each.id, each.msg) for each in errors] == [
        (
            "cloudkey_server.E002",
            f"CLOUDKEY_SERVER must be a dict, got a {type(given).__name__}.",
        )
    ]


def test_key_that_is_no_text_is_unknown(settings: Any) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, 7: 1, "base_url": "https://x"}

    assert [(each.msg, each.hint) for each in check_settings(None)][1:] == [
        ("CLOUDKEY_SERVER has an unknown key 'base_url'.", "Did you mean 'BASE_URL'?")
    ]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "no COUNTRY_FILE and no ASNUM_FILE: addresses of the level COUNTRY and ASNUM are"),
        ({"COUNTRY_FILE": "c"}, "no ASNUM_FILE: addresses of the level ASNUM are"),
        ({"ASNUM_FILE": "a"}, "no COUNTRY_FILE: addresses of the level COUNTRY are"),
        ({"COUNTRY_FILE": "c", "ASNUM_FILE": "a"}, ""),
        ({"COUNTRY_FILE": 5}, ""),  # which is an error anyway
    ],
)
def test_levels_that_nobody_can_pass_are_told(settings: Any, keys: Any, told: str) -> None:
    deployed(settings, **keys)

    messages = check_geography(None)

    assert [message.id for message in messages] == ["cloudkey_server.I020"] * bool(told)
    assert all(told in message.msg and message.hint for message in messages)


@pytest.mark.parametrize(
    ("networks", "is_told"),
    [
        (["127.0.0.1", "10.1.0.0/16", "fd00:1::/32"], False),
        (["169.254.169.254"], True),
        (["10.0.0.0/8", "0.0.0.0/0"], True),
        (["fd00::/8"], True),
    ],
)
def test_webhooks_to_where_machines_are_told_secrets(
    settings: Any, networks: list[str], is_told: bool
) -> None:
    messages = deployed(settings, WEBHOOK_NETWORKS=networks)

    assert [message.id for message in messages] == ["cloudkey_server.W023"] * is_told
