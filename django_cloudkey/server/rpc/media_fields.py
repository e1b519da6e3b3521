"""The fields of a media and of its assets, as the wire has them."""

from __future__ import annotations

import re
from typing import Any

from ...protocol.assets import SOURCE, AssetStatus, is_thumbnail
from ...protocol.secret import Secret
from ...protocol.signing import sign_url
from ...protocol.urls import Page, stream_address
from ..conf import cloud
from ..models import Asset, Media
from .arguments import invalid
from .projection import project

DEFAULT_FIELDS = ["id", "meta", "assets", "created"]
INTERVALS = (
    "last_minute", "last_hour", "last_day", "last_week", "last_month", "last_year", "total",
)  # fmt: skip

_COUNTRY = re.compile(r"global|[a-z]{2}", re.ASCII)


def check_stats(call: str, fields: list[str] | None) -> None:
    """
    Check the names of statistics among *fields*.

    Raises:
        InvalidParameter: one has another form than ``stats.<country>.<interval>``.
    """
    for field in fields or []:
        name, *rest = field.split(".")
        if name != "stats":
            continue
        if rest and _COUNTRY.fullmatch(rest[0]) is None:
            raise invalid(call, f"{field!r} must name a country by two letters, or 'global'")
        if rest[1:] and rest[1] not in INTERVALS:
            raise invalid(call, f"{field!r} must end in one of {', '.join(INTERVALS)}")


def describe(items: list[Media], fields: list[str] | None) -> list[dict[str, Any]]:
    """Return the *fields* of each media, the default ones for ``None``."""
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
            name: asset if f"assets.{name}.error" in wanted else without_error(asset)
            for name, asset in assets.items()
        },
        "stats": _views(wanted),
    }


def _views(wanted: list[str]) -> dict[str, Any]:
    """Return how often each country that is asked for watched: nobody counts yet, so never."""
    countries = {path[1] for field in wanted if len(path := field.split(".")) > 1}
    return {country: dict.fromkeys(INTERVALS, 0) for country in ("global", *sorted(countries))}


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
    base = cloud.static_url if is_thumbnail(asset.name) else cloud.cdn_url
    return sign_url(f"{base}/{address.path}", Secret(media.account.api_key))


def without_error(asset: dict[str, Any]) -> dict[str, Any]:
    """Return the asset as historical clients expect it: in error, exactly its status."""
    return {name: value for name, value in asset.items() if name != "error"}
