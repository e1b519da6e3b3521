"""The client: who calls, which cloud, and the remote objects."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

from ..protocol.envelope import decode_answer, encode_call
from ..protocol.exceptions import (
    AuthenticationError,
    InvalidParameter,
    InvalidRequest,
    RPCException,
    SerializerError,
)
from ..protocol.scheme2.keys import Keys
from ..protocol.scheme2.request import is_user, place_of, sign_request
from ..protocol.scheme2.url_token import LIFETIME
from ..protocol.secret import Secret, is_word
from ..protocol.signing import sign_call
from ..protocol.urls import is_address
from .account import Organisation, System, User
from .arguments import plain
from .file import File, check_upload
from .media import Media
from .multipart import MultipartBody
from .remote import NEVER_REMOTE, RemoteObject
from .reply import MAX_ANSWER_SIZE
from .retries import READS
from .transport import HTTPTransport, Timeout, Transport

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Server:
    """What a client and its copies have learned about their cloud."""

    features: frozenset[str] = frozenset()
    """Those that its last answer named."""


class CloudKey:
    """
    A cloud, as one of its users sees it. Safe to share between threads.

    Args:
        user_id: Id of the account, 24 hexadecimal characters.
        api_key: Its key of the historical scheme; kept where no repr, pickle or page of frame
            variables shows it. ``None`` for an account that has a *secret* only.
        base_url: Address of the cloud, such as ``"https://video.example.org"``; calls go to
            ``<base_url>/api`` and embeds are signed for ``<base_url>/embed/…``.
        cdn_url: Address of its streams; *base_url* by default.
        static_url: Address of its thumbnails; by default *cdn_url* with ``cdn.`` read as
            ``static.``, as the historical clients have it.
        timeout: How long a call may take: a number of seconds, or a
            :class:`~django_cloudkey.client.transport.Timeout`.
        proxy: Address of an HTTP proxy.
        retries: How often a call is repeated, at most, when the cloud cannot be reached or is
            overloaded. Calls that change something are only repeated to a cloud that was seen to
            heed idempotency keys.
        transport: What carries the requests, in place of HTTP.
        secret: A secret of scheme 2, base64url, with which calls and addresses are signed in place
            of the key.
        kid: Its name on the cloud, such as ``"k1"``.
        max_token_lifetime: Seconds for which the cloud takes addresses of scheme 2, a week unless
            its ``MAX_TOKEN_LIFETIME`` says otherwise. The client cannot ask; it makes none that
            would be refused to its viewer from the start.

    Raises:
        ValueError: one of them cannot be what it should, such as a key with a line break.

    Any other public attribute is a remote object of that name: ``cloudkey.organisation.get()``.

    Copies, which ``copy.copy`` and :meth:`act_as_user` make, share the connections. A client cannot
    be pickled.
    """

    do_not_call_in_templates = True

    media: Media
    file: File
    user: User
    organisation: Organisation
    system: System

    def __init__(
        self,
        user_id: str,
        api_key: str | Secret | None,
        base_url: str,
        cdn_url: str | None = None,
        static_url: str | None = None,
        *,
        timeout: Timeout | float | None = None,
        proxy: str | Secret | None = None,
        retries: int = 2,
        transport: Transport | None = None,
        secret: str | Secret | None = None,
        kid: str | None = None,
        max_token_lifetime: int = LIFETIME,
    ) -> None:
        api_key = self.api_key = Secret.of(api_key or "")
        secret = None if secret is None else Secret.of(secret)
        proxy = None if proxy is None else Secret.of(proxy)
        self.user_id = self._caller = user_id
        self.base_url = (base_url or "").rstrip("/")
        if not is_word(user_id):
            raise ValueError(f"user_id must be visible ASCII characters, got {user_id!r}.")
        if (secret is None) != (kid is None):
            raise ValueError("secret and kid are given together, or neither.")
        if secret is not None and not is_user(user_id):
            raise ValueError(f"user_id must be 24 hexadecimal characters, got {user_id!r}.")
        self.signing_keys = None if secret is None else Keys(user_id, str(kid), secret)
        """What it signs with under scheme 2."""
        if not (api_key.is_word() or (self.signing_keys and not api_key)):
            raise ValueError("api_key must be visible ASCII characters, without spaces.")
        _check_address("base_url", base_url)
        _check_address("cdn_url", cdn_url or base_url)
        _check_address("static_url", static_url or base_url)
        self.cdn_url = (cdn_url or base_url).rstrip("/")
        self.static_url = (static_url or self.cdn_url.replace("cdn.", "static.")).rstrip("/")
        self.max_token_lifetime = max_token_lifetime
        self._server = Server()
        self._once: str | None = None
        self._transport = transport or HTTPTransport(
            self.base_url, timeout=timeout, proxy=proxy, retries=retries
        )
        self._make_objects()

    def _make_objects(self) -> None:
        self.media = Media(self, "media")
        self.file = File(self, "file")
        self.user = User(self, "user")
        self.organisation = Organisation(self, "organisation")
        self.system = System(self, "system")

    def act_as_user(self, user: str) -> Self:
        """
        Return a client that calls in the name of another user of the organisation.

        This client goes on as before. The addresses that the new one signs are still the caller's
        own: they carry its id and are signed with its key.

        Args:
            user: The other's id.

        Raises:
            InvalidParameter: *user* is empty, or holds a space, ``:`` or ``/``; under scheme 2 also
                what a header cannot hold, or more than 64 characters.
        """
        is_name = isinstance(user, str) and re.fullmatch(r"[^\s:/]+", user)
        caller = f"{self.user_id}/{user}"
        if not is_name or (self.signing_keys is not None and not is_user(caller)):
            raise InvalidParameter(f"user must be the id of a user, got {user!r}.")
        other = self.__copy__()
        other._caller = caller
        return other

    act_as_user.alters_data = True  # type: ignore[attr-defined]

    def once(self, key: str) -> Self:
        """
        Return a client whose next call is carried out once, however often it is made with *key*.

        For a call whose answer may be lost with the process that made it: make it again within a
        day, with the same arguments, and the cloud answers what it answered first. A cloud that
        does not heed idempotency keys carries out each.

        Args:
            key: 1 to 255 visible ASCII characters; one for each thing that is to be done.

        Raises:
            InvalidParameter: *key* is not that.
        """
        if not is_word(key) or len(key) > 255:
            raise InvalidParameter(f"key must be 1 to 255 visible ASCII characters, got {key!r}.")
        other = self.__copy__()
        other._once = key
        return other

    once.alters_data = True  # type: ignore[attr-defined]

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other._make_objects()
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A CloudKey cannot be pickled: it holds an API key and connections. "
            "Make it anew from your settings where you need it."
        )

    def __getattr__(self, name: str) -> RemoteObject:
        if name.startswith("_") or name in NEVER_REMOTE:
            raise AttributeError(f"CloudKey has no attribute {name!r}")
        return RemoteObject(self, name)

    def __repr__(self) -> str:
        url = urlsplit(self.base_url)
        shown = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
        return f"<CloudKey {self._caller!r} at {shown!r}>"

    def call(self, name: str, /, **args: Any) -> Any:
        """
        Call the remote method *name*, ``"object.method"``, and return its result.

        Raises:
            RPCException: of the class that the server's error code stands for.
            TransportException: the request or its answer was lost.
            SerializerError: an argument, or the answer, is not JSON.
        """
        name, args = str(plain(name)), plain(args)
        body = self._encode(name, args)
        started = time.monotonic()
        outcome: object = "broken off"
        try:
            answer = self._transport.call(
                body,
                is_read=name in READS,
                idempotency_key=self._idempotency_key(name),
                authorize=self._authorizer(body),
            )
            self._server.features = answer.features
            result = decode_answer(answer.body)
            outcome = "ok"
            return result
        except RPCException as error:
            outcome = error.code
            raise
        finally:
            logger.debug("%s: %s after %.3f s", name, outcome, time.monotonic() - started)

    call.alters_data = True  # type: ignore[attr-defined]

    def _encode(self, name: str, args: dict[str, Any]) -> bytes:
        if self.signing_keys is not None:
            return encode_call(name, args, None)
        auth = sign_call(self._caller, {"call": name, "args": args}, self.api_key)
        return encode_call(name, args, auth)

    def _authorizer(self, body: bytes) -> Callable[[], str] | None:
        """Return what signs *body* for one sending, since a cloud takes each signature once."""
        keys = self.signing_keys
        if keys is None:
            return None
        place = place_of(self.base_url)
        return lambda: sign_request(keys, self._caller, body, ts=int(time.time()), **place)

    def _idempotency_key(self, name: str) -> str | None:
        """Return a key for a call that may write, if the server is known to heed it."""
        if name in READS:
            return None
        if self._once and "idempotency" not in self._server.features:
            with suppress(AuthenticationError, InvalidRequest):  # an answer as any: it tells
                self.user.info(fields=["id"])
        if "idempotency" not in self._server.features:
            return None
        return self._once or os.urandom(16).hex()

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

    def fetch(self, url: str, start: int, length: int) -> bytes:
        """
        Return *length* bytes, or those that are left, from *start* of what a signed address gives.

        Raises:
            NotFound: there is nothing, or it is not ready.
            TransportException: there was no answer, or the address is refused.
        """
        return self._transport.fetch(url, start, min(length, MAX_ANSWER_SIZE))

    fetch.alters_data = True  # type: ignore[attr-defined]


def _check_address(name: str, value: object) -> None:
    if not is_address(value):
        raise ValueError(f"{name} must start with http:// or https:// and a host, got {value!r}.")
    if re.search(r"[?#\s]", str(value)):
        raise ValueError(f"{name} must have no query, fragment or space, got {value!r}.")
