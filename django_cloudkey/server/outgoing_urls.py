"""
Which addresses the cloud may call by itself: accounts name them, and accounts are not trusted.

A public host is called by https at port 443 alone. What is on the cloud's own network is called
only if ``CLOUDKEY_SERVER["WEBHOOK_NETWORKS"]`` holds its address, then by http and at any port too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from ..protocol.viewer import Address, parse_address
from .conf import cloud

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?\.?|\[[0-9a-f:.]{2,45}\]", re.ASCII)
_TARGET = re.compile(r"/[\x21-\x7e]*", re.ASCII)
_OWN = ("api", "upload", "progress", "embed", "player", "route")
"""What the cloud answers itself, below its address."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC = [
    ip_network(text)
    for text in (
        "192.88.99.0/24",  # to whichever relay of 6to4 is near
        "2001::/23",  # Teredo and others that hold addresses of IPv4
        "2001:db8::/32",
        "2002::/16",  # 6to4, which holds addresses of IPv4
        "3fff::/20",
    )
]
"""What Python, of some versions at least, takes for global."""


class NotAllowed(ValueError):
    """An address that the cloud does not call; the message says why."""


@dataclass(frozen=True, slots=True)
class OutgoingURL:
    """The parts of an address that may be called, if its host turns out to be where it may be."""

    scheme: str
    host: str
    """Lower case, without the brackets of IPv6."""
    port: int
    target: str
    """Path and query."""

    @property
    def is_plain(self) -> bool:
        """Whether it needs a host of ``WEBHOOK_NETWORKS``."""
        return (self.scheme, self.port) != ("https", 443)

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def parse_outgoing(url: str) -> OutgoingURL:
    """
    Return the parts of *url*. It asks nobody: where the host is, is seen when it is called.

    Raises:
        NotAllowed: it is none that may ever be called.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NotAllowed(_("This is no address.")) from error
    host = parts.netloc.lower().removesuffix("" if port is None else f":{port}")
    if port == 0:
        raise NotAllowed(_("There is no port 0."))
    if parts.scheme not in ("http", "https"):
        raise NotAllowed(_("An address starts with https://."))
    if "@" in parts.netloc:
        raise NotAllowed(_("An address must not hold a user or a password."))
    # urlsplit drops tabs and line ends: what was given must be what was read.
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (_HOST.fullmatch(host) and _TARGET.fullmatch(target)) or re.search(r"[\s\\#]", url):
        raise NotAllowed(_("An address is a host and a path of ASCII, without a fragment."))
    found = OutgoingURL(
        scheme=parts.scheme,
        host=host.strip("[]").rstrip("."),
        port=port if port is not None else {"https": 443, "http": 80}[parts.scheme],
        target=target,
    )
    if found.is_plain and not cloud.webhook_networks:
        raise NotAllowed(_("The address must be https, at port 443."))
    literal = parse_address(found.host)
    if literal is not None:
        check_address(found, literal)
    if _is_own(found):
        raise NotAllowed(_("The address is the cloud's own."))
    return found


def check_address(url: OutgoingURL, address: Address) -> None:
    """
    Raise NotAllowed unless *url* may be called at *address*, which its host has.

    An address of IPv4 inside one of IPv6 is written as IPv4 already, see ``parse_address``.
    """
    if any(
        address.version == network.version and address in network
        for network in cloud.webhook_networks
    ):
        return
    if not is_public(address):
        raise NotAllowed(_("%(address)s is no public address.") % {"address": address})
    if url.is_plain:
        raise NotAllowed(_("A public address must be https, at port 443."))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether *address* is one host of the internet, to whoever asks from anywhere."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return not any(address.version == net.version and address in net for net in _NOT_PUBLIC)


def _is_own(url: OutgoingURL) -> bool:
    for own in cloud.accepted_urls:
        parts = urlsplit(own)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        if (url.host, url.port) == ((parts.hostname or "").rstrip("."), port):
            path = url.target.partition("?")[0]
            below = path.removeprefix(parts.path).lstrip("/").split("/")[0]
            if path.startswith(parts.path) and below in _OWN:
                return True
    return False
