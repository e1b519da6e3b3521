"""
The grammar of every address of the protocol, built and parsed in one place.

A path has no leading slash: it is what follows the base URL that a client was given and one slash::

    embed/<user>/<media>                                  Page(kind="embed", …)
    player/embed/<user>/<media>                           Page(kind="player/embed", …)
    player/swf/<user>/<media>                             Page(kind="player/swf", …)
    stream/<user>/<media>.mov                             Page(kind="stream", …)
    route[/<protocol>]/<user>/<media>/<asset>[-<version>][.<extension>]     Stream(…)
    <user>/<media>/jpeg_thumbnail_<size>[-<version>].jpeg                   Thumbnail(…)
    files/<id>[.<extension>]                              UploadedFile(…)

``parse(x.path) == x`` for each of them. Source: protocol reference §5 and §6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, urlsplit

from .assets import PROTOCOLS, extension_of, is_adaptive, is_thumbnail
from .exceptions import InvalidParameter

_ID = r"[0-9a-f]{24}"
_ASSET = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
_VERSION = r"(?:-(?P<version>0|[1-9][0-9]{0,17}))?"
_STILL = r"jpeg_thumbnail_[a-z]+"
_EXTENSION = r"[a-z0-9]{1,10}"
_VERSIONS = range(10**18)

_PAGE = re.compile(rf"(?P<kind>embed|player/embed|player/swf)/(?P<user>{_ID})/(?P<media>{_ID})")
_QTREF = re.compile(rf"(?P<kind>stream)/(?P<user>{_ID})/(?P<media>{_ID})\.mov")
_STREAM = re.compile(
    rf"route(?:/(?P<protocol>{'|'.join(PROTOCOLS)}))?/(?P<user>{_ID})/(?P<media>{_ID})"
    rf"/(?P<asset_name>{_ASSET}){_VERSION}(?:\.(?P<extension>{_EXTENSION}))?"
)
# Clients of 2011 wrote their expiry in front of the version.
_THUMBNAIL = re.compile(
    rf"(?P<user>{_ID})/(?P<media>{_ID})/(?P<asset_name>{_STILL})"
    rf"(?:-(?P<expires>[1-9][0-9]{{9}})(?=-))?{_VERSION}\.jpeg"
)
_FILE = re.compile(rf"files/(?P<id>[0-9a-f]{{32}})(?:\.(?P<extension>{_EXTENSION}))?")
_MEDIA_ID = re.compile(_ID)
ASSET = re.compile(_ASSET)
"""Names of assets."""


def is_media_id(value: object) -> bool:
    """Say whether *value* is 24 lower-case hexadecimal characters."""
    return isinstance(value, str) and _MEDIA_ID.fullmatch(value) is not None


def check_id(value: object) -> str:
    """
    Return *value* if it is an id, so that no address is ever signed for anything else.

    Raises:
        InvalidParameter: it is not 24 lower-case hexadecimal characters.
    """
    if not isinstance(value, str) or _MEDIA_ID.fullmatch(value) is None:
        raise InvalidParameter("id is not valid: 24 lower-case hexadecimal characters are.")
    return str(value)


def is_address(value: object, schemes: Sequence[str] = ("http", "https")) -> bool:
    """Say whether *value* is an address of one of *schemes*, which has a host."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        # A port that is no number raises when it is read.
        return (
            parts is not None
            and parts.scheme in schemes
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False


def page_path(kind: str, user: str, media: str) -> str:
    """Return the path of a :class:`Page`, for who signs many of them."""
    return f"{kind}/{user}/{media}{'.mov' if kind == 'stream' else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The address of a player."""

    user: str
    media: str
    kind: str = "embed"

    @property
    def path(self) -> str:
        """What follows the base URL and its slash."""
        return page_path(self.kind, self.user, self.media)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The address of an asset's bytes or playlist."""

    user: str
    media: str
    asset_name: str
    extension: str = ""
    version: int | None = None
    """Part of a cache's key; the file served is always the current one."""
    protocol: str = ""

    @property
    def path(self) -> str:
        """What follows the base URL and its slash."""
        parts = ["route", self.protocol, self.user, self.media, self.asset_name]
        path = "/".join(part for part in parts if part)
        return f"{path}{_suffix(self.version)}{'.' if self.extension else ''}{self.extension}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """The address of a still."""

    user: str
    media: str
    asset_name: str
    version: int | None = None
    expires: str = ""
    """What old clients wrote in front of the version; it means nothing."""

    @property
    def path(self) -> str:
        """What follows the base URL and its slash."""
        expires = f"-{self.expires}" if self.expires else ""
        name = f"{self.asset_name}{expires}{_suffix(self.version)}"
        return f"{self.user}/{self.media}/{name}.jpeg"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """The address that an upload answers, to be handed to ``media.create``."""

    id: str
    extension: str = ""

    @property
    def path(self) -> str:
        """What follows the base URL and its slash."""
        return f"files/{self.id}{'.' if self.extension else ''}{self.extension}"


Address = Page | Stream | Thumbnail | UploadedFile


def parse(path: str) -> Address | None:
    """Return what *path* addresses; ``None`` when it is outside the grammar."""
    if match := _PAGE.fullmatch(path) or _QTREF.fullmatch(path):
        return Page(**match.groupdict(default=""))
    if match := _STREAM.fullmatch(path):
        groups = match.groupdict(default="")
        return Stream(**{**groups, "version": _version(groups["version"])})  # type: ignore[arg-type]
    if match := _THUMBNAIL.fullmatch(path):
        groups = match.groupdict(default="")
        return Thumbnail(**{**groups, "version": _version(groups["version"])})  # type: ignore[arg-type]
    if match := _FILE.fullmatch(path):
        return UploadedFile(**match.groupdict(default=""))
    return None


def stream_address(
    user: str,
    media: str,
    asset_name: str,
    *,
    protocol: str | None = None,
    version: int | None = None,
    extension: str | None = None,
) -> Stream | Thumbnail:
    """
    Return the address of an asset as the SDKs write it.

    Args:
        extension: In place of the one that the asset's name implies.

    Raises:
        InvalidParameter: the id, the asset's name, the protocol, the version or the extension is
            not valid, or an adaptive asset has no protocol.
    """
    check_id(media)
    name = str(asset_name)
    if not re.fullmatch(_STILL if is_thumbnail(name) else _ASSET, name):
        raise InvalidParameter(f"{asset_name!r} is not the name of an asset.")
    if version and (type(version) is not int or version not in _VERSIONS):
        raise InvalidParameter(f"version must be a positive whole number, got {version!r}.")
    if extension and not re.fullmatch(_EXTENSION, extension):
        raise InvalidParameter(f"{extension!r} is not a file name extension.")
    if is_thumbnail(asset_name):
        return Thumbnail(user=user, media=media, asset_name=asset_name, version=version or None)
    if protocol and protocol not in PROTOCOLS:
        raise InvalidParameter(f"{protocol} is not a valid streaming protocol")
    if is_adaptive(asset_name) and not protocol:
        raise InvalidParameter("protocol is required for abs asset_name")
    return Stream(
        user=user,
        media=media,
        asset_name=asset_name,
        extension=extension_of(asset_name) if extension is None else extension,
        version=version or None,
        protocol=protocol or "",
    )


def asset_path(
    user: str,
    media: str,
    asset_name: str,
    *,
    protocol: str | None = None,
    version: int | None = None,
) -> str:
    """Return the path of :func:`stream_address`, for who signs many of them."""
    if version or not isinstance(asset_name, str) or (protocol and protocol not in PROTOCOLS):
        return stream_address(user, media, asset_name, protocol=protocol, version=version).path
    before, after = around_media(user, asset_name, protocol)
    return f"{before}{check_id(media)}{after}"


# A site has few accounts and few assets; what is in the cache was checked.
@lru_cache(maxsize=256)
def around_media(user: str, asset_name: str, protocol: str | None = None) -> tuple[str, str]:
    """Return what :func:`asset_path` has before and after the media's id."""
    any_media = "0" * 24
    path = stream_address(user, any_media, asset_name, protocol=protocol).path
    folder, _, name = path.rpartition("/")
    return folder.removesuffix(any_media), f"/{name}"


def quote(text: str) -> str:
    """Return *text* as the SDKs write it into a query: Python 2, PHP and Java escape "~"."""
    return quote_plus(text).replace("~", "%7E")


def _suffix(version: int | None) -> str:
    return "" if version is None else f"-{version}"


def _version(text: str) -> int | None:
    return int(text) if text else None
