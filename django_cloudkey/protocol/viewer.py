"""Find the address of whoever sent a request, through the proxies that are trusted by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([^:]*):[0-9]{1,5}", re.ASCII)


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return *texts* (addresses or CIDR networks) as networks; ValueError names a bad one."""
    return tuple(ip_network(text, strict=False) for text in texts)


def parse_address(text: str) -> Address | None:
    """
    Return the address that *text* writes, or ``None`` when it writes none.

    Brackets and a port, which proxies add, are taken off; an IPv4 address inside an IPv6 one
    (``::ffff:192.0.2.1``) becomes IPv4, so that one viewer has one address.
    """
    text = text.strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2] or ""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def client_address(
    remote_addr: str, forwarded_for: str = "", trusted_proxies: Sequence[Network] = ()
) -> str:
    """
    Return the viewer's address in canonical text, ``""`` when it cannot be known.

    Args:
        remote_addr: Address of the socket's other end.
        forwarded_for: The whole ``X-Forwarded-For`` header. It is read from the right, one trusted
            proxy at a time, since everything left of the first stranger is his own word.
        trusted_proxies: Networks of the site's own proxies; none means that the header is ignored.
    """
    address = parse_address(remote_addr)
    hops = forwarded_for.split(",") if forwarded_for else []
    while address is not None and hops and _is_trusted(address, trusted_proxies):
        address = parse_address(hops.pop())
    return str(address) if address is not None else ""


def _is_trusted(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)
