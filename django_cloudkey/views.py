"""
What the widget asks this site: an upload address, a media for what it sent, the state of a media.

Every view needs a user who may add or change rows of the field's model; writing needs the CSRF
token. The file itself never passes through here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db import connections, models, transaction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from .fields import MediaField
from .media_state import MediaState, media_state
from .models import Upload
from .protocol.exceptions import NotFound, RPCException
from .references import BadReference, Reference, read
from .uploads import UploadRefused, finish_upload, open_upload

MAX_REFERENCES = 20  # that one request for states may name; each is a call to the cloud


class BadAnswer(Exception):
    """A request that cannot be answered; the text is for the editor."""


@require_POST
@never_cache
def ticket(request: HttpRequest) -> JsonResponse:
    """Answer ``{"ticket", "url"}``: an address that takes one file of this user for this field."""
    try:
        field = _field(request, request.POST.get("field", ""))
        name, size = request.POST.get("name", ""), request.POST.get("size", "")
        if not name or not size.isascii() or not size.isdigit() or not 0 < int(size) < 2**63:
            raise BadAnswer(_("The file is empty, or has no name."))
        name = name.replace("\0", "")
        upload, url = open_upload(
            request.user, field.label, account=field.account, name=name, size=int(size)
        )
    except BadAnswer as error:
        return _failure(str(error), 400)
    except RPCException as error:
        return _failure(remote_failure(error), 502)
    return JsonResponse({"ticket": upload.ticket, "url": url})


@require_POST
@never_cache
def finish(request: HttpRequest) -> JsonResponse:
    """Answer ``{"reference"}`` for a file that the browser sent: what the form hands back."""
    # No text of PostgreSQL holds a NUL, and no ticket does.
    ticket = request.POST.get("ticket", "").replace("\0", "")
    upload = Upload.objects.filter(ticket=ticket, owner=request.user.pk).first()
    if upload is None:
        raise PermissionDenied
    field = _field(request, upload.field)
    try:
        media = finish_upload(upload, request.POST.get("url", ""), assets=field.assets)
    except UploadRefused as error:
        return _failure(str(error), 400)
    except RPCException as error:
        return _failure(remote_failure(error), 502)
    reference = Reference(media=media, field=field.label, user=str(request.user.pk))
    return JsonResponse({"reference": reference.sign()})


@require_GET
@never_cache
def status(request: HttpRequest) -> JsonResponse:
    """Answer ``{"states": […]}``, one for each ``reference`` in the query, in their order."""
    references = request.GET.getlist("reference")[:MAX_REFERENCES]
    states = []
    for text in references:
        try:
            reference = read(text)
        except BadReference as error:
            raise PermissionDenied from error
        field = _field(request, reference.field, actions=("view", "change", "add"))
        try:
            states.append(media_state(field, reference.media))
        except NotFound:
            missing = MediaState.MISSING
            states.append({"state": missing.value, "label": str(missing.label)})
        except RPCException as error:
            states.append({"state": "unknown", "label": remote_failure(error)})
    return JsonResponse({"states": states})


def outside_transactions(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """
    Return *view*, which ``ATOMIC_REQUESTS`` of no database makes a transaction from now on.

    It would be kept open while the cloud is asked, which may be this project and wait for it.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def remote_failure(error: RPCException) -> str:
    """Return a sentence for the editor about a call that failed."""
    return _("The video cloud could not do this: %(message)s") % {"message": error.message}


def _field(
    request: HttpRequest, label: str, actions: tuple[str, ...] = ("add", "change")
) -> MediaField:
    """Return the field *label* if the user may do one of *actions* with its model."""
    model_label, _dot, name = label.rpartition(".")
    try:
        model: type[models.Model] = apps.get_model(model_label)
        field: Any = model._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist) as error:
        raise PermissionDenied from error
    options = model._meta
    permissions = (f"{options.app_label}.{action}_{options.model_name}" for action in actions)
    if not isinstance(field, MediaField) or not any(map(request.user.has_perm, permissions)):
        raise PermissionDenied
    return field


def _failure(message: str, status: int) -> JsonResponse:
    return JsonResponse({"error": message}, status=status)
