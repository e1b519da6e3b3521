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

A page may have a thousand of these tags. What a template says is read when it is compiled; what all
tags of a page have in common, such as who looks at it, is found once for a rendering.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.template.base import FilterExpression, Parser, Token
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from .. import tag_arguments as read
from ..addresses import Signer, signer_of
from ..field_media import FieldMedia
from ..plain_text import printable
from ..protocol.assets import DEFAULT, is_thumbnail
from ..protocol.exceptions import InvalidParameter
from ..tag_arguments import LOADINGS, PLAYER, RATIOS, RESTRICTIONS, Arguments, Reader
from ..viewers import OF_PAGE

register = template.Library()
logger = logging.getLogger(__name__)

_REFUSALS = (ImproperlyConfigured, InvalidParameter, ValueError)


class MediaTag(template.Node):
    """
    A tag about one media: nothing for an empty one, mistakes loud while developing, else logged.

    It is parsed once and rendered by many threads at a time, so it does not change.
    """

    arguments: ClassVar[Arguments]
    """Those that the tag has beside the media and the restrictions."""
    is_html: ClassVar[bool] = False
    """Whether it gives HTML, rather than an address."""

    def __init__(self, parser: Parser, token: Token) -> None:
        self.tag, *bits = token.split_contents()
        self.target = ""
        if bits[-2:-1] == ["as"]:
            *bits, _, self.target = bits
        if not bits:
            raise template.TemplateSyntaxError(f"{self.tag} needs a media.")
        self.media = parser.compile_filter(bits[0])
        known = {**self.arguments, **RESTRICTIONS}
        self.options = {name: reader(default) for name, (default, reader) in known.items()}
        self.variables: list[tuple[str, Reader, FilterExpression]] = []
        given: set[str] = set()
        for bit in bits[1:]:
            name, expression = read.named(parser, bit)
            if name not in known or name in given:
                wrong = "is there twice" if name in given else "is no argument of this tag"
                raise template.TemplateSyntaxError(
                    f"{self.tag}: {name!r} {wrong}; its arguments are {', '.join(known)}."
                )
            given.add(name)
            _, reader = known[name]
            if not read.is_written(expression):
                self.variables.append((name, reader, expression))
                continue
            try:
                self.options[name] = reader(expression.resolve(template.Context()))
            except ValueError as error:
                raise template.TemplateSyntaxError(f"{self.tag}: {name}: {error}.") from error
        self.is_special = bool(given & {"expires", "countries", "referers"})

    def render(self, context: template.Context) -> str:
        media = self.media.resolve(context)
        if isinstance(media, FieldMedia):
            id = media.id
        else:
            media = id = str(media or "")
        text = ""
        if id:
            try:
                options = self._read_again(context) if self.variables else self.options
                signer = signer_of(media, options["account"], options["seclevel"])
                restrictions = self._restrictions(context, signer, options)
                text = self.render_media(id, signer, restrictions, options)
                if not self.is_html and not self.target and context.autoescape:
                    text = signer.escape(text)
            except _REFUSALS as error:
                if settings.DEBUG:
                    raise
                _log_once(context, self.tag, id, error)
        if self.target:
            context[self.target] = SafeString(text) if self.is_html else text
            return ""
        return text

    def _read_again(self, context: template.Context) -> dict[str, Any]:
        options = self.options.copy()
        for name, reader, expression in self.variables:
            try:
                options[name] = reader(expression.resolve(context))
            except ValueError as error:
                raise ValueError(f"{name}: {error}.") from error
        return options

    def _restrictions(
        self, context: template.Context, signer: Signer, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what binds an address to the viewer, found once for a rendering."""
        request = context.get("request") if signer.binds_to_request else None
        if self.is_special:
            return signer.restrictions(request, options)
        rendering: Any = context.render_context
        shared: tuple[Any, dict[str, Any]] | None = rendering.get(signer)
        if shared is None or shared[0] is not request:
            shared = rendering[signer] = request, signer.restrictions(request, options)
        return shared[1]

    def render_media(
        self, id: str, signer: Signer, restrictions: dict[str, Any], options: dict[str, Any]
    ) -> str:
        """Return what the tag gives, escaped if it is HTML."""
        raise NotImplementedError


class PlayerTag(MediaTag):
    """A tag about the player of a media."""

    def __init__(self, parser: Parser, token: Token) -> None:
        super().__init__(parser, token)
        is_written = PLAYER.keys().isdisjoint(name for name, _, _ in self.variables)
        self.shown = _shown(self.options) if is_written else None

    def embed_url(
        self, id: str, signer: Signer, restrictions: dict[str, Any], options: dict[str, Any]
    ) -> str:
        shown = _shown(options) if self.shown is None else self.shown
        return signer.embed_url(id, restrictions, shown)


def _shown(options: Mapping[str, Any]) -> dict[str, int]:
    return {name: options[name] for name in PLAYER if options[name]}


@register.tag("cloudkey_embed_url")
class EmbedURL(PlayerTag):
    """
    Return the address of the player, for a frame of your own.

    Args:
        autoplay: Start by itself, where the browser allows it.
        start: Second to start at.
        chromeless: Show no controls.
    """

    arguments = PLAYER

    def render_media(
        self, id: str, signer: Signer, restrictions: dict[str, Any], options: dict[str, Any]
    ) -> str:
        return self.embed_url(id, signer, restrictions, options)


@register.tag("cloudkey_embed")
class Embed(PlayerTag):
    """
    Render a player that is as wide as its place, in a frame.

    Args:
        title: What screen readers announce.
        ratio: Of width and height: ``16:9 4:3 1:1 9:16 21:9``.
        loading: ``lazy``, or ``eager`` for a player at the top of its page.
        autoplay, start, chromeless: As for ``cloudkey_embed_url``.
    """

    arguments = {
        "title": ("", read.title),
        "ratio": ("16:9", read.one_of(RATIOS)),
        "loading": ("lazy", read.one_of(LOADINGS)),
        **PLAYER,
    }
    is_html = True

    def render_media(
        self, id: str, signer: Signer, restrictions: dict[str, Any], options: dict[str, Any]
    ) -> str:
        url = signer.escape(self.embed_url(id, signer, restrictions, options))
        policy = ""
        if signer.level & OF_PAGE:
            policy = f' referrerpolicy="{_referrer_policy(options["referers"])}"'
        title = options["title"] or _untitled(get_language())
        return (
            f'<div class="cloudkey-embed{options["ratio"]}"><iframe src="{url}" '
            f'title="{title}" loading="{options["loading"]}" '
            f'allow="autoplay; fullscreen; picture-in-picture"{policy}></iframe></div>'
        )


@register.tag("cloudkey_stream_url")
class StreamURL(MediaTag):
    """
    Return the address of an asset's bytes.

    Args:
        asset_name: ``mp4_h264_aac`` by default.
        download: Ask for a file to save rather than to play.
        filename: Name of that file; implies *download*.
    """

    arguments = {
        "asset_name": (DEFAULT, read.asset),
        "download": (False, bool),
        "filename": ("", read.text),
    }

    def render_media(
        self, id: str, signer: Signer, restrictions: dict[str, Any], options: dict[str, Any]
    ) -> str:
        name, download, filename = options["asset_name"], options["download"], options["filename"]
        if download or filename or is_thumbnail(name):
            return signer.media.get_stream_url(
                id, name, download=download, filename=filename, **restrictions
            )
        return signer.asset_url(id, name, restrictions)


@register.tag("cloudkey_thumbnail_url")
class ThumbnailURL(MediaTag):
    """Return the address of a still, by default of ``jpeg_thumbnail_medium``."""

    arguments = {"asset_name": ("jpeg_thumbnail_medium", read.still)}

    def render_media(
        self, id: str, signer: Signer, restrictions: dict[str, Any], options: dict[str, Any]
    ) -> str:
        return signer.asset_url(id, options["asset_name"], restrictions)


@register.tag("cloudkey_video")
class Video(MediaTag):
    """
    Render a ``<video>`` of the page's own, without a frame.

    Args:
        title: What screen readers announce.
        asset_name: ``mp4_h264_aac`` by default.
        poster: Still to show before it plays; empty for none.
        start: Second to start at.
    """

    arguments = {
        "title": ("", read.title),
        "asset_name": (DEFAULT, read.asset),
        "poster": ("jpeg_thumbnail_large", read.still),
        "start": (0, read.suffix("#t={}", read.seconds)),
    }
    is_html = True

    def render_media(
        self, id: str, signer: Signer, restrictions: dict[str, Any], options: dict[str, Any]
    ) -> str:
        url = signer.asset_url(id, options["asset_name"], restrictions)
        url = signer.escape(f"{url}{options['start']}")
        poster = ""
        if options["poster"]:
            still = signer.asset_url(id, options["poster"], restrictions)
            poster = f' poster="{signer.escape(still)}"'
        title = options["title"] or _untitled(get_language())
        return (
            f'<video class="cloudkey-video" src="{url}"{poster} controls playsinline '
            f'preload="metadata" aria-label="{title}"></video>'
        )


@lru_cache(maxsize=64)
def _untitled(language: str | None) -> str:
    return escape(_("Video"))


def _log_once(context: template.Context, tag: str, id: str, error: Exception) -> None:
    # The lowest of these is shared by all templates that one rendering includes.
    rendering: Any = context.render_context.dicts[0]
    logged = rendering.setdefault(MediaTag, set())
    if str(error) not in logged:
        logged.add(str(error))
        logger.error("No address for media %.40r in %s: %s", id, tag, printable(error))


def _referrer_policy(referers: list[str]) -> str:
    """Return what the frame must tell the cloud of this page: its site, or all of its address."""
    of_sites = all(urlsplit(prefix).path in ("", "/") for prefix in referers)
    return "strict-origin" if of_sites else "no-referrer-when-downgrade"
