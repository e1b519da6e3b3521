"""``media``: the methods of 2010 for one asset, *preset* or *asset_name*."""

from __future__ import annotations

from typing import Any

from ....protocol.exceptions import NotFound
from ... import asset_requests
from ...models import Account, Asset, Media, atomic
from ..arguments import AnyNames, AssetName, MediaId, Text, invalid
from ..media_fields import describe_asset, without_error
from ..owned import find_media
from ..registry import method
from .assets import get_assets, request


@method("media.set_asset", writes=True)
def set_asset(
    account: Account,
    *,
    id: MediaId,
    url: Text,
    preset: AssetName | None = None,
    asset_name: AssetName | None = None,
    callback_url: Text | None = None,
) -> None:
    """Set one asset, as ``media.set_assets`` does."""
    name = _one_of("media.set_asset", preset, asset_name)
    request("media.set_asset", account, id, [{"name": name, "url": url}])


@method("media.process_asset", writes=True)
def process_asset(
    account: Account,
    *,
    id: MediaId,
    preset: AssetName | None = None,
    asset_name: AssetName | None = None,
    source_preset: AssetName | None = None,
    source_asset: AssetName | None = None,
) -> None:
    """Queue one asset to be made, as ``media.set_assets`` does."""
    name = _one_of("media.process_asset", preset, asset_name)
    item = {"name": name, "source_asset": source_asset or source_preset}
    request("media.process_asset", account, id, [item])


@method("media.remove_asset", writes=True)
def remove_asset(
    account: Account,
    *,
    id: MediaId,
    preset: AssetName | None = None,
    asset_name: AssetName | None = None,
) -> None:
    """Remove one asset; one that does not exist is not found."""
    name = _one_of("media.remove_asset", preset, asset_name)
    with atomic():
        media = find_media(account, id, lock=True)
        _find_asset(media, name)
        asset_requests.remove(media, [name])


@method("media.get_asset")
def get_asset(
    account: Account,
    *,
    id: MediaId,
    preset: AssetName | None = None,
    asset_name: AssetName | None = None,
    assets_names: AnyNames | None = None,
) -> Any:
    """Return one asset with its ``name``; with *assets_names*, what ``get_assets`` does."""
    if assets_names is not None:
        return get_assets(account, id=id, assets_names=assets_names)
    name = _one_of("media.get_asset", preset, asset_name)
    media = find_media(account, id)
    return {"name": name, **without_error(describe_asset(media, _find_asset(media, name)))}


@method("media.get_asset_url")
def get_asset_url(
    account: Account,
    *,
    id: MediaId,
    preset: AssetName | None = None,
    asset_name: AssetName | None = None,
) -> str:
    """Return the ``stream_url`` of an asset that is ready."""
    name = _one_of("media.get_asset_url", preset, asset_name)
    media = find_media(account, id)
    url = describe_asset(media, _find_asset(media, name)).get("stream_url")
    if url is None:
        raise NotFound("The asset has no address")
    return str(url)


def _one_of(call: str, preset: str | None, asset_name: str | None) -> str:
    name = asset_name or preset
    if name is None:
        raise invalid(call, "asset_name is missing")
    if preset not in (None, name):
        raise invalid(call, "preset and asset_name name two assets")
    return name


def _find_asset(media: Media, name: str) -> Asset:
    asset = media.assets.filter(name=name).first()
    if asset is None:
        raise NotFound("Asset not found")
    return asset
