"""``media``: videos, and everything that can be done with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .media_urls import MediaURLs
from .pages import each_once
from .remote import JSON, remote


class Media(MediaURLs):
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

        Raises:
            InvalidParameter: *url* is no upload of the account, or an asset has no such name.
        """
        return self._call("create", url=url, assets_names=assets_names, meta=meta)

    @remote
    def info(self, *, id: str, fields: Sequence[str] | None = None) -> JSON:
        """
        Return the media's *fields* (dotted paths, ``"meta.title"``), a nested dict.

        Raises:
            NotFound: the account has no such media; as of all methods that take its *id*.
        """
        return self._call("info", id=id, fields=fields)

    @remote
    def list(
        self,
        *,
        fields: Sequence[str] | None = None,
        page: int | None = None,
        per_page: int | None = None,
        after: str | None = None,
        sort: Sequence[tuple[str, int]] | None = None,
        filter: Mapping[str, JSON] | None = None,
    ) -> JSON:
        """
        Return one page: ``{"list", "page", "pages", "per_page", "on_this_page", "total", "next"}``.

        Args:
            fields: Dotted paths, such as ``"meta.title"``.
            page: Number of the page, from 1.
            per_page: Media on a page, 10 by default and at most 100.
            after: In place of *page*: the ``next`` of the page before, with the same *sort* and
                *filter*. Other than by numbers nothing is left out or repeated, whatever is added
                and deleted meanwhile. ``None`` on the last page.
            sort: Pairs of a field and 1 (upwards) or -1; newest first by default.
            filter: Field → the value that it must have.
        """
        return self._call(
            "list", fields=fields, page=page, per_page=per_page, after=after, sort=sort,
            filter=filter,
        )  # fmt: skip

    @remote
    def search(
        self,
        *,
        query: str | None = None,
        fields: Sequence[str] | None = None,
        page: int | None = None,
        per_page: int | None = None,
        after: str | None = None,
    ) -> JSON:
        """
        Return one page of the media that *query* finds, shaped as :meth:`list` does.

        Args:
            query: Words that must all be found: ``word`` in the title, ``meta.author:word`` in that
                field; ``SORT:created`` or ``SORT:-created`` orders. Everything by default.
            fields: As for :meth:`list`.
            page: As for :meth:`list`.
            per_page: As for :meth:`list`.
            after: As for :meth:`list`, with the same *query*.
        """
        return self._call(
            "search", query=query, fields=fields, page=page, per_page=per_page, after=after
        )

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
        of the others is given twice or left out. With servers whose pages have no ``next``, others
        can be left out when media are deleted meanwhile.

        Args:
            fields: As for :meth:`info`.
            per_page: How many to ask for at a time.
            query: Only those that ``media.search`` finds.

        Raises:
            RPCException: a page could not be had, or the server answers the same page for ever.
        """
        method, more = ("list", {}) if query is None else ("search", {"query": query})
        asked = fields if fields is None or "id" in fields else [*fields, "id"]

        def page(where: dict[str, Any]) -> JSON:
            return self._call(method, fields=asked, per_page=per_page, **where, **more)

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
