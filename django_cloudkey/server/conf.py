"""
The setting ``CLOUDKEY_SERVER``, one property per key.

Read on access, so that ``override_settings`` works and importing never fails. Wrong values are
system checks (:mod:`.checks`); a value that is needed and missing raises ImproperlyConfigured.
"""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ..protocol.scheme2.url_token import LIFETIME
from ..protocol.viewer import Network, parse_networks

NAME = "CLOUDKEY_SERVER"


class CloudSettings:
    """How this project runs its cloud."""

    def _get(self, key: str, default: Any) -> Any:
        given = getattr(settings, NAME, {})
        if not isinstance(given, dict):
            raise ImproperlyConfigured(f"{NAME} must be a dict, got a {type(given).__name__}.")
        value = given.get(key)
        return default if value is None else value

    def _url(self, key: str, default: str) -> str:
        url = self._get(key, "") or default
        if not isinstance(url, str) or not _is_address(url):
            raise _wrong(key, "an http(s) address", url)
        return url.rstrip("/")

    def _number(self, key: str, default: int, *, least: int = 1) -> int:
        value = self._get(key, default)
        if type(value) is not int or value < least:
            raise _wrong(key, f"a whole number from {least}", value)
        return value

    def _optional_number(self, key: str, default: int | None) -> int | None:
        """Return a number from 1, or ``None`` where 0 or nothing says that there is no limit."""
        return self._number(key, default or 0, least=0) or None

    def _texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key, ())
        is_list = isinstance(values, list | tuple | set | frozenset)
        if not is_list or not all(isinstance(value, str) for value in values):
            raise _wrong(key, "a list of texts", values)
        return tuple(values)

    def _networks(self, key: str) -> tuple[Network, ...]:
        try:
            return _parsed(self._texts(key))
        except ValueError as error:
            raise ImproperlyConfigured(f'{NAME}["{key}"]: {error}.') from error

    def _optional_path(self, key: str) -> str | None:
        path = self._get(key, "")
        if not isinstance(path, str | os.PathLike):
            raise _wrong(key, "a path", path)
        return os.fspath(path) or None

    @property
    def base_url(self) -> str:
        """
        ``BASE_URL``: public address of the cloud, where its URLs are included; clients are given
        the same. Required.
        """
        return self._url("BASE_URL", "")

    @property
    def cdn_url(self) -> str:
        """``CDN_URL``: public address of its streams; ``BASE_URL`` by default."""
        return self._url("CDN_URL", self.base_url)

    @property
    def static_url(self) -> str:
        """``STATIC_URL``: public address of its thumbnails; ``CDN_URL`` by default."""
        return self._url("STATIC_URL", self.cdn_url)

    @property
    def accepted_urls(self) -> tuple[str, ...]:
        """``ACCEPTED_URLS``: other addresses of the cloud that clients may have signed for."""
        own = (self.base_url, self.cdn_url, self.static_url)
        given = self._texts("ACCEPTED_URLS")
        if not all(map(_is_address, given)):
            raise _wrong("ACCEPTED_URLS", "a list of http(s) addresses", given)
        others = (url.rstrip("/") for url in given)
        return tuple(dict.fromkeys((*own, *others)))

    @property
    def database(self) -> str:
        """``DATABASE``: alias of the database that holds the cloud's tables."""
        return str(self._get("DATABASE", "default"))

    @property
    def storage(self) -> str:
        """``STORAGE``: alias in ``STORAGES`` under which its files live."""
        return str(self._get("STORAGE", "cloudkey"))

    @property
    def work_dir(self) -> Path:
        """``WORK_DIR``: folder for files that are being received or made; on a real disk."""
        path = self._get("WORK_DIR", Path(tempfile.gettempdir()) / "cloudkey")
        if not isinstance(path, str | os.PathLike):
            raise _wrong("WORK_DIR", "a path", path)
        return Path(path)

    @property
    def max_upload_size(self) -> int:
        """``MAX_UPLOAD_SIZE``: longest file that is accepted, in bytes; 20 GiB."""
        return self._number("MAX_UPLOAD_SIZE", 20 * 1024**3)

    @property
    def min_free_space(self) -> int:
        """``MIN_FREE_SPACE``: bytes of disk that an upload must leave free; 1 GiB."""
        return self._number("MIN_FREE_SPACE", 1024**3, least=0)

    @property
    def upload_lifetime(self) -> int:
        """``UPLOAD_LIFETIME``: seconds after which an unused upload is removed; one day."""
        return self._number("UPLOAD_LIFETIME", 24 * 3600)

    @property
    def upload_origins(self) -> tuple[str, ...]:
        """
        ``UPLOAD_ORIGINS``: origins of the sites whose pages may upload from a browser, and be the
        ``target`` of an upload.
        """
        return tuple(origin.rstrip("/") for origin in self._texts("UPLOAD_ORIGINS"))

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """``TRUSTED_PROXIES``: addresses or networks whose ``X-Forwarded-For`` is believed."""
        return self._networks("TRUSTED_PROXIES")

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """
        ``WEBHOOK_NETWORKS``: addresses or networks that are not public and to which notifications
        may go all the same, by http and at any port too; none.
        """
        return self._networks("WEBHOOK_NETWORKS")

    @property
    def max_url_lifetime(self) -> int:
        """``MAX_URL_LIFETIME``: seconds for which a signed URL may be valid; 366 days."""
        return self._number("MAX_URL_LIFETIME", 366 * 24 * 3600)

    @property
    def max_token_lifetime(self) -> int:
        """``MAX_TOKEN_LIFETIME``: seconds for which an address of scheme 2 may be valid; 7 days."""
        return self._number("MAX_TOKEN_LIFETIME", LIFETIME)

    @property
    def country_file(self) -> str | None:
        """
        ``COUNTRY_FILE``: path of a file in MaxMind's format that knows the country of an address.
        Without it, the level COUNTRY is refused.
        """
        return self._optional_path("COUNTRY_FILE")

    @property
    def asnum_file(self) -> str | None:
        """
        ``ASNUM_FILE``: path of one that knows the autonomous system. Without it, the level ASNUM is
        refused.
        """
        return self._optional_path("ASNUM_FILE")

    @property
    def missing_referer(self) -> bool:
        """
        ``MISSING_REFERER``: whether the level REFERER admits a request that does not say from which
        page it comes, as it always did; ``True``. REFERER_STRICT never does.
        """
        value = self._get("MISSING_REFERER", True)
        if not isinstance(value, bool):  # such as "false", of the environment, which is true
            raise _wrong("MISSING_REFERER", "True or False", value)
        return value

    @property
    def rate_limit(self) -> int | None:
        """
        ``RATE_LIMIT``: calls that an account may make in a minute; no limit by default. Each call
        then writes a row.
        """
        return self._optional_number("RATE_LIMIT", None)

    @property
    def auth_failure_limit(self) -> int | None:
        """
        ``AUTH_FAILURE_LIMIT``: calls with a wrong signature that one address (of IPv6: one /64) may
        make in a minute before more of them get error 410; 100. ``0`` for no limit.
        """
        return self._optional_number("AUTH_FAILURE_LIMIT", 100)

    @property
    def pending_time(self) -> int:
        """``PENDING_TIME``: seconds that assets stay pending at least, for clients to see it; 2."""
        return self._number("PENDING_TIME", 2, least=0)

    @property
    def lease(self) -> int:
        """``LEASE``: seconds after which the job of a silent worker is given to another; 60."""
        return self._number("LEASE", 60)

    @property
    def max_attempts(self) -> int:
        """``MAX_ATTEMPTS``: how often a job is tried before its assets are in error; 3."""
        return self._number("MAX_ATTEMPTS", 3)

    @property
    def max_duration(self) -> int:
        """``MAX_DURATION``: longest source that is encoded, in seconds; 12 hours."""
        return self._number("MAX_DURATION", 12 * 3600)

    @property
    def ffmpeg(self) -> str | None:
        """``FFMPEG``: path of the program; found by itself by default."""
        return str(self._get("FFMPEG", "")) or None

    @property
    def ffprobe(self) -> str | None:
        """``FFPROBE``: path of the program; found by itself by default."""
        return str(self._get("FFPROBE", "")) or None


