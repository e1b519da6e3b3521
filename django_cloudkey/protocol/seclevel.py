"""Security levels: what a signed URL demands of its viewer, and who the viewer is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


class SecLevel(IntFlag):
    """
    Bits that may be combined; what each one really protects is said in the security guide.

    Source: the published SDKs, protocol reference §3.1.
    """

    NONE = 0
    """Whoever has the URL, until it expires."""
    DELEGATE = 1
    """The server takes the values of the other bits from the first viewer."""
    ASNUM = 2
    """One autonomous system, such as ``AS64496``."""
    IP = 4
    """One address."""
    USERAGENT = 8
    """One ``User-Agent`` header."""
    USEONCE = 16
    """One use."""
    COUNTRY = 32
    """A list of countries, allowed or denied."""
    REFERER = 64
    """Pages whose address starts with one of a list; a missing header is allowed."""
    REFERER_STRICT = 32768
    """As REFERER, but a missing header is refused."""


KNOWN_BITS = sum(level.value for level in SecLevel)
PUBLIC_BITS = SecLevel.COUNTRY | SecLevel.REFERER | SecLevel.REFERER_STRICT
"""Levels whose lists travel in the URL, readable, rather than in the digest alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who asks for a signed URL; an empty value is one that is not known."""

    ip: str = ""
    """Address, as ``ipaddress`` writes it."""
    useragent: str = ""
    """The whole ``User-Agent`` header."""
    asnum: str = ""
    """Autonomous system, ``AS`` and its number."""
    country: str = ""
    """Lower-case code of two letters."""
    referer: str = ""
    """Address of the page that the request came from."""


ANYONE = Viewer()


def parse_seclevel(value: int | str | None) -> SecLevel:
    """
    Return the level that *value* means: a number, or names such as ``"delegate|ip"``.

    Raises:
        ValueError: a name or a bit is unknown.
    """
    if value is None or value == "":
        return SecLevel.NONE
    if isinstance(value, int):
        if value & ~KNOWN_BITS or value < 0:
            raise ValueError(f"{value} is not a sum of security levels.")
        return SecLevel(value)
    level = SecLevel.NONE
    for name in value.split("|"):
        try:
            level |= SecLevel[name.strip().upper()]
        except KeyError as error:
            known = ", ".join(known.lower() for known in SecLevel.__members__)
            raise ValueError(f"{name.strip()!r} is no security level; {known} are.") from error
    return level
