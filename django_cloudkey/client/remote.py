"""
What every remote object is: a name whose methods are remote methods.

Methods that are known are written down in the modules beside this one, with their arguments. Any
other public name is sent as it is, and the server answers whether it exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .cloudkey import CloudKey

JSON = Any
"""Plain Python values: dict, list, str, int, float, bool, None."""

_Method = TypeVar("_Method", bound=Callable[..., Any])

NEVER_REMOTE = frozenset({"keys", "items", "values", "copy", "mro", "alters_data"})
"""Names that Python or Django ask of any object (``dict(x)``, ``{{ x }}``, ``for``)."""


def remote(method: _Method) -> _Method:
    """Mark *method* as one that no template may call."""
    method.alters_data = True  # type: ignore[attr-defined]
    return method


class RemoteObject:
    """A remote object whose methods are only known to the server."""

    do_not_call_in_templates = True

    def __init__(self, client: CloudKey, name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, name: str) -> Callable[..., JSON]:
        if name.startswith("_") or name in NEVER_REMOTE:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

        @remote
        def method(**args: JSON) -> JSON:
            return self._call(name, **args)

        return method

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    def _call(self, method: str, /, **args: JSON) -> JSON:
        """Call a remote method with the arguments that are not ``None``."""
        given = {name: value for name, value in args.items() if value is not None}
        return self._client.call(f"{self._name}.{method}", **given)
