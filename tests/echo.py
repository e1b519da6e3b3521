"""
A server of one page, in a process of its own: it verifies each call and answers who asked what.

It knows every account whose key is :func:`key_of` its id, and answers
``[<user>, <args>, <connections so far>]``, or error 400 when the signature is another's.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any


def key_of(user_id: str) -> str:
    return user_id[::-1] + "0" * 16


def signed_text(value: Any) -> str:
    """Return the text that a signature covers, written down anew from the specification."""
    if isinstance(value, dict):
        return "".join(key + signed_text(value[key]) for key in sorted(value))
    if isinstance(value, list):
        return "".join(map(signed_text, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def auth_of(request: dict[str, Any], user: str, key: str) -> str:
    """Return the ``auth`` member that a published server expects of *request*."""
    signed = {name: value for name, value in request.items() if name != "auth"}
    return f"{user}:{md5((user + signed_text(signed) + key).encode()).hexdigest()}"


def reply(body: bytes, connections: int) -> bytes:
    """Return the answer to the call in *body*."""
    request = json.loads(body)
    user = request["auth"].rpartition(":")[0]
    if request["auth"] != auth_of(request, user, key_of(user.partition("/")[0])):
        return b'{"error": {"code": 400, "message": "Authentication failed."}}'
    return json.dumps({"result": [user, request["args"], connections]}).encode()


def serve(connection: socket.socket, connections: list[None]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536) or b"\r\n\r\n"
            head, _, data = data.partition(b"\r\n\r\n")
            if not head:
                return
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(data) < length:
                data += connection.recv(65536)
            answer, data = reply(data[:length], len(connections)), data[length:]
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
            )


def main() -> None:
    connections: list[None] = []
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            connections.append(None)
            threading.Thread(target=serve, args=[connection, connections], daemon=True).start()


@contextmanager
def echo_server() -> Iterator[str]:
    """Run the server and give its address."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    main()
