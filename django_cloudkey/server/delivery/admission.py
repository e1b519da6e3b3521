"""
Whether a viewer may have what he asks for.

Nothing is looked up for whoever cannot show a right: a forged signature gets the same refusal for
a media that exists and for one that does not, after the same work.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from django.db import Error
from django.http import HttpRequest

from ...protocol.scheme2.encoding import to_json
from ...protocol.scheme2.url_token import is_token
from ...protocol.seclevel import SecLevel, Viewer
from ...protocol.signing import URLRefused, read_auth
from ...protocol.urls import Page, Stream, Thumbnail
from ..encryption import Unreadable
from ..models import Account
from . import levels, sessions
from .terms import NOBODY, Terms, audience_of, check_active, verify_historical, verify_scheme2
from .viewer import viewer_of

logger = logging.getLogger(__name__)

NOT_KNOWN = (Error, Unreadable)
"""What the database or its keys may answer in place of whether somebody has a right."""

# Plain numbers: operations on members of an IntFlag are slow.
_IP, _USEONCE = SecLevel.IP.value, SecLevel.USEONCE.value
MAX_NAME_SIZE = 1000  # bytes of JSON; a token has room for one such text
_OF_NETWORK = (SecLevel.IP | SecLevel.ASNUM | SecLevel.COUNTRY).value


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A right that was verified."""

    account: Account
    viewer: Viewer
    terms: Terms

    def sign(self, url: str, address: Stream | Thumbnail) -> str:
        """Return *url*, of *address*, for the viewer who was let in, to the end of his right."""
        terms = self.terms
        name = terms.options.get("filename") if audience_of(address) == "download" else None
        # What the level says of networks goes on. What it says of headers does not: players send
        # others than the page. Who was let in as one viewer, stays one.
        level = terms.level & _OF_NETWORK | (_IP if terms.level & _USEONCE else 0)
        return sessions.sign(
            url,
            account=self.account,
            issuer=terms.issuer,
            media=address.media,
            audience=audience_of(address),
            asset_name=address.asset_name,
            level=level,
            viewer=self.viewer,
            expires=terms.expires,
            options={"filename": _short(name)} if name else None,
        )


def _short(name: str) -> str:
    """Return as much of a file's name as a token takes."""
    name = name[:255]
    while len(to_json(name)) > MAX_NAME_SIZE:
        name = name[:-1]
    return name


def admit(request: HttpRequest, address: Page | Stream | Thumbnail) -> Grant:
    """
    Return the right with which *request* may have what *address* names.

    Raises:
        URLRefused: with the reason, which goes to the log and, for staff, into a header.
        NOT_KNOWN: one of these; nobody is let in.
    """
    try:
        return decide(
            address,
            request.META.get("QUERY_STRING", ""),
            viewer_of(request),
            now=time.time(),
            is_use=request.method == "GET",
        )
    except URLRefused as refused:
        logger.info("Refused (%s): %s", refused.reason, address.path)
        raise


def decide(
    address: Page | Stream | Thumbnail, query: str, viewer: Viewer, *, now: float, is_use: bool
) -> Grant:
    """
    Return the right of *viewer* to *address*.

    Args:
        query: The raw query, with its ``auth``.
        now: Unix time.
        is_use: It counts as a use, where an address is for the first one.

    Raises:
        URLRefused, NOT_KNOWN: as for :func:`admit`.
    """
    auth = read_auth(query)
    account = Account.objects.filter(pk=address.user).first() or NOBODY
    try:
        if is_token(auth):
            terms = verify_scheme2(account, address, auth, viewer=viewer, now=now)
        else:
            terms = verify_historical(account, address, auth, query, viewer=viewer, now=now)
    except URLRefused:
        check_active(account)  # the first reason, given after the same work
        raise
    levels.check_lists(terms, viewer)
    levels.check_first(terms, viewer, is_use=is_use)
    return Grant(account=account, viewer=viewer, terms=terms)
