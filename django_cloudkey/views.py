"""
What the widget asks this site: an upload address, a media for what it sent, the state of a media,
and the media that are there already.

Every view needs a user who may add or change rows of the field's model, or of one that extends it;
writing needs the CSRF token. The file itself never passes through here. Who looks through the
library sees media that others uploaded for other fields, which takes a permission of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db import connections, models, transaction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from .connection import cloudkeys
from .fields import MediaField
from .library import BadQuery, library_page
from .limits import extension_of
from .media_state import MediaState, assets_of, media_state, size_of, state_fields
from .models import BROWSE, Upload
from .protocol.assets import SOURCE
from .protocol.exceptions import NotFound, RPCException
from .protocol.urls import is_media_id
from .references import BadReference, Reference, read
from .uploads import UploadRefused, finish_upload, note_pick, open_upload

MAX_REFERENCES = 20  # that one request for states may name; each is a call to the cloud


_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class BadAnswer(Exception):
    """A request that cannot be answered; the text is for the editor."""


@require_POST
@never_cache
def ticket(request: HttpRequest) -> JsonResponse:
    """Answer ``{"ticket", "url"}``: an address that takes one file of this user for this field."""
    try:
        field = _field(request, request.POST.get("field", ""))
        name = request.POST.get("name", "").replace("\0", "")
        size = _size(request.POST.get("size", ""))
        if not name or not size:
            raise BadAnswer(_("The file is empty, or has no name."))
        field.limits.check(extension=extension_of(name), size=size)
        upload, url = open_upload(
            request.user, field.label, account=field.account, name=name, size=size
        )
    except (BadAnswer, ValidationError) as error:
        return _failure(_sentence(error), 400)
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
    size, extension = upload.size, extension_of(upload.name)
    try:
        field.limits.check(extension=extension, size=size)  # narrower now, perhaps
        media = finish_upload(upload, request.POST.get("url", ""), assets=field.assets)
    except (UploadRefused, ValidationError) as error:
        return _failure(_sentence(error), 400)
    except RPCException as error:
        return _failure(remote_failure(error), 502)
    user = str(request.user.pk)
    reference = Reference(media=media, field=field.label, user=user, size=size, extension=extension)
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


@require_GET
@never_cache
def library(request: HttpRequest) -> JsonResponse:
    """
    Answer ``{"media": […], "next", "total"}``, a page of the media in the field's account.

    The query has ``field``, ``query`` (words of the title, or an id), and for a further page
    ``after``, the ``next`` of the page before; ``total`` may be null.
    """
    field = _field(request, request.GET.get("field", ""), may_browse=True)
    query, after = request.GET.get("query", ""), request.GET.get("after", "")
    try:
        page = library_page(field.account, query=query, after=after)
    except BadQuery as error:
        return _failure(str(error), 400)
    except RPCException as error:
        return _failure(remote_failure(error), 502)
    media = [{key: value for key, value in each.items() if key != "embed"} for each in page.media]
    return JsonResponse({"media": media, "next": page.next, "total": page.total})


@require_POST
@never_cache
def pick(request: HttpRequest) -> JsonResponse:
    """Answer ``{"reference"}`` for a ``media`` that is in the account of the ``field``."""
    field = _field(request, request.POST.get("field", ""), may_browse=True)
    media = request.POST.get("media", "")
    missing = _failure(_("There is no such video on the video cloud."), 404)
    if not is_media_id(media):
        return missing
    client = cloudkeys[field.account]
    try:
        fields = ["meta.title", *state_fields([SOURCE])]
        info = client.media.info(id=media, fields=fields)
        size = size_of(assets_of(info)) or None
        field.limits.check(extension=None, size=size)
    except NotFound:
        return missing
    except ValidationError as error:
        return _failure(_sentence(error), 400)
    except RPCException as error:
        return _failure(remote_failure(error), 502)
    title = str((info.get("meta") or {}).get("title") or media)
    note_pick(request.user, field.label, media, account=field.account, name=title, size=size or 0)
    reference = Reference(media=media, field=field.label, user=str(request.user.pk), size=size)
    return JsonResponse({"reference": reference.sign()})


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


def _size(text: str) -> int:
    """Return bytes; 0 for what is no number of them that a column holds."""
    return int(text) if _DIGITS.fullmatch(text) else 0


def _field(
    request: HttpRequest,
    label: str,
    actions: tuple[str, ...] = ("add", "change"),
    *,
    may_browse: bool = False,
) -> MediaField:
    """Return the field *label* if the user may do one of *actions* with its model, and browse."""
    model_label, _dot, name = label.rpartition(".")
    try:
        model: type[models.Model] = apps.get_model(model_label)
        field: Any = model._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist) as error:
        raise PermissionDenied from error
    if not isinstance(field, MediaField):
        raise PermissionDenied
    # A form of a proxy, or of a model with a table of its own, names the field where its column is.
    rows = (each._meta for each in apps.get_models() if issubclass(each, field.model))
    permissions = (f"{each.app_label}.{do}_{each.model_name}" for each in rows for do in actions)
    if not any(map(request.user.has_perm, permissions)):
        raise PermissionDenied
    if may_browse and not request.user.has_perm(BROWSE):
        raise PermissionDenied
    return field


def _sentence(error: Exception) -> str:
    return " ".join(error.messages) if isinstance(error, ValidationError) else str(error)


def _failure(message: str, status: int) -> JsonResponse:
    return JsonResponse({"error": message}, status=status)
