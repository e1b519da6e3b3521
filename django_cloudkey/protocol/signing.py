"""
The historical signatures, each made and verified side by side: calls and URLs.

A call::

    auth = user ":" md5(user + normalize(call without auth) + key)

A URL, where *base* is everything before the first ``?``::

    auth   = expires "-" level "-" nonce "-" digest [ "-" public ]
    digest = md5(level + base + expires + nonce + key + private + public)

*private* are the viewer's values that the level asks for, *public* a readable list of countries
and referers. The digest has no separators, so the verifier is strict about the shape of each part:
ten digits of expiry, 8 to 32 characters of nonce, known bits only, a public part exactly when the
level asks for one. MD5 is the protocol's choice, kept for compatibility with historical clients.

Source: the published SDKs; ``tests/vectors.json`` pins every byte.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from operator import index
from os import urandom
from typing import Any, NoReturn
from urllib.parse import unquote

from . import public_part
from .exceptions import AuthenticationError
from .normalization import DIALECTS, normalize
from .seclevel import ANYONE, KNOWN_BITS, SecLevel, Viewer
from .secret import Secret

# Plain numbers: one operation on members of an IntFlag takes longer than an MD5.
DELEGATE, ASNUM = SecLevel.DELEGATE.value, SecLevel.ASNUM.value
IP, USERAGENT = SecLevel.IP.value, SecLevel.USERAGENT.value
PRIVATE_BITS = ASNUM | IP | USERAGENT
PUBLIC_BITS = public_part.BITS

URL_LIFETIME = 7200  # seconds
NONCE_LENGTH = 8  # characters, of the official clients

# surrogatepass: a hostile header must lead to a refusal, not to an encoding error.
_ERRORS = "surrogatepass"


def _md5(text: str) -> str:
    return md5(text.encode("utf8", _ERRORS), usedforsecurity=False).hexdigest()


def sign(shared_secret: str | Secret, msg: str) -> str:
    """Return the hexadecimal MD5 of *msg* followed by the secret."""
    shared_secret = Secret.of(shared_secret)
    return _md5(msg + shared_secret.reveal())


# Calls


def sign_call(user: str, request: Mapping[str, Any], secret: str | Secret) -> str:
    """
    Return the ``auth`` member of *request*, a call without it.

    Args:
        user: Id of the caller, or ``"<caller>/<other user>"`` when acting as another.
        secret: The caller's API key.
    """
    secret = Secret.of(secret)
    return f"{user}:{sign(secret, user + normalize(dict(request)))}"


def verify_call(auth: str, request: Mapping[str, Any], secret: str | Secret) -> str:
    """
    Return the name of the dialect in which *auth* signs *request*.

    Args:
        request: The parsed call without its ``auth`` member.

    Raises:
        AuthenticationError: *auth* signs it in none.
    """
    secret = Secret.of(secret)
    user, _, digest = auth.rpartition(":")
    found = ""
    tried = set()
    for dialect in DIALECTS:
        message = user + normalize(dict(request), dialect)
        if message in tried:
            continue
        tried.add(message)
        if hmac.compare_digest(sign(secret, message).encode(), digest.encode("utf-8", "replace")):
            found = dialect.name
            break
    if not found:
        raise AuthenticationError("Authentication failed.")
    return found


# URLs


class URLRefused(Exception):
    """
    A signed URL that is not, or not for this viewer, or not any more.

    Attributes:
        reason: One word for logs, such as ``missing``, ``malformed``, ``signature``, ``expired`` or
            ``lifetime``; whoever checks more than a signature has more of them. A viewer is never
            told.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class URLToken:
    """What the ``auth`` parameter of a signed URL says."""

    expires: int
    """First second at which it is not valid any more, Unix time."""
    seclevel: SecLevel
    nonce: str
    digest: str
    public: str = ""
    """The public part as it was sent: base64 of a zlib stream."""

    @property
    def public_text(self) -> str:
        """The public part in the clear, such as ``cc=fr,be&rf=…``; empty when there is none."""
        return public_part.decode(self.public) if self.public else ""


