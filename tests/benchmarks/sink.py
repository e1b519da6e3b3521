"""
A server in a process of its own that answers at once, so that the client's work is all that is
measured: ``with Sink() as url``.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

ANSWER = b'{"result": {"id": "4c1a4d3edede832bfd000003"}, "url": "http://127.0.0.1/files/1"}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(ANSWER),
    ANSWER,
)


class Sink:
    """Accepts connections, throws away what it receives and answers :data:`ANSWER`."""

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __exit__(self, *error: object) -> None:
        # The end of its input is the end of the server, whatever becomes of this process.
        self._process.communicate(timeout=10)


def serve() -> None:
    """Print the port, and serve until the end of the standard input."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    threading.Thread(target=accept, args=[listener], daemon=True).start()
    sys.stdin.read()


def accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=[connection], daemon=True).start()


def converse(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = bytearray(1 << 20)
    with connection:
        while True:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            left = length - len(body)
            while left > 0:
                received = connection.recv_into(buffer, min(left, len(buffer)))
                if not received:
                    return
                left -= received
            connection.sendall(REPLY)


if __name__ == "__main__":
    serve()
