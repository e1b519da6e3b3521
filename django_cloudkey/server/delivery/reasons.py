"""Why an address was refused, in words: for operators, never for viewers."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_noop as _

from ...protocol.signing import URLRefused

HEADER = "CloudKey-Refusal"

REASONS = {
    "missing": _("The address carries no signature."),
    "malformed": _("The signature is not written as one."),
    "signature": _("The signature is not of this address, this viewer or this account."),
    "account": _("The account does not exist, or is switched off."),
    "legacy": _("The account does not take the historical scheme any more."),
    "kid": _("No active secret of the account has the name that signed."),
    "claims": _("The token is for another media, asset or use, or not as it must be."),
    "expired": _("The address was valid, and is not any more."),
    "early": _("The address is not valid yet. Is the clock of the signer right?"),
    "lifetime": _("The address is valid for longer than this cloud allows."),
    "bindings": _("The viewer's address, network or user agent is not the one that was signed."),
    "country": _("The viewer's country is not allowed, or not known."),
    "referer": _("The page that shows it is not one of those that may, or did not say so."),
    "used": _("The address was for one use, and was used."),
    "delegated": _("The address belongs to the viewer who came first, and this is another."),
    "viewer": _("What tells viewers apart is not known of this one."),
    "seams": _("A level of USERAGENT with a list can be forged; the account does not allow it."),
}
"""Reason code → sentence."""


def explain(request: HttpRequest, response: HttpResponse, refused: URLRefused) -> None:
    """Put the reason into a header, while developing and for staff."""
    user = getattr(request, "user", None)
    if settings.DEBUG or getattr(user, "is_staff", False):
        response[HEADER] = refused.reason
