"""
The way to the cloud: two verbs, and the only sockets of the client.

:class:`Transport` is the seam. Whatever can answer ``call`` and ``send`` may stand behind a client.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from .. import __version__
from ..protocol.envelope import is_failure
from ..protocol.exceptions import NotFound, TransportException
from ..protocol.secret import Secret
from .multipart import MINIMUM_RATE, MultipartBody
from .retries import BUDGET, PASSING, pause, read_retry_after

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
    """
    For the whole answer of a call, repetitions and the pauses between them included; and for an
    upload's answer once all its bytes are sent.
    """

    @classmethod
    def of(cls, value: Timeout | float | None) -> Timeout:
        """
        Return *value*, or the timeouts of a call that takes at most so many seconds.

        Raises:
            ValueError: the number is not more than 0, or has no end.
        """
        if value is None or isinstance(value, Timeout):
            return value or cls()
        if not (isinstance(value, int | float) and 0 < value < math.inf):
            raise ValueError(f"timeout must be a number of seconds above 0, got {value!r}.")
        return cls(connect=min(cls().connect, value), read=min(cls().read, value), total=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for a call."""

    body: bytes
    features: frozenset[str] = frozenset()
    """What the server says that it can do beyond the protocol (``CloudKey-Features``)."""


class Transport(Protocol):
    """Carries requests to a cloud and its answers back."""

    def call(
        self,
        body: bytes,
        *,
        is_read: bool = False,
        idempotency_key: str | None = None,
        authorize: Callable[[], str] | None = None,
    ) -> Answer:
        """
        Return the answer to one call.

        Args:
            is_read: It changes nothing, and may be sent more than once.
            idempotency_key: The server will carry out the call once, however often it is sent.
            authorize: Returns an ``Authorization`` header, a new one for each sending.

        Raises:
            TransportException: there is none.
        """

    def send(self, url: str, body: MultipartBody) -> bytes:
        """
        Return the upload server's answer to *body*.

        Raises:
            TransportException: there is none.
        """

    def fetch(self, url: str, start: int, length: int) -> bytes:
        """
        Return bytes of what is at a signed address.

        Args:
            start: Position of the first.
            length: How many, at most; MAX_ANSWER_SIZE at most.

        Raises:
            NotFound: there is nothing.
            TransportException: there is no answer, or one of another range.
        """


