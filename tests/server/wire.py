"""Calls as bytes, for tests that send what no client would."""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import Any
from urllib.parse import urlsplit

from django_cloudkey.protocol.signing import sign_call
from django_cloudkey.server.models import Account

from ..conftest import Cloud

LIST = {"call": "media.list"}


def post(
    cloud: Cloud,
    body: bytes,
    *,
    path: str = "/api",
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    url = urlsplit(cloud.base_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
    try:
        connection.request(method, url.path + path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def signed(account: Account, request: dict[str, Any]) -> bytes:
    """Return the body of *request*, rightly signed."""
    return json.dumps({**request, "auth": sign_call(account.pk, request, account.api_key)}).encode()


def call(cloud: Cloud, body: bytes, **headers: str) -> dict[str, Any]:
    """Send *body*, return the answer; the protocol's errors have status 200 too."""
    response, content = post(cloud, body, headers=headers)
    assert response.status == 200
    answer: dict[str, Any] = json.loads(content)
    return answer


def code_of(answer: dict[str, Any]) -> int:
    """Return the code of the error; 0 for a result."""
    return int(answer.get("error", {}).get("code", 0))


def ask(cloud: Cloud, name: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make a rightly signed call; the client's own checks are not in its way."""
    request: dict[str, Any] = {"call": name} if args is None else {"call": name, "args": args}
    return call(cloud, signed(cloud.account, request))


def raw(cloud: Cloud, request: bytes) -> bytes:
    """Send bytes as they are; return what comes back until the server closes."""
    url = urlsplit(cloud.base_url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=5) as connection:
        connection.sendall(request)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes, in peace or not."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass  # it had more to read than it wanted to
    return received


def statuses(received: bytes) -> list[int]:
    """Return the status of each response in what came from a socket."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] ([0-9]{3})", received)]
