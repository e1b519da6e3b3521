"""The local methods of ``media``: signed addresses, computed here without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..protocol.assets import DEFAULT, is_thumbnail
from ..protocol.drm import gen_drm_token
from ..protocol.exceptions import InvalidParameter
from ..protocol.signing import sign_url
from ..protocol.urls import asset_path, check_id, page_path, quote
from .remote import RemoteObject


class MediaURLs(RemoteObject):
    """The addresses that show a media."""

    def get_embed_url(
        self,
        id: str,
        seclevel: int | None = None,
        asnum: str | None = None,
        ip: str | None = None,
        useragent: str | None = None,
        *,
        countries: Sequence[str] | None = None,
        referers: Sequence[str] | None = None,
        expires: float | None = None,
        skin: str | None = None,
        drm_token: Mapping[str, Any] | None = None,
        secure: bool = False,
        stable: bool = False,
    ) -> str:
        """
        Return the signed address of a player page, computed here.

        Args:
            seclevel: What the viewer must match; see :func:`~django_cloudkey.client.sign_url` for
                this and the values that it needs.
            expires: Last second of validity, Unix time; two hours from now by default.
            skin: Name of a player skin.
            drm_token: Arguments of :func:`~django_cloudkey.client.gen_drm_token`.
            secure: Sign and return the ``https`` address.
            stable: Give equal addresses for equal arguments, so that what shows them can be cached.

        Raises:
            InvalidParameter: *id* is no media id.
            ValueError: the level asks for a value that is missing or malformed.
        """
        url = sign_url(
            self._page("embed", id, secure), self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires, stable=stable,
        )  # fmt: skip
        return self._dressed(url, id, skin, drm_token) if skin or drm_token else url

    def get_swf_url(
        self,
        id: str,
        seclevel: int | None = None,
        asnum: str | None = None,
        ip: str | None = None,
        useragent: str | None = None,
        *,
        countries: Sequence[str] | None = None,
        referers: Sequence[str] | None = None,
        expires: float | None = None,
        skin: str | None = None,
        drm_token: Mapping[str, Any] | None = None,
        secure: bool = False,
    ) -> str:
        """Return the signed address of the historical Flash player; as :meth:`get_embed_url`."""
        url = sign_url(
            self._page("player/swf", id, secure), self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires,
        )  # fmt: skip
        return self._dressed(url, id, skin, drm_token) if skin or drm_token else url

    def get_qtref_url(
        self,
        id: str,
        seclevel: int | None = None,
        asnum: str | None = None,
        ip: str | None = None,
        useragent: str | None = None,
        *,
        countries: Sequence[str] | None = None,
        referers: Sequence[str] | None = None,
        expires: float | None = None,
    ) -> str:
        """Return the signed address of a QuickTime reference; as :meth:`get_embed_url`."""
        return sign_url(
            self._page("stream", id, False), self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires,
        )  # fmt: skip

    def get_stream_url(
        self,
        id: str,
        asset_name: str | None = None,
        seclevel: int | None = None,
        asnum: str | None = None,
        ip: str | None = None,
        useragent: str | None = None,
        *,
        preset: str | None = None,
        countries: Sequence[str] | None = None,
        referers: Sequence[str] | None = None,
        expires: float | None = None,
        download: bool = False,
        filename: str | None = None,
        version: int | None = None,
        protocol: str | None = None,
        cdn_url: str | None = None,
        stable: bool = False,
    ) -> str:
        """
        Return the signed address of an asset's bytes, computed here.

        The address of a thumbnail is not signed, as it never was; :meth:`get_thumbnail_url` signs.

        Args:
            asset_name: Which asset, ``mp4_h264_aac`` by default; *preset* is its older name.
            download: Ask for a file to save rather than to play.
            filename: Name of that file; implies *download*.
            version: Number that tells caches apart.
            protocol: One of ``hls rtmp hps http ss hds dash``; adaptive assets need one.
            cdn_url: In place of the client's.
            stable: As for :meth:`get_embed_url`.

        Raises:
            InvalidParameter: the id, the asset's name, the protocol or the version is not valid.
            ValueError: the level asks for a value that is missing or malformed.
        """
        name = asset_name or preset or DEFAULT
        if download or filename:
            protocol = "http"
        path = asset_path(self._client.user_id, id, name, protocol=protocol, version=version)
        if is_thumbnail(name):
            base = self._client.static_url
            if cdn_url is not None:
                base = cdn_url.rstrip("/").replace("cdn.", "static.")
            return f"{base}/{path}"
        base = (cdn_url or self._client.cdn_url).rstrip("/")
        query = f"?filename={quote(filename)}" if filename else ""
        return sign_url(
            f"{base}/{path}{query}", self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires, stable=stable,
        )  # fmt: skip

    def get_thumbnail_url(
        self,
        id: str,
        asset_name: str = "jpeg_thumbnail_medium",
        seclevel: int | None = None,
        asnum: str | None = None,
        ip: str | None = None,
        useragent: str | None = None,
        *,
        countries: Sequence[str] | None = None,
        referers: Sequence[str] | None = None,
        expires: float | None = None,
        version: int | None = None,
        stable: bool = False,
    ) -> str:
        """Return the signed address of a thumbnail; as :meth:`get_stream_url`."""
        path = asset_path(self._client.user_id, id, asset_name, version=version)
        if not is_thumbnail(asset_name):
            raise InvalidParameter(f"{asset_name!r} is not a thumbnail.")
        return sign_url(
            f"{self._client.static_url}/{path}", self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires, stable=stable,
        )  # fmt: skip

    def _page(self, kind: str, id: str, secure: bool) -> str:
        base = self._client.base_url
        if secure:
            base = base.replace("http:", "https:", 1)
        return f"{base}/{page_path(kind, self._client.user_id, check_id(id))}"

    def _dressed(
        self, url: str, id: str, skin: str | None, drm_token: Mapping[str, Any] | None
    ) -> str:
        client = self._client
        if skin:
            url += f"&skin={quote(skin)}"
        if drm_token:
            url += "&drm_token=" + gen_drm_token(client.user_id, id, client.api_key, **drm_token)
        return url
