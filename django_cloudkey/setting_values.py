"""
Values of ``CLOUDKEYS``: what a site may write under each key, and what the client makes of it.

A reader takes a value, and returns it as :class:`~django_cloudkey.conf.AccountSettings` has it, or
raises WrongValue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from django.utils.module_loading import import_string

from .protocol.scheme2.keys import is_kid, is_secret
from .protocol.seclevel import SecLevel, parse_seclevel
from .protocol.secret import Secret
from .protocol.urls import is_address, is_media_id
from .protocol.viewer import Network, parse_networks

IN_PROCESS = "in-process"
TRANSPORTS = ("http", IN_PROCESS)
MAX_TIMEOUT = 24 * 3600  # seconds
MAX_RETRIES = 100
MAX_URL_LIFETIME = 10**9  # seconds; the end of an address is written with ten digits
ALL = object()


class WrongValue(Exception):
    """
    A value is not what it must be.

    Attributes:
        expected: What it must be.
        hint: What may have been meant, or is wrong.
        got: The part of the value that is wrong; ALL for all of it.
    """

    def __init__(self, expected: str, hint: str | None = None, *, got: object = ALL) -> None:
        self.expected = expected
        self.hint = hint
        self.got = got


def _user_id(value: Any) -> str:
    if not is_media_id(value):
        raise WrongValue("24 characters of 0-9 and a-f")
    return str(value)


def _api_key(value: Any) -> Secret:
    key = Secret(value)
    del value
    if not key.is_word():
        raise WrongValue("visible ASCII characters, without spaces")
    return key


def _secret(value: Any) -> Secret:
    secret = Secret(value)
    del value
    if not is_secret(secret):
        raise WrongValue(
            "32 to 64 bytes as base64url without padding, as the cloud shows them once"
        )
    return secret


def _webhook_secrets(value: Any) -> tuple[Secret, ...]:
    if not isinstance(value, list | tuple):
        raise WrongValue("a list of secrets")
    secrets = tuple(map(Secret, value))
    del value
    if not all(map(is_secret, secrets)):
        raise WrongValue("a list of secrets, each 32 to 64 bytes as base64url without padding")
    return secrets


def _kid(value: Any) -> str:
    if not is_kid(value):
        raise WrongValue("1 to 32 of A-Z a-z 0-9 _ -, such as 'k1'")
    return str(value)


def _url(value: Any) -> str:
    if not is_address(value, ("http", "https")):
        raise WrongValue("an address that starts with http:// or https://")
    if re.search(r"[?#\s\x00-\x1f]", value):
        raise WrongValue("an address without query, fragment and spaces")
    return str(value)


def _proxy(value: Any) -> str:
    with_scheme = value if not isinstance(value, str) or "://" in value else f"http://{value}"
    if not is_address(with_scheme, ("http", "https", "socks4", "socks4a", "socks5", "socks5h")):
        raise WrongValue("the address of a proxy, such as 'http://proxy.example.org:3128'")
    return str(value)


def _transport(value: Any) -> str:
    if value not in TRANSPORTS:
        raise WrongValue(f"one of {', '.join(TRANSPORTS)}", meant(str(value), TRANSPORTS))
    return str(value)


def _timeout(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value <= MAX_TIMEOUT:
        raise WrongValue(f"a number of seconds above 0, at most {MAX_TIMEOUT}")
    return float(value)


def _number(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise WrongValue(f"a whole number from {least} to {most}")
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
        raise WrongValue(expected, hint if close else None) from error


def _trusted_proxies(value: Any) -> tuple[Network, ...]:
    expected = "a list of addresses and networks"
    if not isinstance(value, list | tuple | set | frozenset):
        raise WrongValue(expected, f"Write [{value!r}]." if isinstance(value, str) else None)
    for item in value:
        try:
            if not isinstance(item, str):
                raise TypeError(f"{shown(item)} is no text")
            parse_networks([item])
        except (TypeError, ValueError) as error:
            raise WrongValue(expected, f"{error}.", got=item) from error
    return parse_networks(tuple(value))


def _viewer(value: Any) -> Any:
    expected = "the dotted path of a function"
    if not isinstance(value, str):
        raise WrongValue(expected)
    try:
        found = import_string(value)
    except (ImportError, ValueError) as error:  # no such module, or a path that names none
        raise WrongValue(expected, f"{error}.") from error
    if not callable(found):
        raise WrongValue(expected)
    return found


READERS: dict[str, Callable[[Any], Any]] = {
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
"""Key → what reads its value."""


def shown(value: object) -> str:
    """Return *value* for a message: no key that is inside it, no password of an address."""
    if isinstance(value, str):
        return repr(re.sub(r"[^/]*@", "…@", value)[:100])
    if value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 1e20):
        return repr(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def meant(text: str, known: Iterable[str]) -> str | None:
    """Return a question whether the nearest of the *known* was meant; None if none is near."""
    close = get_close_matches(text, sorted(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else None