def sign_url(
    url: str,
    secret: str | Secret,
    seclevel: int | None = None,
    asnum: str | None = None,
    ip: str | None = None,
    useragent: str | None = None,
    countries: Sequence[str] | None = None,
    referers: Sequence[str] | None = None,
    expires: float | str | None = None,
    *,
    nonce: str | None = None,
    stable: bool = False,
) -> str:
    """
    Return *url* with the ``auth`` parameter that a server sharing *secret* accepts.

    Args:
        url: Absolute URL. Its query string is kept, and is not signed.
        secret: API key of the account that owns the media.
        seclevel: What the viewer must match, a sum of :class:`SecLevel` bits; nothing by default.
        asnum: The viewer's autonomous system, such as ``"AS64496"``.
        ip: The viewer's address.
        useragent: The viewer's whole ``User-Agent`` header.
        countries: Two-letter codes that are allowed, or denied when the first item is ``"-"``.
        referers: Prefixes of the pages that may show the media.
        expires: First second at which it is not valid any more, Unix time; two hours from now by
            default.
        nonce: 8 to 32 characters of ``a-z0-9`` in place of random ones.
        stable: Derive the nonce from what is signed: equal arguments, equal addresses.

    Raises:
        ValueError: the level asks for a value that is missing or malformed.
    """
    # A page signs many addresses: no call is made here that can be spared.
    if not isinstance(secret, Secret):
        secret = Secret(secret)
    level = 0 if seclevel is None else index(seclevel)  # a fifth of int()'s time
    deadline = str(int(expires or time.time() + URL_LIFETIME))
    private = public = ""
    if level and not level & DELEGATE:
        if level & PRIVATE_BITS:
            private = _private_part(level, asnum, ip, useragent)
        if level & PUBLIC_BITS:
            public = public_part.encode(level, countries, referers)
    base, query = url, ""
    if "?" in url:
        base, _, query = url.partition("?")
        query += "&" if query else ""
    if stable:
        nonce = _derived_nonce(f"{level} {base} {deadline} {private} {public}", secret)
    nonce = nonce or new_nonce()
    digest = md5(
        f"{level}{base}{deadline}{nonce}{secret.reveal()}{private}{public}".encode("utf8", _ERRORS),
        usedforsecurity=False,
    ).hexdigest()
    if public:
        digest = f"{digest}-{public}"
    return f"{base}?{query}auth={deadline}-{level}-{nonce}-{digest}"


def verify_url(
    bases: str | Iterable[str],
    auth: str,
    secret: str | Secret,
    *,
    viewer: Viewer = ANYONE,
    now: float | None = None,
    max_lifetime: float | None = None,
) -> URLToken:
    """
    Return what *auth* grants, if a holder of *secret* signed it for one of *bases* and *viewer*.

    Whether the level's lists, single use or delegation admit the viewer is the caller's question;
    this function answers for the signature, the values inside it, and the time.

    Args:
        bases: The URL that was asked for, without its query, in every form that may have been
            signed (``http`` and ``https``, alias hosts). Configured, never taken from a header.
        auth: The decoded ``auth`` parameter, see :func:`read_auth`.
        now: Unix time; the clock by default.
        max_lifetime: Refuse a token that is valid for longer than this many seconds from now.

    Raises:
        URLRefused: with the reason.
    """
    secret = Secret.of(secret)
    token = parse_auth(auth)
    private = ""
    if not token.seclevel & SecLevel.DELEGATE:
        private = _viewer_part(token.seclevel, viewer)
    bases = [bases] if isinstance(bases, str) else bases
    if not any(_signs(token, base, secret, private) for base in bases):
        raise URLRefused("signature")
    now = time.time() if now is None else now
    if token.expires <= now:
        raise URLRefused("expired")
    if max_lifetime is not None and token.expires > now + max_lifetime:
        raise URLRefused("lifetime")
    return token


