"""The address of a media with its token."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..referers import parse_prefix
from ..signing import URL_LIFETIME
from .bindings import bind
from .claims import COUNTRY, FOR_THE_FIRST, OF_PAGE, Claims
from .keys import Keys
from .url_token import make_token, new_id


def sign_url(
    url: str,
    keys: Keys,
    *,
    media: str,
    audience: str,
    asset_name: str | None = None,
    seclevel: int | None = None,
    asnum: str | None = None,
    ip: str | None = None,
    useragent: str | None = None,
    countries: Sequence[str] | None = None,
    referers: Sequence[str] | None = None,
    expires: float | None = None,
    issued: float | None = None,
    options: Mapping[str, str | int] | None = None,
) -> str:
    """
    Return *url* with a token for *media*.

    Args:
        url: Address without a query.
        audience: ``embed``, ``stream``, ``download`` or ``thumb``.
        asset_name: The one asset that it is for; any by default.
        seclevel, asnum, useragent, countries, referers, expires: As for the historical
            :func:`~django_cloudkey.client.sign_url`.
        ip: The viewer's address, or the network that he may come from: ``203.0.113.45/24``.
        issued: Unix time, now by default. Equal arguments, *issued* and *expires* among them, give
            equal addresses, unless the level is for the first viewer.
        options: How it is shown, see :class:`.Claims`.

    Raises:
        ValueError: the level asks for a value that is missing or malformed.
    """
    level = 0 if seclevel is None else int(seclevel)
    now = int(issued or time.time())
    address, _, bits = (ip or "").partition("/")
    claims = Claims(
        user=keys.user,
        media=media,
        audience=audience,
        issued=now,
        expires=int(expires or now + URL_LIFETIME),
        seclevel=level,
        asset_name=asset_name,
        bindings=bind(
            keys.bind,
            level,
            ip=address,
            asnum=asnum,
            useragent=useragent,
            prefix=int(bits) if bits else None,
        ),
        countries=_countries(countries) if level & COUNTRY else (),
        referers=_referers(referers) if level & OF_PAGE else (),
        options=options or {},
        id=new_id() if level & FOR_THE_FIRST else None,
    )
    return f"{url}?auth={make_token(keys, claims)}"


def _countries(codes: Sequence[str] | None) -> tuple[str, ...]:
    if not codes:
        return ()
    is_denied = codes[0] == "-"
    return ("deny" if is_denied else "allow", *(code.lower() for code in codes[is_denied:]))


def _referers(prefixes: Sequence[str] | None) -> tuple[tuple[str, str, str], ...]:
    found = []
    for text in prefixes or ():
        prefix = parse_prefix(text)
        if prefix is None:
            raise ValueError(f"A referer is the beginning of an address, got {text!r}.")
        found.append(prefix)
    return tuple(found)
