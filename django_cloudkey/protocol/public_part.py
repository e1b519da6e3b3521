"""
The public part of a URL token: the countries and referers that a level allows, readable.

::

    cc=fr,be&rf=https%3A%2F%2Fexample.org%2F        plain
    eJxL…                                           as it travels: base64url of its zlib stream

Every client encodes it a little differently; a verifier takes the text as it was received and
never encodes it again.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

from .referers import Prefix, parse_prefix
from .seclevel import PUBLIC_BITS, SecLevel
from .urls import quote

MAX_SIZE = 8192  # bytes, inflated
# Plain numbers: one operation on members of an IntFlag takes longer than an MD5.
DELEGATE, COUNTRY = SecLevel.DELEGATE.value, SecLevel.COUNTRY.value
REFERER_BITS = (SecLevel.REFERER | SecLevel.REFERER_STRICT).value
BITS = PUBLIC_BITS.value


def encode(level: int, countries: Sequence[str] | None, referers: Sequence[str] | None) -> str:
    """
    Return the public part that *level* asks for; an empty text when it asks for none.

    Raises:
        ValueError: a list that the level asks for is missing or malformed.
    """
    if level & DELEGATE or not level & BITS:
        return ""
    return _encode(
        as_list("COUNTRY", countries) if level & COUNTRY else None,
        as_list("REFERER", referers) if level & REFERER_BITS else None,
    )


_LISTS = (list, tuple)  # isinstance() takes three times as long for a union


_KINDS = {"COUNTRY": "country codes", "REFERER": "URL prefixes"}


def as_list(level: str, values: Sequence[str] | None) -> tuple[str, ...]:
    """
    Return the list that *level*, ``COUNTRY`` or ``REFERER``, asks for.

    Raises:
        ValueError: it is missing, or no list.
    """
    if not values:
        raise ValueError(f"The {level} security level needs a list of {_KINDS[level]}.")
    if not isinstance(values, _LISTS):
        raise ValueError(
            f"The {level} security level needs a list of {_KINDS[level]}, got {values!r}."
        )
    return tuple(values)


_COUNTRIES = re.compile(r"-?[a-zA-Z]{2}(,[a-zA-Z]{2})*", re.ASCII)


# The encoded part depends on the lists only, and a site has few of them.
@lru_cache(maxsize=256)
def _encode(countries: tuple[str, ...] | None, referers: tuple[str, ...] | None) -> str:
    parts = []
    if countries is not None:
        denied = countries[0] == "-"
        text = ("-" if denied else "") + ",".join(countries[1:] if denied else countries)
        if not _COUNTRIES.fullmatch(text):
            raise ValueError(f"Country codes are two letters each, got {list(countries)!r}.")
        parts.append(f"cc={text.lower()}")
    if referers is not None:
        joined = " ".join(referer.replace(" ", "%20") for referer in referers)
        parts.append(f"rf={quote(joined)}")
    return base64.urlsafe_b64encode(zlib.compress("&".join(parts).encode())).decode()


def decode(public: str) -> str:
    """
    Return the text inside a public part, whichever client encoded it.

    Raises:
        ValueError: not base64, not one whole zlib stream, too long, or not printable ASCII.
    """
    text = public.replace("\n", "").replace("-", "+").replace("_", "/").rstrip("=")
    data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data, MAX_SIZE).decode("ascii")
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof or inflate.unused_data or not plain.isprintable():
        raise ValueError("not one whole stream of printable text")
    return plain


def read(public: str) -> tuple[tuple[str, ...], tuple[Prefix, ...]]:
    """
    Return the lists of a public part that :func:`is_exact`: ``allow`` or ``deny`` with countries,
    and the prefixes of pages. A prefix that nobody could match is left out.
    """
    lists = dict(parse_qsl(decode(public))) if public else {}
    countries: tuple[str, ...] = ()
    if "cc" in lists:
        denied = lists["cc"].startswith("-")
        # Java writes a comma after the "-" too.
        codes = lists["cc"].lower().removeprefix("-").removeprefix(",").split(",")
        countries = ("deny" if denied else "allow", *(code.strip() for code in codes))
    prefixes = map(parse_prefix, lists.get("rf", "").split())
    return countries, tuple(prefix for prefix in prefixes if prefix is not None)


def is_exact(public: str, level: int) -> bool:
    """
    Say whether *public* is there exactly when *level* asks for it, with what it asks for.

    One that nobody asked for is an attack on the digest; one that is missing would lift the very
    restriction that the level announces.
    """
    expected = []
    if not level & DELEGATE:
        expected += ["cc"] if level & COUNTRY else []
        expected += ["rf"] if level & REFERER_BITS else []
    try:
        pairs = parse_qsl(decode(public), keep_blank_values=True) if public else []
    except ValueError:
        return False
    return [name for name, _ in pairs] == expected and all(value for _, value in pairs)
