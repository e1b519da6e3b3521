"""
Signed addresses of media for the viewer of a page: level, values, and how long.

Everything is computed here; nothing asks the network or the database.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.timezone import is_naive, make_aware

from .client import CloudKey
from .conf import DEFAULT_ALIAS, AccountSettings
from .connection import cloudkeys
from .protocol.assets import is_thumbnail
from .protocol.scheme2 import signing as scheme2
from .protocol.scheme2.claims import EMBED, FOR_THE_FIRST, STREAM, THUMB
from .protocol.scheme2.keys import Keys
from .protocol.seclevel import parse_seclevel
from .protocol.signing import sign_url
from .protocol.urls import around_media, check_id, page_path
from .viewers import binds_to_request, restrictions_for

if TYPE_CHECKING:
    from .field_media import FieldMedia

NO_OPTIONS: Mapping[str, int] = {}


def sign_for(
    request: HttpRequest | None,
    method: str,
    media: FieldMedia | str,
    *,
    account: str | None = None,
    seclevel: int | str | None = None,
    **options: Any,
) -> str:
    """
    Return the address that *method* of ``client.media`` gives of *media* for the viewer of a page.

    Args:
        request: The page's; levels that bind to nothing of it do without.
        method: ``get_embed_url``, ``get_stream_url`` or ``get_thumbnail_url``.
        account: Alias; the field's by default, ``"default"`` for an id.
        seclevel: By name or number; the field's by default, else the account's.
        options: *expires* (the end of validity, Unix time or a ``datetime``; by default as
            the account says) and further arguments of the method; values of the viewer among them
            are taken as they are, see :func:`~django_cloudkey.viewers.restrictions_for`.

    Raises:
        ImproperlyConfigured: the account cannot be used.
        InvalidParameter: *media* is no media id, or an option is wrong.
        ValueError: the level is unknown, or needs what the request does not have; *expires* is no
            moment, or one that no cloud would accept.
    """
    level = None if seclevel is None else parse_seclevel(seclevel).value
    signer = signer_of(media, account, level)
    options |= signer.restrictions(request, options)
    return str(getattr(signer.media, method)(str(media), **options))


class Signer:
    """
    What the addresses of one account at one level have in common, under the historical scheme.

    Attributes:
        media: The account's remote object, whose methods sign.
        level: A sum of :class:`~django_cloudkey.client.SecLevel` bits.
        binds_to_request: Whether the addresses are for the viewer, or the page, of one request.
    """

    def __init__(self, account: AccountSettings, client: CloudKey, level: int) -> None:
        self.client = client
        self.media = client.media
        self.level = level
        self.binds_to_request = binds_to_request(level)
        self._account = account
        self._around = lru_cache(maxsize=64)(self._around_media)
        self._players = f"{client.base_url}/{page_path('embed', client.user_id, '')}"
        # For whoever comes first: two viewers must not have one address.
        self._is_stable = account.url_bucket > 0 and not level & FOR_THE_FIRST
        # Of what follows these in an address, "&" alone means something to HTML.
        hosts = client.base_url + client.cdn_url + client.static_url
        self._is_plain = escape(hosts) == hosts

    def restrictions(self, request: HttpRequest | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the arguments for the methods of ``media`` that all addresses for a viewer share.

        Args:
            given: Those that are known: *expires*, and as for
                :func:`~django_cloudkey.viewers.restrictions_for`.
        """
        found = restrictions_for(request, self.level, given, account=self._account)
        end = given.get("expires")
        found["expires"] = end_of(self._account) if end is None else self._end(end)
        found["stable"] = self._is_stable
        return found

    def _end(self, expires: object) -> int:
        try:
            return unix_time(expires)
        except ValueError as error:
            raise ValueError(f"expires: {error}.") from error

    def embed_url(
        self, id: str, restrictions: Mapping[str, Any], options: Mapping[str, int] = NO_OPTIONS
    ) -> str:
        """
        Return what ``media.get_embed_url(id, **options, **restrictions)`` does, for pages of many.

        Args:
            options: *autoplay*, *start* and *chromeless*, those that are not 0.
        """
        url = sign_url(self._players + check_id(id), self.client.api_key, **restrictions)
        return f"{url}&{urlencode(options)}" if options else url

    def asset_url(self, id: str, asset_name: str, restrictions: Mapping[str, Any]) -> str:
        """Return the signed address of an asset, be it a stream or a still."""
        before, after = self._around(asset_name)
        return sign_url(f"{before}{check_id(id)}{after}", self.client.api_key, **restrictions)

    def _around_media(self, asset_name: str) -> tuple[str, str]:
        base = self.client.static_url if is_thumbnail(asset_name) else self.client.cdn_url
        before, after = around_media(self.client.user_id, asset_name)
        return f"{base}/{before}", after

    def escape(self, url: str) -> str:
        """Return an address of this account as it is written into HTML."""
        return url.replace("&", "&amp;") if self._is_plain else escape(url)


