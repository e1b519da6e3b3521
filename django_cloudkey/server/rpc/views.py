"""``POST /api``: one request in, one answer out, always HTTP 200 for what the protocol can say."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from ...protocol.envelope import decode_call, encode_error, encode_result
from ...protocol.exceptions import InvalidRequest, ProcessorException, RPCException
from . import methods  # noqa: F401 - registers them
from .auth import authenticate
from .registry import lookup

logger = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024  # bytes


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
        body = request.read(MAX_BODY + 1)
    except UnreadablePostError:
        return HttpResponse(status=400)
    if len(body) > MAX_BODY:
        return HttpResponse(status=413)
    return HttpResponse(answer(body), content_type="application/json")


def answer(body: bytes) -> bytes:
    """Return the answer to the request *body*."""
    name = "-"
    try:
        call = decode_call(body)
        account = authenticate(call)
        name = call.name
        return encode_result(lookup(call.object, call.method)(account, call.args))
    except RPCException as error:
        logger.info("%s: %d", name[:80], error.code)
        return encode_error(error)
    except Exception:
        # Clients of this protocol cannot read a page of another status; the log has the details.
        logger.exception("%s: an unexpected failure", name[:80])
        return encode_error(ProcessorException("The server could not work on the request."))
