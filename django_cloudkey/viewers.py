"""Who looks at a page: what a security level needs to know of a request."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from .connection import cloudkeys
from .protocol.seclevel import SecLevel
from .protocol.viewer import client_address


def restrictions_for(
    request: HttpRequest | None, seclevel: SecLevel, *, account: str
) -> dict[str, Any]:
    """
    Return the arguments that bind a signed address to the viewer behind *request*.

    Raises:
        ValueError: the level needs a value of the viewer and there is no request, or the request
            does not have it.
    """
    restrictions: dict[str, Any] = {"seclevel": int(seclevel)}
    if seclevel & SecLevel.DELEGATE or not seclevel & (SecLevel.IP | SecLevel.USERAGENT):
        return restrictions
    if request is None:
        raise ValueError("This security level needs the request: is it in the template's context?")
    if seclevel & SecLevel.IP:
        restrictions["ip"] = client_address(
            request.META.get("REMOTE_ADDR", ""),
            request.META.get("HTTP_X_FORWARDED_FOR", ""),
            cloudkeys.settings(account).trusted_proxies,
        )
    if seclevel & SecLevel.USERAGENT:
        restrictions["useragent"] = request.META.get("HTTP_USER_AGENT", "")
    return restrictions
