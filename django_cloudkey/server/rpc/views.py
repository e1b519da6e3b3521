"""``POST /api``: one request in, one answer out, always HTTP 200 for what the protocol can say."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from ...protocol.envelope import Call, encode_error, encode_result
from ...protocol.exceptions import (
    AuthenticationError,
    InvalidRequest,
    ProcessorException,
    RPCException,
)
from ...protocol.secret import HiddenBytes
from ..delivery.viewer import address_of
from ..models import Account
from . import methods  # noqa: F401 - registers them
from .auth import is_scheme2, read_call, read_request
from .idempotency import answer_once
from .limits import count_call, count_failure
from .registry import lookup

logger = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024  # bytes
FEATURES = "idempotency, scheme2"  # what a client may rely on, joined by ", "


@csrf_exempt  # calls carry a signature and no cookie
def api(request: HttpRequest) -> HttpResponse:
    """Answer one call; an error of the protocol is HTTP 200 with an ``error`` member."""
    if request.method != "POST":
        error = InvalidRequest("A call is a POST request.")
        return HttpResponse(
            encode_error(error),
            content_type="application/json",
            status=405,
            headers={"Allow": "POST"},
        )
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return HttpResponse(status=415)
    try:
        # It holds a signature that is good for ever: reports of failures show frames.
        body = HiddenBytes(request.read(MAX_BODY + 1))
    except UnreadablePostError:
        return HttpResponse(status=400)
    if len(body) > MAX_BODY:
        return HttpResponse(status=413)
    content, headers = answer(
        body,
        key=request.headers.get("Idempotency-Key"),
        address=address_of(request),
        authorization=request.headers.get("Authorization", ""),
    )
    return HttpResponse(content, content_type="application/json", headers=headers)


def answer(
    body: bytes, *, key: str | None = None, address: str = "", authorization: str = ""
) -> tuple[bytes, dict[str, str]]:
    """
    Return the answer to the request *body*, and its headers.

    Args:
        key: Under which the answer to a call that writes is kept, and given again.
        address: Of the caller; ``""`` when it is not known.
        authorization: The header of that name. One that is not of this protocol belongs to the way
            here, such as a site's password.
    """
    name = ""
    headers = {"CloudKey-Features": FEATURES}
    try:
        call, account = _read(body, authorization, address)
        name = call.name
        count_call(account)
        method = lookup(call.object, call.method)
        work = method.bind(account, call.args)
        if key is not None and method.writes:
            return answer_once(account, key, body, work), headers
        return encode_result(work()), headers
    except RPCException as error:
        logger.info("%r: %d", name[:80], error.code)
        if isinstance(error.data, dict) and "retry_after" in error.data:
            headers["Retry-After"] = str(error.data["retry_after"])
        return encode_error(error), headers
    except Exception:
        # Clients of this protocol cannot read a page of another status; the log has the details.
        logger.exception("%r: an unexpected failure", name[:80])
        failure = ProcessorException("The server could not work on the request.")
        return encode_error(failure), headers


def _read(body: bytes, authorization: str, address: str) -> tuple[Call, Account]:
    try:
        if is_scheme2(authorization):
            return read_request(body, authorization, address)
        return read_call(body)
    except AuthenticationError:
        count_failure(address)
        raise
