"""
The way to the cloud: three verbs, and the only sockets of the client.

:class:`Transport` is the seam. Whatever has these verbs may stand behind a client.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .. import __version__
from ..protocol.secret import Secret
from .multipart import MINIMUM_RATE, MultipartBody
from .reply import Reply, gather, origin_of, range_header, read_features, read_range
from .retries import BUDGET, PASSING, pause, read_retry_after
from .upload_address import check_upload_address

if TYPE_CHECKING:
    import requests

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
            length: How many, at most; from 1 to MAX_ANSWER_SIZE.

        Raises:
            NotFound: there is nothing.
            TransportException: there is no answer, or one of another range.
        """


class HTTPTransport:
    """
    Calls and uploads over HTTP, safe to share between threads and to fork.

    Args:
        base_url: Address of the cloud; calls go to ``<base_url>/api``.
        timeout: How long a call may take, seconds.
        proxy: Address of an HTTP proxy for all traffic; the environment's proxies by default.
        retries: How often a call that may be repeated is, at most.

    Raises:
        ValueError: *timeout* or *retries* is not that.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: Timeout | float | None = None,
        proxy: str | Secret | None = None,
        retries: int = 2,
    ) -> None:
        proxy = Secret.of(proxy or "")  # its address may hold a password
        if type(retries) is not int or retries < 0:
            raise ValueError(f"retries must be a whole number from 0, got {retries!r}.")
        self._url = f"{base_url}/api"
        self._timeout = Timeout.of(timeout)
        self._retries = retries
        self._proxy = proxy
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
        return self._send("POST", self._url, body, headers, deadline)

    def send(self, url: str, body: MultipartBody) -> bytes:
        check_upload_address(url, self._url)
        allowed = self._timeout.total + len(body) / MINIMUM_RATE
        headers = {"Content-Type": body.content_type}
        return self._send("POST", url, body, headers, time.monotonic() + allowed).read()

    def fetch(self, url: str, start: int, length: int) -> bytes:
        headers = {"Range": range_header(start, length), "Accept-Encoding": "identity"}
        deadline = time.monotonic() + self._timeout.total
        reply = self._send("GET", url, None, headers, deadline)
        return read_range(reply, start, length)

    def _send(
        self,
        method: str,
        url: str,
        body: bytes | MultipartBody | None,
        headers: dict[str, str],
        deadline: float,
    ) -> Reply:
        # Loaded by the first call, not by the import of the client.
        from urllib3.exceptions import LocationParseError

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
                content = gather(response.iter_content(64 * 1024), where)
        # Of requests too; a plain one where it misses a file, and one of its own where a host is
        # none.
        except (OSError, LocationParseError) as error:
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

    def __init__(self, url: str, proxy: Secret) -> None:
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


def _is_passing(error: Exception) -> bool:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return False
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )


def _is_unconnected(error: Exception) -> bool:
    """Say whether it is certain that nobody got the request."""
    import requests
    from urllib3.exceptions import LocationParseError, NewConnectionError

    reason = getattr(error.args[0], "reason", None) if error.args else None
    kinds = (requests.ConnectTimeout, requests.exceptions.InvalidURL, LocationParseError)
    return isinstance(error, kinds) or isinstance(reason, NewConnectionError)


def _new_session(proxy: Secret) -> requests.Session:
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
    if proxy:
        session.proxies = {"http": proxy.reveal(), "https": proxy.reveal()}
    return session
