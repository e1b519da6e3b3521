"""The Content-Security-Policy of the site's own pages; the cloud's pages bring theirs."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
DEBUG_PAGES = {404, 500}  # Django's own, with inline styles


def policy(cloud_url: str) -> str:
    """Return a policy that trusts this site, and for players and films the origin of a cloud."""
    parts = urlsplit(cloud_url)
    cloud = f"{parts.scheme}://{parts.netloc}"
    return (
        "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; "
        f"img-src 'self' data: {cloud}; media-src 'self' {cloud}; "
        f"frame-src 'self' {cloud}; connect-src 'self' {cloud}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )


class ContentSecurityPolicyMiddleware:
    """Set the header on answers that have none. From Django 6.0 on Django can do this itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policy = policy(str(settings.CLOUDKEY_SERVER["BASE_URL"]))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code in DEBUG_PAGES):
            response.headers.setdefault(HEADER, self.policy)
        return response
