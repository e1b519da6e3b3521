"""
Signed addresses of media, made for the viewer of the page. No tag asks the network.

::

    {% load cloudkey %}
    {% cloudkey_embed lesson.video title=lesson.title %}
    {% cloudkey_thumbnail_url lesson.video as poster %}
"""

from __future__ import annotations

import logging
from typing import Any

from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..conf import DEFAULT_ALIAS
from ..connection import cloudkeys
from ..fields import FieldMedia
from ..protocol.exceptions import InvalidParameter
from ..protocol.seclevel import parse_seclevel
from ..viewers import restrictions_for

register = template.Library()
logger = logging.getLogger(__name__)


@register.simple_tag(takes_context=True)
def cloudkey_embed(
    context: template.Context,
    media: FieldMedia | str | None,
    *,
    title: str = "",
    seclevel: int | str | None = None,
    expires: int | None = None,
    account: str | None = None,
) -> SafeString | str:
    """
    Render a responsive player for *media*, signed for the viewer of this page; nothing if empty.

    Args:
        title: What screen readers announce.
        seclevel: Level by name, ``"ip|useragent"``, or number; the account's by default.
        expires: Last second of validity, Unix time; two hours from now by default.
        account: Alias in ``CLOUDKEYS``; the field's by default.
    """
    url = _signed(context, "get_embed_url", media, account, seclevel, expires=expires)
    if not url:
        return ""
    return format_html(
        '<div class="cloudkey-embed"><iframe src="{}" title="{}" loading="lazy" '
        'allow="autoplay; fullscreen; picture-in-picture"></iframe></div>',
        url,
        title,
    )


@register.simple_tag(takes_context=True)
def cloudkey_thumbnail_url(
    context: template.Context,
    media: FieldMedia | str | None,
    *,
    asset_name: str = "jpeg_thumbnail_medium",
    seclevel: int | str | None = None,
    expires: int | None = None,
    account: str | None = None,
) -> str:
    """Return the signed address of a still of *media*; an empty text if there is no media."""
    return _signed(
        context, "get_thumbnail_url", media, account, seclevel,
        asset_name=asset_name, expires=expires,
    )  # fmt: skip


def _signed(
    context: template.Context,
    method: str,
    media: FieldMedia | str | None,
    account: str | None,
    seclevel: int | str | None,
    **options: Any,
) -> str:
    if not str(media or ""):
        return ""
    if account is None:
        account = media.field.account if isinstance(media, FieldMedia) else DEFAULT_ALIAS
    try:
        client = cloudkeys[account]
        level = (
            cloudkeys.settings(account).seclevel if seclevel is None else parse_seclevel(seclevel)
        )
        restrictions = restrictions_for(context.get("request"), level, account=account)
        sign = getattr(client.media, method)
        return str(sign(str(media), **restrictions, **options))
    except (ImproperlyConfigured, InvalidParameter, ValueError) as error:
        if settings.DEBUG:
            raise
        logger.error("No address for media %s: %s", media, error)
        return ""
