"""
The way to the cloud: two verbs, and the only sockets of the client.

:class:`Transport` is the seam. Whatever can answer ``call`` and ``send`` may stand behind a client.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from .. import __version__
from ..protocol.exceptions import TransportException
from .multipart import MINIMUM_RATE, MultipartBody

if TYPE_CHECKING:
    import requests

MAX_ANSWER_SIZE = 8 * 1024 * 1024  # bytes
BLOCK_SIZE = 128 * 1024  # bytes read from a file and written to the socket at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """How long to wait, in seconds."""

    connect: float = 5
    """For a connection."""
    read: float = 30
    """For the next byte."""
    total: float = 60
    """For the whole answer of a call, and for an upload's answer once all its bytes are sent."""


class Transport(Protocol):
    """Carries requests to a cloud and its answers back."""

    def call(self, body: bytes) -> bytes:
        """
        Return the answer to one call.

        Raises:
            TransportException: there is none.
        """

    def send(self, url: str, body: MultipartBody) -> bytes:
        """
        Return the upload server's answer to *body*.

        Raises:
            TransportException: there is none.
        """


class HTTPTransport:
    """
    Calls and uploads over HTTP, safe to share between threads and to fork.

    Args:
        base_url: Address of the cloud; calls go to ``<base_url>/api``.
        proxy: Address of an HTTP proxy for all traffic; the environment's proxies by default.
    """

    def __init__(
        self, base_url: str, *, timeout: Timeout | None = None, proxy: str | None = None
    ) -> None:
        self._url = f"{base_url}/api"
        self._timeout = timeout or Timeout()
        self._proxy = proxy
        self._local = threading.local()

    def call(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        return self._post(self._url, body, headers, time.monotonic() + self._timeout.total)

    def send(self, url: str, body: MultipartBody) -> bytes:
        self._check_upload_url(url)
        allowed = self._timeout.total + len(body) / MINIMUM_RATE
        headers = {"Content-Type": body.content_type}
        return self._post(url, body, headers, time.monotonic() + allowed)

    def _check_upload_url(self, url: str) -> None:
        try:
            scheme = urlsplit(url).scheme
        except ValueError:
            scheme = ""
        if scheme not in ("http", "https"):
            raise TransportException("The server answered an upload address that is not HTTP.")
        if scheme == "http" and self._url.startswith("https:"):
            raise TransportException("The server asked to upload without encryption; refused.")

    def _post(
        self, url: str, body: bytes | MultipartBody, headers: dict[str, str], deadline: float
    ) -> bytes:
        # Loaded by the first call, not by the import of the client.
        import requests

        from .deadline import limits

        where = f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}"
        timeout = (self._timeout.connect, self._timeout.read)
        try:
            with (
                limits(self._timeout.read, deadline),
                self._session().post(
                    url,
                    data=body,
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                content = self._read(response, where)
        except requests.RequestException as error:
            if isinstance(body, MultipartBody) and body.failure is not None:
                raise body.failure from None
            # Not chained: the original's text holds the whole address, upload seal included.
            reason = type(error).__name__
            raise TransportException(f"No answer from {where} ({reason}).") from None
        is_answer = response.status_code >= 400 and content.startswith(b"{")
        if response.status_code != 200 and not is_answer:
            raise TransportException(f"{where} answered HTTP {response.status_code}.")
        return content

    def _read(self, response: requests.Response, where: str) -> bytes:
        content = bytearray()
        for chunk in response.iter_content(64 * 1024):
            content += chunk
            if len(content) > MAX_ANSWER_SIZE:
                raise TransportException(f"The answer of {where} is longer than 8 MiB.")
        return bytes(content)

    def _session(self) -> requests.Session:
        # A connection that crossed a fork gives one process the other's answers.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.session = _new_session(self._proxy)
            self._local.pid = os.getpid()
        session: requests.Session = self._local.session
        return session


def _new_session(proxy: str | None) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter

    from .deadline import POOLS

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, blocksize=BLOCK_SIZE, **kwargs)
            self.poolmanager.pool_classes_by_scheme = POOLS

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, blocksize=BLOCK_SIZE, **kwargs)
            manager.pool_classes_by_scheme = POOLS
            return manager

    session = requests.Session()
    session.headers["User-Agent"] = f"django-cloudkey/{__version__}"
    session.mount("http://", Adapter())
    session.mount("https://", Adapter())
    if proxy is not None:
        session.proxies = {"http": proxy, "https": proxy}
    return session
