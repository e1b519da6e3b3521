"""``media``: create, look at, change and delete."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from ....protocol.assets import SOURCE, AssetStatus
from ....protocol.exceptions import InvalidParameter, LimitExceeded, NotFound
from ....protocol.secret import Secret
from ....protocol.signing import sign_url
from ....protocol.urls import Page, stream_address
from ... import jobs, pipeline
from ...conf import cloud
from ...models import Account, Asset, Media, atomic
from ...uploads.slots import find_upload
from ..arguments import (
    AnyNames,
    AssetNames,
    Fields,
    MediaId,
    Meta,
    MetaKeys,
    PageNumber,
    PageSize,
    Text,
)
from ..projection import project
from ..registry import method

MAX_META_KEYS = 64
MAX_META_SIZE = 64 * 1024  # characters of all values
DEFAULT_FIELDS = ["id", "meta", "assets", "created"]


@method("media.create")
def create(
    account: Account,
    *,
    url: Text | None = None,
    assets_names: AssetNames | None = None,
    meta: Meta | None = None,
) -> Any:
    """
    Create a media from an uploaded file, and queue its assets.

    The rows of the source and of every asset, and the job that makes them, are one transaction.
    """
    if assets_names and url is None:
        raise _invalid("create", "assets_names needs a url")
    _check_supported("create", assets_names or [])
    _check_meta_size(meta or {})
    with atomic():
        upload = find_upload(account, url) if url is not None else None
        if url is not None and upload is None:
            reason = "url must be an address that an upload to this server answered"
            raise _invalid("create", reason)
        media = Media.objects.create(account=account, meta=meta or {})
        if upload is not None:
            extension = {"file_extension": upload.extension}
            names = dict.fromkeys(name for name in assets_names or [] if name != SOURCE)
            Asset.objects.create(media=media, name=SOURCE, file=upload.file, facts=extension)
            Asset.objects.bulk_create(Asset(media=media, name=name) for name in names)
            jobs.enqueue(media)
    return {"id": media.pk}


@method("media.info")
def info(account: Account, *, id: MediaId, fields: Fields | None = None) -> Any:
    """Return the named fields of a media."""
    return _describe([_find(account, id)], fields)[0]


@method("media.list")
def list_(
    account: Account,
    *,
    fields: Fields | None = None,
    page: PageNumber = 1,
    per_page: PageSize = 10,
) -> Any:
    """Return a page of the account's media, newest first."""
    everything = Media.objects.filter(account=account).select_related("account")
    total = everything.count()
    start = (page - 1) * per_page
    items = _describe(list(everything[start : start + per_page]), fields)
    return {
        "list": items,
        "page": page,
        "pages": max(1, -(-total // per_page)),
        "per_page": per_page,
        "on_this_page": len(items),
        "total": total,
        "has_more": start + len(items) < total and bool(items),
    }


@method("media.delete")
def delete(account: Account, *, id: MediaId) -> None:
    """Delete a media: unreachable at once, its files removed by the worker."""
    media = _find(account, id)
    with atomic():
        pipeline.discard_media(media)
        media.delete()


@method("media.get_assets")
def get_assets(account: Account, *, id: MediaId, assets_names: AnyNames | None = None) -> Any:
    """Return asset name → asset; what does not exist is left out."""
    media = _find(account, id)
    assets = {asset.name: describe_asset(media, asset) for asset in media.assets.all()}
    return {
        name: _without_error(asset)
        for name, asset in assets.items()
        if assets_names is None or name in assets_names
    }


@method("media.set_meta")
def set_meta(account: Account, *, id: MediaId, meta: Meta) -> None:
    """Add to a media's meta, overwriting equal keys."""
    with atomic():
        media = _find(account, id, Media.objects.select_for_update())
        media.meta = {**media.meta, **meta}
        _check_meta_size(media.meta)
        media.save(update_fields=["meta"])


@method("media.get_meta")
def get_meta(account: Account, *, id: MediaId, keys: MetaKeys | None = None) -> Any:
    """Return all of a media's meta, or those of *keys* that exist."""
    meta = _find(account, id).meta
    return meta if keys is None else {key: meta[key] for key in keys if key in meta}


def _find(account: Account, id: str, among: QuerySet[Media] | None = None) -> Media:
    """Return the account's media; somebody else's does not exist for it."""
    among = Media.objects.all() if among is None else among
    media = among.filter(account=account, pk=id).first()
    if media is None:
        raise NotFound("Media not found")
    media.account = account
    return media


def _describe(items: list[Media], fields: list[str] | None) -> list[dict[str, Any]]:
    wanted = DEFAULT_FIELDS if fields is None else fields
    assets: dict[str, dict[str, Any]] = {media.pk: {} for media in items}
    if any(field.partition(".")[0] in ("assets", "frame_ratio") for field in wanted):
        by_id = {media.pk: media for media in items}
        for asset in Asset.objects.filter(media__in=items):
            described = describe_asset(by_id[asset.media_id], asset)
            assets[asset.media_id][asset.name] = described
    return [project(_describe_one(media, assets[media.pk], wanted), wanted) for media in items]


def _describe_one(media: Media, assets: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    # A missing meta key reads as null: PHP and Ruby clients read it without asking.
    asked = (field.partition(".")[2] for field in wanted if field.startswith("meta."))
    page = Page(user=media.account_id, media=media.pk, kind="player/embed")
    source = assets.get(SOURCE, {})
    return {
        "id": media.pk,
        "created": int(media.created.timestamp()),
        "embed_url": f"{cloud.base_url}/{page.path}",
        "frame_ratio": source.get("video_aspect"),
        "meta": {**dict.fromkeys(asked), **media.meta},
        "assets": {
            name: asset if f"assets.{name}.error" in wanted else _without_error(asset)
            for name, asset in assets.items()
        },
    }


def describe_asset(media: Media, asset: Asset) -> dict[str, Any]:
    """Return an asset as the wire has it, see protocol reference §4.2."""
    if asset.status == AssetStatus.ERROR:
        error = {"code": asset.error_code, "message": asset.error_message}
        return {"status": asset.status, "error": error}
    described: dict[str, Any] = {"status": asset.status}
    if asset.status == AssetStatus.PROCESSING:
        described["progress"] = asset.progress
    if asset.status == AssetStatus.READY and asset.created is not None:
        described |= {name: value for name, value in asset.facts.items() if value is not None}
        described["created"] = int(asset.created.timestamp())
        if asset.name != SOURCE:
            described["stream_url"] = _stream_url(media, asset)
    return described


def _stream_url(media: Media, asset: Asset) -> str:
    address = stream_address(media.account_id, media.pk, asset.name, version=asset.version)
    base = cloud.static_url if asset.name.startswith("jpeg_thumbnail_") else cloud.cdn_url
    return sign_url(f"{base}/{address.path}", Secret(media.account.api_key))


def _without_error(asset: dict[str, Any]) -> dict[str, Any]:
    """Historical clients expect exactly the status of an asset in error."""
    return {name: value for name, value in asset.items() if name != "error"}


def _check_supported(call: str, names: list[str]) -> None:
    for name in names:
        if name != SOURCE and name not in pipeline.MADE:
            raise _invalid(call, f"this server does not make {name}")


def _check_meta_size(meta: dict[str, Any]) -> None:
    if len(meta) > MAX_META_KEYS:
        raise LimitExceeded(f"A media has at most {MAX_META_KEYS} meta keys.")
    if sum(len(str(value)) for value in meta.values()) > MAX_META_SIZE:
        raise LimitExceeded(f"The meta of a media has at most {MAX_META_SIZE} characters.")


def _invalid(name: str, reason: str) -> InvalidParameter:
    return InvalidParameter(f"Invalid parameters for media.{name}: {reason}.")
