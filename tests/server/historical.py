"""What historical clients put on the wire, byte for byte, and what comes back."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django_cloudkey.protocol.signing import sign_call
from django_cloudkey.server.models import Account

from ..conftest import Cloud

BOUNDARY = "----------------------------b0und4ry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it came from the socket."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def exchange(
    url: str,
    head: list[str],
    body: bytes = b"",
    *,
    http: str = "1.1",
    method: str = "POST",
    host: str | None = None,
) -> Answer:
    """
    Send one request over a socket of its own and read the answer to its end.

    Where *head* has ``Expect: 100-continue`` the body follows the server's word, as libcurl does.
    """
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"{method} {target} HTTP/{http}", f"Host: {host or parts.netloc}", *head]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if http == "1.1":
        lines.append("Connection: close")
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20) as link:
        link.sendall("\r\n".join([*lines, "", ""]).encode())
        before = b""
        if "Expect: 100-continue" in head:
            while b"\r\n\r\n" not in before:
                before += link.recv(1)
            assert before.startswith(b"HTTP/1.1 100 "), before
        link.sendall(body)
        received = b"".join(iter(lambda: link.recv(65536), b""))
    top, _, content = received.partition(b"\r\n\r\n")
    status, *fields = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in fields)}
    if headers.get("transfer-encoding") == "chunked":
        raise AssertionError("historical clients of HTTP/1.0 cannot read this")
    return Answer(status=int(status.split()[1]), headers=headers, body=content)


def form(
    content: bytes, *, filename: str, head: tuple[str, ...] = (), more: tuple[str, ...] = ()
) -> bytes:
    """Return a form with one file; *head* are lines of its part, *more* names of other fields."""
    lines = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"',
        *head,
    ]
    body = "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"
    for name in more:
        part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\nSend\r\n'
        body += part.encode()
    return body + f"--{BOUNDARY}--\r\n".encode()


class PHP:
    """
    cloudkey-php: ``args`` only where there are some, ``[]`` for an empty map, slashes escaped.

    No User-Agent; libcurl of the time asks before it sends what is longer than 1024 bytes.
    """

    def __init__(self, cloud: Cloud, account: Account | None = None) -> None:
        self.cloud, self.account = cloud, account or cloud.account

    def call(self, name: str, args: dict[str, Any] | None = None, *, http: str = "1.1") -> Any:
        request: dict[str, Any] = {"call": name}
        if args is not None:
            request["args"] = args or []
        request["auth"] = sign_call(self.account.pk, request, self.account.api_key)
        body = json.dumps(request, separators=(",", ":")).replace("/", r"\/").encode()
        head = ["Accept: */*", "Content-Type: application/json"]
        if len(body) > 1024 and http == "1.1":
            head.append("Expect: 100-continue")
        return result(exchange(f"{self.cloud.base_url}/api", head, body, http=http))

    def upload(self, url: str, content: bytes, path: str, *, http: str = "1.1") -> Answer:
        """Send a file as CURLFile does: its full path is the name, its kind a guess."""
        body = form(content, filename=path, head=("Content-Type: application/octet-stream",))
        head = ["Accept: */*", f"Content-Type: multipart/form-data; boundary={BOUNDARY}"]
        if http == "1.1":
            head.append("Expect: 100-continue")
        return exchange(url, head, body, http=http)


class Java:
    """cloudkey-java: ``args`` always, everything UTF-8 as it is, JVM headers."""

    HEAD = ("User-Agent: Java/1.6.0_26", "Accept: text/html, image/gif, *; q=.2, */*; q=.2")

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def call(self, name: str, args: dict[str, Any] | None = None) -> Any:
        account = self.cloud.account
        request = {"call": name, "args": args or {}}
        auth = sign_call(account.pk, request, account.api_key)
        body = json.dumps({**request, "auth": auth}, ensure_ascii=False).encode()
        head = [*self.HEAD, "Content-Type: application/json"]
        answer = exchange(f"{self.cloud.base_url}/api", head, body)
        # The SDK reads the body of 200 only, and asks whether it has the key "error".
        assert answer.status == 200
        return result(answer)

    def upload(self, url: str, content: bytes, name: str) -> Answer:
        part = ("Content-Type: video/3gpp; charset=UTF-8", "Content-Transfer-Encoding: binary")
        body = form(content, filename=name, head=part)
        head = [*self.HEAD, f"Content-Type: multipart/form-data; boundary={BOUNDARY}"]
        return exchange(url, head, body)


class Python2:
    """cloudkey-py: members in the order of a dict, ``user/other`` to act as another."""

    def __init__(self, cloud: Cloud, account: Account | None = None) -> None:
        self.cloud, self.account = cloud, account
        self.other = ""

    def act_as_user(self, other: str) -> None:
        self.other = other

    def call(self, name: str, **args: Any) -> Any:
        user = self.account.pk if self.account else ""
        if self.other:
            user = f"{user}/{self.other}"
        request = {"args": args, "call": name}
        auth = sign_call(user, request, self.account.api_key if self.account else "")
        head = [
            "User-Agent: cloudkey-py/1.2.6 (Python 2.7.3)",
            "Accept: */*",
            "Content-Type: application/json",
        ]
        body = json.dumps({"auth": auth, **request}).encode()
        return result(exchange(f"{self.cloud.base_url}/api", head, body))


class Failure(Exception):
    """An error that the server answered."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def result(answer: Answer) -> Any:
    """Return the result, as clients read it: the status does not matter, the members do."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert len(body) == 1
    if "error" in body:
        raise Failure(body["error"]["code"], body["error"]["message"])
    return body["result"]
