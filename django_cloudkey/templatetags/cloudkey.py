"""
Signed addresses of media, made for the viewer of the page. No tag asks the network.

::

    {% load cloudkey %}
    {% cloudkey_embed lesson.video title=lesson.title %}
    {% cloudkey_embed_url lesson.video start=30 as url %}
    {% cloudkey_stream_url lesson.video filename="knots.mp4" as url %}
    {% cloudkey_thumbnail_url lesson.video as poster %}
    {% cloudkey_video lesson.video title=lesson.title %}

The last arguments of every tag are those of :func:`~django_cloudkey.addresses.sign_for`: *account*,
*seclevel*, *expires*, *countries* and *referers*.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..addresses import level_of, sign_for
from ..fields import FieldMedia
from ..protocol.exceptions import InvalidParameter
from ..viewers import OF_PAGE

register = template.Library()
logger = logging.getLogger(__name__)

Video = FieldMedia | str | None

RESTRICTIONS = ("account", "seclevel", "expires", "countries", "referers")
"""Arguments of every tag."""
_NAMED = Parameter.KEYWORD_ONLY

RATIOS = {
    "16:9": "",
    "4:3": " cloudkey-embed--4x3",
    "1:1": " cloudkey-embed--1x1",
    "9:16": " cloudkey-embed--9x16",
    "21:9": " cloudkey-embed--21x9",
}
"""Ratio of a frame's sides → class; the site's policy may forbid styles of its own."""
LOADINGS = ("lazy", "eager")


def _tag(function: Callable[..., str]) -> Callable[..., str]:
    """Register a tag: nothing for an empty media, mistakes loud while developing, else logged."""
    own = [name for name, each in signature(function).parameters.items() if each.kind == _NAMED]
    known = (*own, *RESTRICTIONS)

    # Not functools.wraps(): Django would look through it, and miss the context.
    def render(context: template.Context, media: Video, **options: Any) -> str:
        if not str(media or ""):
            return ""
        try:
            for name in options.keys() - known:
                raise ValueError(f"{name!r} is no argument of this tag; {', '.join(known)} are.")
            return function(context.get("request"), media, **options)
        except (ImproperlyConfigured, InvalidParameter, ValueError) as error:
            if settings.DEBUG:
                raise
            logger.error("No address for media %s: %s", media, error)
            return ""

    render.__doc__ = function.__doc__
    register.simple_tag(takes_context=True, name=function.__name__)(render)
    return function


@_tag
def cloudkey_embed(
    request: Any,
    media: FieldMedia | str,
    *,
    title: str = "",
    ratio: str = "16:9",
    loading: str = "lazy",
    autoplay: bool = False,
    start: float = 0,
    chromeless: bool = False,
    **restrictions: Any,
) -> str:
    """
    Render a player that is as wide as its place, in a frame.

    Args:
        title: What screen readers announce.
        ratio: Of width and height: ``16:9 4:3 1:1 9:16 21:9``.
        loading: ``lazy``, or ``eager`` for a player at the top of its page.
        autoplay: Start by itself, where the browser allows it.
        start: Second to start at.
        chromeless: Show no controls.
    """
    url = cloudkey_embed_url(
        request, media, autoplay=autoplay, start=start, chromeless=chromeless, **restrictions
    )
    policy = ""
    level = level_of(media, restrictions.get("account"), restrictions.get("seclevel"))
    if level & OF_PAGE:
        policy = f' referrerpolicy="{_referrer_policy(restrictions.get("referers"))}"'
    return SafeString(
        f'<div class="cloudkey-embed{_one_of("ratio", ratio, RATIOS)}"><iframe src="{escape(url)}" '
        f'title="{escape(title or _("Video"))}" loading="{_one_of("loading", loading, LOADINGS)}" '
        f'allow="autoplay; fullscreen; picture-in-picture"{policy}></iframe></div>'
    )


@_tag
def cloudkey_embed_url(
    request: Any,
    media: FieldMedia | str,
    *,
    autoplay: bool = False,
    start: float = 0,
    chromeless: bool = False,
    **restrictions: Any,
) -> str:
    """Return the address of the player, for a frame of your own; arguments as above."""
    url = sign_for(request, "get_embed_url", media, **restrictions)
    if autoplay:
        url += "&autoplay=1"
    if start:
        url += f"&start={_seconds(start)}"
    if chromeless:
        url += "&chromeless=1"
    return url


@_tag
def cloudkey_stream_url(
    request: Any,
    media: FieldMedia | str,
    *,
    asset_name: str | None = None,
    download: bool = False,
    filename: str | None = None,
    **restrictions: Any,
) -> str:
    """
    Return the address of an asset's bytes.

    Args:
        asset_name: ``mp4_h264_aac`` by default.
        download: Ask for a file to save rather than to play.
        filename: Name of that file; implies *download*.
    """
    return sign_for(
        request, "get_stream_url", media,
        asset_name=asset_name, download=download, filename=filename, **restrictions,
    )  # fmt: skip


@_tag
def cloudkey_thumbnail_url(
    request: Any,
    media: FieldMedia | str,
    *,
    asset_name: str = "jpeg_thumbnail_medium",
    **restrictions: Any,
) -> str:
    """Return the address of a still."""
    return sign_for(request, "get_thumbnail_url", media, asset_name=asset_name, **restrictions)


@_tag
def cloudkey_video(
    request: Any,
    media: FieldMedia | str,
    *,
    title: str = "",
    asset_name: str | None = None,
    poster: str = "jpeg_thumbnail_large",
    start: float = 0,
    **restrictions: Any,
) -> str:
    """
    Render a ``<video>`` of the page's own, without a frame.

    Args:
        title: What screen readers announce.
        asset_name: ``mp4_h264_aac`` by default.
        poster: Still to show before it plays; empty for none.
        start: Second to start at.
    """
    url = sign_for(request, "get_stream_url", media, asset_name=asset_name, **restrictions)
    if start:
        url += f"#t={_seconds(start)}"
    still = ""
    if poster:
        address = sign_for(request, "get_thumbnail_url", media, asset_name=poster, **restrictions)
        still = f' poster="{escape(address)}"'
    return SafeString(
        f'<video class="cloudkey-video" src="{escape(url)}"{still} controls playsinline '
        f'preload="metadata" aria-label="{escape(title or _("Video"))}"></video>'
    )


def _seconds(value: float) -> int:
    seconds = int(value)
    if seconds < 0:
        raise ValueError(f"start is a second of the video, got {value!r}.")
    return seconds


def _one_of(name: str, value: str, known: Iterable[str]) -> str:
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}; got {value!r}.")
    return known[value] if isinstance(known, dict) else value


def _referrer_policy(referers: str | Iterable[str] | None) -> str:
    """Return what the frame must tell the cloud of this page: its site, or all of its address."""
    if referers is None:
        return "strict-origin"
    prefixes = referers.split() if isinstance(referers, str) else referers
    of_sites = all(urlsplit(prefix).path in ("", "/") for prefix in prefixes)
    return "strict-origin" if of_sites else "no-referrer-when-downgrade"
