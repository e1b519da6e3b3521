"""
What the arguments of remote methods may be.

A remote method says so with its annotations, ``id: MediaId``: the check that is written here once
gives the validation, the text of the error, and the line in the reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Annotated, Any, get_type_hints

from ...protocol.assets import ASSET_NAMES
from ...protocol.exceptions import InvalidParameter
from ...protocol.urls import is_media_id

MAX_TEXT = 8192  # characters
MAX_LIST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One kind of value."""

    accepts: Callable[[Any], bool]
    says: str
    """Completes the sentence "<argument> must be …"."""


def _is_text(value: Any, limit: int = MAX_TEXT) -> bool:
    # PostgreSQL cannot store NUL.
    return isinstance(value, str) and len(value) <= limit and "\0" not in value


def _is_list(value: Any, accepts: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) <= MAX_LIST and all(map(accepts, value))


_META_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_FIELD = re.compile(r"[a-z_]{1,32}(\.[A-Za-z0-9_-]{1,64}){0,2}", re.ASCII)


def _is_meta_key(value: Any) -> bool:
    return isinstance(value, str) and _META_KEY.fullmatch(value) is not None


def is_meta_value(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float) or _is_text(value)


def _is_meta(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_meta_key(key) and is_meta_value(item) for key, item in value.items()
    )


def _is_positive(value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**31


Text = Annotated[str, Check(accepts=_is_text, says=f"a text of at most {MAX_TEXT} characters")]
Flag = Annotated[bool, Check(accepts=lambda value: isinstance(value, bool), says="true or false")]
MediaId = Annotated[str, Check(accepts=is_media_id, says="24 lower-case hexadecimal characters")]
PageNumber = Annotated[int, Check(accepts=_is_positive, says="a whole number from 1")]
PageSize = Annotated[
    int,
    Check(
        accepts=lambda value: _is_positive(value) and value <= 100, says="a number from 1 to 100"
    ),
]
Fields = Annotated[
    list[str],
    Check(
        accepts=lambda value: _is_list(
            value, lambda item: isinstance(item, str) and _FIELD.fullmatch(item) is not None
        ),
        says=f"a list of at most {MAX_LIST} field names such as 'meta.title'",
    ),
]
AssetName = Annotated[
    str,
    Check(
        accepts=lambda value: isinstance(value, str) and value in ASSET_NAMES,
        says="the name of an asset",
    ),
]
AssetNames = Annotated[
    list[str],
    Check(
        accepts=lambda value: _is_list(
            value, lambda item: isinstance(item, str) and item in ASSET_NAMES
        ),
        says="a list of asset names",
    ),
]
AnyNames = Annotated[
    list[str],
    Check(
        accepts=lambda value: _is_list(value, lambda item: _is_text(item, 64)),
        says="a list of names",
    ),
]
MetaKeys = Annotated[
    list[str],
    Check(accepts=lambda value: _is_list(value, _is_meta_key), says="a list of meta keys"),
]
Meta = Annotated[
    dict[str, Any],
    Check(
        accepts=_is_meta,
        says="an object of texts, numbers or booleans under keys of A-Z a-z 0-9 _ -",
    ),
]


class Arguments:
    """The arguments of one remote method, read from its annotations once."""

    def __init__(self, function: Callable[..., Any]) -> None:
        hints = get_type_hints(function, include_extras=True)
        self._checks: dict[str, Check] = {}
        self._required: set[str] = set()
        for name, parameter in list(signature(function).parameters.items())[1:]:
            self._checks[name] = _check_in(hints[name])
            if parameter.default is Parameter.empty:
                self._required.add(name)

    def validate(self, call: str, args: dict[str, Any]) -> dict[str, Any]:
        """
        Return the keyword arguments for the method.

        An argument that is null counts as absent. ``media_id`` is read as ``id``, as some clients
        of 2014 write it.

        Raises:
            InvalidParameter: one is unknown, missing or not what it must be.
        """
        if "id" in self._checks and "media_id" in args and "id" not in args:
            args = {("id" if name == "media_id" else name): value for name, value in args.items()}
        given = {name: value for name, value in args.items() if value is not None}
        for name, value in given.items():
            check = self._checks.get(name)
            if check is None:
                raise invalid(call, f"{name[:64]!r} is unknown")
            if not check.accepts(value):
                raise invalid(call, f"{name} must be {check.says}")
        for name in sorted(self._required - given.keys()):
            raise invalid(call, f"{name} is missing")
        return given


def _check_in(hint: Any) -> Check:
    """Return the check inside ``Annotated[…]``, also where ``None`` is allowed beside it."""
    for candidate in (hint, *getattr(hint, "__args__", ())):
        for extra in getattr(candidate, "__metadata__", ()):
            if isinstance(extra, Check):
                return extra
    raise TypeError(f"{hint!r} has no Check.")


def invalid(call: str, reason: str) -> InvalidParameter:
    """Return the error that says what is wrong with an argument of *call*."""
    return InvalidParameter(f"Invalid parameters for {call}: {reason}.")
