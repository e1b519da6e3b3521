"""The address that a cloud answers for a file: where the file may be sent, and where not."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..protocol.exceptions import TransportException


def check_upload_address(url: str, cloud: str) -> None:
    """
    Check that a file of the client's may be sent to *url*, which the server at *cloud* answered.

    Raises:
        TransportException: it is not HTTP, gives up the encryption of *cloud*, or is neither of its
            host, nor of one below or beside it.
    """
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:
        scheme, host = "", None
    if scheme not in ("http", "https"):
        raise TransportException("The server answered an upload address that is not HTTP.")
    if scheme == "http" and cloud.startswith("https:"):
        raise TransportException("The server asked to upload without encryption; refused.")
    # Other characters are read in one way here, and in another where the connection is made.
    is_clear = re.fullmatch(r"[!-\[\]-~]{1,8000}", url)
    if not is_clear or not _is_near(host or "", urlsplit(cloud).hostname or ""):
        raise TransportException(
            "The server answered an upload address that is not of this cloud; refused."
        )


def _is_near(host: str, home: str) -> bool:
    """Return whether *host* is *home*, below it, or beside it in a domain of their own."""
    if host == home:
        return True
    if ":" in home or home.rpartition(".")[2].isdigit():
        return False  # an IP address has no neighbours
    domain = home.partition(".")[2]
    return host.endswith(f".{home}") or ("." in domain and host.endswith(f".{domain}"))
