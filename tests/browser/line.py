"""A line to a server, which a test may hold up or cut while bytes are on their way."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Self

CHUNK = 256 * 1024  # bytes
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what was not delivered is lost


class Line:
    """
    Listens on a port of this machine and passes everything on to another.

    Args:
        server: The port of the server.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._free = threading.Event()
        self._free.set()
        self._limit: int | None = None
        self._is_down = False
        self.is_held = threading.Event()
        """A connection has brought as much as was allowed, and waits."""
        self.port = int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def hold_after(self, size: int) -> None:
        """Take *size* bytes of each connection that comes, and no more of it until it is freed."""
        self._limit = size
        self._free.clear()
        self.is_held.clear()

    def free(self) -> None:
        """Let everything pass again."""
        self._is_down = False
        self._limit = None
        self._free.set()

    def cut(self) -> None:
        """
        Break every connection, and those that come, until it is freed.

        A browser sends a file a second time by itself where a connection was used before.
        """
        self._is_down = True
        self._limit = None
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            with suppress(OSError):  # it ends by itself just now
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)
        self._free.set()

    def _accept(self) -> None:
        while True:
            try:
                browser, _address = self._listening.accept()
            except OSError:
                return
            if self._is_down:
                browser.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._server))
            with self._lock:
                self._ends |= {browser, server}
            for source, target, is_up in ((browser, server, True), (server, browser, False)):
                threading.Thread(
                    target=self._pass_on, args=(source, target, is_up), daemon=True
                ).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_up: bool) -> None:
        passed = 0
        try:
            while data := source.recv(CHUNK):
                passed += len(data)
                limit = self._limit
                if is_up and limit is not None and passed > limit:
                    self.is_held.set()
                    self._free.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            self._leave(source)

    def _leave(self, end: socket.socket) -> None:
        with self._lock:
            self._ends.discard(end)
        end.close()
