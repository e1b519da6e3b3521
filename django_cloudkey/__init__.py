"""
Protected video for Django, both ends of it.

Importing this package imports neither Django nor ``requests``; each public name is loaded when it
is first used. ``cloudkey`` and ``cloudkeys`` need Django's settings, everything else does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .client import CloudKey as CloudKey
    from .connection import cloudkey as cloudkey
    from .connection import cloudkeys as cloudkeys
    from .protocol.exceptions import ApplicationException as ApplicationException
    from .protocol.exceptions import AuthenticationError as AuthenticationError
    from .protocol.exceptions import Exists as Exists
    from .protocol.exceptions import InvalidParameter as InvalidParameter
    from .protocol.exceptions import LimitExceeded as LimitExceeded
    from .protocol.exceptions import NotFound as NotFound
    from .protocol.exceptions import RPCException as RPCException
    from .protocol.exceptions import TransportException as TransportException
    from .protocol.seclevel import SecLevel as SecLevel

_HOMES = {
    "CloudKey": ".client",
    "cloudkey": ".connection",
    "cloudkeys": ".connection",
    "SecLevel": ".protocol.seclevel",
    "ApplicationException": ".protocol.exceptions",
    "AuthenticationError": ".protocol.exceptions",
    "Exists": ".protocol.exceptions",
    "InvalidParameter": ".protocol.exceptions",
    "LimitExceeded": ".protocol.exceptions",
    "NotFound": ".protocol.exceptions",
    "RPCException": ".protocol.exceptions",
    "TransportException": ".protocol.exceptions",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
