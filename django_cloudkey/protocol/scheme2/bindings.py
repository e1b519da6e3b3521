"""Values of a viewer inside a token: their MACs, so that nobody reads them there."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network

from ..seclevel import SecLevel, Viewer
from ..viewer import Address, parse_address
from .encoding import b64encode
from .keys import Key

WIDEST = {4: 16, 6: 32}  # IP version → bits of the shortest prefix that binds

# Plain numbers: operations on members of an IntFlag are slow.
DELEGATE = SecLevel.DELEGATE.value
OF_VIEWER = (
    (SecLevel.IP.value, "ip"),
    (SecLevel.ASNUM.value, "as"),
    (SecLevel.USERAGENT.value, "ua"),
)


def bind(
    key: Key,
    seclevel: int,
    *,
    ip: str | None = None,
    asnum: str | None = None,
    useragent: str | None = None,
    prefix: int | None = None,
) -> dict[str, str | int]:
    """
    Return the claim that binds a token to the values of a viewer, which nobody can read from it.

    Args:
        key: ``Keys.bind``.
        prefix: Bits of *ip* that must match, all by default; at least 16, of IPv6 32.

    Raises:
        ValueError: the level needs a value that is missing or malformed.
    """
    if seclevel & DELEGATE:
        return {}
    values = {"ip": ip, "as": asnum, "ua": useragent}
    bindings: dict[str, str | int] = {}
    for bit, kind in OF_VIEWER:
        if seclevel & bit:
            value = _canonical(kind, values[kind] or "", prefix)
            if value is None:
                raise ValueError(f"The level {SecLevel(bit).name} needs {_NEEDS[kind]}.")
            bindings[kind] = _bound(key, kind, value)
    if prefix is not None and "ip" in bindings:
        bindings["pfx"] = prefix
    return bindings


_NEEDS = {
    "ip": "the viewer's IP address, and a prefix of at least 16 bits of it, of IPv6 32",
    "as": "the viewer's AS number",
    "ua": "the viewer's user agent",
}


def is_bound(key: Key, bindings: Mapping[str, str | int], viewer: Viewer) -> bool:
    """Say whether *viewer* is the one of *bindings*; a value that is not known matches nobody."""
    values = {"ip": viewer.ip, "as": viewer.asnum, "ua": viewer.useragent}
    prefix = bindings.get("pfx")
    for kind in bindings.keys() & values.keys():
        value = _canonical(kind, values[kind], prefix if isinstance(prefix, int) else None)
        if value is None or _bound(key, kind, value) != bindings[kind]:
            return False
    return True


def _bound(key: Key, kind: str, value: bytes) -> str:
    return b64encode(key.sign(kind.encode() + b"\n" + value)[:16])


def _canonical(kind: str, value: str, prefix: int | None) -> bytes | None:
    """Return the bytes that stand for a viewer's value; ``None`` when there are none."""
    if kind == "ip":
        address = parse_address(value)
        return None if address is None else _network(address, prefix)
    if kind == "as":
        number = value.upper().removeprefix("AS")
        is_number = number.isascii() and number.isdigit() and len(number) <= 10
        return str(int(number)).encode() if is_number else None
    try:
        return value.encode("latin-1") or None  # as WSGI decodes what a browser sends
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _network(address: Address, prefix: int | None) -> bytes | None:
    if prefix is None:
        return str(address).encode()
    if not WIDEST[address.version] <= prefix <= address.max_prefixlen:
        return None
    return str(ip_network((address.packed, prefix), strict=False)).encode()
