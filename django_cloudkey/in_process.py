"""
The way to a cloud of the same project: its WSGI entry, called in this thread with the same bytes.

Nothing is skipped but the socket: middleware, URLconf, signatures and limits are those of a request
that came over the network. What that request leaves behind in a thread, the connections that it
closes and the language that it chooses, does not reach the code that calls.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections

from .client.multipart import MultipartBody
from .client.reply import Reply, gather, origin_of, range_header, read_features, read_range
from .client.transport import BLOCK_SIZE, Answer
from .protocol.exceptions import TransportException


class InProcessTransport:
    """
    Calls and uploads to a cloud that this project serves itself.

    Args:
        base_url: Address of the cloud, as its URLs are included in the project.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._lock = threading.Lock()
        self._application: WSGIHandler | None = None

    def call(
        self,
        body: bytes,
        *,
        is_read: bool = False,
        idempotency_key: str | None = None,
        authorize: Callable[[], str] | None = None,
    ) -> Answer:
        if not is_read:
            refuse_in_transaction(str(json.loads(body)["call"]))
        headers = {"CONTENT_TYPE": "application/json"}
        if idempotency_key is not None:
            headers["HTTP_IDEMPOTENCY_KEY"] = idempotency_key
        if authorize is not None:
            headers["HTTP_AUTHORIZATION"] = authorize()
        reply = self._request(f"{self._base_url}/api", io.BytesIO(body), len(body), headers)
        return Answer(body=reply.read(), features=reply.features)

    def send(self, url: str, body: MultipartBody) -> bytes:
        if not url.startswith(f"{self._base_url}/"):
            raise TransportException("The server answered an upload address that is not its own.")
        refuse_in_transaction("An upload")
        source = _Source(body)
        headers = {"CONTENT_TYPE": body.content_type}
        stream = io.BufferedReader(source, BLOCK_SIZE)
        reply = self._request(url, stream, len(body), headers)
        if source.failure is not None:
            raise source.failure
        return reply.read()

    def fetch(self, url: str, start: int, length: int) -> bytes:
        headers = {"REQUEST_METHOD": "GET", "HTTP_RANGE": range_header(start, length)}
        return read_range(self._request(url, io.BytesIO(), 0, headers), start, length)

    def _request(self, url: str, stream: io.BufferedIOBase, length: int, headers: Any) -> Reply:
        environ = {**_environ(url), **headers, "CONTENT_LENGTH": str(length), "wsgi.input": stream}
        with _kept_connections():
            # A copy: what the request activates (language, time zone, URLconf, script prefix) ends
            # with it.
            return copy_context().run(self._exchange, environ, origin_of(url))

    def _exchange(self, environ: dict[str, Any], where: str) -> Reply:
        response: Any = self._handler()(environ, _start_response)
        try:
            content = gather(response, where)
        finally:
            response.close()
        return Reply(
            where=where,
            status=response.status_code,
            content=content,
            content_range=response.headers.get("Content-Range", ""),
            features=read_features(response.headers.get("CloudKey-Features", "")),
        )

    def _handler(self) -> WSGIHandler:
        with self._lock:
            if self._application is None:
                self._application = WSGIHandler()  # loads the middleware
        return self._application


def cloud_database() -> str:
    """Return the alias of the database that holds the tables of this project's cloud."""
    return str(own_cloud().get("DATABASE") or "default")


def own_cloud() -> dict[str, Any]:
    """Return the settings of this project's cloud; nothing where it has none."""
    # The module that reads them belongs to the other wing, and so does the check of their type.
    given = getattr(settings, "CLOUDKEY_SERVER", {})
    return given if isinstance(given, dict) else {}


def refuse_in_transaction(what: str) -> None:
    """
    Refuse to write while a transaction of the cloud's database is open in this thread.

    The cloud answers what is true for everybody and for good. Here a rollback of the caller would
    take it back.
    """
    alias = cloud_database()
    if connections[alias].in_atomic_block:
        raise TransportException(
            f"{what} would write to the database {alias!r} inside atomic(), whose rollback would "
            "take it back. Do it after the transaction (transaction.on_commit), or give the cloud "
            'a database of its own: CLOUDKEY_SERVER["DATABASE"].'
        )


@contextmanager
def _kept_connections() -> Iterator[None]:
    """
    Keep the connections that this thread has open.

    Django looks for obsolete ones when a request starts and when it ends. Those here belong to
    somebody who may be reading from a cursor.
    """
    kept = [
        connection
        for connection in connections.all(initialized_only=True)
        if connection.connection is not None
        and "close_if_unusable_or_obsolete" not in vars(connection)
    ]
    for connection in kept:
        vars(connection)["close_if_unusable_or_obsolete"] = lambda: None
    try:
        yield
    finally:
        for connection in kept:
            del vars(connection)["close_if_unusable_or_obsolete"]


def _start_response(
    status: str, headers: list[tuple[str, str]], error: Any = None, /
) -> Callable[[bytes], object]:
    """Take what WSGI announces; the handler's response says the same."""
    return lambda data: None


class _Source(io.RawIOBase):
    """A body as the stream that WSGI wants."""

    def __init__(self, body: MultipartBody) -> None:
        self._body = body
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._body.read(len(buffer))
        except BaseException as error:
            # The view makes an answer of it; whoever reads the answer is told the cause.
            self.failure = error
            raise
        buffer[: len(piece)] = piece
        return len(piece)


def _environ(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    prefix = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    path = unquote_to_bytes(parts.path).decode("latin-1")
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": prefix,
        "PATH_INFO": path.removeprefix(prefix),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or (443 if is_secure else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": parts.netloc.rpartition("@")[2],
        "HTTP_USER_AGENT": "django-cloudkey",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if is_secure and settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        environ[name] = value.split(",")[0]
    return environ
