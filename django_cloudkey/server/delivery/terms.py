"""On which terms an address was signed: the same words for both schemes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from ...protocol import public_part
from ...protocol.assets import extension_of
from ...protocol.referers import Prefix
from ...protocol.scheme2.claims import EMBED, THUMB, Claims, audience_of_stream
from ...protocol.scheme2.keys import Keys
from ...protocol.scheme2.url_token import verify_token
from ...protocol.seclevel import SecLevel, Viewer
from ...protocol.secret import Secret
from ...protocol.signing import URLRefused, URLToken, verify_url
from ...protocol.urls import Page, Stream, Thumbnail
from .. import account_secrets, legacy_uses
from ..conf import cloud
from ..models import Account, new_key
from . import sessions

NOBODY = Account(pk="0" * 24, api_key=new_key(), is_active=False)
"""Stands for an account that does not exist, so that looking for it takes the same work."""
_OPTIONS = ("autoplay", "start", "chromeless", "filename")
_OF_LISTS = (SecLevel.COUNTRY | SecLevel.REFERER | SecLevel.REFERER_STRICT).value


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a verified signature grants, and under which conditions."""

    level: int
    """Sum of SecLevel bits."""
    expires: int
    """Unix time."""
    key: str
    """Name under which a first use is remembered; equal for equal rights only."""
    issuer: str
    """Id of the secret that signed; empty for the historical key."""
    countries: tuple[str, ...] = ()
    """``allow`` or ``deny``, then codes."""
    referers: tuple[Prefix, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    """How it is to be shown; signed under scheme 2."""


def verify_historical(
    account: Account, address: Page | Stream | Thumbnail, auth: str, query: str, *,
    viewer: Viewer, now: float,
) -> Terms:  # fmt: skip
    """
    Return the terms of a historical signature.

    Raises:
        URLRefused: it is none, or not for this address and *viewer*.
    """
    token = verify_url(
        [f"{base}/{address.path}" for base in _bases(account)],
        auth,
        Secret(account.api_key),
        viewer=viewer,
        now=now,
        max_lifetime=cloud.max_url_lifetime,
    )
    check_active(account)
    if account.legacy == Account.Legacy.OFF:
        raise URLRefused("legacy")
    level = token.seclevel.value
    _check_seams(account, level)
    legacy_uses.note(account.pk, "address")
    countries, referers = public_part.read(token.public)
    return Terms(
        level=level,
        expires=token.expires,
        key=_key_of(account, token),
        issuer="",
        countries=countries,
        referers=referers,
        options=_options_of(query),
    )


def verify_scheme2(
    account: Account, address: Page | Stream | Thumbnail, auth: str, *,
    viewer: Viewer, now: float,
) -> Terms:  # fmt: skip
    """
    Return the terms of a token of scheme 2, of the account or of this cloud.

    Raises:
        URLRefused: it is none, or not for this address and *viewer*.
    """
    # No path is signed: what means nothing in it has one spelling, so that caches have one copy.
    if isinstance(address, Stream) and address.extension != extension_of(address.asset_name):
        raise URLRefused("claims")
    claims, keys = verify_token(
        auth,
        _key_finder(account),
        user=address.user,
        media=address.media,
        audience=audience_of(address),
        asset_name=None if isinstance(address, Page) else address.asset_name,
        viewer=viewer,
        now=now,
        max_lifetime=cloud.max_token_lifetime,
    )
    check_active(account)
    return _terms_of(claims, keys.kid)


def check_active(account: Account) -> None:
    """Raise URLRefused (``account``) for one that is switched off, or does not exist."""
    if not account.is_active:
        raise URLRefused("account")


def audience_of(address: Page | Stream | Thumbnail) -> str:
    """Return what a token of scheme 2 calls the use of *address*."""
    if isinstance(address, Page):
        return EMBED
    if isinstance(address, Thumbnail):
        return THUMB
    return audience_of_stream(address.protocol)


def _bases(account: Account) -> tuple[str, ...]:
    """Return the addresses of the cloud that a signature may be over."""
    bases = cloud.accepted_urls
    if account.legacy != Account.Legacy.LENIENT:
        return bases
    insecure = (base.replace("https:", "http:", 1) for base in bases)
    return tuple(dict.fromkeys((*bases, *insecure)))


def _check_seams(account: Account, level: int) -> None:
    # Who writes his own User-Agent could write the list of countries into it, as the digest has
    # nothing between the two.
    has_seam = level & SecLevel.USERAGENT and level & _OF_LISTS and not level & SecLevel.DELEGATE
    if has_seam and account.legacy != Account.Legacy.LENIENT:
        raise URLRefused("seams")


def _key_of(account: Account, token: URLToken) -> str:
    # The digest covers the address, the end, the level and the nonce.
    return f"{account.pk}:{token.digest}"


def _options_of(query: str) -> dict[str, str]:
    try:
        pairs = dict(parse_qsl(query, max_num_fields=64))
    except ValueError as error:
        raise URLRefused("malformed") from error
    return {name: pairs[name] for name in _OPTIONS if name in pairs}


def _key_finder(account: Account) -> Callable[[str], Keys | None]:
    find_keys = account_secrets.key_finder(account.pk)
    is_historical = account.legacy != Account.Legacy.OFF

    def find(kid: str) -> Keys | None:
        if not sessions.is_own(kid):
            return find_keys(kid)
        issuer = sessions.issuer_of(kid)
        is_valid = find_keys(issuer) is not None if issuer else is_historical
        return sessions.keys_of(account, issuer) if is_valid else None

    return find


def _terms_of(claims: Claims, kid: str) -> Terms:
    return Terms(
        level=claims.seclevel,
        expires=claims.expires,
        key=f"{claims.user}:{claims.id}",
        issuer=sessions.issuer_of(kid),
        countries=claims.countries,
        referers=claims.referers,
        options={name: str(value) for name, value in claims.options.items()},
    )
