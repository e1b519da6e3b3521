"""
The setting ``CLOUDKEYS``: alias → account on a cloud, shaped like ``CACHES``.

Read on access. Wrong values are system checks (:mod:`.checks`); a call through an alias that is
missing or incomplete raises ImproperlyConfigured and names the key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .protocol.seclevel import SecLevel, Viewer, parse_seclevel
from .protocol.secret import Secret
from .protocol.signing import URL_LIFETIME
from .protocol.urls import is_media_id
from .protocol.viewer import Network, parse_networks

NAME = "CLOUDKEYS"
DEFAULT_ALIAS = "default"
REQUIRED = ("USER_ID", "API_KEY", "BASE_URL")
KEYS = {
    *REQUIRED, "CDN_URL", "STATIC_URL", "TRANSPORT", "TIMEOUT", "RETRIES", "PROXY", "SECLEVEL",
    "TRUSTED_PROXIES", "VIEWER", "URL_LIFETIME", "URL_BUCKET",
}  # fmt: skip
IN_PROCESS = "in-process"
TRANSPORTS = ("http", IN_PROCESS)
VIEWER = "django_cloudkey.viewers.viewer_of"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One alias of ``CLOUDKEYS``."""

    user_id: str
    """``USER_ID``: id of the account, 24 hexadecimal characters. Required."""
    api_key: Secret
    """``API_KEY``: its key. Required."""
    base_url: str
    """``BASE_URL``: address of the cloud. Required."""
    cdn_url: str | None = None
    """``CDN_URL``: address of its streams; ``BASE_URL`` by default."""
    static_url: str | None = None
    """``STATIC_URL``: address of its thumbnails; ``CDN_URL`` by default."""
    transport: str = "http"
    """``TRANSPORT``: ``"http"``, or ``"in-process"`` for a cloud that this project serves."""
    timeout: float = 60
    """``TIMEOUT``: seconds that a call may take; nothing ends a call in the process."""
    retries: int = 2
    """``RETRIES``: how often a call that changes nothing is repeated, at most."""
    proxy: str | None = None
    """``PROXY``: address of an HTTP proxy."""
    seclevel: SecLevel = SecLevel.NONE
    """``SECLEVEL``: level of the addresses that template tags sign, such as ``"ip|useragent"``."""
    trusted_proxies: tuple[Network, ...] = ()
    """``TRUSTED_PROXIES``: addresses or networks whose ``X-Forwarded-For`` is believed."""
    viewer: Callable[[HttpRequest, Sequence[Network]], Viewer]
    """``VIEWER``: path of the function that finds who looks at a page, in place of
    :func:`~django_cloudkey.viewers.viewer_of`."""
    url_lifetime: int = URL_LIFETIME
    """``URL_LIFETIME``: seconds for which the addresses on a page are valid, at least."""
    url_bucket: int = 0
    """``URL_BUCKET``: seconds within which a viewer's addresses stay the same, so that pages can be
    cached; they are valid for as much longer. 0 gives every page addresses of its own."""


def aliases() -> dict[str, Any]:
    """Return the setting as it is."""
    return getattr(settings, NAME, {})


def account_settings(alias: str) -> AccountSettings:
    """
    Return the checked settings of *alias*.

    Raises:
        ImproperlyConfigured: there is no such alias, or a key is missing, unknown or wrong.
    """
    found = _read(alias)
    if isinstance(found, str):
        # Raised here, where no variable of a debug page holds the key.
        raise ImproperlyConfigured(found)
    return found


def _read(alias: str) -> AccountSettings | str:
    """Return the settings of *alias*, or a sentence about what is wrong with them."""
    where = f'{NAME}["{alias}"]'
    given = aliases().get(alias)
    if given is None:
        return f"{where} is not configured."
    if not isinstance(given, dict):
        return f"{where} must be a dict."
    for key in REQUIRED:
        if not given.get(key):
            return f'{where}["{key}"] is missing.'
    unknown = sorted(set(given) - KEYS)
    if unknown:
        return f"{where} has an unknown key {unknown[0]!r}."
    for key in ("BASE_URL", "CDN_URL", "STATIC_URL"):
        url = given.get(key)
        if url and not str(url).startswith(("http://", "https://")):
            return f'{where}["{key}"] must start with http:// or https://, got {url!r}.'
    if not is_media_id(given["USER_ID"]):
        return f'{where}["USER_ID"] must be 24 characters of 0-9 and a-f.'
    if not Secret(given["API_KEY"]).is_word():
        return f'{where}["API_KEY"] must be visible ASCII characters, without spaces.'
    transport = given.get("TRANSPORT") or "http"
    if transport not in TRANSPORTS:
        return f'{where}["TRANSPORT"] must be one of {", ".join(TRANSPORTS)}, got {transport!r}.'
    for key, least in (("RETRIES", 0), ("URL_LIFETIME", 1), ("URL_BUCKET", 0)):
        number = given.get(key, least)
        if type(number) is not int or number < least:
            return f'{where}["{key}"] must be a whole number from {least}, got {number!r}.'
    try:
        timeout = float(given.get("TIMEOUT", 60))
        if timeout <= 0:
            return f'{where}["TIMEOUT"] must be more than 0 seconds, got {timeout}.'
        return AccountSettings(
            user_id=given["USER_ID"],
            api_key=Secret(given["API_KEY"]),
            base_url=given["BASE_URL"],
            cdn_url=given.get("CDN_URL"),
            static_url=given.get("STATIC_URL"),
            transport=transport,
            timeout=timeout,
            retries=given.get("RETRIES", 2),
            proxy=given.get("PROXY"),
            seclevel=parse_seclevel(given.get("SECLEVEL")),
            trusted_proxies=parse_networks(given.get("TRUSTED_PROXIES", ())),
            viewer=import_string(given.get("VIEWER") or VIEWER),
            url_lifetime=given.get("URL_LIFETIME", URL_LIFETIME),
            url_bucket=given.get("URL_BUCKET", 0),
        )
    except (ImportError, TypeError, ValueError) as error:
        return f"{where}: {error}"
