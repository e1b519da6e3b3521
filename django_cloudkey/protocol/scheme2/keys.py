"""
The keys of a secret: one for each purpose, so that what is signed for one is nothing to another.

``K(purpose) = HKDF-SHA256(secret, salt "cloudkey-2", info purpose ":" user, 32 bytes)``
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import NoReturn

from ..secret import Secret
from .encoding import b64decode, b64encode, to_json

SALT = b"cloudkey-2"
URL_TYPE = "cloudkey-url+jwt"
LENGTHS = range(32, 65)  # bytes of a secret
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class Key:
    """Thirty-two bytes that sign and verify, and do not show themselves."""

    __slots__ = ("_bytes",)

    def __init__(self, key: bytes) -> None:
        self._bytes = key

    def sign(self, message: bytes) -> bytes:
        """Return the HMAC-SHA256 of *message*."""
        return hmac.digest(self._bytes, message, "sha256")

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Say whether *signature* is of *message*, in a time that does not depend on where not."""
        return hmac.compare_digest(self.sign(message), signature)

    def __repr__(self) -> str:
        return "Key('…')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Key cannot be pickled.")


class Keys:
    """
    What one named secret of an account signs with. Derive it once and keep it.

    Args:
        user: Id of the account.
        kid: Name of the secret, 1 to 32 of ``A-Za-z0-9_-``.
        secret: 32 to 64 random bytes as base64url without padding.

    Raises:
        ValueError: *kid* or *secret* is not that; the message does not hold the secret.
    """

    __slots__ = ("bind", "kid", "rpc", "url", "url_header", "user", "webhook")

    def __init__(self, user: str, kid: str, secret: str | Secret) -> None:
        secret = Secret.of(secret)
        self.user = user
        self.kid = kid
        if not is_kid(kid):
            raise ValueError(f"A key id is 1 to 32 of A-Z a-z 0-9 _ -, got {kid!r}.")
        if not is_secret(secret):
            raise ValueError("A secret is 32 to 64 bytes as base64url without padding.")
        self.url = _derive("url", user, secret)
        self.rpc = _derive("rpc", user, secret)
        self.webhook = _derive("webhook", user, secret)
        self.bind = _derive("bind", user, secret)
        self.url_header = b64encode(to_json({"alg": "HS256", "kid": kid, "typ": URL_TYPE}).encode())
        """The first part of each address's token."""

    def __repr__(self) -> str:
        return f"<Keys {self.kid} of {self.user}>"


def is_kid(value: object) -> bool:
    """Say whether *value* can name a secret."""
    return isinstance(value, str) and _KID.fullmatch(value) is not None


def is_secret(value: Secret) -> bool:
    """Say whether *value* is the text of a secret."""
    try:
        return len(b64decode(value.reveal())) in LENGTHS
    except (AttributeError, ValueError):
        return False


def new_secret() -> Secret:
    """Return 32 random bytes as text."""
    return Secret(b64encode(secrets.token_bytes(32)))


def _derive(purpose: str, user: str, secret: Secret) -> Key:
    # HKDF of one block (RFC 5869): extract, then expand.
    extracted = hmac.digest(SALT, b64decode(secret.reveal()), "sha256")
    return Key(hmac.digest(extracted, f"{purpose}:{user}\x01".encode(), "sha256"))