class Scheme2Signer(Signer):
    """The same under scheme 2, for an account with a ``SECRET``."""

    def __init__(self, account: AccountSettings, client: CloudKey, level: int, keys: Keys) -> None:
        super().__init__(account, client, level)
        self._keys = keys

    def restrictions(self, request: HttpRequest | None, given: Mapping[str, Any]) -> dict[str, Any]:
        found = super().restrictions(request, given)
        if self._is_stable:
            end = found["expires"]
            start = min(start_of(self._account), end - 1)
            found["issued"] = max(start, end - self._account.max_token_lifetime)
        return found

    def _end(self, expires: object) -> int:
        end, longest = super()._end(expires), self._account.max_token_lifetime
        if end > time.time() + longest:
            raise ValueError(
                f"expires: the cloud refuses an address that is valid for more than {longest} "
                "seconds (MAX_TOKEN_LIFETIME)."
            )
        return end

    def embed_url(
        self, id: str, restrictions: Mapping[str, Any], options: Mapping[str, int] = NO_OPTIONS
    ) -> str:
        return scheme2.sign_url(
            self._players + id, self._keys, media=id, audience=EMBED, options=options,
            max_lifetime=self._account.max_token_lifetime, **restrictions,
        )  # fmt: skip

    def asset_url(self, id: str, asset_name: str, restrictions: Mapping[str, Any]) -> str:
        before, after = self._around(asset_name)
        return scheme2.sign_url(
            f"{before}{id}{after}", self._keys, media=id, asset_name=asset_name,
            audience=THUMB if is_thumbnail(asset_name) else STREAM,
            max_lifetime=self._account.max_token_lifetime, **restrictions,
        )  # fmt: skip


_signers: dict[tuple[str, int | None], Signer] = {}


def signer_of(
    media: FieldMedia | str, account: str | None = None, level: int | None = None
) -> Signer:
    """
    Return who signs for *media*: under an alias and at a level, by default the field's own.

    Raises:
        ImproperlyConfigured: the account cannot be used.
    """
    if not isinstance(media, str):
        field = media.field
        account = field.account if account is None else account
        if level is None and field.seclevel is not None:
            level = int(field.seclevel)
    elif account is None:
        account = DEFAULT_ALIAS
    settings, client = cloudkeys.made(account)
    signer = _signers.get((account, level))
    # The client is another one after the setting has changed.
    if signer is None or signer.client is not client:
        chosen = settings.seclevel.value if level is None else level
        keys = client.signing_keys
        signer = (
            Signer(settings, client, chosen)
            if keys is None
            else Scheme2Signer(settings, client, chosen, keys)
        )
        _signers[account, level] = signer
    return signer


def unix_time(moment: object) -> int:
    """
    Return a moment as Unix time.

    Args:
        moment: A ``datetime``, of the current time zone if it names none; or Unix time already, as
            a number or a text.

    Raises:
        ValueError: it is no moment of our days, such as a number of seconds from now.
    """
    if isinstance(moment, datetime):
        aware = make_aware(moment) if is_naive(moment) else moment
        seconds: Any = aware.timestamp()
    else:
        seconds = moment
    try:
        whole = int(seconds)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if not _FIRST_MOMENT <= whole <= _LAST_MOMENT:
        raise ValueError(f"it is a moment, as Unix time or a datetime, got {moment!r}")
    return whole


_FIRST_MOMENT, _LAST_MOMENT = 10**9, 10**10 - 1  # ten digits, as addresses have them


def end_of(account: AccountSettings, now: float | None = None) -> int:
    """
    Return the end of an address that is made *now*, Unix time.

    It is ``URL_LIFETIME`` away, and as much more as it takes to a multiple of ``URL_BUCKET``.
    Within a bucket all addresses end at once, and those of one viewer are the same.
    """
    end = int(time.time() if now is None else now) + account.url_lifetime
    return end + (-end % account.url_bucket if account.url_bucket else 0)


def start_of(account: AccountSettings, now: float | None = None) -> int:
    """Return a moment before *now* that is the same for all addresses of a bucket, Unix time."""
    return end_of(account, now) - account.url_lifetime - account.url_bucket
