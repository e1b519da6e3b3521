"""The local methods of ``media``: signed addresses, computed here without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..protocol.assets import DEFAULT, is_thumbnail
from ..protocol.drm import gen_drm_token
from ..protocol.exceptions import InvalidParameter
from ..protocol.scheme2 import signing as scheme2
from ..protocol.scheme2.claims import EMBED, THUMB, audience_of_stream
from ..protocol.secret import Secret
from ..protocol.signing import sign_url
from ..protocol.urls import asset_path, check_id, page_path, quote
from .remote import RemoteObject


class MediaURLs(RemoteObject):
    """
    The addresses that show a media.

    A client that has a *secret* signs them by scheme 2: what is asked for is inside the token, and
    nothing else of the query counts.
    """

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
        issued: float | None = None,
        skin: str | None = None,
        autoplay: bool = False,
        start: int = 0,
        chromeless: bool = False,
        drm_token: Mapping[str, Any] | None = None,
        secure: bool = False,
        stable: bool = False,
    ) -> str:
        """
        Return the signed address of a player page, computed here.

        Args:
            seclevel: What the viewer must match; see :func:`~django_cloudkey.client.sign_url` for
                this and the values that it needs. Under scheme 2 *ip* may be the network that he
                may come from, ``"203.0.113.45/24"``.
            expires: First second at which it is not valid any more, Unix time; two hours from now
                by default. A cloud refuses what is valid for longer than it allows: the cloud of
                this package for more than 366 days, under scheme 2 for more than the client's
                *max_token_lifetime*.
            issued: First second, Unix time; now by default. The historical scheme has none.
            skin: Name of a player skin.
            autoplay: Start by itself, where the browser allows it.
            start: Second to start at.
            chromeless: Show no controls.
            drm_token: Arguments of :func:`~django_cloudkey.client.gen_drm_token`, for the
                historical scheme.
            secure: Sign and return the ``https`` address.
            stable: Give equal addresses for equal arguments, so that what shows them can be cached;
                without *issued* they count from *max_token_lifetime* before *expires*.

        Raises:
            InvalidParameter: *id* is no media id.
            ValueError: the level asks for a value that is missing or malformed; *expires* is no
                Unix time of today, or one until which no cloud takes an address of scheme 2.
        """
        if drm_token and self._client.signing_keys is not None:
            raise ValueError(
                "A drm_token is not of scheme 2, whose addresses have no such parameter."
            )
        options: Mapping[str, str | int] = {}
        if skin or autoplay or start or chromeless:
            options = _player_options(skin, autoplay, start, chromeless)
        url = self._signed(
            self._page("embed", id, secure), id, EMBED, None, options,
            seclevel, asnum, ip, useragent, countries, referers, expires, issued, stable,
        )  # fmt: skip
        return url + self._drm(id, drm_token) if drm_token else url

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
        """
        Return the signed address of the historical Flash player; as :meth:`get_embed_url`.

        Raises:
            ValueError: the client has no API key: scheme 2 has no such addresses.
        """
        _check_end(expires)
        url = sign_url(
            self._page("player/swf", id, secure), self._api_key("A Flash player"),
            seclevel, asnum, ip, useragent, countries, referers, expires,
        )  # fmt: skip
        if skin:
            url += f"&skin={quote(skin)}"
        return url + self._drm(id, drm_token) if drm_token else url

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
        """Return the signed address of a QuickTime reference; as :meth:`get_swf_url`."""
        _check_end(expires)
        return sign_url(
            self._page("stream", id, False), self._api_key("A QuickTime reference"),
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
        issued: float | None = None,
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
            issued, stable: As for :meth:`get_embed_url`.

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
        return self._signed(
            f"{base}/{path}", id, audience_of_stream(protocol), name,
            {"filename": filename} if filename else {},
            seclevel, asnum, ip, useragent, countries, referers, expires, issued, stable,
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
        issued: float | None = None,
        version: int | None = None,
        stable: bool = False,
    ) -> str:
        """Return the signed address of a thumbnail; as :meth:`get_stream_url`."""
        path = asset_path(self._client.user_id, id, asset_name, version=version)
        if not is_thumbnail(asset_name):
            raise InvalidParameter(f"{asset_name!r} is not a thumbnail.")
        return self._signed(
            f"{self._client.static_url}/{path}", id, THUMB, asset_name, {},
            seclevel, asnum, ip, useragent, countries, referers, expires, issued, stable,
        )  # fmt: skip

    def _page(self, kind: str, id: str, secure: bool) -> str:
        base = self._client.base_url
        if secure:
            base = base.replace("http:", "https:", 1)
        return f"{base}/{page_path(kind, self._client.user_id, check_id(id))}"

    def _signed(
        self,
        url: str,
        id: str,
        audience: str,
        asset_name: str | None,
        options: Mapping[str, str | int],
        seclevel: int | None,
        asnum: str | None,
        ip: str | None,
        useragent: str | None,
        countries: Sequence[str] | None,
        referers: Sequence[str] | None,
        expires: float | None,
        issued: float | None,
        stable: bool,
    ) -> str:
        """Return *url*, without a query so far, signed by the scheme that the client speaks."""
        _check_end(expires)
        keys = self._client.signing_keys
        if keys is not None:
            return scheme2.sign_url(
                url, keys, media=id, audience=audience, asset_name=asset_name, options=options,
                seclevel=seclevel, asnum=asnum, ip=ip, useragent=useragent, countries=countries,
                referers=referers, expires=expires, issued=issued, stable=stable,
                max_lifetime=self._client.max_token_lifetime,
            )  # fmt: skip
        if "filename" in options:  # before what is signed, where the SDKs put it
            url = f"{url}?{_as_query(options)}"
        url = sign_url(
            url, self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires, stable=stable,
        )  # fmt: skip
        return f"{url}&{_as_query(options)}" if options and "filename" not in options else url

    def _api_key(self, thing: str) -> Secret:
        key = self._client.api_key
        if not key:
            raise ValueError(f"{thing} needs the API key: it is not of scheme 2.")
        return key

    def _drm(self, id: str, drm_token: Mapping[str, Any]) -> str:
        key = self._api_key("A drm_token")
        return "&drm_token=" + gen_drm_token(self._client.user_id, id, key, **drm_token)


def _check_end(expires: float | None) -> None:
    # Ten digits: no cloud takes others, and seconds from now would be refused to each viewer.
    if expires is not None and not 10**9 <= int(expires) < 10**10:
        raise ValueError(f"expires must be Unix time in seconds, got {expires!r}.")


def _player_options(
    skin: str | None, autoplay: bool, start: int, chromeless: bool
) -> dict[str, str | int]:
    options: dict[str, str | int] = {
        "skin": skin or "",
        "autoplay": int(bool(autoplay)),
        "start": int(start),
        "chromeless": int(bool(chromeless)),
    }
    return {name: value for name, value in options.items() if value}


def _as_query(options: Mapping[str, str | int]) -> str:
    return "&".join(f"{name}={quote(str(value))}" for name, value in options.items())
