"""
Signed calls: who calls, when, and exactly which bytes.

::

    Authorization: CLOUDKEY2-HMAC-SHA256 user="U[/other]", kid="…", ts=…, nonce="…", sig="…"

The signature covers the method, the host, the path and the hash of the body as it is sent; the body
has no ``auth`` member. Whoever verifies takes each nonce of a key once.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from ..exceptions import AuthenticationError
from .encoding import b64decode, b64encode
from .keys import Keys

SCHEME = "CLOUDKEY2-HMAC-SHA256"
MAX_SKEW = 300  # seconds between the two clocks
NONCE_LIFETIME = 2 * MAX_SKEW  # seconds for which a nonce must be remembered

_USER = r"[0-9a-f]{24}(?:/[!#-.0-9;-\[\]-~]{1,64})?"
_HEADER = re.compile(
    rf'{SCHEME} user="(?P<user>{_USER})", '
    r'kid="(?P<kid>[A-Za-z0-9_-]{1,32})", ts=(?P<ts>[1-9][0-9]{0,11}), '
    r'nonce="(?P<nonce>[A-Za-z0-9_-]{22})", sig="(?P<signature>[A-Za-z0-9_-]{43})"',
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What the header says."""

    user: str
    """Id of the caller, or ``"<caller>/<other user>"``."""
    kid: str
    ts: int
    """Unix time."""
    nonce: str
    signature: str

    def __repr__(self) -> str:
        return f"<Authorization of {self.user} by {self.kid} at {self.ts}>"


def is_user(value: str) -> bool:
    """Say whether *value* is an id, or ``"<caller>/<other user>"`` of what a header holds."""
    return re.fullmatch(_USER, value, re.ASCII) is not None


def place_of(base_url: str) -> dict[str, str]:
    """
    Return ``host`` and ``path`` of the calls to the cloud at *base_url*, as they are signed: the
    host in lower case, with a port that is not the scheme's own.
    """
    url = urlsplit(base_url)
    host = url.netloc.rpartition("@")[2].lower().removesuffix(_PORTS.get(url.scheme, ""))
    return {"host": host, "path": f"{url.path.rstrip('/')}/api"}


_PORTS = {"http": ":80", "https": ":443"}


def sign_request(
    keys: Keys, user: str, body: bytes, *, host: str, path: str, ts: int, nonce: str | None = None
) -> str:
    """
    Return the ``Authorization`` header of a call.

    Args:
        user: Id of the caller, or ``"<caller>/<other user>"``.
        body: The bytes that are sent.
        host, path: What :func:`place_of` returns.
        ts: Unix time.
        nonce: 16 random bytes by default.
    """
    nonce = nonce or b64encode(secrets.token_bytes(16))
    message = _message(user, keys.kid, ts, nonce, host, path, body)
    signature = b64encode(keys.rpc.sign(message))
    return f'{SCHEME} user="{user}", kid="{keys.kid}", ts={ts}, nonce="{nonce}", sig="{signature}"'


def read_authorization(header: str) -> Authorization:
    """
    Return what an ``Authorization`` header says; nothing of it is verified.

    Raises:
        AuthenticationError: it is not one of this scheme.
    """
    match = _HEADER.fullmatch(header)
    if match is None:
        raise AuthenticationError("The Authorization header is malformed.")
    user, kid, ts, nonce, signature = match.groups()
    return Authorization(user=user, kid=kid, ts=int(ts), nonce=nonce, signature=signature)


def verify_request(
    keys: Keys, given: Authorization, body: bytes, *, host: str, path: str, now: float
) -> None:
    """
    Check that a holder of *keys* signed *body* for this place, less than MAX_SKEW seconds ago.

    Whether the nonce is new is the caller's question.

    Raises:
        AuthenticationError: with one text for a wrong signature, and one, for whoever signed
            rightly, that names the difference of the clocks.
    """
    message = _message(given.user, given.kid, given.ts, given.nonce, host, path, body)
    if not keys.rpc.verifies(message, _signature(given.signature)):
        raise AuthenticationError("Authentication failed.")
    if abs(now - given.ts) > MAX_SKEW:
        raise AuthenticationError(
            f"The call is dated {given.ts - int(now):+d} seconds from the server's clock; "
            f"{MAX_SKEW} are allowed. Is the clock of the caller right?"
        )


def _signature(text: str) -> bytes:
    try:
        return b64decode(text)
    except ValueError:
        return b""  # verifies nothing


def _message(user: str, kid: str, ts: int, nonce: str, host: str, path: str, body: bytes) -> bytes:
    digest = sha256(body).hexdigest()
    lines = ("cloudkey-2-rpc", user, kid, str(ts), nonce, "POST", host, path, digest)
    return "\n".join(lines).encode()
