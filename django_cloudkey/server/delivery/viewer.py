"""Who asks: the one place that reads a viewer's address and headers from a request."""

from __future__ import annotations

from django.http import HttpRequest

from ...protocol.seclevel import Viewer
from ...protocol.viewer import client_address
from ..conf import cloud


def viewer_of(request: HttpRequest) -> Viewer:
    """Return the viewer behind *request*, through the proxies that settings trust."""
    return Viewer(
        ip=client_address(
            request.META.get("REMOTE_ADDR", ""),
            request.META.get("HTTP_X_FORWARDED_FOR", ""),
            cloud.trusted_proxies,
        ),
        useragent=request.META.get("HTTP_USER_AGENT", ""),
    )
