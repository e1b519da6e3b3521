"""``GET /route/…`` and ``GET /<user>/<media>/jpeg_thumbnail_….jpeg``: verify, find, hand over."""

from __future__ import annotations

import logging
import time

from django.db.models import Q
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.utils.http import content_disposition_header, http_date, parse_etags
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from ...protocol.assets import SOURCE, AssetStatus
from ...protocol.signing import URLRefused
from ...protocol.urls import Stream, Thumbnail, parse
from .. import files
from ..conf import cloud
from ..models import Account, Asset
from ..uploads.receiver import split_name
from .admission import NOT_KNOWN, admit
from .levels import USEONCE
from .ranges import FileSlice, Unsatisfiable, parse_range
from .reasons import explain

logger = logging.getLogger(__name__)

PRIVATE = "private, no-store"
MAX_AGE = 3600  # seconds that a browser may keep what it got
BYTES = "application/octet-stream"
MEDIA_TYPES = {
    "MPEG-4": "video/mp4",
    "QuickTime": "video/quicktime",
    "Matroska": "video/matroska",
    "WebM": "video/webm",
    "AVI": "video/vnd.avi",
    "Flash Video": "video/x-flv",
    "Ogg": "video/ogg",
    "MPEG-TS": "video/mp2t",
    "MPEG-PS": "video/mpeg",
    "Windows Media": "video/x-ms-asf",
    "JPEG": "image/jpeg",
}
"""Container, as probing found it → media type; a name is only what somebody called the asset."""


@require_safe
@xframe_options_exempt
def serve(request: HttpRequest, path: str) -> HttpResponseBase:
    """Answer with the bytes of the asset that *path* names, whole or one range of them."""
    address = parse(path)
    if not isinstance(address, Stream | Thumbnail):
        return _refusal(404, "Not found.")
    grant = None
    try:
        grant = admit(request, address)
    except URLRefused as refused:
        if not (isinstance(address, Thumbnail) and is_public(address)):
            refusal = _refusal(403, "This address is not valid, or not any more.")
            explain(request, refusal, refused)
            return refusal
    except NOT_KNOWN:
        logger.exception("Nobody knows whether this is a right to it: refused")
        return _refusal(503, "Please try again.")
    is_once = grant is not None and grant.terms.level & USEONCE
    if grant is not None and is_once and isinstance(address, Stream) and request.method == "GET":
        # A player comes back for each piece: with an address of its own, for this viewer alone.
        return _redirect(grant.sign(f"{cloud.cdn_url}/{address.path}", address))
    asset = (
        Asset.objects.filter(
            # A source is what was sent, whatever becomes of it.
            Q(status=AssetStatus.READY) | Q(name=SOURCE),
            media__account=address.user,
            media=address.media,
            name=address.asset_name,
        )
        .exclude(file="")
        .first()
    )
    if asset is None:
        return _refusal(404, "Not found.")
    response = _respond(request, asset)
    # A source may be anything that somebody sent: it is kept as a file, never shown.
    if isinstance(address, Stream) and (address.protocol == "http" or asset.name == SOURCE):
        given = grant.terms.options.get("filename", "") if grant is not None else ""
        name = split_name(given)[0] or asset.name
        name = f"{name}.{asset.extension}" if asset.extension else name
        response["Content-Disposition"] = content_disposition_header(True, name)
    if response.status_code < 400:
        left = grant.terms.expires - time.time() if grant is not None else MAX_AGE
        response["Cache-Control"] = f"private, max-age={max(0, int(min(MAX_AGE, left)))}"
    return response


def _redirect(url: str) -> HttpResponse:
    headers = {"Location": url, "Cache-Control": PRIVATE, "Referrer-Policy": "no-referrer"}
    return HttpResponse(status=302, headers=headers)


def is_public(address: Thumbnail) -> bool:
    """Say whether the account shows its stills to everybody."""
    return Account.objects.filter(pk=address.user, is_active=True, public_thumbnails=True).exists()


def _respond(request: HttpRequest, asset: Asset) -> HttpResponseBase:
    try:
        file = files.storage().open(asset.file, "rb")
    except FileNotFoundError:
        return _refusal(404, "Not found.")
    size = file.size
    etag = f'"{asset.pk}-{asset.version}-{size}"'
    headers = {
        "Content-Type": _media_type(asset),
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": http_date(asset.version),
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
        # What somebody uploaded must never run as a page of this host.
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        file.close()
        return HttpResponse(status=304, headers={"ETag": etag})
    start, length, status = 0, size, 200
    wanted = request.headers.get("Range", "")
    if wanted and request.headers.get("If-Range", etag) == etag:
        try:
            part = parse_range(wanted, size)
        except Unsatisfiable:
            file.close()
            headers["Content-Range"] = f"bytes */{size}"
            return HttpResponse(status=416, headers=headers)
        if part is not None:
            start, length = part
            status = 206
            headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=status, headers=headers)
    if status == 200:
        # The server's own way to send a file, sendfile(2) where it has one.
        media_type = headers.pop("Content-Type")  # else it guesses one from the name
        whole = FileResponse(file, content_type=media_type, headers=headers)
        del whole["Content-Disposition"]  # it would tell the name in the storage
        return whole
    return StreamingHttpResponse(FileSlice(file, start, length), status=status, headers=headers)


def _media_type(asset: Asset) -> str:
    # A source is for whoever owns it, to be kept rather than played.
    return BYTES if asset.name == SOURCE else MEDIA_TYPES.get(asset.facts.get("container"), BYTES)


def _refusal(status: int, sentence: str) -> HttpResponse:
    """Return a refusal that says nothing about what exists."""
    return HttpResponse(
        sentence,
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Cache-Control": PRIVATE, "X-Content-Type-Options": "nosniff"},
    )
