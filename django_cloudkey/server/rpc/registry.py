"""The one table of remote methods: a name that is not in it does not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

    def __call__(self, account: Account, args: dict[str, Any]) -> Any:
        return self.function(account, **self.arguments.validate(self.name, args))


METHODS: dict[str, Method] = {}


def method(name: str) -> Callable[[_Function], _Function]:
    """Register a function of (account, named arguments) as the remote method *name*."""

    def register(function: _Function) -> _Function:
        METHODS[name] = Method(name=name, function=function, arguments=Arguments(function))
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
