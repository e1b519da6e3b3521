"""
What lists and forms of the admin show of a row's media.

A cell is made of what the site knows: columns beside the media, and addresses that are signed here.
For the rest it carries a signed reference, with which the page asks this app's own view afterwards.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..connection import cloudkeys
from ..field_media import FieldMedia
from ..forms import endpoints
from ..media_state import MediaState, clock
from ..protocol.assets import is_thumbnail
from ..protocol.exceptions import RPCException
from ..references import Reference

_SETTLED = (MediaState.READY, MediaState.MISSING)
"""States of which a column tells everything; of a failure it keeps no reason."""


def status(media: FieldMedia, row: models.Model) -> str:
    """Return the state as a badge; "" for no media."""
    state = _known_state(media, row)
    if not media.id:
        return ""
    if state in _SETTLED:
        return format_html('<span class="cloudkey-status is-{}">{}</span>', state, _badge(state))
    cell = _live("status", media, row, _badge(state) if state else "…")
    return cell or media.id  # nobody to ask: at least which one it is


def duration(media: FieldMedia, row: models.Model) -> str:
    """Return the length as players show it, 1:05; "" for no media."""
    name = media.field.duration_field
    seconds = getattr(row, name) if name and media.id else None
    if seconds is not None:
        return clock(seconds)
    return _live("duration", media, row, "…") if media.id else ""


def thumbnail(media: FieldMedia, row: models.Model) -> str:
    """Return a still that plays; "" for no media."""
    if not media.id:
        return ""
    label = _("Play “%(title)s”") % {"title": row}
    shown = picture(media, label) if _known_state(media, row) is MediaState.READY else ""
    return shown or _live("thumbnail", media, row, "", title=str(row), play=label, close=_("Close"))


def preview(media: FieldMedia, row: models.Model) -> str:
    """Return still, state and duration together; "" for no media."""
    if not media.id:
        return ""
    parts = (thumbnail(media, row), status(media, row), duration(media, row))
    return format_html('<div class="cloudkey-preview">{}<div>{} {}</div></div>', *parts)


def picture(media: FieldMedia, label: str) -> str:
    """Return the still of a media that is ready, which plays it; "" where it cannot be signed."""
    names = [name for name in media.field.assets if is_thumbnail(name)]
    try:
        remote = cloudkeys[media.field.account].media
        embed = remote.get_embed_url(media.id, autoplay=True)
        still = remote.get_thumbnail_url(media.id, names[0]) if names else ""
    except (RPCException, ImproperlyConfigured):
        return ""
    image = '<img src="{}" alt="" loading="lazy" referrerpolicy="no-referrer">' if still else "{}"
    return format_html(
        '<span class="cloudkey-thumb"><a class="cloudkey-play" href="{}" target="_blank"'
        ' rel="noopener noreferrer" data-title="{}" data-close="{}">{}'
        '<span class="cloudkey-play__disc" aria-hidden="true"></span>'
        '<span class="cloudkey-unseen">{}</span></a></span>',
        embed,
        label,
        _("Close"),
        format_html(image, still),
        label,
    )


def _known_state(media: FieldMedia, row: models.Model) -> MediaState | None:
    name = media.field.status_field
    try:
        return MediaState(getattr(row, name)) if name else None
    except ValueError:
        return None


def _badge(state: MediaState) -> SafeString:
    return format_html('<span class="cloudkey-badge">{}</span>', state.label)


def _live(kind: str, media: FieldMedia, row: models.Model, inside: str, **data: Any) -> str:
    url = endpoints().get("status")
    if not url:
        return ""
    more = SafeString("").join(
        format_html(' data-{}="{}"', name, value) for name, value in data.items()
    )
    return format_html(
        '<span class="cloudkey-{}" data-cell="{}" data-url="{}" data-reference="{}"{}>{}</span>',
        "thumb" if kind == "thumbnail" else kind,
        kind,
        url,
        _reference(media, row),
        more,
        inside,
    )


def _reference(media: FieldMedia, row: models.Model) -> str:
    """Return the same for all cells of a row, so that the page asks once for them."""
    made: dict[str, str] = row.__dict__.setdefault("_cloudkey_references", {})
    name = media.field.name
    if name not in made:
        made[name] = Reference(media=media.id, field=media.field.label).sign()
    return made[name]
