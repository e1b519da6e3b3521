"""What the token of an address says, and which of that can be true."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..seclevel import KNOWN_BITS, SecLevel
from ..urls import ASSET, is_media_id
from .bindings import DELEGATE, OF_VIEWER
from .encoding import b64decode

# Plain numbers: operations on members of an IntFlag are slow.
COUNTRY = SecLevel.COUNTRY.value
FOR_THE_FIRST = (SecLevel.USEONCE | SecLevel.DELEGATE).value
OF_PAGE = (SecLevel.REFERER | SecLevel.REFERER_STRICT).value


EMBED, STREAM, DOWNLOAD, THUMB = AUDIENCES = ("embed", "stream", "download", "thumb")
"""What an address is used for."""


def audience_of_stream(protocol: str | None) -> str:
    """Return the use of an asset's address with this protocol in it."""
    return DOWNLOAD if protocol == "http" else STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token allows. The name on the wire is in brackets."""

    user: str
    """Id of the account (``iss``)."""
    media: str
    """Its id (``sub``)."""
    audience: str
    """``embed``, ``stream``, ``download`` or ``thumb`` (``aud``)."""
    issued: int
    """Unix time (``iat``)."""
    expires: int
    """First second at which it is not valid any more, Unix time (``exp``)."""
    seclevel: int = 0
    """Sum of :class:`~django_cloudkey.client.SecLevel` bits (``lvl``)."""
    not_before: int | None = None
    """Unix time (``nbf``)."""
    asset_name: str | None = None
    """``None``: any (``ast``)."""
    bindings: Mapping[str, str | int] = field(default_factory=dict)
    """What :func:`bind` returns (``bnd``)."""
    countries: tuple[str, ...] = ()
    """``allow`` or ``deny``, then lower-case codes (``cc``)."""
    referers: tuple[tuple[str, str, str], ...] = ()
    """Scheme or ``*``, host, prefix of the path (``rf``)."""
    options: Mapping[str, str | int] = field(default_factory=dict)
    """``filename``, ``autoplay``, ``start``, ``chromeless``, ``preset``, ``skin``, ``lang``
    (``q``)."""
    id: str | None = None
    """16 random bytes as base64url; exactly for the levels USEONCE and DELEGATE (``jti``)."""


_NAMES = {
    "user": "iss",
    "media": "sub",
    "audience": "aud",
    "issued": "iat",
    "expires": "exp",
    "seclevel": "lvl",
    "not_before": "nbf",
    "asset_name": "ast",
    "bindings": "bnd",
    "countries": "cc",
    "referers": "rf",
    "options": "q",
    "id": "jti",
}
REQUIRED = ("iss", "sub", "aud", "iat", "exp", "lvl")


def to_wire(claims: Claims) -> dict[str, Any]:
    """Return *claims* as JSON has them."""
    values = ((name, getattr(claims, own)) for own, name in _NAMES.items())
    return {name: value for name, value in values if name in REQUIRED or value not in _ABSENT}


_ABSENT: tuple[Any, ...] = (None, (), {})


def from_wire(values: dict[str, Any]) -> Claims:
    """Return the claims that *values*, which were checked, stand for."""
    given = {own: values[name] for own, name in _NAMES.items() if name in values}
    if "countries" in given:
        given["countries"] = tuple(given["countries"])
    if "referers" in given:
        given["referers"] = tuple(map(tuple, given["referers"]))
    return Claims(**given)


def check(values: Any) -> None:
    """
    Check that *values* are the claims of a token, as JSON has them.

    Raises:
        ValueError: with a sentence about the first that is not.
    """
    if not isinstance(values, dict):
        raise ValueError("The claims are no object.")
    for name in REQUIRED:
        if name not in values:
            raise ValueError(f"The claim {name} is missing.")
    for name, value in values.items():
        rule = _RULES.get(name)
        if rule is None or not rule(value):
            raise ValueError(f"The claim {name} is not valid: {value!r}.")
    level = values["lvl"]
    is_delegated = bool(level & DELEGATE)
    bound = [kind for bit, kind in OF_VIEWER if level & bit and not is_delegated]
    for name, wanted in (
        ("jti", bool(level & FOR_THE_FIRST)),
        ("bnd", bool(bound)),
        # The first viewer's own stands for a list that a delegated token does not have.
        ("cc", bool(level & COUNTRY) and ("cc" in values or not is_delegated)),
        ("rf", bool(level & OF_PAGE) and ("rf" in values or not is_delegated)),
    ):
        if (name in values) != wanted:
            raise ValueError(f"The claim {name} must be there exactly when the level asks for it.")
    if bound and set(values["bnd"]) - {"pfx"} != set(bound):
        raise ValueError("The bindings are not those of the level.")
    if not values["iat"] < values["exp"]:
        raise ValueError("A token expires after it was issued.")


def _is_whole(value: object, below: int) -> bool:
    return type(value) is int and 0 <= value < below


def _is_time(value: object) -> bool:
    return _is_whole(value, 10**11)


def _is_id(value: object) -> bool:
    return _is_bytes(value, 16)


def _is_bytes(value: object, length: int) -> bool:
    try:
        return isinstance(value, str) and len(b64decode(value)) == length
    except ValueError:
        return False


def _are_bindings(value: object) -> bool:
    if not isinstance(value, dict) or not value or value.keys() - {"ip", "pfx", "as", "ua"}:
        return False
    prefix = value.get("pfx", 128)
    kinds = value.keys() - {"pfx"}
    return (
        _is_whole(prefix, 129)
        and all(_is_bytes(value[kind], 16) for kind in kinds)
        and ("pfx" not in value or "ip" in value)
    )


_CODE = re.compile(r"[a-z]{2}", re.ASCII)


def _are_countries(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) < 2 or value[0] not in ("allow", "deny"):
        return False
    return all(isinstance(code, str) and _CODE.fullmatch(code) for code in value[1:])


_REFERER = (
    re.compile(r"https?|\*", re.ASCII),
    re.compile(r"(?:\*\.)?[a-z0-9.:\[\]_-]{1,255}", re.ASCII),
    re.compile(r"/[!-~]{0,1000}", re.ASCII),
)


def _are_referers(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_referer, value))


def _is_referer(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(value) != len(_REFERER):
        return False
    pairs = zip(_REFERER, value, strict=True)
    return all(isinstance(part, str) and rule.fullmatch(part) for rule, part in pairs)


# A lone surrogate cannot be written into the header that names a file.
_SHORT_TEXT = re.compile(r"[^\ud800-\udfff]{1,255}")
_OPTIONS: dict[str, Callable[[Any], bool]] = {
    "autoplay": lambda value: _is_whole(value, 2),
    "chromeless": lambda value: _is_whole(value, 2),
    "start": lambda value: _is_whole(value, 10**6),
    **dict.fromkeys(
        ("filename", "preset", "skin", "lang"),
        lambda value: isinstance(value, str) and _SHORT_TEXT.fullmatch(value) is not None,
    ),
}


def _are_options(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(name in _OPTIONS and _OPTIONS[name](each) for name, each in value.items())


_RULES: dict[str, Callable[[Any], bool]] = {
    "iss": is_media_id,
    "sub": is_media_id,
    "aud": lambda value: isinstance(value, str) and value in AUDIENCES,
    "iat": _is_time,
    "exp": _is_time,
    "nbf": _is_time,
    "lvl": lambda value: type(value) is int and not value & ~KNOWN_BITS,
    "ast": lambda value: isinstance(value, str) and ASSET.fullmatch(value) is not None,
    "bnd": _are_bindings,
    "cc": _are_countries,
    "rf": _are_referers,
    "q": _are_options,
    "jti": _is_id,
}
