"""Who asks: the one place that reads a viewer's address and headers from a request."""

from __future__ import annotations

from django.http import HttpRequest

from ...protocol.seclevel import Viewer
from ...protocol.viewer import client_address
from ..conf import cloud
from ..geography import asnum_of, country_of


def viewer_of(request: HttpRequest) -> Viewer:
    """Return the viewer behind *request*, through the proxies that settings trust."""
    return viewer_at(
        address_of(request),
        request.META.get("HTTP_USER_AGENT", ""),
        request.META.get("HTTP_REFERER", ""),
    )


def address_of(request: HttpRequest) -> str:
    """Return the address that *request* comes from; ``""`` when it is not known."""
    return client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        cloud.trusted_proxies,
    )


def viewer_at(ip: str, useragent: str = "", referer: str = "") -> Viewer:
    """Return the viewer at the address *ip*, with the country and the network that it is in."""
    return Viewer(
        ip=ip,
        useragent=useragent,
        asnum=asnum_of(ip),
        country=country_of(ip),
        referer=referer,
    )
