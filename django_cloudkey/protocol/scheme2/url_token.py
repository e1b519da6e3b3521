"""
Signed addresses: JWTs (RFC 7519, HS256) that name the media, the audience and the viewer.

::

    ?auth=<header>.<claims>.<signature>         each base64url

No scheme, host or path is signed: the route says what is asked, the token what is allowed, and each
claim is compared with the route. Everything has one spelling (:mod:`.encoding`); a claim that is
unknown, or that the level does not ask for, is refused.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from ..seclevel import Viewer
from ..signing import URLRefused
from .bindings import is_bound
from .claims import Claims, check, from_wire, to_wire
from .encoding import b64decode, b64encode, from_json, to_json
from .keys import URL_TYPE, Keys, new_secret

LIFETIME = 7 * 24 * 3600  # seconds; the longest
LEEWAY = 30  # seconds by which the signer's clock may be ahead
MAX_PAYLOAD = 1536  # bytes of JSON


def make_token(keys: Keys, claims: Claims) -> str:
    """
    Return the ``auth`` parameter that carries *claims*.

    Raises:
        ValueError: nobody would accept them, such as a level without its list; or they are longer
            than MAX_PAYLOAD.
    """
    values = to_wire(claims)
    check(values)
    payload = to_json(values)
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"The claims of an address have at most {MAX_PAYLOAD} bytes.")
    return seal(keys, payload)


def seal(keys: Keys, payload: str) -> str:
    """Return the token whose claims, as canonical JSON, are *payload*."""
    signed = f"{keys.url_header}.{b64encode(payload.encode())}"
    return f"{signed}.{b64encode(keys.url.sign(signed.encode()))}"


def is_token(auth: str) -> bool:
    """Say whether *auth* is of this scheme: historical ones start with a digit."""
    return auth.startswith("ey")


def read_token(auth: str) -> tuple[str, Claims]:
    """
    Return key id and claims of a token as it says them; nothing of it is verified.

    Raises:
        URLRefused: ``malformed`` or ``claims``.
    """
    kid, payload, _, _ = _parse(auth)
    return kid, _claims(payload)


def verify_token(
    auth: str,
    keys_of: Callable[[str], Keys | None],
    *,
    user: str,
    media: str,
    audience: str,
    asset_name: str | None = None,
    viewer: Viewer,
    now: float,
    max_lifetime: float = LIFETIME,
) -> tuple[Claims, Keys]:
    """
    Return what *auth* allows and the keys that signed it, if it allows *viewer* what the route asks
    for.

    Whether the lists of a level, its single use or delegation admit the viewer is the caller's
    question.

    Args:
        keys_of: Returns the active keys of the route's account that have this name.
        user, media, audience, asset_name: What the route asks for.
        now: Unix time.
        max_lifetime: Seconds that a token may be valid in all.

    Raises:
        URLRefused: with the reason: ``malformed``, ``kid``, ``signature``, ``claims`` (not of this
            route, or not as they must be), ``lifetime``, ``early``, ``expired`` or ``bindings``.
    """
    kid, payload, signed, signature = _parse(auth)
    keys = keys_of(kid)
    # An unknown name costs as much as a wrong signature.
    if not (keys or _NOBODY).url.verifies(signed, signature) or keys is None:
        raise URLRefused("signature" if keys else "kid")
    claims = _claims(payload)
    if (claims.user, claims.media, claims.audience) != (user, media, audience):
        raise URLRefused("claims")
    if claims.asset_name is not None and claims.asset_name != asset_name:
        raise URLRefused("claims")
    _check_time(claims, now, max_lifetime)
    if not is_bound(keys.bind, claims.bindings, viewer):
        raise URLRefused("bindings")
    return claims, keys


def new_id() -> str:
    """Return an id for a token that is for the first who comes."""
    return b64encode(secrets.token_bytes(16))


def _claims(payload: str) -> Claims:
    try:
        values = from_json(payload)
        check(values)
    except ValueError as error:
        raise URLRefused("claims") from error
    return from_wire(values)


def _check_time(claims: Claims, now: float, max_lifetime: float) -> None:
    if claims.expires - claims.issued > max_lifetime:
        raise URLRefused("lifetime")
    if max(claims.issued, claims.not_before or 0) > now + LEEWAY:
        raise URLRefused("early")
    if claims.expires <= now:
        raise URLRefused("expired")


# The text of a token

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})", re.ASCII)
MAX_TOKEN = 2400  # characters: the longest header and payload, and the signature
_NOBODY = Keys("0" * 24, "nobody", new_secret())


def _parse(auth: str) -> tuple[str, str, bytes, bytes]:
    """Return key id, payload, the bytes that are signed, and the signature."""
    match = _TOKEN.fullmatch(auth) if len(auth) <= MAX_TOKEN else None
    try:
        if match is None:
            raise ValueError("not three parts")
        header, payload, signature = (b64decode(part) for part in match.groups())
        kid = _kid(header.decode("ascii"))
        text = payload.decode("ascii")
    except ValueError as error:
        raise URLRefused("malformed") from error
    if len(text) > MAX_PAYLOAD:
        raise URLRefused("malformed")
    return kid, text, auth.rpartition(".")[0].encode(), signature


_HEADER = re.compile(
    rf'{{"alg":"HS256","kid":"([A-Za-z0-9_-]{{1,32}})","typ":"{re.escape(URL_TYPE)}"}}'
)


def _kid(header: str) -> str:
    match = _HEADER.fullmatch(header)
    if match is None:
        raise ValueError("another header")
    return match[1]
