"""
The JSON around a call and around its answer.

::

    {"call": "media.list", "args": {"page": 2}, "auth": "<user>:<md5>"}
    {"result": {…}}
    {"error": {"code": 1010, "message": "…"}}

Reading is strict on purpose: the signature covers a text without separators, so whatever two
parsers could understand differently (repeated members, unknown members, numbers beyond 64 bits)
is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .exceptions import (
    InvalidCall,
    InvalidRequest,
    RPCException,
    SerializerError,
    exception_for,
)
from .normalization import JSONFloat
from .secret import HiddenBytes

MAX_DEPTH = 16
MAX_NODES = 20_000
MAX_MESSAGE = 2_000  # characters of a foreign error message that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it was read."""

    object: str
    method: str
    args: dict[str, Any]
    auth: str = field(repr=False)
    signed: dict[str, Any]
    """The request without ``auth``, as it was signed."""

    @property
    def name(self) -> str:
        """The remote method, ``object.method``."""
        return f"{self.object}.{self.method}"


def encode_call(name: str, args: Mapping[str, Any], auth: str | None) -> bytes:
    """
    Return the body of a request.

    Args:
        auth: Its historical signature; ``None`` where a header signs it.

    Raises:
        SerializerError: an argument is nothing that JSON can carry.
    """
    request: dict[str, Any] = {"call": name, "args": dict(args)}
    if auth is not None:
        request["auth"] = auth
    return HiddenBytes(_dump(request))


def decode_call(body: bytes, *, is_signed: bool = True) -> Call:
    """
    Return the call inside *body*.

    Args:
        is_signed: It has a member ``auth``; under scheme 2 a header signs it, and it has none.

    Raises:
        SerializerError: *body* is not JSON, or JSON beyond the limits of depth and number.
        InvalidRequest: the members are not exactly ``call``, ``auth`` and, optionally, ``args``.
        InvalidCall: ``call`` is not ``object.method``.
    """
    request = load(body)
    if not isinstance(request, dict):
        raise InvalidRequest("A request is one JSON object.")
    known = {"call", "args", "auth"} if is_signed else {"call", "args"}
    unknown = sorted(set(request) - known)
    if unknown:
        raise InvalidRequest(f"A request has no member {unknown[0][:80]!r}.")
    call, args = request.get("call"), request.get("args")
    auth = request.get("auth") if is_signed else ""
    if not isinstance(auth, str):
        raise InvalidRequest("A request needs a text 'auth'.")
    # PHP writes an empty map as an empty list.
    if args is not None and args != [] and not isinstance(args, dict):
        raise InvalidRequest("'args' is an object of named arguments.")
    if call is None:
        raise InvalidRequest("A request needs a text 'call'.")
    object_, method = _split(call)
    signed = {name: value for name, value in request.items() if name != "auth"}
    return Call(object=object_, method=method, args=args or {}, auth=auth, signed=signed)


def _split(call: object) -> tuple[str, str]:
    object_, dot, method = call.partition(".") if isinstance(call, str) else ("", "", "")
    if not (object_ and dot and method):
        raise InvalidCall("'call' is of the form object.method.")
    return object_, method


def encode_result(result: Any) -> bytes:
    """Return the body of the answer to a call that succeeded."""
    return _dump({"result": result})


def encode_error(error: RPCException) -> bytes:
    """Return the body of the answer to a call that failed."""
    body = {"message": error.message, "code": error.code}
    if error.data is not None:
        body["data"] = error.data
    return _dump({"error": body})


def decode_answer(body: bytes) -> Any:
    """
    Return the result inside *body*.

    Raises:
        SerializerError: *body* is no answer of this protocol.
        RPCException: the error that the server answered, of the class that its code stands for.
    """
    answer = _answer_in(body)
    failure = answer.get("error")
    if failure is None:
        return answer.get("result")
    if not isinstance(failure, dict) or type(failure.get("code")) is not int:
        raise SerializerError("The server's error has no code.")
    message = str(failure.get("message", ""))[:MAX_MESSAGE]
    raise exception_for(failure["code"], message, failure.get("data"))


def is_failure(body: bytes) -> bool:
    """Say whether *body* is the answer to a call that failed, and not JSON of another server."""
    try:
        return isinstance(_answer_in(body).get("error"), dict)
    except SerializerError:
        return False


def _answer_in(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise SerializerError("The server's answer is not JSON.") from error
    if not isinstance(answer, dict):
        raise SerializerError("The server's answer is not a JSON object.")
    return answer


def load(body: bytes) -> Any:
    """
    Return the JSON value of *body*; its floats remember their text.

    Raises:
        SerializerError: not UTF-8, not JSON, a repeated member, ``NaN``, a number beyond 64 bits, a
            lone surrogate, deeper than MAX_DEPTH or of more than MAX_NODES values.
    """
    # Before parsing: a megabyte of "{}," is thirty of Python's objects.
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_NODES:
        raise SerializerError("The request holds too many values.")
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except (ValueError, RecursionError) as error:
        raise SerializerError("The request is not valid JSON.") from error
    _check_limits(value)
    return value


def _dump(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise SerializerError("A value cannot be written as JSON.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member")
    return members


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _parse_float(text: str) -> float:
    value = JSONFloat(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return value


def _parse_int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError("number out of range")
    return int(text)


def _check_limits(value: Any) -> None:
    nodes = 0
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise SerializerError("The request holds too many values.")
        for text in level:
            if isinstance(text, str) and not _is_utf8(text):
                raise SerializerError("The request is not valid JSON.")
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise SerializerError("The request is nested too deeply.")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
