"""The client: who calls, which cloud, and the remote objects."""

from __future__ import annotations

import json
import logging
import time
from typing import Any
from urllib.parse import urlsplit

from ..protocol.envelope import decode_answer, encode_call
from ..protocol.exceptions import RPCException, SerializerError
from ..protocol.secret import Secret
from ..protocol.signing import sign_call
from .multipart import MultipartBody
from .objects import File, Media, RemoteObject, User, check_upload
from .transport import HTTPTransport, Timeout, Transport

logger = logging.getLogger(__name__)


class CloudKey:
    """
    A cloud, as one of its users sees it. Safe to share between threads.

    Args:
        user_id: Id of the account, 24 hexadecimal characters.
        api_key: Its key; it is kept where no repr, pickle or page of frame variables shows it.
        base_url: Address of the cloud, such as ``"https://video.example.org"``; calls go to
            ``<base_url>/api`` and embeds are signed for ``<base_url>/embed/…``.
        cdn_url: Address of its streams; *base_url* by default.
        static_url: Address of its thumbnails; by default *cdn_url* with ``cdn.`` read as
            ``static.``, as the historical clients have it.
        timeout: How long to wait for it.
        proxy: Address of an HTTP proxy.
        transport: What carries the requests, in place of HTTP.

    Any other public attribute is a remote object of that name: ``cloudkey.organisation.get()``.
    """

    do_not_call_in_templates = True

    media: Media
    file: File
    user: User

    def __init__(
        self,
        user_id: str,
        api_key: str | Secret,
        base_url: str,
        cdn_url: str | None = None,
        static_url: str | None = None,
        *,
        timeout: Timeout | None = None,
        proxy: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        api_key = self.api_key = Secret.of(api_key or "")
        self.user_id = user_id or ""
        self.base_url = (base_url or "").rstrip("/")
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            raise ValueError(f"base_url must start with http:// or https://, got {base_url!r}.")
        self.cdn_url = (cdn_url or base_url).rstrip("/")
        self.static_url = (static_url or self.cdn_url.replace("cdn.", "static.")).rstrip("/")
        self._transport = transport or HTTPTransport(self.base_url, timeout=timeout, proxy=proxy)
        self.media = Media(self, "media")
        self.file = File(self, "file")
        self.user = User(self, "user")

    def __getattr__(self, name: str) -> RemoteObject:
        if name.startswith("_") or name in ("keys", "copy", "alters_data"):
            raise AttributeError(f"CloudKey has no attribute {name!r}")
        return RemoteObject(self, name)

    def __repr__(self) -> str:
        url = urlsplit(self.base_url)
        shown = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        return f"<CloudKey {self.user_id!r} at {shown!r}>"

    def call(self, name: str, /, **args: Any) -> Any:
        """
        Call the remote method *name*, ``"object.method"``, and return its result.

        Raises:
            RPCException: of the class that the server's error code stands for.
            TransportException: the request or its answer was lost.
            SerializerError: an argument, or the answer, is not JSON.
        """
        auth = sign_call(self.user_id, {"call": name, "args": args}, self.api_key)
        started = time.monotonic()
        outcome: object = "ok"
        try:
            return decode_answer(self._transport.call(encode_call(name, args, auth)))
        except RPCException as error:
            outcome = error.code
            raise
        finally:
            logger.debug("%s: %s after %.3f s", name, outcome, time.monotonic() - started)

    call.alters_data = True  # type: ignore[attr-defined]

    def send(self, url: str, body: MultipartBody) -> dict[str, Any]:
        """Send *body* to an upload address; ``file.upload_file`` is how to get there."""
        content = self._transport.send(url, body)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise SerializerError("The upload server's answer is not JSON.") from error
        if isinstance(answer, dict) and "error" in answer:
            decode_answer(content)
        return check_upload(answer, body.sha1)

    send.alters_data = True  # type: ignore[attr-defined]