class HTTPTransport:
    """
    Calls and uploads over HTTP, safe to share between threads and to fork.

    Args:
        base_url: Address of the cloud; calls go to ``<base_url>/api``.
        proxy: Address of an HTTP proxy for all traffic; the environment's proxies by default.
        retries: How often a call that may be repeated is, at most.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: Timeout | float | None = None,
        proxy: str | None = None,
        retries: int = 2,
    ) -> None:
        if type(retries) is not int or retries < 0:
            raise ValueError(f"retries must be a whole number from 0, got {retries!r}.")
        self._url = f"{base_url}/api"
        self._timeout = Timeout.of(timeout)
        self._retries = retries
        self._proxy = Secret(proxy) if proxy else None  # its address may hold a password
        self._local = threading.local()

    def call(
        self,
        body: bytes,
        *,
        is_read: bool = False,
        idempotency_key: str | None = None,
        authorize: Callable[[], str] | None = None,
    ) -> Answer:
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        deadline = time.monotonic() + self._timeout.total
        reply = self._ask(body, headers, authorize, deadline)
        repetitions = self._retries if is_read or idempotency_key is not None else 0
        for repetition in range(repetitions):
            if not reply.may_pass:
                break
            seconds = pause(repetition, reply.retry_after)
            if time.monotonic() + seconds >= deadline or not BUDGET.spend():
                break
            time.sleep(seconds)
            reply = self._ask(body, headers, authorize, deadline)
        if not reply.may_pass:
            BUDGET.earn()
        return Answer(body=reply.read(), features=reply.features)

    def _ask(
        self,
        body: bytes,
        headers: dict[str, str],
        authorize: Callable[[], str] | None,
        deadline: float,
    ) -> Reply:
        if authorize is not None:
            headers = {**headers, "Authorization": authorize()}
        return self._post(self._url, body, headers, deadline)

    def send(self, url: str, body: MultipartBody) -> bytes:
        self._check_upload_url(url)
        allowed = self._timeout.total + len(body) / MINIMUM_RATE
        headers = {"Content-Type": body.content_type}
        return self._post(url, body, headers, time.monotonic() + allowed).read()

    def fetch(self, url: str, start: int, length: int) -> bytes:
        headers = {"Range": range_header(start, length), "Accept-Encoding": "identity"}
        deadline = time.monotonic() + self._timeout.total
        reply = self._send("GET", url, None, headers, deadline)
        return read_range(reply, start, length)

    def _check_upload_url(self, url: str) -> None:
        try:
            scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
        except ValueError:
            scheme, host = "", None
        if scheme not in ("http", "https"):
            raise TransportException("The server answered an upload address that is not HTTP.")
        if scheme == "http" and self._url.startswith("https:"):
            raise TransportException("The server asked to upload without encryption; refused.")
        # Other characters are read in one way here, and in another where the connection is made.
        is_clear = re.fullmatch(r"[!-\[\]-~]{1,8000}", url)
        if not is_clear or not _is_near(host or "", urlsplit(self._url).hostname or ""):
            raise TransportException(
                "The server answered an upload address that is not of this cloud; refused."
            )

    def _post(
        self, url: str, body: bytes | MultipartBody, headers: dict[str, str], deadline: float
    ) -> Reply:
        return self._send("POST", url, body, headers, deadline)

    def _send(
        self,
        method: str,
        url: str,
        body: bytes | MultipartBody | None,
        headers: dict[str, str],
        deadline: float,
    ) -> Reply:
        # Loaded by the first call, not by the import of the client.
        from .deadline import limits

        where = origin_of(url)
        line = self._line()
        left = max(deadline - time.monotonic(), 0.001)
        timeout = (min(self._timeout.connect, left), self._timeout.read)
        try:
            with (
                limits(self._timeout.read, deadline),
                line.send(method, url, body, headers, timeout) as response,
            ):
                content = self._read(response, where)
        except OSError as error:  # of requests too; a plain one where it misses a file
            if isinstance(body, MultipartBody) and body.failure is not None:
                raise body.failure from None
            return Reply(
                where=where,
                lost=type(error).__name__,
                may_pass=_is_passing(error),
                is_ambiguous=not _is_unconnected(error),
            )
        return Reply(
            where=where,
            status=response.status_code,
            # Who redirects or refuses the request has not carried it out.
            is_ambiguous=not 300 <= response.status_code < 500,
            content=content,
            content_range=response.headers.get("Content-Range", ""),
            features=read_features(response.headers.get("CloudKey-Features", "")),
            # Answers of the cloud are HTTP 200; those worth another try say when.
            may_pass=response.status_code in PASSING or "Retry-After" in response.headers,
            retry_after=read_retry_after(response.headers.get("Retry-After", "")),
        )

    def _read(self, response: requests.Response, where: str) -> bytes:
        content = bytearray()
        for chunk in response.iter_content(64 * 1024):
            content += chunk
            if len(content) > MAX_ANSWER_SIZE:
                text = f"The answer of {where} is longer than 8 MiB."
                raise TransportException(text, ambiguous=True)
        return bytes(content)

    def _line(self) -> _Line:
        # A connection that crossed a fork gives one process the other's answers.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.line = _Line(self._url, self._proxy)
            self._local.pid = os.getpid()
        line: _Line = self._local.line
        return line


class _Line:
    """
    One thread's connections, and what all its calls have in common, found out once.

    A session of requests would look through the environment, its cookies and ``.netrc`` for each
    call, which takes longer than everything else.
    """

    def __init__(self, url: str, proxy: Secret | None) -> None:
        self._session = _new_session(proxy)
        self._url = url
        self._call = self._prepare(url)

    def send(
        self,
        method: str,
        url: str,
        body: bytes | MultipartBody | None,
        headers: dict[str, str],
        timeout: tuple[float, float],
    ) -> requests.Response:
        """Return the answer's head; a redirect is an answer like any other."""
        common, options = self._call if url == self._url else self._prepare(url)
        request = common.copy()
        request.method = method
        request.headers.update(headers)
        if body is not None:
            request.headers["Content-Length"] = str(len(body))
            request.body = body  # type: ignore[assignment]
        adapter = self._session.get_adapter(url)
        return adapter.send(request, timeout=timeout, **options)

    def _prepare(self, url: str) -> tuple[requests.PreparedRequest, dict[str, Any]]:
        import requests

        request = requests.Request("GET", url, headers=self._session.headers).prepare()
        # Handed over as if for this request: those of the environment are before the session's.
        proxies = dict(self._session.proxies)
        options = self._session.merge_environment_settings(url, proxies, True, None, None)
        return request, dict(options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of one request."""

    where: str
    """Origin that was asked, without credentials."""
    status: int = 0
    content: bytes = b""
    content_range: str = ""
    features: frozenset[str] = frozenset()
    lost: str = ""
    """Kind of failure, when nothing came."""
    may_pass: bool = False
    """The same request may have another outcome a little later."""
    is_ambiguous: bool = True
    """The server may have carried the request out."""
    retry_after: float = 0

    def read(self) -> bytes:
        """
        Return the content of an answer.

        Raises:
            TransportException: it is none.
        """
        if self.lost:
            # Without its cause, whose text holds the whole address, upload seal included.
            text = f"No answer from {self.where} ({self.lost})."
            raise TransportException(text, ambiguous=self.is_ambiguous)
        # A failure may have a status of its own; what else comes with one is somebody else's.
        if self.status != 200 and not (self.status >= 400 and is_failure(self.content)):
            text = f"{self.where} answered HTTP {self.status}."
            raise TransportException(text, ambiguous=self.is_ambiguous)
        return self.content


def range_header(start: int, length: int) -> str:
    """Return the ``Range`` header that asks for *length* bytes from *start*."""
    return f"bytes={start}-{start + length - 1}"


def read_range(reply: Reply, start: int, length: int) -> bytes:
    """
    Return the bytes that were asked for.

    Raises:
        NotFound, TransportException: as :meth:`Transport.fetch` says.
    """
    if reply.lost:
        reply.read()
    if reply.status == 404:
        raise NotFound("There is no such asset, or it is not ready.")
    is_asked = reply.content_range.startswith(f"bytes {start}-")
    if reply.status != 206 or not is_asked or not 0 < len(reply.content) <= length:
        raise TransportException(f"{reply.where} answered HTTP {reply.status} to a range.")
    return reply.content


def origin_of(url: str) -> str:
    """Return scheme and host of *url*, without credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _is_near(host: str, home: str) -> bool:
    """Return whether *host* is *home*, below it, or beside it in a domain of their own."""
    if host == home:
        return True
    if ":" in home or home.rpartition(".")[2].isdigit():
        return False  # an IP address has no neighbours
    domain = home.partition(".")[2]
    return host.endswith(f".{home}") or ("." in domain and host.endswith(f".{domain}"))


def read_features(header: str) -> frozenset[str]:
    """Return what a ``CloudKey-Features`` header names."""
    return frozenset(name.strip() for name in header.split(",")) - {""}


def _is_passing(error: OSError) -> bool:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return False
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )


def _is_unconnected(error: OSError) -> bool:
    """Say whether it is certain that nobody got the request."""
    import requests
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _new_session(proxy: Secret | None) -> requests.Session:
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
        session.proxies = {"http": proxy.reveal(), "https": proxy.reveal()}
    return session
