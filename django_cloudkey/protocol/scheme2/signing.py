"""The address of a media with its token."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from .. import public_part
from ..referers import parse_prefix
from ..signing import URL_LIFETIME
from ..urls import check_id
from .bindings import DELEGATE, bind
from .claims import COUNTRY, FOR_THE_FIRST, OF_PAGE, Claims, check, to_wire
from .encoding import to_json
from .keys import Keys
from .url_token import LIFETIME, MAX_PAYLOAD, new_id, seal


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
    stable: bool = False,
    options: Mapping[str, str | int] | None = None,
    max_lifetime: int = LIFETIME,
) -> str:
    """
    Return *url* with a token for *media*.

    Args:
        url: Address without a query.
        audience: ``embed``, ``stream``, ``download`` or ``thumb``.
        asset_name: The one asset that it is for; any by default.
        seclevel, asnum, useragent, countries, referers: As for the historical
            :func:`~django_cloudkey.client.sign_url`.
        ip: The viewer's address, or the network that he may come from: ``203.0.113.45/24``.
        expires: First second at which it is not valid any more, Unix time; two hours from now by
            default, or as long as the cloud allows.
        issued: Unix time, now by default.
        stable: Where *issued* is not given, take *max_lifetime* before *expires* for it: equal
            arguments give equal addresses then, unless the level is for the first viewer.
        options: How it is shown, see :class:`.Claims`.
        max_lifetime: Seconds from *issued* to *expires* that the cloud allows.

    Raises:
        InvalidParameter: *media* is no media id.
        ValueError: the level asks for a value that is missing or malformed, or nobody would accept
            the token.
    """
    level = 0 if seclevel is None else int(seclevel)
    now = int(time.time())
    end = int(expires or now + min(URL_LIFETIME, max_lifetime))
    start = now if issued is None else int(issued)
    if end - start > max_lifetime:
        raise ValueError(
            f"A cloud refuses an address that is valid for more than {max_lifetime} seconds "
            f"(MAX_TOKEN_LIFETIME), got {end - start}."
        )
    if issued is None:  # one that has expired by now is signed all the same
        start = end - max_lifetime if stable else min(now, end - 1)
    blank = _blank(
        keys,
        audience,
        asset_name,
        level,
        *(_NOBODY if level & DELEGATE or not level else (ip, asnum, useragent)),
        _list(level, COUNTRY, countries, "COUNTRY"),
        _list(level, OF_PAGE, referers, "REFERER"),
        tuple(options.items()) if options else (),
    )
    return f"{url}?auth={blank.fill(media, start, end)}"


class Blank:
    """
    A token without media and times: everything else of it was checked, and written, once.

    Args:
        claims: Whose *media*, *issued*, *expires* and *id* mean nothing.

    Raises:
        ValueError: nobody would accept such a token, such as of a level without its list.
    """

    __slots__ = ("_after", "_before", "_id", "_issuer", "_keys")

    def __init__(self, keys: Keys, claims: Claims) -> None:
        values = to_wire(claims)
        check(values)
        # No text inside the claims has a quotation mark that is not escaped: each is found once.
        self._before, _times, text = to_json(values).removesuffix(_MEDIA).partition(_TIMES)
        self._issuer, self._id, self._after = text.partition(_ID)
        self._keys = keys

    def fill(self, media: str, issued: int, expires: int) -> str:
        """
        Return the token for *media*.

        Args:
            issued, expires: Unix time.

        Raises:
            InvalidParameter: *media* is no media id.
            ValueError: it would expire before it was issued, or is too long.
        """
        if not 0 <= issued < expires < _NEVER:
            raise ValueError("A token expires after it was issued, and before the year 5138.")
        id = _ID.replace(_NO_ID, new_id()) if self._id else ""
        payload = (
            f'{self._before}"exp":{expires},"iat":{issued},{self._issuer}{id}{self._after}'
            f'"sub":"{check_id(media)}"}}'
        )
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"The claims of an address have at most {MAX_PAYLOAD} bytes.")
        return seal(self._keys, payload)


_NOBODY = (None, None, None)
_NEVER = 10**11  # Unix time
_NO_MEDIA, _NO_ID = "0" * 24, "A" * 22
_MEDIA = f'"sub":"{_NO_MEDIA}"}}'
_TIMES = '"exp":1,"iat":0,'
_ID = f'"jti":"{_NO_ID}",'


@lru_cache(maxsize=256)
def _blank(
    keys: Keys,
    audience: str,
    asset_name: str | None,
    level: int,
    ip: str | None,
    asnum: str | None,
    useragent: str | None,
    countries: tuple[str, ...],
    referers: tuple[str, ...],
    options: tuple[tuple[str, str | int], ...],
) -> Blank:
    # A page has many addresses that differ in the media and in the second alone.
    address, slash, bits = (ip or "").partition("/")
    prefix = None if not slash else int(bits) if bits.isdecimal() else 0
    claims = Claims(
        user=keys.user,
        media=_NO_MEDIA,
        audience=audience,
        issued=0,
        expires=1,
        seclevel=level,
        asset_name=asset_name,
        bindings=bind(
            keys.bind, level, ip=address, asnum=asnum, useragent=useragent, prefix=prefix
        ),
        countries=_countries(countries),
        referers=tuple(map(_referer, referers)),
        options=dict(options),
        id=_NO_ID if level & FOR_THE_FIRST else None,
    )
    return Blank(keys, claims)


def _list(level: int, bit: int, values: Sequence[str] | None, kind: str) -> tuple[str, ...]:
    """Return a list that the level asks for; a delegated one may do without."""
    if not level & bit or (level & DELEGATE and not values):
        return ()
    return public_part.as_list(kind, values)


def _countries(codes: tuple[str, ...]) -> tuple[str, ...]:
    if not codes:
        return ()
    is_denied = codes[0] == "-"
    return ("deny" if is_denied else "allow", *(code.lower() for code in codes[is_denied:]))


def _referer(text: str) -> tuple[str, str, str]:
    prefix = parse_prefix(text)
    if prefix is None:
        raise ValueError(f"A referer is the beginning of an address, got {text!r}.")
    return prefix
