"""
What a cloud tells a site about a media: the body of a notification, written and read.

::

    {"type": "asset.ready", "media": "…", "asset": "source", "sequence": 3, "created": 1700000000,
     "data": {"assets": {"source": {"status": "ready", "duration": 61}, …}}}

``data`` holds the state of all assets at that moment: whoever has heard the newest notification
knows all that the ones before have told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .assets import AssetStatus
from .scheme2.encoding import to_json
from .urls import is_media_id

MAX_BODY = 64 * 1024  # bytes
_ASSET = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)
_TYPE = re.compile(r"[a-z0-9_.]{1,20}", re.ASCII)
_MAX_NUMBER = 2**63
_MAX_DURATION = 2**31  # seconds; what columns hold


class EventType(StrEnum):
    """What may have happened. A receiver ignores the types that it does not know."""

    MEDIA_READY = "media.ready"
    MEDIA_FAILED = "media.failed"
    MEDIA_DELETED = "media.deleted"
    ASSET_READY = "asset.ready"
    ASSET_FAILED = "asset.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a media."""

    type: str
    """One of :class:`EventType`, or one that is newer."""
    media: str
    """Id of the media."""
    sequence: int
    """Grows with each event of the media."""
    created: int
    """When it happened; Unix seconds."""
    asset: str = ""
    """Name of the asset, of events about one."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """``assets``: name → ``{"status", "duration", "error"}``, as ``media.info`` answers them."""

    def encode(self) -> bytes:
        """Return the body that tells it."""
        body = {
            "type": self.type,
            "media": self.media,
            "sequence": self.sequence,
            "created": self.created,
            "data": self.data,
        }
        return to_json(body | {"asset": self.asset} if self.asset else body).encode()

    @property
    def assets(self) -> dict[str, dict[str, Any]]:
        """The assets of ``data``, with what is understood of them and nothing else."""
        given = self.data.get("assets")
        if not isinstance(given, dict):
            return {}
        assets = {name: _asset(each) for name, each in given.items() if _ASSET.fullmatch(name)}
        return {name: each for name, each in assets.items() if each}

    def is_true_of(self, assets: Mapping[str, Mapping[str, Any]]) -> bool:
        """Say whether *assets*, of a newer event, are as this one says."""
        statuses = {name: each["status"] for name, each in assets.items()}
        if self.type == EventType.MEDIA_READY:
            return set(statuses.values()) == {AssetStatus.READY}
        if self.type == EventType.MEDIA_FAILED:
            return AssetStatus.ERROR in statuses.values()
        if self.type == EventType.ASSET_READY:
            return statuses.get(self.asset) == AssetStatus.READY
        if self.type == EventType.ASSET_FAILED:
            return statuses.get(self.asset) == AssetStatus.ERROR
        return True


def read_event(body: bytes) -> Event:
    """
    Return the event that *body* tells.

    Raises:
        ValueError: it tells none. The message holds nothing of it.
    """
    if len(body) > MAX_BODY:
        raise ValueError("too large")
    try:
        given = json.loads(body.decode(), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        raise ValueError("not JSON") from None
    if not isinstance(given, dict):
        raise ValueError("not an object")
    data, asset = given.get("data", {}), given.get("asset", "")
    if not (
        _is_text(given.get("type"), _TYPE)
        and is_media_id(given.get("media"))
        and _is_number(given.get("sequence"))
        and _is_number(given.get("created"))
        and (asset == "" or _is_text(asset, _ASSET))
        and isinstance(data, dict)
    ):
        raise ValueError("not an event")
    return Event(
        type=given["type"],
        media=given["media"],
        sequence=given["sequence"],
        created=given["created"],
        asset=asset,
        data=data,
    )


def _asset(given: object) -> dict[str, Any]:
    if not isinstance(given, dict) or given.get("status") not in tuple(AssetStatus):
        return {}
    asset: dict[str, Any] = {"status": given["status"]}
    duration, error = given.get("duration"), given.get("error")
    if isinstance(duration, int | float) and 0 <= duration < _MAX_DURATION:
        asset["duration"] = duration
    if isinstance(error, dict):
        asset["error"] = {key: _storable(error.get(key, "")) for key in ("code", "message")}
    return asset


def _storable(value: object) -> str:
    # No text of PostgreSQL holds a NUL, and none of any database a lone surrogate.
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()[:255]


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_NUMBER


def _refuse(constant: str) -> float:
    raise ValueError(constant)
