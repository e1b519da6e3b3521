"""
Pages that may show a media: prefixes of their addresses, against the ``Referer`` of a request.

A prefix is compared in three parts: the scheme and the host as wholes, the path with its query from
the beginning. ``https://*.example.org/courses/`` admits every page below that path on every host
below ``example.org``, and nothing on ``example.org.evil.example``.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

Prefix = tuple[str, str, str]
"""Scheme or ``*``, host (with a port that is not the scheme's own), beginning of path and query."""

_PORTS = {"http": 80, "https": 443}


def parse_prefix(text: str) -> Prefix | None:
    """Return the parts of a prefix, such as ``https://*.example.org/a``; ``None``: it is none."""
    parts = _parse(text)
    if parts is None:
        return None
    scheme, host, path = parts
    return scheme, host, path.rstrip("*")


def admits(prefixes: Iterable[Prefix], referer: str) -> bool:
    """Say whether the page at *referer* begins as one of *prefixes* says."""
    parts = _parse(referer)
    return parts is not None and any(_begins(parts, prefix) for prefix in prefixes)


def _begins(page: Prefix, prefix: Prefix) -> bool:
    (scheme, host, path), (its_scheme, its_host, its_path) = page, prefix
    if its_scheme not in ("*", scheme) or not path.startswith(its_path):
        return False
    if its_host.startswith("*."):
        return host.endswith(its_host[1:])
    return host == its_host


def _parse(url: str) -> Prefix | None:
    # A browser reads a backslash as a slash, and white space not at all.
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    if ":" in host:
        host = f"[{host}]"
    if port not in (None, _PORTS[parts.scheme]):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return parts.scheme, host, f"{parts.path or '/'}{query}"