KEYS = {
    "BASE_URL", "CDN_URL", "STATIC_URL", "ACCEPTED_URLS", "DATABASE", "STORAGE", "WORK_DIR",
    "MAX_UPLOAD_SIZE", "MIN_FREE_SPACE", "UPLOAD_LIFETIME", "UPLOAD_ORIGINS", "TRUSTED_PROXIES",
    "WEBHOOK_NETWORKS",
    "MAX_URL_LIFETIME", "MAX_TOKEN_LIFETIME", "COUNTRY_FILE", "ASNUM_FILE", "MISSING_REFERER",
    "RATE_LIMIT", "AUTH_FAILURE_LIMIT", "PENDING_TIME", "LEASE", "MAX_ATTEMPTS", "MAX_DURATION",
    "FFMPEG", "FFPROBE",
}  # fmt: skip
"""Every key that means something."""


def _wrong(key: str, expected: str, value: object) -> ImproperlyConfigured:
    return ImproperlyConfigured(f'{NAME}["{key}"] must be {expected}, got {value!r}.')


@lru_cache(maxsize=32)
def _is_address(url: str) -> bool:
    """Say whether *url* is an http(s) address with a host, and with a port if it names one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    return url.startswith(("http://", "https://")) and bool(host) and port != 0


@lru_cache(maxsize=8)
def _parsed(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return parse_networks(texts)


cloud = CloudSettings()
