"""
Signed addresses of media for the viewer of a page: level, values, and how long.

Everything is computed here; nothing asks the network or the database.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from .conf import DEFAULT_ALIAS, AccountSettings
from .connection import cloudkeys
from .protocol.seclevel import SecLevel, parse_seclevel
from .viewers import restrictions_for

if TYPE_CHECKING:
    from .fields import FieldMedia

# Each of these is for one viewer, whoever comes first: two viewers must not have one address.
_FOR_THE_FIRST = (SecLevel.DELEGATE | SecLevel.USEONCE).value


def sign_for(
    request: HttpRequest | None,
    method: str,
    media: FieldMedia | str,
    *,
    account: str | None = None,
    seclevel: int | str | None = None,
    expires: float | None = None,
    **options: Any,
) -> str:
    """
    Return the address that *method* of ``client.media`` gives of *media* for the viewer of a page.

    Args:
        request: The page's; levels that bind to nothing of it do without.
        method: ``get_embed_url``, ``get_stream_url`` or ``get_thumbnail_url``.
        account: Alias; the field's by default, ``"default"`` for an id.
        seclevel: By name or number; the field's by default, else the account's.
        expires: Last second of validity, Unix time; as the account says by default.
        options: Further arguments of the method; values of the viewer among them are taken as they
            are, see :func:`~django_cloudkey.viewers.restrictions_for`.

    Raises:
        ImproperlyConfigured: the account cannot be used.
        InvalidParameter: *media* is no media id, or an option is wrong.
        ValueError: the level is unknown, or needs what the request does not have.
    """
    alias = alias_of(media, account)
    chosen = cloudkeys.settings(alias)
    level = level_of(media, account, seclevel)
    options |= restrictions_for(request, level, options, account=chosen)
    options["expires"] = expires or end_of(chosen)
    options["stable"] = chosen.url_bucket and not level & _FOR_THE_FIRST
    return str(getattr(cloudkeys[alias].media, method)(str(media), **options))


def alias_of(media: FieldMedia | str, account: str | None = None) -> str:
    """Return the alias that signs for *media*."""
    if account is not None:
        return account
    return DEFAULT_ALIAS if isinstance(media, str) else media.field.account


def level_of(
    media: FieldMedia | str, account: str | None = None, seclevel: int | str | None = None
) -> int:
    """Return the level of an address: *seclevel*, else the field's, else the account's."""
    if seclevel is None and not isinstance(media, str):
        seclevel = media.field.seclevel
    if seclevel is None:
        return cloudkeys.settings(alias_of(media, account)).seclevel.value
    return parse_seclevel(seclevel).value


def end_of(account: AccountSettings, now: float | None = None) -> int:
    """
    Return the last second of an address that is made *now*, Unix time.

    It is ``URL_LIFETIME`` away, and as much more as it takes to a multiple of ``URL_BUCKET``.
    Within a bucket all addresses end at once, and those of one viewer are the same.
    """
    end = int(time.time() if now is None else now) + account.url_lifetime
    return end + (-end % account.url_bucket if account.url_bucket else 0)