def read_auth(query: str) -> str:
    """
    Return the decoded ``auth`` parameter of a raw query string.

    Raises:
        URLRefused: it is absent (``missing``), there are two, or it is not UTF-8 (``malformed``).
    """
    try:
        # "+" stays: it is a letter of the base64 that early clients sent.
        pairs = [part.partition("=") for part in query.split("&")]
        found = [value for name, _, value in pairs if unquote(name, errors="strict") == "auth"]
        auth = unquote(found[0], errors="strict") if len(found) == 1 else ""
    except UnicodeDecodeError as error:
        raise URLRefused("malformed") from error
    if not auth:
        raise URLRefused("malformed" if found else "missing")
    return auth


_AUTH = re.compile(
    r"([1-9][0-9]{9})-(0|[1-9][0-9]{0,4})-([a-z0-9]{8,32})-([0-9a-f]{32})"
    r"(?:-([A-Za-z0-9+/_\-\n]{8,4096}={0,2}))?",
    re.ASCII,
)


def parse_auth(auth: str) -> URLToken:
    """
    Return the parts of an ``auth`` parameter.

    Raises:
        URLRefused: ``malformed``.
    """
    match = _AUTH.fullmatch(auth)
    if match is None:
        raise URLRefused("malformed")
    expires, level, nonce, digest, public = match.groups(default="")
    seclevel = SecLevel(int(level) & KNOWN_BITS)
    if seclevel != int(level):
        raise URLRefused("malformed")
    if not public_part.is_exact(public, seclevel):
        raise URLRefused("malformed")
    return URLToken(
        expires=int(expires), seclevel=seclevel, nonce=nonce, digest=digest, public=public
    )


# Each letter stands for as many bytes as any other, give or take one.
_LETTERS = bytes(ord("a") + byte % 26 for byte in range(256))


def new_nonce() -> str:
    """Return 8 random letters; digits there could pass for the expiry in front of them."""
    return urandom(NONCE_LENGTH).translate(_LETTERS).decode()


def _derived_nonce(text: str, secret: Secret) -> str:
    digest = hmac.digest(secret.reveal().encode(), text.encode("utf-8", "surrogatepass"), "sha256")
    return digest[:NONCE_LENGTH].translate(_LETTERS).decode()


_ENDS_IN_VERSION = re.compile(r"-[0-9]+$", re.ASCII)


def _signs(token: URLToken, base: str, secret: Secret, private: str) -> bool:
    # Digits of a version could pass for the expiry, and those of the expiry for a longer nonce:
    # "abs-1790", "1780…" would read as "abs-1", "7901780…".
    if len(token.nonce) > NONCE_LENGTH and _ENDS_IN_VERSION.search(base):
        return False
    signed = f"{token.seclevel.value}{base}{token.expires}{token.nonce}"
    digest = _md5(f"{signed}{secret.reveal()}{private}{token.public}")
    return hmac.compare_digest(digest, token.digest)


def _private_part(level: int, asnum: str | None, ip: str | None, useragent: str | None) -> str:
    private = (ip or _missing("IP", "IP address")) if level & IP else ""
    if level & ASNUM:
        private = (asnum or _missing("ASNUM", "AS number")) + private
    if level & USERAGENT:
        private += useragent or _missing("USERAGENT", "user agent")
    return private


def _missing(level: str, name: str) -> NoReturn:
    raise ValueError(f"The {level} security level needs the viewer's {name}.")


def _viewer_part(seclevel: SecLevel, viewer: Viewer) -> str:
    """Return what the digest must contain for *viewer*; what is not known matches nobody."""
    if seclevel & SecLevel.USERAGENT and seclevel & (SecLevel.IP | SecLevel.ASNUM):
        # Values are joined without a separator and a viewer writes his own User-Agent: with the
        # first letters of it he could turn 203.0.113.4 into 203.0.113.45.
        more = r"[0-9a-fA-F:]" if ":" in viewer.ip and seclevel & SecLevel.IP else r"[0-9.]"
        if re.match(more, viewer.useragent, re.ASCII):
            raise URLRefused("signature")
    try:
        return _private_part(seclevel.value, viewer.asnum, viewer.ip, viewer.useragent)
    except ValueError as error:
        raise URLRefused("signature") from error
