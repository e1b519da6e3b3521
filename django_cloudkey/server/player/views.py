"""``GET /embed/<user>/<media>``: a page that plays one media to one viewer for a while."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from ...protocol.assets import UNFINISHED, AssetStatus
from ...protocol.signing import URLRefused
from ...protocol.urls import Page, parse, stream_address
from ..conf import cloud
from ..delivery.admission import NOT_KNOWN, Grant, admit
from ..delivery.reasons import explain
from ..models import Asset, Media

logger = logging.getLogger(__name__)

KINDS = ("embed", "player/embed")
"""Addresses of pages that are answered; the grammar has more."""
QUALITIES = (
    "mp4_h264_aac_fhd",
    "mp4_h264_aac_hd",
    "mp4_h264_aac_hq",
    "mp4_h264_aac",
    "mp4_h264_aac_ld",
)
"""What the page plays: the first of these that is ready."""
POSTERS = ("jpeg_thumbnail_source", "jpeg_thumbnail_large", "jpeg_thumbnail_medium")


@require_safe
@xframe_options_exempt
def embed(request: HttpRequest, path: str) -> HttpResponse:
    """Answer with the player, or with a page that says why there is none."""
    address = parse(path)
    if not isinstance(address, Page) or address.kind not in KINDS:
        return _page(request, "refused", 404)
    try:
        grant = admit(request, address)
    except URLRefused as refused:
        refusal = _page(request, "refused", 403)
        explain(request, refusal, refused)
        return refusal
    except NOT_KNOWN:
        logger.exception("Nobody knows whether this is a right to it: refused")
        return _page(request, "refused", 503)
    media = Media.objects.filter(account=grant.account, pk=address.media).first()
    if media is None:
        return _page(request, "missing", 404)
    assets = {asset.name: asset for asset in media.assets.all()}
    ready = {name for name, asset in assets.items() if asset.status == AssetStatus.READY}
    playable = next((name for name in QUALITIES if name in ready), None)
    if playable is None:
        is_coming = any(asset.status in UNFINISHED for asset in assets.values())
        return _page(request, "processing" if is_coming else "failed", media=media)
    poster = next((name for name in POSTERS if name in ready), None)
    return _page(
        request,
        "player",
        media=media,
        video_url=_signed(grant, media, assets[playable], cloud.cdn_url),
        poster_url=poster and _signed(grant, media, assets[poster], cloud.static_url),
        start=_start(grant.terms.options.get("start", "")),
        autoplay=grant.terms.options.get("autoplay") == "1",
        controls=grant.terms.options.get("chromeless") != "1",
    )


def _signed(grant: Grant, media: Media, asset: Asset, base: str) -> str:
    """Return an address for the viewer who was let in."""
    address = stream_address(media.account_id, media.pk, asset.name, version=asset.version)
    return grant.sign(f"{base}/{address.path}", address)


def _start(text: str) -> int:
    """Return the second to start at; what is no number is the beginning."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


def _page(request: HttpRequest, state: str, status: int = 200, **context: Any) -> HttpResponse:
    response = render(
        request, "cloudkey_server/embed.html", {"state": state, **context}, status=status
    )
    if request.method == "HEAD":
        response.content = b""  # not every server takes it off, and it holds addresses
    response["Content-Security-Policy"] = _policy()
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _policy() -> str:
    own = " ".join(dict.fromkeys(["'self'", *_origins(static("cloudkey_server/player.js"))]))
    media = " ".join(dict.fromkeys(["'self'", *_origins(cloud.cdn_url)]))
    images = " ".join(dict.fromkeys(["'self'", *_origins(cloud.static_url)]))
    return (
        f"default-src 'none'; script-src {own}; style-src {own}; img-src {images}; "
        f"media-src {media}; base-uri 'none'; form-action 'none'"
    )


def _origins(url: str) -> list[str]:
    """Return the origin of an absolute URL; none for a path of this host."""
    parts = urlsplit(url)
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []
