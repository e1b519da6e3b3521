"""Who looks at a page: what a security level needs to know of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from .conf import AccountSettings
from .protocol.seclevel import SecLevel, Viewer
from .protocol.viewer import Network, client_address

# Plain numbers: one operation on members of an IntFlag takes longer than an MD5.
DELEGATE, COUNTRY = SecLevel.DELEGATE.value, SecLevel.COUNTRY.value
OF_VIEWER = (
    (SecLevel.ASNUM.value, "asnum"),
    (SecLevel.IP.value, "ip"),
    (SecLevel.USERAGENT.value, "useragent"),
)
OF_PAGE = (SecLevel.REFERER | SecLevel.REFERER_STRICT).value
_OF_REQUEST = OF_PAGE | (SecLevel.ASNUM | SecLevel.IP | SecLevel.USERAGENT).value


def viewer_of(request: HttpRequest, trusted_proxies: Sequence[Network]) -> Viewer:
    """
    Return who sent *request*: what ``CLOUDKEYS[alias]["VIEWER"]`` may replace.

    Args:
        trusted_proxies: ``CLOUDKEYS[alias]["TRUSTED_PROXIES"]``, through which alone
            ``X-Forwarded-For`` is read.
    """
    return Viewer(
        ip=client_address(
            request.META.get("REMOTE_ADDR", ""),
            request.META.get("HTTP_X_FORWARDED_FOR", ""),
            trusted_proxies,
        ),
        useragent=request.META.get("HTTP_USER_AGENT", ""),
    )


def binds_to_request(level: int) -> bool:
    """Say whether an address of *level* depends on the request of its page."""
    return not level & DELEGATE and bool(level & _OF_REQUEST)


def restrictions_for(
    request: HttpRequest | None,
    level: int,
    given: Mapping[str, Any],
    *,
    account: AccountSettings,
) -> dict[str, Any]:
    """
    Return the arguments that bind a signed address to the viewer behind *request*.

    Args:
        given: Values that need not be looked for: ``asnum``, ``ip``, ``useragent``; ``countries``
            as a list or ``"fr,be"``, denied after ``"-"``; ``referers`` as a list or separated by
            spaces, the pages of the request's own site by default.

    Raises:
        NoRequest: the level needs a value of the request and there is none.
    """
    restrictions: dict[str, Any] = {"seclevel": level}
    if not level or level & DELEGATE:
        return restrictions
    missing = [name for bit, name in OF_VIEWER if level & bit and not given.get(name)]
    if missing:
        viewer = account.viewer(_needed(request), account.trusted_proxies)
        restrictions |= {name: getattr(viewer, name) for name in missing}
    if level & COUNTRY:
        restrictions["countries"] = _as_list(given.get("countries"), ",")
    if level & OF_PAGE:
        referers = given.get("referers") or [_needed(request).build_absolute_uri("/")]
        restrictions["referers"] = _as_list(referers, None)
    return restrictions


class NoRequest(ValueError):
    """A level binds to the viewer, and neither the request nor the values are there."""


def _needed(request: HttpRequest | None) -> HttpRequest:
    if request is None:
        raise NoRequest("This security level needs the request: is it in the template's context?")
    return request


def _as_list(values: str | Sequence[str] | None, separator: str | None) -> list[str]:
    if isinstance(values, str):
        return [value.strip() for value in values.split(separator)]
    return list(values or ())
