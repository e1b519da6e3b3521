"""
Requests that the cloud sends by itself. Every socket that it opens, it opens here.

A host is looked up once. All its addresses have to be allowed, and the connection goes to one of
them: a name that changes its mind cannot lead elsewhere. No proxy of the environment is used, and
nothing is followed. Of the answer the status counts, and what comes after it is thrown away.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue

from django.utils.translation import gettext as _

from ..protocol.viewer import parse_address
from .outgoing_urls import NotAllowed, OutgoingURL, check_address, parse_outgoing

TIMEOUT = 10.0  # seconds from the look-up of the host to the status
MAX_ANSWER = 64 * 1024  # bytes that are read
LAST_BYTES = 1.0  # seconds that an answer may take to end, once its status is known
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n", re.ASCII)


class NotAnswered(Exception):
    """The receiver could not be asked, or did not answer; the message says why."""


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """
    Send *body* to *url* and return the status of the answer, such as 204 or 302.

    Raises:
        NotAllowed: *url* may not be called, or not where its host is.
        NotAnswered: nobody answered within TIMEOUT seconds, or with something else than HTTP.
    """
    target = parse_outgoing(url)
    deadline = time.monotonic() + TIMEOUT
    lines = [f"POST {target.target} HTTP/1.1", f"Host: {target.host_header}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    message = "\r\n".join(lines).encode("ascii") + body
    try:
        with _connect(_addresses_of(target, deadline), deadline) as connection:
            if target.scheme == "http":
                return _exchange(connection, message, deadline)
            context = ssl.create_default_context()
            with context.wrap_socket(connection, server_hostname=target.host) as secured:
                return _exchange(secured, message, deadline)
    except ssl.SSLCertVerificationError as error:
        text = _("The certificate is not trusted: %(reason)s.")
        raise NotAnswered(text % {"reason": error.verify_message}) from error
    except TimeoutError as error:
        text = _("No answer within %(seconds)d s.") % {"seconds": TIMEOUT}
        raise NotAnswered(text) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        text = _("The connection failed: %(reason)s.") % {"reason": reason}
        raise NotAnswered(text) from error


_Found = tuple[
    socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
]


def _addresses_of(target: OutgoingURL, deadline: float) -> list[_Found]:
    """Return where the host of *target* is, if it may be called at each of its addresses."""
    addresses = _look_up(target.host, target.port, deadline)
    for _family, address in addresses:
        found = parse_address(str(address[0]).partition("%")[0])
        if found is None:
            raise NotAllowed(_("The host has an address that cannot be read."))
        check_address(target, found)
    return addresses


def _look_up(host: str, port: int, deadline: float) -> list[_Found]:
    answers: SimpleQueue[list[_Found] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(family, address) for family, _type, _protocol, _name, address in found])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    # Nobody can tell the system's resolver how long it may take, half a minute as a rule: the
    # thread is left to it.
    threading.Thread(target=ask, name=f"look-up of {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=_left(deadline))
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise NotAnswered(_("The host was not found.")) from answer
    return answer


def _connect(addresses: list[_Found], deadline: float) -> socket.socket:
    """Return a connection to the first of *addresses* that takes one."""
    failure: OSError = TimeoutError()
    for number, (family, address) in enumerate(addresses):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            # One that is silent leaves time for the others.
            connection.settimeout(_left(deadline) / (len(addresses) - number))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.settimeout(_left(deadline))
            return connection
    raise failure


def _exchange(connection: socket.socket, message: bytes, deadline: float) -> int:
    connection.settimeout(_left(deadline))
    connection.sendall(message)
    answer = b""
    while not (status := _STATUS.match(answer)):
        connection.settimeout(_left(deadline))
        more = connection.recv(1024)
        answer += more
        if not more or len(answer) > 1024:
            raise NotAnswered(_("The answer is not HTTP."))
    with suppress(OSError):
        _read_rest(connection, time.monotonic() + LAST_BYTES)
    return int(status[1])


def _read_rest(connection: socket.socket, deadline: float) -> None:
    """Let the receiver say what it wants to, within bounds, rather than hang up on it."""
    length = 0
    while length < MAX_ANSWER:
        connection.settimeout(_left(deadline))
        more = len(connection.recv(16 * 1024))
        length += more
        if not more:
            return


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
