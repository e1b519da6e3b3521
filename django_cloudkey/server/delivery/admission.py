"""
Whether a viewer may have what he asks for.

Nothing is looked up for whoever cannot show a right: a forged signature gets the same refusal for
a media that exists and for one that does not, after the same work.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.http import HttpRequest

from ...protocol.seclevel import SecLevel, Viewer
from ...protocol.secret import Secret
from ...protocol.signing import URLRefused, URLToken, read_auth, verify_url
from ...protocol.urls import Page, Stream, Thumbnail
from ..conf import cloud
from ..models import Account, new_key
from .viewer import viewer_of

logger = logging.getLogger(__name__)

SUPPORTED = SecLevel.IP | SecLevel.USERAGENT
"""Levels that this server can enforce. A URL that asks for another is refused."""

_NOBODY = Secret(new_key())


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A right that was verified."""

    account: Account
    viewer: Viewer
    token: URLToken


def admit(request: HttpRequest, address: Page | Stream | Thumbnail) -> Grant:
    """
    Return the right with which *request* may have what *address* names.

    Raises:
        URLRefused: with the reason, which goes to the log and nowhere else.
    """
    try:
        return _admit(request, address)
    except URLRefused as refused:
        logger.info("Refused (%s): %s", refused.reason, address.path)
        raise


def _admit(request: HttpRequest, address: Page | Stream | Thumbnail) -> Grant:
    auth = read_auth(request.META.get("QUERY_STRING", ""))
    viewer = viewer_of(request)
    account = Account.objects.filter(pk=address.user, is_active=True).first()
    token = verify_url(
        [f"{base}/{address.path}" for base in cloud.accepted_urls],
        auth,
        Secret(account.api_key) if account is not None else _NOBODY,
        viewer=viewer,
        max_lifetime=cloud.max_url_lifetime,
    )
    if account is None:
        raise URLRefused("signature")
    # DELEGATE alone delegates nothing: it is NONE under another name.
    if token.seclevel & ~SUPPORTED and token.seclevel != SecLevel.DELEGATE:
        raise URLRefused("level")
    return Grant(account=account, viewer=viewer, token=token)
