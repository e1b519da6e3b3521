"""The one table of remote methods: a name that is not in it does not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ...protocol.exceptions import InvalidMethod, InvalidObject
from ..models import Account
from .arguments import Arguments

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One remote method."""

    name: str
    function: Callable[..., Any]
    arguments: Arguments
    writes: bool
    """Whether a second call could do a second thing: such a call may carry an idempotency key."""

    def bind(self, account: Account, args: dict[str, Any]) -> Callable[[], Any]:
        """
        Return the call, its arguments checked, to be carried out.

        Raises:
            InvalidParameter: an argument is unknown, missing or not what it must be.
        """
        return partial(self.function, account, **self.arguments.validate(self.name, args))


METHODS: dict[str, Method] = {}


def method(name: str, *, writes: bool = False) -> Callable[[_Function], _Function]:
    """
    Register a function of (account, named arguments) as the remote method *name*.

    Args:
        writes: The method changes something; all its changes are rows of the cloud's database, so
            that they can be committed together with the answer.
    """

    def register(function: _Function) -> _Function:
        METHODS[name] = Method(
            name=name, function=function, arguments=Arguments(function), writes=writes
        )
        return function

    return register


def lookup(object_: str, method_: str) -> Method:
    """
    Return the remote method.

    Raises:
        InvalidObject: no method belongs to *object_*.
        InvalidMethod: *object_* has no such method.
    """
    found = METHODS.get(f"{object_}.{method_}")
    if found is not None:
        return found
    if not any(name.partition(".")[0] == object_ for name in METHODS):
        raise InvalidObject(f"There is no object {object_[:40]!r}.")
    raise InvalidMethod(f"{object_.capitalize()!r} object has no attribute {method_[:40]!r}")
