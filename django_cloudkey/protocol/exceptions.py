"""
Every failure of the protocol, one class per meaning, each owning its code.

::

    RPCException 100
    ├── ProcessorException 200
    ├── TransportException 300
    ├── AuthenticationError 400
    │   └── RateLimitExceeded 410
    ├── SerializerError 500
    ├── InvalidRequest 600
    │   ├── InvalidObject 610
    │   ├── InvalidMethod 620
    │   ├── InvalidParameter 630
    │   ├── InvalidCall 640
    │   └── MissingParameter 650
    └── ApplicationException 1000
        ├── NotFound 1010
        ├── Exists 1020
        └── LimitExceeded 1030
"""

from __future__ import annotations

from typing import Any

MAX_SHOWN = 500  # characters of a server's data that the text of an exception shows


class RPCException(Exception):
    """
    The root of every failure that a remote call can have.

    Attributes:
        code: Number of the failure on the wire; an unknown number stays on the instance.
        message: One sentence, without the code.
        data: What the server added, any JSON value; ``None`` when it added nothing.
    """

    code: int = 100

    def __init__(self, message: str = "", data: Any = None, *, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text} [{str(self.data)[:MAX_SHOWN]}]" if self.data else text

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.data, self.code))


def _rebuild(cls: type[RPCException], message: str, data: Any, code: int) -> RPCException:
    return cls(message, data, code=code)


class ProcessorException(RPCException):
    """The server failed while it worked on a correct request."""

    code = 200


class TransportException(RPCException):
    """
    The request or its answer was lost on the way: refused, timed out, cut, not understood.

    Attributes:
        ambiguous: Whether the server may have carried the request out all the same. Then a call
            that writes is looked up before it is made again, or made by :meth:`CloudKey.once
            <django_cloudkey.client.CloudKey.once>`.
    """

    code = 300
    ambiguous = False

    def __init__(
        self,
        message: str = "",
        data: Any = None,
        *,
        code: int | None = None,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(message, data, code=code)
        self.ambiguous = ambiguous

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {"ambiguous": self.ambiguous})


class AuthenticationError(RPCException):
    """Unknown user, wrong signature, or a right that the caller does not have."""

    code = 400


class RateLimitExceeded(AuthenticationError):
    """Too many calls in a period; try again later."""

    code = 410


class SerializerError(RPCException):
    """A request or an answer is not the JSON that the protocol allows."""

    code = 500


class InvalidRequest(RPCException):
    """The envelope around a call is malformed."""

    code = 600


class InvalidObject(InvalidRequest):
    """The server has no such object."""

    code = 610


class InvalidMethod(InvalidRequest):
    """The object has no such method."""

    code = 620


class InvalidParameter(InvalidRequest):
    """An argument is missing, unknown or malformed."""

    code = 630


class InvalidCall(InvalidRequest):
    """``call`` is not of the form ``object.method``."""

    code = 640


class MissingParameter(InvalidRequest):
    """An argument is missing. Historical servers answer InvalidParameter instead, and so do we."""

    code = 650


class ApplicationException(RPCException):
    """The call was understood and could not be carried out."""

    code = 1000


class NotFound(ApplicationException):
    """The item does not exist, or is not the caller's."""

    code = 1010


class Exists(ApplicationException):
    """The item exists already."""

    code = 1020


class LimitExceeded(ApplicationException):
    """A quota is used up: objects, bytes or free disk."""

    code = 1030


def _subclasses(root: type[RPCException]) -> list[type[RPCException]]:
    found = [root]
    for subclass in root.__subclasses__():
        found += _subclasses(subclass)
    return found


EXCEPTIONS: dict[int, type[RPCException]] = {cls.code: cls for cls in _subclasses(RPCException)}
"""Code on the wire → class."""


def exception_for(code: int, message: str, data: Any = None) -> RPCException:
    """Return the exception that *code* stands for; an unknown code gives a plain RPCException."""
    return EXCEPTIONS.get(code, RPCException)(message, data, code=code)
