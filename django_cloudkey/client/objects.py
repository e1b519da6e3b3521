"""
The remote objects: each attribute of a client is one, each of their methods is a remote method.

Methods that are known are written down with their arguments. Any other public name is sent as it
is, and the server answers whether it exists.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from ..protocol.assets import DEFAULT
from ..protocol.drm import gen_drm_token
from ..protocol.exceptions import InvalidParameter, SerializerError
from ..protocol.signing import sign_url
from ..protocol.urls import Page, Thumbnail, check_id, quote, stream_address
from .multipart import MultipartBody, Progress, Readable, size_of
from .pages import each_once

if TYPE_CHECKING:
    from .cloudkey import CloudKey

JSON = Any
"""Plain Python values: dict, list, str, int, float, bool, None."""

_Method = TypeVar("_Method", bound=Callable[..., Any])

_NEVER_REMOTE = frozenset({"keys", "items", "values", "copy", "alters_data"})
"""Names that Python or Django ask of any object (``dict(x)``, ``{{ x }}``, ``for``)."""


def remote(method: _Method) -> _Method:
    """Mark *method* as one that no template may call."""
    method.alters_data = True  # type: ignore[attr-defined]
    return method


class RemoteObject:
    """A remote object whose methods are only known to the server."""

    do_not_call_in_templates = True

    def __init__(self, client: CloudKey, name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, name: str) -> Callable[..., JSON]:
        if name.startswith("_") or name in _NEVER_REMOTE:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

        @remote
        def method(**args: JSON) -> JSON:
            return self._call(name, **args)

        return method

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    def _call(self, method: str, /, **args: JSON) -> JSON:
        """Call a remote method with the arguments that are not ``None``."""
        given = {name: value for name, value in args.items() if value is not None}
        return self._client.call(f"{self._name}.{method}", **given)


class User(RemoteObject):
    """The account that calls, or that it acts as, and those that it manages."""

    @remote
    def info(self, *, id: str | None = None, fields: Sequence[str] | None = None) -> JSON:
        """Return the *fields* of the user; a manager may name another of its organisation."""
        return self._call("info", id=id, fields=fields)

    @remote
    def whoami(self) -> JSON:
        """Return all fields of the user: who calls, or whom the caller acts as."""
        return self._call("whoami")

    @remote
    def search(
        self,
        *,
        org_id: str | None = None,
        fields: Sequence[str] | None = None,
        page: int | None = None,
        per_page: int | None = None,
    ) -> JSON:
        """
        Return one page of the users of the organisation that the caller manages.

        Args:
            org_id: Its id; there is only one that the caller may name.

        Raises:
            AuthenticationError: the caller manages none, or another one.
        """
        return self._call("search", org_id=org_id, fields=fields, page=page, per_page=per_page)

    @remote
    def create(self, *, username: str, password: str | None = None) -> JSON:
        """Create a user and return its id; the cloud of this package refuses this to everybody."""
        return self._call("create", username=username, password=password)

    @remote
    def set(self, *, id: str | None = None, fields: Mapping[str, JSON]) -> JSON:
        """Change a user, or create one without *id*; refused as :meth:`create` is."""
        return self._call("set", id=id, fields=fields)

    @remote
    def delete(self, *, id: str) -> JSON:
        """Delete a user; refused as :meth:`create` is."""
        return self._call("delete", id=id)

    @remote
    def list(self) -> JSON:
        """Return all users; refused as :meth:`create` is. A manager has :meth:`search`."""
        return self._call("list")


class Organisation(RemoteObject):
    """The users that belong together."""

    @remote
    def get(self) -> JSON:
        """Return ``{"id", "name"}`` of the organisation that the caller manages."""
        return self._call("get")


class System(RemoteObject):
    """What only accounts for tests may do."""

    @remote
    def reset(self, *, object: str = "media") -> JSON:
        """
        Delete **all media** of an account for tests.

        Raises:
            AuthenticationError: the account is not one for tests.
        """
        return self._call("reset", object=object)


class File(RemoteObject):
    """Files on their way into the cloud."""

    @remote
    def upload(
        self,
        *,
        target: str | None = None,
        status: bool | None = None,
        jsonp_cb: str | None = None,
    ) -> JSON:
        """
        Return ``{"url": …}``, an address that takes one file in the form field ``file``.

        Whoever has the address may send the file: put it into the form of a page.

        Args:
            target: Page that the browser is led to afterwards, with ``url``, ``name``, ``seal``,
                ``hash`` and ``size`` in its query; one of a site that the cloud knows.
            status: Answer ``status`` too, an address that says how far the upload is:
                ``{"state", "received", "size"}``, where the state is ``notfound``, ``uploading``,
                ``done`` or ``error``.
            jsonp_cb: Name of the JavaScript function that the status is handed to, or ``"?"``,
                which jQuery replaces.

        Raises:
            InvalidParameter: the cloud does not lead to such a *target*, or *jsonp_cb* is no name.
        """
        return self._call("upload", target=target, status=status, jsonp_cb=jsonp_cb)

    @remote
    def upload_file(
        self,
        file: str | os.PathLike[str] | Readable,
        progress: Progress | None = None,
        *,
        name: str | None = None,
    ) -> dict[str, Any]:
        """
        Send a file and return what the upload server says of it.

        Args:
            file: Its path, or anything with ``read()`` and a length.
            progress: Called with the bytes sent so far and the size.
            name: File name to announce; the base name of the path by default.

        Returns:
            ``{"url", "name", "size", "hash", "seal"}``; pass ``url`` to ``media.create``.

        Raises:
            OSError: the file is missing, empty or unreadable; nothing was sent.
            TransportException: there was no answer. The file may have arrived, and was not sent
                twice.
            SerializerError: the answer is no upload answer, or the server has other bytes than
                were sent.
        """
        if isinstance(file, str | os.PathLike):
            with open(file, "rb") as stream:
                return self.upload_file(stream, progress, name=name or PurePath(file).name)
        size = size_of(file)
        name = PurePath(str(name or getattr(file, "name", ""))).name
        name = "file" if name in ("", "..") else name
        if size == 0:
            raise OSError(f"{name!r} is empty.")
        url = _url_in(self.upload())
        body = MultipartBody(file, name=name, size=size, progress=progress)
        return self._client.send(url, body)


class Media(RemoteObject):
    """Videos, and the signed addresses that show them."""

    @remote
    def reset(self) -> JSON:
        """Delete **all media** of an account for tests: the older name of ``system.reset``."""
        return self._call("reset")

    @remote
    def create(
        self,
        *,
        url: str | None = None,
        assets_names: Sequence[str] | None = None,
        meta: Mapping[str, JSON] | None = None,
    ) -> JSON:
        """
        Create a media and return ``{"id": …}``.

        Args:
            url: Source of the media, such as the ``url`` that ``file.upload_file`` answered.
            assets_names: Assets to make from the source.
            meta: Free texts, such as ``{"title": "…"}``.
        """
        return self._call("create", url=url, assets_names=assets_names, meta=meta)

    @remote
    def info(self, *, id: str, fields: Sequence[str] | None = None) -> JSON:
        """Return the media's *fields* (dotted paths, ``"meta.title"``), a nested dict."""
        return self._call("info", id=id, fields=fields)

    @remote
    def list(
        self,
        *,
        fields: Sequence[str] | None = None,
        page: int | None = None,
        per_page: int | None = None,
        sort: Sequence[tuple[str, int]] | None = None,
        filter: Mapping[str, JSON] | None = None,
    ) -> JSON:
        """
        Return one page: ``{"list", "page", "pages", "per_page", "on_this_page", "total"}``.

        Args:
            fields: Dotted paths, such as ``"meta.title"``.
            page: Number of the page, from 1.
            per_page: Media on a page, 10 by default and at most 100.
            sort: Pairs of a field and 1 (upwards) or -1; newest first by default.
            filter: Field → the value that it must have.
        """
        return self._call(
            "list", fields=fields, page=page, per_page=per_page, sort=sort, filter=filter
        )

    @remote
    def search(
        self,
        *,
        query: str | None = None,
        fields: Sequence[str] | None = None,
        page: int | None = None,
        per_page: int | None = None,
    ) -> JSON:
        """
        Return one page of the media that *query* finds, shaped as :meth:`list` does.

        Args:
            query: Words that must all be found: ``word`` in the title, ``meta.author:word`` in that
                field; ``SORT:created`` or ``SORT:-created`` orders. Everything by default.
            fields: As for :meth:`list`.
            page: As for :meth:`list`.
            per_page: As for :meth:`list`.
        """
        return self._call("search", query=query, fields=fields, page=page, per_page=per_page)

    @remote
    def count(self) -> JSON:
        """Return the number of the account's media."""
        return self._call("count")

    @remote
    def iterate(
        self,
        *,
        fields: Sequence[str] | None = None,
        per_page: int = 100,
        query: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """
        Go through all media, one page at a time, asking for each page when it is needed.

        Memory does not grow with the list. Media that are added meanwhile are met or not, and none
        of the others is given twice or left out; when media are deleted meanwhile, others can be
        left out.

        Args:
            fields: As for :meth:`info`.
            per_page: How many to ask for at a time.
            query: Only those that ``media.search`` finds.

        Raises:
            RPCException: a page could not be had, or the server answers the same page for ever.
        """
        method, more = ("list", {}) if query is None else ("search", {"query": query})
        asked = fields if fields is None or "id" in fields else [*fields, "id"]

        def page(number: int) -> JSON:
            return self._call(method, fields=asked, page=number, per_page=per_page, **more)

        for media in each_once(page):
            if asked is not fields:
                del media["id"]
            yield media

    @remote
    def delete(self, *, id: str) -> JSON:
        """Delete the media and all its assets."""
        return self._call("delete", id=id)

    @remote
    def set_assets(
        self,
        *,
        id: str,
        assets: Sequence[Mapping[str, JSON]],
        callback_url: str | None = None,
    ) -> JSON:
        """
        Set a media's source, and queue assets to be made from it.

        Args:
            id: The media.
            assets: ``{"name": "source", "url": …}`` with the ``url`` that ``file.upload_file``
                answered, and ``{"name": …, "action": "transcode"}`` for what shall be made.
            callback_url: Sent on; the server of this package does not call it.

        Raises:
            NotFound: there is no such media, or it has no source; nothing was queued.
        """
        return self._call("set_assets", id=id, assets=assets, callback_url=callback_url)

    @remote
    def get_assets(self, *, id: str, assets_names: Sequence[str] | None = None) -> JSON:
        """Return asset name → asset; assets that do not exist are left out."""
        return self._call("get_assets", id=id, assets_names=assets_names)

    @remote
    def remove_assets(self, *, id: str, assets_names: Sequence[str]) -> JSON:
        """Remove assets, whatever their state; names that do not exist are no error."""
        return self._call("remove_assets", id=id, assets_names=assets_names)

    @remote
    def set_thumbnail(
        self,
        *,
        id: str,
        timecode: str | None = None,
        url: str | None = None,
        force: bool | None = None,
    ) -> JSON:
        """
        Queue the thumbnails of a media to be taken again.

        Args:
            id: The media.
            timecode: Moment of the video that they show, ``"HH:MM:SS.mm"``.
            url: A picture in its place; the server of this package refuses it.
            force: Take them even where there are some; the server of this package always does.
        """
        return self._call("set_thumbnail", id=id, timecode=timecode, url=url, force=force)

    @remote
    def get_subs_urls(self, *, id: str, type: str | None = None) -> JSON:
        """Return language → address of the subtitles in that language."""
        return self._call("get_subs_urls", id=id, type=type)

    @remote
    def set_meta(self, *, id: str, meta: Mapping[str, JSON]) -> JSON:
        """Add *meta* to the media's, overwriting equal keys."""
        return self._call("set_meta", id=id, meta=meta)

    @remote
    def get_meta(self, *, id: str, keys: Sequence[str] | None = None) -> JSON:
        """Return the media's meta: all of it, or the *keys* that exist."""
        return self._call("get_meta", id=id, keys=keys)

    @remote
    def remove_meta(self, *, id: str, keys: Sequence[str]) -> JSON:
        """Remove *keys* from the media's meta; those that do not exist are no error."""
        return self._call("remove_meta", id=id, keys=keys)

    @remote
    def set_asset(
        self,
        *,
        id: str,
        url: str,
        asset_name: str | None = None,
        preset: str | None = None,
        callback_url: str | None = None,
    ) -> JSON:
        """Set one asset (*preset* is its older name): :meth:`set_assets` as it was in 2010."""
        return self._call(
            "set_asset", id=id, url=url, asset_name=asset_name, preset=preset,
            callback_url=callback_url,
        )  # fmt: skip

    @remote
    def process_asset(
        self,
        *,
        id: str,
        asset_name: str | None = None,
        preset: str | None = None,
        source_asset: str | None = None,
        source_preset: str | None = None,
    ) -> JSON:
        """Queue one asset to be made: :meth:`set_assets` as it was in 2010."""
        return self._call(
            "process_asset", id=id, asset_name=asset_name, preset=preset,
            source_asset=source_asset, source_preset=source_preset,
        )  # fmt: skip

    @remote
    def remove_asset(
        self, *, id: str, asset_name: str | None = None, preset: str | None = None
    ) -> JSON:
        """Remove one asset, which must exist: :meth:`remove_assets` as it was in 2010."""
        return self._call("remove_asset", id=id, asset_name=asset_name, preset=preset)

    @remote
    def get_asset(
        self,
        *,
        id: str,
        asset_name: str | None = None,
        preset: str | None = None,
        assets_names: Sequence[str] | None = None,
    ) -> JSON:
        """Return one asset with its ``name``: :meth:`get_assets` as it was in 2010."""
        return self._call(
            "get_asset", id=id, asset_name=asset_name, preset=preset, assets_names=assets_names
        )

    @remote
    def get_asset_url(
        self, *, id: str, asset_name: str | None = None, preset: str | None = None
    ) -> JSON:
        """Return the address of an asset that is ready, as the server makes it."""
        return self._call("get_asset_url", id=id, asset_name=asset_name, preset=preset)

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

        Raises:
            InvalidParameter: *id* is no media id.
            ValueError: the level asks for a value that is missing or malformed.
        """
        return self._page_url(
            "embed", id, skin, drm_token, secure,
            seclevel=seclevel, asnum=asnum, ip=ip, useragent=useragent,
            countries=countries, referers=referers, expires=expires,
        )  # fmt: skip

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
        return self._page_url(
            "player/swf", id, skin, drm_token, secure,
            seclevel=seclevel, asnum=asnum, ip=ip, useragent=useragent,
            countries=countries, referers=referers, expires=expires,
        )  # fmt: skip

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
        return self._page_url(
            "stream", id, None, None, False,
            seclevel=seclevel, asnum=asnum, ip=ip, useragent=useragent,
            countries=countries, referers=referers, expires=expires,
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

        Raises:
            InvalidParameter: the id, the asset's name, the protocol or the version is not valid.
            ValueError: the level asks for a value that is missing or malformed.
        """
        address = stream_address(
            self._client.user_id,
            check_id(id),
            asset_name or preset or DEFAULT,
            protocol="http" if download or filename else protocol,
            version=version,
        )
        if isinstance(address, Thumbnail):
            base = self._client.static_url
            if cdn_url is not None:
                base = cdn_url.rstrip("/").replace("cdn.", "static.")
            return f"{base}/{address.path}"
        base = (cdn_url or self._client.cdn_url).rstrip("/")
        query = f"?filename={quote(filename)}" if filename else ""
        return sign_url(
            f"{base}/{address.path}{query}", self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires,
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
    ) -> str:
        """Return the signed address of a thumbnail; as :meth:`get_stream_url`."""
        address = stream_address(self._client.user_id, check_id(id), asset_name, version=version)
        if not isinstance(address, Thumbnail):
            raise InvalidParameter(f"{asset_name!r} is not a thumbnail.")
        return sign_url(
            f"{self._client.static_url}/{address.path}", self._client.api_key,
            seclevel, asnum, ip, useragent, countries, referers, expires,
        )  # fmt: skip

    def _page_url(
        self,
        kind: str,
        id: str,
        skin: str | None,
        drm_token: Mapping[str, Any] | None,
        secure: bool,
        **restrictions: Any,
    ) -> str:
        client = self._client
        base = client.base_url.replace("http:", "https:", 1) if secure else client.base_url
        address = Page(user=client.user_id, media=check_id(id), kind=kind)
        url = sign_url(f"{base}/{address.path}", client.api_key, **restrictions)
        if skin:
            url += f"&skin={quote(skin)}"
        if drm_token:
            url += "&drm_token=" + gen_drm_token(client.user_id, id, client.api_key, **drm_token)
        return url


def check_upload(answer: JSON, sha1: str) -> dict[str, Any]:
    """Return an upload server's answer if it is one, and if it received what was sent."""
    _url_in(answer)
    upload: dict[str, Any] = answer
    if upload.get("hash", sha1) != sha1:
        raise SerializerError("The upload server received other bytes than were sent.")
    return upload


def _url_in(answer: JSON) -> str:
    if not isinstance(answer, dict) or not isinstance(answer.get("url"), str):
        raise SerializerError("The upload server's answer has no url.")
    return str(answer["url"])
