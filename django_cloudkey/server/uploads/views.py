"""``POST /upload``: takes one file and says what arrived. ``GET /progress``: how far it is."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException, UnreadablePostError
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt

from .. import files
from ..conf import cloud
from ..counters import seconds_left, take
from ..models import DiscardedFile, UploadSlot
from .receiver import FULL_DISK, Refused, SlotHandler, check_space, no_space, split_name
from .slots import file_url, live_slot, progress_seal, seal, upload_seal
from .targets import is_callback, with_query

logger = logging.getLogger(__name__)

STATES: dict[str, str] = {
    UploadSlot.State.WAITING: "notfound",
    UploadSlot.State.RECEIVING: "uploading",
    UploadSlot.State.DONE: "done",
    UploadSlot.State.FAILED: "error",
}
"""Words of the wire for the states of a slot."""
DRAIN = 64 * 1024 * 1024  # bytes of a refused file that are read, so that the sender gets to listen
MAX_POLLS = 300  # a minute; pages ask every 300 ms


@csrf_exempt  # the sealed address is the right to send; no cookie is looked at
def upload(request: HttpRequest) -> HttpResponse:
    """
    Receive the file of a slot.

    200 with what arrived, or 303 to the target that the address names; otherwise a status and a
    sentence.
    """
    if request.method == "OPTIONS":
        return _allow_origin(request, HttpResponse(status=204))
    response: HttpResponse
    try:
        arrived = _receive(request)
        target = request.GET.get("target")
        response = _redirect(target, arrived) if target else JsonResponse(arrived)
    except Refused as refused:
        logger.info("Upload refused: %d", refused.status)
        error = {"code": 1030 if refused.status in (413, 507) else 600, "message": refused.message}
        response = JsonResponse({"error": error}, status=refused.status)
        _drain(request)
    return _allow_origin(request, response)


def _receive(request: HttpRequest) -> dict[str, Any]:
    if request.method != "POST":
        raise Refused(405, "A file is sent by POST.")
    slot_id, target = request.GET.get("uuid", ""), request.GET.get("target", "")
    is_sealed = constant_time_compare(upload_seal(slot_id, target), request.GET.get("seal", ""))
    slot = live_slot(slot_id) if is_sealed else None
    if slot is None:
        raise Refused(403, "This upload address is not valid, or not any more.")
    announced = _announced_size(request)
    check_space(announced)
    states = UploadSlot.State
    if not UploadSlot.objects.filter(pk=slot.pk, state=states.WAITING).update(
        state=states.RECEIVING, total=announced
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
    if not (text.isascii() and text.isdigit() and len(text) < 19):
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
        received=slot.size,
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
        return files.store(handler.path, f"{files.RECEIVED_UNDER}{slot.pk}")
    except OSError as error:
        if error.errno in FULL_DISK:
            raise no_space() from error
        raise


def _redirect(target: str, arrived: dict[str, Any]) -> HttpResponse:
    """Lead the browser to *target*: it was allowed when the address was sealed over it."""
    return HttpResponse(status=303, headers={"Location": with_query(target, arrived)})


@csrf_exempt  # nothing is changed here, and other verbs get an answer that says so
def progress(request: HttpRequest) -> HttpResponse:
    """Say how far an upload is: JSON, or a script that calls the function ``jsonp_cb``."""
    if request.method == "OPTIONS":
        return _allow_origin(request, HttpResponse(status=204), verb="GET")
    if request.method not in ("GET", "HEAD"):
        response = HttpResponse(status=405, headers={"Allow": "GET, HEAD, OPTIONS"})
        return _allow_origin(request, response, verb="GET")
    callback = request.GET.get("jsonp_cb", "")
    slot_id = request.GET.get("uuid", "")
    is_sealed = constant_time_compare(progress_seal(slot_id), request.GET.get("seal", ""))
    counter = f"polls:{slot_id}"
    if is_sealed and not take(counter, MAX_POLLS):
        headers = {"Retry-After": str(seconds_left(counter))}
        return _allow_origin(request, HttpResponse(status=429, headers=headers), verb="GET")
    slot = live_slot(slot_id) if is_sealed else None
    if callback and not is_callback(callback):
        response = HttpResponse(status=400)
    elif callback and slot is not None:
        # The comment is a known start: no callback's name may begin a file of another kind.
        script = f"/**/{callback}({json.dumps(_state_of(slot))});"
        response = HttpResponse(script, content_type="application/javascript")
    else:
        state = _state_of(slot) if slot else {"state": "notfound", "received": 0, "size": 0}
        response = JsonResponse(state, status=200 if slot else 404)
    response["X-Content-Type-Options"] = "nosniff"
    return _allow_origin(request, response, verb="GET")


def _state_of(slot: UploadSlot) -> dict[str, Any]:
    size = slot.size if slot.state == UploadSlot.State.DONE else slot.total
    return {"state": STATES[slot.state], "received": slot.received, "size": size}


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


def _allow_origin(
    request: HttpRequest, response: HttpResponse, *, verb: str = "POST"
) -> HttpResponse:
    """Let the pages of configured sites send files and read the answers."""
    origin = request.headers.get("Origin", "")
    if origin in cloud.upload_origins:
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Methods"] = f"{verb}, OPTIONS"
        response["Access-Control-Max-Age"] = "86400"
    response["Vary"] = "Origin"
    response["Cache-Control"] = "no-store"
    return response
