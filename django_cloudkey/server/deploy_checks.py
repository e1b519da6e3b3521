"""
What ``check --deploy`` says of a cloud: settings that work on a desk and harm a public one.

Each judges by settings alone: no network, no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Info, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from .conf import NAME, cloud
from .files import storage
from .geography import LEVELS_BY_FILE

METADATA = ("169.254.169.254", "fd00:ec2::254")
"""Where the machines of several hosters are told their own secrets."""
LOCAL_HOSTS = (".localhost", "127.0.0.1", "::1")
NEEDED_BY_SQLITE = {
    "transaction_mode": ("IMMEDIATE", re.compile("IMMEDIATE|EXCLUSIVE", re.I)),
    "init_command": ("PRAGMA journal_mode=WAL;", re.compile(r"journal_mode\s*[=(]\s*\W?WAL", re.I)),
}
"""Option → what to write, and what is as good."""


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What is wrong is an error already; this is about what is right and unwise."""
    try:
        return [
            *_plain_http(),
            *_sqlite(),
            *_unsigned_files(),
            *_films_in_memory(),
            *_wide_networks(),
        ]
    except (ImproperlyConfigured, ImportError, TypeError):
        return []


def _plain_http() -> Iterator[CheckMessage]:
    urls = {"BASE_URL": cloud.base_url, "CDN_URL": cloud.cdn_url, "STATIC_URL": cloud.static_url}
    told = set()
    for key, url in urls.items():
        parts = urlsplit(url)
        # What stays on this machine is overheard by nobody; by default one key follows another.
        if parts.scheme == "http" and not validate_host(parts.hostname or "", LOCAL_HOSTS):
            if url not in told:
                yield Warning(
                    f'{NAME}["{key}"] is http: whoever is on the way can repeat calls, use the '
                    "addresses of viewers, and watch.",
                    hint=f'Answer under TLS, and write "{key}": "https://…" here and in CLOUDKEYS '
                    "of every site.",
                    id="cloudkey_server.W020",
                )
            told.add(url)


def _sqlite() -> Iterator[CheckMessage]:
    database = settings.DATABASES.get(cloud.database, {})
    if not str(database.get("ENGINE", "")).endswith(("sqlite3", "spatialite")):
        return
    options = database.get("OPTIONS") or {}
    missing = [
        f'"{name}": "{value}"'
        for name, (value, good) in NEEDED_BY_SQLITE.items()
        if not good.search(str(options.get(name) or ""))
    ]
    if missing:
        yield Warning(
            f'DATABASES["{cloud.database}"] is SQLite without {" and ".join(missing)}: web process '
            'and worker wait for each other, and fail with "database is locked".',
            hint=f'"OPTIONS": {{{", ".join(missing)}}}',
            id="cloudkey_server.W021",
        )


def _unsigned_files() -> Iterator[CheckMessage]:
    if getattr(storage(), "querystring_auth", True) is False:
        yield Warning(
            f'STORAGES["{cloud.storage}"] has querystring_auth off, which is of use only for files '
            "that are public. The cloud's must not be.",
            hint='Write "querystring_auth": True into its "OPTIONS", and make its bucket private.',
            id="cloudkey_server.W022",
        )


def _films_in_memory() -> Iterator[CheckMessage]:
    # What django-storages has for S3: without a limit, and that is 0, nothing goes to the disk.
    if getattr(storage(), "max_memory_size", None) == 0:
        yield Warning(
            f'STORAGES["{cloud.storage}"] has no max_memory_size: each file that is read, a source '
            "of many gigabytes too, is whole in memory first.",
            hint=f'Write "max_memory_size": {8 * 1024 * 1024} into its "OPTIONS".',
            id="cloudkey_server.W024",
        )


@register(Tags.security, deploy=True)
def check_geography(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Whether anybody knows where viewers are, as two levels ask."""
    try:
        missing = [key for key in LEVELS_BY_FILE if getattr(cloud, key.lower()) is None]
    except ImproperlyConfigured:
        return []
    if not missing:
        return []
    levels = " and ".join(LEVELS_BY_FILE[key] for key in missing)
    text = (
        f"{NAME} has no {' and no '.join(missing)}: addresses of the level {levels} are refused to "
        "everybody, since nobody knows where viewers are."
    )
    hint = "That is right unless a site signs such addresses."
    return [Info(text, hint=hint, id="cloudkey_server.I020")]


def _wide_networks() -> Iterator[CheckMessage]:
    known = [ip_address(text) for text in METADATA]
    for network in cloud.webhook_networks:
        if any(each.version == network.version and each in network for each in known):
            yield Warning(
                f'{NAME}["WEBHOOK_NETWORKS"] holds {network}, and in it an address where hosters '
                "tell machines their secrets: whoever sets an account's webhook may call that.",
                hint="Name the addresses of the sites that are to be told, and no others.",
                id="cloudkey_server.W023",
            )
