"""
What a level demands beyond the signature: lists, and being the first.

The viewer's own values (IP, ASNUM, USERAGENT) are inside the signature and were compared there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils.crypto import salted_hmac

from ...protocol import referers
from ...protocol.seclevel import SecLevel, Viewer
from ...protocol.signing import URLRefused
from .. import one_time
from ..conf import cloud
from .terms import Terms

# Plain numbers: operations on members of an IntFlag are slow.
DELEGATE, USEONCE = SecLevel.DELEGATE.value, SecLevel.USEONCE.value
COUNTRY = SecLevel.COUNTRY.value
STRICT = SecLevel.REFERER_STRICT.value
OF_PAGE = SecLevel.REFERER.value | STRICT
OF_VIEWER = (
    (SecLevel.IP.value, "ip"),
    (SecLevel.ASNUM.value, "asnum"),
    (SecLevel.USERAGENT.value, "useragent"),
    (COUNTRY, "country"),
    (OF_PAGE, "referer"),
)
KEPT = timedelta(hours=1)  # after the end of an address, for clocks that differ


def check_lists(terms: Terms, viewer: Viewer) -> None:
    """
    Check the countries and the pages that an address is for.

    Raises:
        URLRefused: ``country`` or ``referer``.
    """
    if terms.countries and not _is_in(terms.countries, viewer.country):
        raise URLRefused("country")
    if terms.level & OF_PAGE and not (terms.level & DELEGATE and not terms.referers):
        _check_referer(terms, viewer.referer)


def _is_in(countries: tuple[str, ...], country: str) -> bool:
    # One that is not known may be any, also one that is denied.
    rule, *codes = countries
    return bool(country) and (country in codes) == (rule == "allow")


def _check_referer(terms: Terms, referer: str) -> None:
    if not referer and not terms.level & STRICT and cloud.missing_referer:
        return
    if not referers.admits(terms.referers, referer):
        raise URLRefused("referer")


def check_first(terms: Terms, viewer: Viewer, *, is_use: bool) -> None:
    """
    Check that *viewer* is the first, where an address is for the first only.

    Args:
        is_use: Being asked makes him the first; without, nobody becomes it.

    Raises:
        URLRefused: ``used`` or ``delegated``: somebody else was; ``viewer``: what tells viewers
            apart is not known.
        DatabaseError: nobody knows.
    """
    own = _own_values(terms.level, viewer)
    if not all(own):
        raise URLRefused("viewer")
    if terms.level & USEONCE:
        _check_unused(terms, viewer, is_use)
    elif own:
        _check_delegate(terms, own, is_use)


def _own_values(level: int, viewer: Viewer) -> list[str]:
    """
    Return what tells the first viewer of a delegated address from others; nothing for a level that
    is DELEGATE alone, which is NONE under another name.
    """
    if not level & DELEGATE:
        return []
    return [getattr(viewer, name) for bit, name in OF_VIEWER if level & bit]


def _check_unused(terms: Terms, viewer: Viewer, is_use: bool) -> None:
    if not viewer.ip:
        raise URLRefused("viewer")  # his session would be bound to nobody
    key = f"use:{terms.key}"
    is_first = _claim(terms, key) if is_use else one_time.holder_of(key) is None
    if not is_first:
        raise URLRefused("used")


def _check_delegate(terms: Terms, values: list[str], is_use: bool) -> None:
    key, holder = f"delegate:{terms.key}", _digest(values)
    # Most requests are of who is it already: only who finds nobody writes, as writers take turns.
    first = one_time.holder_of(key)
    if first is None and (not is_use or _claim(terms, key, holder)):
        return
    if holder != (first or one_time.holder_of(key)):
        raise URLRefused("delegated")


def _claim(terms: Terms, key: str, holder: str = "") -> bool:
    return one_time.claim(key, datetime.fromtimestamp(terms.expires, UTC) + KEPT, holder)


def _digest(values: list[str]) -> str:
    text = "\n".join(value.replace("\n", " ") for value in values)
    return salted_hmac("django_cloudkey.server.delegate", text, algorithm="sha256").hexdigest()
