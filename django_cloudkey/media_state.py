"""The state of a media in the words of an editor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from .client import CloudKey
from .connection import cloudkeys
from .protocol.assets import SOURCE, AssetStatus
from .uploads import refuse_larger

if TYPE_CHECKING:
    from .fields import MediaField

THUMBNAILS = tuple(
    f"jpeg_thumbnail_{size}" for size in ("large", "source", "medium", "auto", "small")
)
"""What is shown of a media, the first that there is."""
MAX_DURATION = 10**9  # seconds; what a cloud says beyond is no length of a film
OF_SOURCE = (f"assets.{SOURCE}.duration", f"assets.{SOURCE}.file_size")


class MediaState(models.TextChoices):
    """The states of a media as its row keeps them; choices for the column that holds them."""

    PROCESSING = "processing", gettext_lazy("being prepared")
    READY = "ready", gettext_lazy("ready")
    ERROR = "error", gettext_lazy("failed")
    MISSING = "missing", gettext_lazy("not on the cloud")


REASONS = {
    "not_a_video": gettext_noop("This file is not a video that can be played."),
    "source_too_large": gettext_noop("The video is too long, or its picture too large."),
    "encoding_failed": gettext_noop("The video could not be encoded; the file may be damaged."),
    "no_space": gettext_noop("The video cloud has no disk space left."),
    "timed_out": gettext_noop("Encoding the video took too long."),
    "tool_missing": gettext_noop("The video cloud has no ffmpeg to encode with."),
    "storage": gettext_noop("The file could not be read or stored."),
    "worker_lost": gettext_noop("The work was interrupted too often and was given up."),
}
"""Code of a failure → sentence, in the site's languages; others are shown as the cloud says."""


def media_state(field: MediaField, media: str) -> dict[str, Any]:
    """
    Ask the cloud and return ``{"title", "state", "label", "progress", "reason", "duration", …}``.

    ``title`` may be empty; ``state`` is ``processing``, ``ready`` or ``error``; ``progress`` is
    percent; ``reason`` is a sentence; ``duration`` (seconds) and the signed addresses ``thumbnail``
    and ``embed``, of a player that starts by itself, are for ready media only.

    Raises:
        RPCException: the cloud refused, or could not be reached.
    """
    client = cloudkeys[field.account]
    info = client.media.info(id=media, fields=["meta.title", *asset_fields(field)])
    title = str((info.get("meta") or {}).get("title") or "")
    assets = assets_of(info)
    if refuse_larger(media, size_of(assets), account=field.account):
        reason = _("The file is larger than was announced.")
        label = str(MediaState.ERROR.label)
        return {"title": title, "state": MediaState.ERROR.value, "label": label, "reason": reason}
    thumbnails = [name for name in THUMBNAILS if name in field.assets]
    return {"title": title, **describe(client, media, assets, thumbnails)}


def describe(
    client: CloudKey, media: str, assets: dict[str, dict[str, Any]], thumbnails: Iterable[str]
) -> dict[str, Any]:
    """
    Return what :func:`media_state` does, without the title, of the media that has *assets*.

    Args:
        thumbnails: Names of stills, the best first; the first that there is will be shown.
    """
    state = state_of(assets)
    answer: dict[str, Any] = {"state": state.value, "label": str(state.label)}
    if state is MediaState.ERROR:
        return answer | {"reason": _reason_of(assets)}
    if state is MediaState.PROCESSING:
        unfinished = (each for each in assets.values() if each["status"] != AssetStatus.READY)
        told = (each.get("progress") for each in unfinished)
        return answer | {"progress": min(0 if each is None else each for each in told)}
    thumbnail = next((name for name in thumbnails if name in assets), None)
    return answer | {
        "duration": duration_of(assets),
        "thumbnail": thumbnail and client.media.get_thumbnail_url(media, thumbnail),
        "embed": client.media.get_embed_url(media, autoplay=True),
    }


def asset_fields(field: MediaField) -> list[str]:
    """Return the ``fields`` of ``media.info`` and ``media.list`` that a state is made from."""
    return state_fields((SOURCE, *field.assets))


def state_fields(names: Iterable[str]) -> list[str]:
    """Return the ``fields`` that a state is made from, for the assets *names*."""
    keys = ("status", "progress", "error")
    return [*(f"assets.{name}.{key}" for name in names for key in keys), *OF_SOURCE]


def assets_of(info: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return asset name → asset, of what was answered for :func:`asset_fields`."""
    found = info.get("assets") or {}
    return {name: asset for name, asset in found.items() if asset and asset.get("status")}


def state_of(assets: dict[str, dict[str, Any]]) -> MediaState:
    """Return the state of the media that has *assets*."""
    statuses = {each["status"] for each in assets.values()}
    if not statuses or AssetStatus.ERROR in statuses:
        return MediaState.ERROR
    return MediaState.READY if statuses == {AssetStatus.READY} else MediaState.PROCESSING


def duration_of(assets: dict[str, dict[str, Any]]) -> float | None:
    """Return seconds; None where the cloud does not know them."""
    duration = assets.get(SOURCE, {}).get("duration")
    if not isinstance(duration, int | float) or not 0 <= duration < MAX_DURATION:
        return None
    return float(duration)


def clock(seconds: float) -> str:
    """Return seconds as players show them: 1:05, 2:10:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size_of(assets: dict[str, dict[str, Any]]) -> int:
    """Return the bytes of the source; 0 where the cloud does not know them."""
    return assets.get(SOURCE, {}).get("file_size") or 0


def _reason_of(assets: dict[str, dict[str, Any]]) -> str:
    if not assets:
        return _("The media has no source.")
    failed = next(each for each in assets.values() if each["status"] == AssetStatus.ERROR)
    return _reason(failed.get("error"))


def _reason(error: dict[str, str] | None) -> str:
    error = error or {}
    sentence = REASONS.get(error.get("code", ""))
    return _(sentence) if sentence else error.get("message", "")
