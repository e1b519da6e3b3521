"""``media``: create, look at, describe by meta, and delete."""

from __future__ import annotations

from typing import Any

from ....protocol.assets import SOURCE
from ....protocol.exceptions import LimitExceeded
from ... import asset_requests, discards
from ...models import Account, Media, atomic
from ..arguments import AssetNames, Fields, MediaId, Meta, MetaKeys, Text, invalid
from ..media_fields import check_stats, describe
from ..owned import find_media, own_upload
from ..registry import method
from .assets import check_made

MAX_META_KEYS = 64
MAX_META_SIZE = 64 * 1024  # characters of all values


@method("media.create", writes=True)
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
        raise invalid("media.create", "assets_names needs a url")
    names = [name for name in assets_names or [] if name != SOURCE]
    check_made("media.create", names)
    _check_meta_size(meta or {})
    with atomic():
        upload = own_upload("media.create", account, url) if url is not None else None
        media = Media.objects.create(account=account, meta=meta or {})
        if upload is not None:
            asset_requests.set_source(media, upload.file, upload.extension)
            asset_requests.ask_for(media, names)
    return {"id": media.pk}


@method("media.info")
def info(account: Account, *, id: MediaId, fields: Fields | None = None) -> Any:
    """Return the named fields of a media."""
    check_stats("media.info", fields)
    return describe([find_media(account, id)], fields)[0]


@method("media.delete", writes=True)
def delete(account: Account, *, id: MediaId) -> None:
    """Delete a media: unreachable at once, its files removed by the worker."""
    with atomic():
        media = find_media(account, id, lock=True)
        discards.discard_media(media)
        media.delete()


@method("media.set_meta", writes=True)
def set_meta(account: Account, *, id: MediaId, meta: Meta) -> None:
    """Add to a media's meta, overwriting equal keys."""
    with atomic():
        media = find_media(account, id, lock=True)
        media.meta = {**media.meta, **meta}
        _check_meta_size(media.meta)
        media.save(update_fields=["meta"])


@method("media.get_meta")
def get_meta(account: Account, *, id: MediaId, keys: MetaKeys | None = None) -> Any:
    """Return all of a media's meta, or those of *keys* that exist."""
    meta = find_media(account, id).meta
    return meta if keys is None else {key: meta[key] for key in keys if key in meta}


@method("media.remove_meta", writes=True)
def remove_meta(account: Account, *, id: MediaId, keys: MetaKeys) -> None:
    """Take those of *keys* that exist from a media's meta."""
    with atomic():
        media = find_media(account, id, lock=True)
        media.meta = {key: value for key, value in media.meta.items() if key not in keys}
        media.save(update_fields=["meta"])


def _check_meta_size(meta: dict[str, Any]) -> None:
    if len(meta) > MAX_META_KEYS:
        raise LimitExceeded(f"A media has at most {MAX_META_KEYS} meta keys.")
    if sum(len(str(value)) for value in meta.values()) > MAX_META_SIZE:
        raise LimitExceeded(f"The meta of a media has at most {MAX_META_SIZE} characters.")
