"""
The setting ``CLOUDKEYS``: alias → account on a cloud, shaped like ``CACHES``.

Read on access. Wrong values are system checks (:mod:`.checks`); a call through an alias that is
missing or incomplete raises ImproperlyConfigured and names the key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .protocol.scheme2.keys import is_kid, is_secret
from .protocol.scheme2.url_token import LIFETIME
from .protocol.seclevel import SecLevel, Viewer, parse_seclevel
from .protocol.secret import Secret
from .protocol.signing import URL_LIFETIME
from .protocol.urls import is_address, is_media_id
from .protocol.viewer import Network, parse_networks

NAME = "CLOUDKEYS"
DEFAULT_ALIAS = "default"
IN_PROCESS = "in-process"
TRANSPORTS = ("http", IN_PROCESS)
VIEWER = "django_cloudkey.viewers.viewer_of"
MAX_TIMEOUT = 24 * 3600  # seconds
MAX_RETRIES = 100
MAX_URL_LIFETIME = 10**9  # seconds; the end of an address is written with ten digits


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
        return [Problem(f"{NAME} must be {expected}, got {_shown(given)}.", hint)]
    if any(not isinstance(given[key], dict) for key in KEYS & given.keys()):
        return [Problem(f"{NAME} must be {expected}, got the keys of an account.", hint)]
    return []


def unknown_keys(alias: str) -> list[Problem]:
    """Return the keys of *alias* that mean nothing."""
    given = aliases().get(alias)
    if not isinstance(given, dict):
        return []
    return [
        Problem(f"{_place(alias)} has an unknown key {key!r}.", _meant(str(key).upper(), KEYS))
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
        problems.append(Problem(f"{where} must be a dict, got {_shown(given)}."))
        return None
    values = {}
    names = [key for key in SCHEME2 if given.get(key)]
    required = (*REQUIRED, *(() if names else ("API_KEY",)))
    for key, read in _READERS.items():
        value = given.get(key)
        if value is None or value == "":
            if key in required:
                problems.append(Problem(f'{where}["{key}"] is missing.', is_missing=True))
            continue
        try:
            values[key.lower()] = read(value)
        except _Wrong as wrong:
            part = value if wrong.got is _ALL else wrong.got
            got = "" if key in SECRETS else f", got {_shown(part)}"
            problems.append(Problem(f'{where}["{key}"] must be {wrong.expected}{got}.', wrong.hint))
    if len(names) == 1 and names[0].lower() in values:
        (other,) = set(SCHEME2) - set(names)
        problems.append(Problem(f'{where}["{other}"] is missing.', is_missing=True))
    return AccountSettings(**values) if len(problems) == before else None


def _place(alias: str) -> str:
    return f'{NAME}["{alias}"]'


def _shown(value: object) -> str:
    """Return *value* for a message: no key that is inside it, no password of an address."""
    if isinstance(value, str):
        return repr(re.sub(r"[^/]*@", "…@", value)[:100])
    if value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 1e20):
        return repr(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _meant(text: str, known: Sequence[str] | set[str]) -> str | None:
    close = get_close_matches(text, sorted(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else None


# Values


_ALL = object()


class _Wrong(Exception):
    """A value, or the part *got* of it, is not what it must be."""

    def __init__(self, expected: str, hint: str | None = None, *, got: object = _ALL) -> None:
        self.expected = expected
        self.hint = hint
        self.got = got


def _user_id(value: Any) -> str:
    if not is_media_id(value):
        raise _Wrong("24 characters of 0-9 and a-f")
    return str(value)


def _api_key(value: Any) -> Secret:
    key = Secret(value)
    del value
    if not key.is_word():
        raise _Wrong("visible ASCII characters, without spaces")
    return key


def _secret(value: Any) -> Secret:
    secret = Secret(value)
    del value
    if not is_secret(secret):
        raise _Wrong("32 to 64 bytes as base64url without padding, as the cloud shows them once")
    return secret


def _webhook_secrets(value: Any) -> tuple[Secret, ...]:
    if not isinstance(value, list | tuple):
        raise _Wrong("a list of secrets")
    secrets = tuple(map(Secret, value))
    del value
    if not all(map(is_secret, secrets)):
        raise _Wrong("a list of secrets, each 32 to 64 bytes as base64url without padding")
    return secrets


def _kid(value: Any) -> str:
    if not is_kid(value):
        raise _Wrong("1 to 32 of A-Z a-z 0-9 _ -, such as 'k1'")
    return str(value)


def _url(value: Any) -> str:
    if not is_address(value, ("http", "https")):
        raise _Wrong("an address that starts with http:// or https://")
    if re.search(r"[?#\s\x00-\x1f]", value):
        raise _Wrong("an address without query, fragment and spaces")
    return str(value)


def _proxy(value: Any) -> str:
    with_scheme = value if not isinstance(value, str) or "://" in value else f"http://{value}"
    if not is_address(with_scheme, ("http", "https", "socks4", "socks4a", "socks5", "socks5h")):
        raise _Wrong("the address of a proxy, such as 'http://proxy.example.org:3128'")
    return str(value)


def _transport(value: Any) -> str:
    if value not in TRANSPORTS:
        raise _Wrong(f"one of {', '.join(TRANSPORTS)}", _meant(str(value), TRANSPORTS))
    return str(value)


def _timeout(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value <= MAX_TIMEOUT:
        raise _Wrong(f"a number of seconds above 0, at most {MAX_TIMEOUT}")
    return float(value)


def _number(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _Wrong(f"a whole number from {least} to {most}")
        return value

    return read


def _seclevel(value: Any) -> SecLevel:
    try:
        if type(value) is bool or not isinstance(value, int | str):
            raise ValueError
        return parse_seclevel(value)
    except ValueError as error:
        known = [name.lower() for name in SecLevel.__members__]
        words = re.split(r"[|,+\s]+", value.lower()) if isinstance(value, str) else []
        close = [get_close_matches(word, known, n=1) for word in words]
        hint = f"Did you mean {'|'.join(each[0] for each in close)!r}?" if all(close) else None
        expected = f"names of {', '.join(known)}, joined by '|', or their sum"
        raise _Wrong(expected, hint if close else None) from error


def _trusted_proxies(value: Any) -> tuple[Network, ...]:
    expected = "a list of addresses and networks"
    if not isinstance(value, list | tuple | set | frozenset):
        raise _Wrong(expected, f"Write [{value!r}]." if isinstance(value, str) else None)
    for item in value:
        try:
            if not isinstance(item, str):
                raise TypeError(f"{_shown(item)} is no text")
            parse_networks([item])
        except (TypeError, ValueError) as error:
            raise _Wrong(expected, f"{error}.", got=item) from error
    return parse_networks(tuple(value))


def _viewer(value: Any) -> Any:
    expected = "the dotted path of a function"
    if not isinstance(value, str):
        raise _Wrong(expected)
    try:
        found = import_string(value)
    except (ImportError, ValueError) as error:  # no such module, or a path that names none
        raise _Wrong(expected, f"{error}.") from error
    if not callable(found):
        raise _Wrong(expected)
    return found


_READERS: dict[str, Callable[[Any], Any]] = {
    "USER_ID": _user_id,
    "API_KEY": _api_key,
    "SECRET": _secret,
    "KID": _kid,
    "WEBHOOK_SECRETS": _webhook_secrets,
    "BASE_URL": _url,
    "CDN_URL": _url,
    "STATIC_URL": _url,
    "TRANSPORT": _transport,
    "TIMEOUT": _timeout,
    "RETRIES": _number(0, MAX_RETRIES),
    "PROXY": _proxy,
    "SECLEVEL": _seclevel,
    "TRUSTED_PROXIES": _trusted_proxies,
    "VIEWER": _viewer,
    "URL_LIFETIME": _number(1, MAX_URL_LIFETIME),
    "URL_BUCKET": _number(0, MAX_URL_LIFETIME),
    "MAX_TOKEN_LIFETIME": _number(1, MAX_URL_LIFETIME),
}
KEYS = set(_READERS)
REQUIRED = ("USER_ID", "BASE_URL")
"""And ``API_KEY``, or both of SCHEME2."""
SCHEME2 = ("SECRET", "KID")
SECRETS = ("USER_ID", "API_KEY", "SECRET", "KID", "WEBHOOK_SECRETS", "PROXY")
"""Keys whose value no message shows; whoever exchanges id and key has the key under ``USER_ID``."""
