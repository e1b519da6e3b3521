"""``fields``: dotted paths in, exactly those values out."""

from __future__ import annotations

from typing import Any


def project(item: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    """
    Return the nested part of *item* that *fields* name, and nothing else.

    A path that ends early takes the whole object; a value that does not exist is left out, but the
    objects on the way to it are there.
    """
    result: dict[str, Any] = {}
    for field in fields:
        _copy(item, result, field.split("."))
    return result


def _copy(source: dict[str, Any], target: dict[str, Any], path: list[str]) -> None:
    name, *rest = path
    if name not in source:
        return
    value = source[name]
    if not rest:
        target[name] = value
    elif isinstance(value, dict):
        inner = target.get(name)
        if inner is value:  # asked for as a whole before
            return
        if inner is None:
            inner = target[name] = {}
        _copy(value, inner, rest)
