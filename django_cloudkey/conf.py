"""
The setting ``CLOUDKEYS``: alias → account on a cloud, shaped like ``CACHES``.

Read on access. Wrong values are system checks (:mod:`.checks`); a call through an alias that is
missing or incomplete raises ImproperlyConfigured and names the key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .protocol.scheme2.url_token import LIFETIME
from .protocol.seclevel import SecLevel, Viewer
from .protocol.secret import Secret
from .protocol.signing import URL_LIFETIME
from .protocol.viewer import Network
from .setting_values import ALL, READERS, WrongValue, meant, shown

NAME = "CLOUDKEYS"
DEFAULT_ALIAS = "default"
VIEWER = "django_cloudkey.viewers.viewer_of"
KEYS = set(READERS)
REQUIRED = ("USER_ID", "BASE_URL")
"""And ``API_KEY``, or both of SCHEME2."""
SCHEME2 = ("SECRET", "KID")
SECRETS = ("USER_ID", "API_KEY", "SECRET", "KID", "WEBHOOK_SECRETS", "PROXY")
"""Keys whose value no message shows; whoever exchanges id and key has the key under ``USER_ID``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """One alias of ``CLOUDKEYS``."""

    user_id: str
    """``USER_ID``: id of the account, 24 hexadecimal characters. Required."""
    base_url: str
    """``BASE_URL``: address of the cloud. Required."""
    api_key: Secret | None = None
    """``API_KEY``: its key of the historical scheme. Required without ``SECRET``."""
    secret: Secret | None = None
    """``SECRET``: a secret of scheme 2, 32 to 64 bytes as base64url, which signs calls and
    addresses in place of the key."""
    kid: str | None = None
    """``KID``: the name of ``SECRET`` on the cloud, such as ``"k1"``; both or neither are
    given."""
    webhook_secrets: tuple[Secret, ...] = ()
    """``WEBHOOK_SECRETS``: other secrets that may sign notifications, such as the next one while
    ``SECRET`` is replaced; ``SECRET`` itself always may."""
    cdn_url: str | None = None
    """``CDN_URL``: address of its streams; ``BASE_URL`` by default."""
    static_url: str | None = None
    """``STATIC_URL``: address of its thumbnails; ``CDN_URL`` by default."""
    transport: str = "http"
    """``TRANSPORT``: ``"http"``, or ``"in-process"`` for a cloud that this project serves."""
    timeout: float = 60
    """``TIMEOUT``: seconds that a call may take, a day at most; nothing ends one in the process."""
    retries: int = 2
    """``RETRIES``: how often a call that changes nothing is repeated, at most."""
    proxy: str | None = field(default=None, repr=False)
    """``PROXY``: address of an HTTP proxy."""
    seclevel: SecLevel = SecLevel.NONE
    """``SECLEVEL``: level of the addresses that template tags sign, such as ``"ip|useragent"``."""
    trusted_proxies: tuple[Network, ...] = ()
    """``TRUSTED_PROXIES``: addresses or networks whose ``X-Forwarded-For`` is believed."""
    viewer: Callable[[HttpRequest, Sequence[Network]], Viewer] = field(
        default_factory=lambda: import_string(VIEWER)
    )
    """``VIEWER``: path of the function that finds who looks at a page, in place of
    :func:`~django_cloudkey.viewers.viewer_of`."""
    url_lifetime: int = URL_LIFETIME
    """``URL_LIFETIME``: seconds for which the addresses on a page are valid, at least."""
    url_bucket: int = 0
    """``URL_BUCKET``: seconds within which a viewer's addresses stay the same, so that pages can be
    cached; they are valid for as much longer. 0 gives every page addresses of its own."""
    max_token_lifetime: int = LIFETIME
    """``MAX_TOKEN_LIFETIME``: seconds for which the cloud takes addresses of scheme 2, as its own
    setting of this name says; a week by default."""


def aliases() -> dict[str, Any]:
    """Return the setting; nothing where it is missing, or no dict of aliases."""
    return {} if wrong_setting() else getattr(settings, NAME, {})


def account_settings(alias: str) -> AccountSettings:
    """
    Return the checked settings of *alias*.

    Raises:
        ImproperlyConfigured: there is no such alias, or a key is missing, unknown or wrong.
    """
    problems = [*wrong_setting(), *unknown_keys(alias)]
    if not problems and alias not in aliases():
        problems = [Problem(f"{_place(alias)} is not configured.")]
    account = None if problems else read_account(alias, problems)
    if account is None:
        # Raised here, where no variable of a debug page holds the key.
        raise ImproperlyConfigured(str(problems[0]))
    return account


def hears_notifications(alias: str) -> bool:
    """Say whether *alias* has a secret that notifications could be signed with."""
    given = aliases().get(alias)
    return isinstance(given, dict) and bool(given.get("SECRET") or given.get("WEBHOOK_SECRETS"))


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and what may have been meant."""

    text: str
    hint: str | None = None
    is_missing: bool = False

    def __str__(self) -> str:
        return f"{self.text} {self.hint}" if self.hint else self.text


def wrong_setting() -> list[Problem]:
    """Return what is wrong with the setting as a whole."""
    given = getattr(settings, NAME, {})
    expected = "a dict of aliases"
    hint = f'{NAME} = {{"default": {{"USER_ID": …, "API_KEY": …, "BASE_URL": …}}}}'
    if not isinstance(given, dict):
        return [Problem(f"{NAME} must be {expected}, got {shown(given)}.", hint)]
    if any(not isinstance(given[key], dict) for key in KEYS & given.keys()):
        return [Problem(f"{NAME} must be {expected}, got the keys of an account.", hint)]
    return []


def unknown_keys(alias: str) -> list[Problem]:
    """Return the keys of *alias* that mean nothing."""
    given = aliases().get(alias)
    if not isinstance(given, dict):
        return []
    return [
        Problem(f"{_place(alias)} has an unknown key {key!r}.", meant(str(key).upper(), KEYS))
        for key in sorted(given.keys() - KEYS, key=str)
    ]


def read_account(alias: str, problems: list[Problem]) -> AccountSettings | None:
    """
    Return the settings of *alias*, or ``None`` where a key is missing or wrong.

    Args:
        problems: One is added for each of those.
    """
    given, where, before = aliases()[alias], _place(alias), len(problems)
    if not isinstance(given, dict):
        problems.append(Problem(f"{where} must be a dict, got {shown(given)}."))
        return None
    values = {}
    names = [key for key in SCHEME2 if given.get(key)]
    required = (*REQUIRED, *(() if names else ("API_KEY",)))
    for key, read in READERS.items():
        value = given.get(key)
        if value is None or value == "":
            if key in required:
                problems.append(Problem(f'{where}["{key}"] is missing.', is_missing=True))
            continue
        try:
            values[key.lower()] = read(value)
        except WrongValue as wrong:
            part = value if wrong.got is ALL else wrong.got
            got = "" if key in SECRETS else f", got {shown(part)}"
            problems.append(Problem(f'{where}["{key}"] must be {wrong.expected}{got}.', wrong.hint))
    if len(names) == 1 and names[0].lower() in values:
        (other,) = set(SCHEME2) - set(names)
        problems.append(Problem(f'{where}["{other}"] is missing.', is_missing=True))
    return AccountSettings(**values) if len(problems) == before else None


def _place(alias: str) -> str:
    return f'{NAME}["{alias}"]'
