"""
Addresses that the cloud signs by itself, for whoever it has let in.

A player asks for a video in many pieces, without the page's headers, and again when the viewer
seeks. Whoever was admitted gets an address for that: a token of scheme 2 with a key that comes from
``SECRET_KEY``. It names the secret that admitted, and ends when that one is retired; that of the
historical key, which has no name, ends when that one is replaced.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings
from django.utils.crypto import salted_hmac

from ...protocol.scheme2.bindings import bind
from ...protocol.scheme2.claims import COUNTRY, Claims
from ...protocol.scheme2.encoding import b64encode
from ...protocol.scheme2.keys import Keys
from ...protocol.scheme2.url_token import make_token
from ...protocol.seclevel import Viewer
from ...protocol.secret import Secret
from ..conf import cloud
from ..models import Account

LIFETIME = 12 * 3600  # seconds; the longest
SKEW = 600  # seconds by which the clocks of a cloud's machines may differ
SALT = "django_cloudkey.server.sessions"
_MARK = "_"  # begins the key ids of sessions, and of nothing else


def is_own(kid: str) -> bool:
    """Say whether *kid* names keys of this module."""
    return kid.startswith(_MARK)


def issuer_of(kid: str) -> str:
    """Return the id of the secret that admitted; empty for the historical key."""
    return kid.removeprefix(_MARK)


def keys_of(account: Account, issuer: str) -> Keys:
    """Return what sessions of the account are signed with."""
    key = Secret("" if issuer else account.api_key)
    return _derived(settings.SECRET_KEY, account.pk, issuer, key)


@lru_cache(maxsize=1024)
def _derived(secret_key: str, account: str, issuer: str, key: Secret) -> Keys:
    text = f"{account}{key.reveal()}"
    digest = salted_hmac(SALT, text, secret=secret_key, algorithm="sha256").digest()
    return Keys(account, f"{_MARK}{issuer}", Secret(b64encode(digest)))


def sign(
    url: str,
    *,
    account: Account,
    issuer: str,
    media: str,
    audience: str,
    asset_name: str,
    level: int,
    viewer: Viewer,
    expires: int,
    options: Mapping[str, str | int] | None = None,
) -> str:
    """
    Return *url* with a token for one asset.

    Args:
        level: Of the bits IP, ASNUM and COUNTRY, what of *viewer* it is bound to.
        expires: Unix time; it ends after LIFETIME, or the longest life of a token, at the latest.
        options: See :class:`~django_cloudkey.protocol.scheme2.claims.Claims`.
    """
    keys = keys_of(account, issuer)
    now = int(time.time())
    longest = cloud.max_token_lifetime
    issued = now - min(SKEW, longest // 2)
    claims = Claims(
        user=account.pk,
        media=media,
        audience=audience,
        issued=issued,
        expires=max(now + 1, min(expires, now + LIFETIME, issued + longest)),
        seclevel=level,
        asset_name=asset_name,
        bindings=bind(keys.bind, level, ip=viewer.ip, asnum=viewer.asnum),
        countries=("allow", viewer.country) if level & COUNTRY else (),
        options=options or {},
    )
    return f"{url}?auth={make_token(keys, claims)}"
