"""The state of a media in the words of an editor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from .connection import cloudkeys
from .protocol.assets import SOURCE, AssetStatus, is_thumbnail
from .uploads import refuse_larger

if TYPE_CHECKING:
    from .fields import MediaField

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
    Ask the cloud and return ``{"state", "label", "progress", "reason", "thumbnail"}``.

    ``state`` is ``processing``, ``ready`` or ``error``; ``progress`` is percent; ``reason`` is a
    sentence; ``thumbnail`` and ``embed`` are signed addresses, for ready media only.

    Raises:
        RPCException: the cloud refused, or could not be reached.
    """
    client = cloudkeys[field.account]
    names = (SOURCE, *field.assets)
    fields = [f"assets.{name}.{key}" for name in names for key in ("status", "progress", "error")]
    fields.append(f"assets.{SOURCE}.file_size")
    assets = client.media.info(id=media, fields=fields).get("assets", {})
    size = assets.get(SOURCE, {}).get("file_size") or 0
    if refuse_larger(media, size, account=field.account):
        reason = _("The file is larger than was announced.")
        return {"state": "error", "label": _("failed"), "reason": reason}
    failed = next((each for each in assets.values() if each["status"] == AssetStatus.ERROR), None)
    if failed is not None:
        return {"state": "error", "label": _("failed"), "reason": _reason(failed.get("error"))}
    if not assets:
        return {"state": "error", "label": _("failed"), "reason": _("The media has no source.")}
    unfinished = [each for each in assets.values() if each["status"] != AssetStatus.READY]
    if unfinished:
        progress = min(each.get("progress", 0) for each in unfinished)
        return {"state": "processing", "label": _("being prepared"), "progress": progress}
    thumbnail = next((name for name in field.assets if is_thumbnail(name) and name in assets), None)
    return {
        "state": "ready",
        "label": _("ready"),
        "thumbnail": thumbnail and client.media.get_thumbnail_url(media, thumbnail),
        "embed": client.media.get_embed_url(media),
    }


def _reason(error: dict[str, str] | None) -> str:
    error = error or {}
    sentence = REASONS.get(error.get("code", ""))
    return _(sentence) if sentence else error.get("message", "")
