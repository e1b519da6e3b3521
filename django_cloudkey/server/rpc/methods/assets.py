"""``media``: its source, its assets and its thumbnails."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from ....protocol.assets import ASSET_NAMES, SOURCE, is_file, is_thumbnail
from ....protocol.exceptions import NotFound
from ... import asset_requests, pipeline
from ...models import Account, Media, atomic
from ..arguments import MAX_LIST, AnyNames, Check, Flag, MediaId, Text, invalid
from ..media_fields import describe_asset, without_error
from ..owned import find_media, own_upload
from ..registry import method

_ITEM = {"name", "url", "action", "source_asset"}
_TIMECODE = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d(?:\.\d{1,3})?)", re.ASCII)


def _is_item(item: Any) -> bool:
    if not isinstance(item, dict) or not item.keys() <= _ITEM:
        return False
    texts = [value for value in item.values() if value is not None]
    return all(isinstance(value, str) for value in texts) and item.get("name") in ASSET_NAMES


Items = Annotated[
    list[dict[str, Any]],
    Check(
        accepts=lambda value: (
            isinstance(value, list) and len(value) <= MAX_LIST and all(map(_is_item, value))
        ),
        says=(
            f"a list of at most {MAX_LIST} objects, each with the name of an asset and a url, "
            "or the action 'transcode' and perhaps a source_asset"
        ),
    ),
]
Timecode = Annotated[
    str,
    Check(
        accepts=lambda value: isinstance(value, str) and _TIMECODE.fullmatch(value) is not None,
        says="a time of the form HH:MM:SS.mm",
    ),
]
SubtitleType = Annotated[str, Check(accepts=lambda value: value == "srt", says="'srt'")]


@method("media.set_assets", writes=True)
def set_assets(
    account: Account, *, id: MediaId, assets: Items, callback_url: Text | None = None
) -> None:
    """
    Set the source of a media, or another asset, to an uploaded file; queue assets to be made.

    *callback_url* is accepted, since clients send it, and not called.
    """
    request("media.set_assets", account, id, assets)


def request(call: str, account: Account, id: str, items: list[dict[str, Any]]) -> None:
    """
    Do what *items* ask for, all of it or nothing; files first, whatever their order.

    Raises:
        NotFound: no media, or no source to make assets from.
        InvalidParameter: this server cannot do what an item asks for.
    """
    files = [item for item in items if _is_file_item(call, item)]
    wanted = [item for item in items if item not in files]
    check_made(call, [item["name"] for item in wanted])
    with atomic():
        media = find_media(account, id, lock=True)
        for item in files:
            upload = own_upload(call, account, item["url"])
            if item["name"] == SOURCE:
                asset_requests.set_source(media, upload.file, upload.extension)
            else:
                asset_requests.give(media, item["name"], upload.file, upload.extension)
        _check_source_assets(media, wanted)
        if wanted:
            asset_requests.ask_for(media, [item["name"] for item in wanted])


def _is_file_item(call: str, item: dict[str, Any]) -> bool:
    """Return whether *item* brings a file; anything but that or transcoding is refused."""
    name, url, action = item["name"], item.get("url"), item.get("action")
    if action not in (None, "transcode"):
        raise invalid(call, f"there is no action {action[:40]!r}, only 'transcode'")
    if name == SOURCE and url is None:
        raise invalid(call, "the source needs a url")
    if url is not None and not is_file(name):
        raise invalid(call, f"{name} takes no url; this server makes it, if at all")
    if url is not None and action is not None and name != SOURCE:
        raise invalid(call, f"{name} has a url and an action; one of them is wanted")
    return url is not None


def _check_source_assets(media: Media, items: list[dict[str, Any]]) -> None:
    """Check that there is what items name as source; all is made from the best, the source."""
    known = {SOURCE, *media.assets.values_list("name", flat=True), *(i["name"] for i in items)}
    for item in items:
        if item.get("source_asset") is not None and item["source_asset"] not in known:
            raise NotFound("The media has no such source asset")


@method("media.get_assets")
def get_assets(account: Account, *, id: MediaId, assets_names: AnyNames | None = None) -> Any:
    """Return asset name → asset; what does not exist is left out."""
    media = find_media(account, id)
    return {
        asset.name: without_error(describe_asset(media, asset))
        for asset in media.assets.all()
        if assets_names is None or asset.name in assets_names
    }


@method("media.remove_assets", writes=True)
def remove_assets(account: Account, *, id: MediaId, assets_names: AnyNames) -> None:
    """Remove assets: gone at once, their files removed by the worker; unknown ones are no error."""
    with atomic():
        media = find_media(account, id, lock=True)
        asset_requests.remove(media, assets_names)


@method("media.set_thumbnail", writes=True)
def set_thumbnail(
    account: Account,
    *,
    id: MediaId,
    timecode: Timecode | None = None,
    url: Text | None = None,
    force: Flag = False,
) -> None:
    """
    Queue the thumbnails of a media to be taken again, from the moment *timecode*.

    They always are, with *force* or without.
    """
    call = "media.set_thumbnail"
    if url is not None:
        raise invalid(call, "this server takes thumbnails from the video and none from a url")
    if timecode is None:
        raise invalid(call, "timecode is missing")
    at = _seconds(timecode)
    with atomic():
        media = find_media(account, id, lock=True)
        source = media.assets.filter(name=SOURCE).first()
        if source is not None and source.duration is not None and at >= source.duration:
            raise invalid(call, "timecode is past the end of the video")
        every = [name for name in sorted(pipeline.MADE) if is_thumbnail(name)]
        asset_requests.retake_stills(media, at, every)


def _seconds(timecode: str) -> float:
    hours, minutes, seconds = timecode.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


@method("media.get_subs_urls")
def get_subs_urls(account: Account, *, id: MediaId, type: SubtitleType = "srt") -> Any:
    """Return language → address of its subtitles: none, since this server keeps no subtitles."""
    find_media(account, id)
    return {}


def check_made(call: str, names: Iterable[str]) -> None:
    """
    Check that this server makes the assets *names*.

    Raises:
        InvalidParameter: one of them it does not.
    """
    for name in names:
        if name not in pipeline.MADE:
            raise invalid(call, f"this server does not make {name}")
