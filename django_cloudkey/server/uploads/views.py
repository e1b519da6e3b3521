"""``POST /upload?uuid=…&seal=…``: takes one file and says what arrived."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from .. import files
from ..conf import cloud
from ..models import DiscardedFile, UploadSlot
from .receiver import FULL_DISK, Refused, SlotHandler, check_space, no_space, split_name
from .slots import file_url, seal, sealed_slot

logger = logging.getLogger(__name__)

DRAIN = 64 * 1024 * 1024  # bytes of a refused file that are read, so that the sender gets to listen


@csrf_exempt  # the sealed address is the right to send; no cookie is looked at
def upload(request: HttpRequest) -> HttpResponse:
    """Receive the file of a slot; 200 with what arrived, or a status and a sentence."""
    if request.method == "OPTIONS":
        return _allow_origin(request, HttpResponse(status=204))
    try:
        response = JsonResponse(_receive(request))
    except Refused as refused:
        logger.info("Upload refused: %d", refused.status)
        error = {"code": 1030 if refused.status in (413, 507) else 600, "message": refused.message}
        response = JsonResponse({"error": error}, status=refused.status)
        _drain(request)
    return _allow_origin(request, response)


def _receive(request: HttpRequest) -> dict[str, Any]:
    if request.method != "POST":
        raise Refused(405, "A file is sent by POST.")
    slot = sealed_slot(request.GET.get("uuid", ""), request.GET.get("seal", ""))
    if slot is None:
        raise Refused(403, "This upload address is not valid, or not any more.")
    check_space(_announced_size(request))
    states = UploadSlot.State
    if not UploadSlot.objects.filter(pk=slot.pk, state=states.WAITING).update(
        state=states.RECEIVING
    ):
        raise Refused(409, "This upload address was used already.")
    try:
        return _take(request, slot)
    except BaseException:
        files.partial_path(slot.pk).unlink(missing_ok=True)
        UploadSlot.objects.filter(pk=slot.pk).update(state=states.FAILED)
        raise


def _announced_size(request: HttpRequest) -> int:
    text = request.headers.get("Content-Length") or "0"
    if not (text.isascii() and text.isdigit()):
        raise Refused(400, "The Content-Length is not a number.")
    return int(text)


def _take(request: HttpRequest, slot: UploadSlot) -> dict[str, Any]:
    handler = SlotHandler(request, slot)
    request.upload_handlers = [handler]
    try:
        request.FILES  # noqa: B018 - parses the body
    except UnreadablePostError as error:
        raise Refused(400, "The connection ended before the file did.") from error
    except (MultiPartParserError, SuspiciousOperation, RawPostDataException, OSError) as error:
        raise Refused(400, "The body is not a well-formed multipart/form-data.") from error
    finally:
        if not handler.is_complete:
            handler.discard()
    if handler.refused is not None:
        raise handler.refused
    if not handler.is_complete or not handler.size:
        raise Refused(400, "The form needs a file that is not empty, in the field 'file'.")
    slot.name, slot.extension = split_name(handler.name)
    slot.size, slot.sha1 = handler.size, handler.sha1
    slot.file = _store(handler, slot)
    slot.state = UploadSlot.State.DONE
    kept = UploadSlot.objects.filter(pk=slot.pk, state=UploadSlot.State.RECEIVING).update(
        name=slot.name,
        extension=slot.extension,
        size=slot.size,
        sha1=slot.sha1,
        file=slot.file,
        state=slot.state,
    )
    if not kept:
        DiscardedFile.discard([slot.file])
        raise Refused(403, "This upload took longer than its address was valid.")
    logger.info("Upload %s: %d bytes", slot.pk, slot.size)
    return {
        "url": file_url(slot),
        "seal": seal(f"{slot.pk}:{slot.sha1}"),
        "hash": slot.sha1,
        "name": slot.name,
        "size": slot.size,
    }


def _store(handler: SlotHandler, slot: UploadSlot) -> str:
    try:
        return files.store(handler.path, f"uploads/{slot.pk}")
    except OSError as error:
        if error.errno in FULL_DISK:
            raise no_space() from error
        raise


def _drain(request: HttpRequest) -> None:
    """Read what is on its way: a closed door resets the connection and the answer is lost."""
    try:
        left = min(_announced_size(request), DRAIN)
        while left > 0:
            piece = request.read(min(left, 256 * 1024))
            if not piece:
                return
            left -= len(piece)
    except (Refused, OSError, RawPostDataException):
        return  # The sender has gone; there is nobody to answer.


def _allow_origin(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Let the pages of configured sites send files and read the answer."""
    origin = request.headers.get("Origin", "")
    if origin in cloud.upload_origins:
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        response["Access-Control-Max-Age"] = "86400"
    response["Vary"] = "Origin"
    response["Cache-Control"] = "no-store"
    return response
