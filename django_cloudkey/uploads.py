"""The ways up: a file that this process reads, or one that a browser sends by itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from django.core.files import File

from .client.multipart import Progress, Readable
from .conf import DEFAULT_ALIAS
from .connection import cloudkeys
from .models import Upload

DEFAULT_ASSETS = ("mp4_h264_aac", "jpeg_thumbnail_medium", "jpeg_thumbnail_source")


def upload_media(
    file: str | os.PathLike[str] | File[Any] | Readable,
    *,
    title: str | None = None,
    account: str = DEFAULT_ALIAS,
    assets: Sequence[str] = DEFAULT_ASSETS,
    field: str = "",
    progress: Progress | None = None,
) -> str:
    """
    Send a file, make a media of it and return the media's id.

    Args:
        file: Path, Django ``File`` of any storage, or anything with ``read()`` and a length.
        title: Title of the media; the file's name without its extension by default.
        account: Alias in ``CLOUDKEYS``.
        assets: Names of the assets to make.
        field: ``app_label.model.field`` that it is for, if any. The media's meta names it, so that
            ``cloudkey_reconcile`` can tell it from media that were made by other means.
        progress: Called with the bytes sent so far and the size.

    Raises:
        OSError: the file is missing, empty or unreadable.
        RPCException: the cloud refused, or could not be reached.
    """
    if isinstance(file, File):
        file.open("rb")
    client = cloudkeys[account]
    arrived = client.file.upload_file(file, progress)
    return create_media(
        arrived["url"], title or title_of(file), account=account, assets=assets, field=field
    )


def create_media(
    url: str, title: str, *, account: str, assets: Sequence[str], field: str = ""
) -> str:
    """Make a media of what was sent to an upload address and return its id."""
    meta = {"title": title[:255]}
    if field:
        meta["field"] = field
    media = cloudkeys[account].media.create(url=url, assets_names=list(assets), meta=meta)
    return str(media["id"])


def title_of(file: object) -> str:
    """Return a title for a file or a path: its name without folders and extension."""
    name = os.fspath(file) if isinstance(file, str | os.PathLike) else getattr(file, "name", "")
    return PurePath(str(name or "")).stem.replace("_", " ").strip() or "video"


def open_upload(
    owner: Any, field: str, *, account: str, name: str, size: int
) -> tuple[Upload, str]:
    """
    Ask the cloud for an upload address and remember whom it is for.

    Args:
        field: ``app_label.model.field``.
        size: Bytes.
    """
    url = cloudkeys[account].file.upload()["url"]
    upload = Upload.objects.create(
        owner_id=owner.pk, field=field, account=account, name=name[:255], size=size
    )
    return upload, url


def finish_upload(upload: Upload, url: str, *, assets: Sequence[str]) -> str:
    """
    Make a media of what the browser sent and return its id; once, however often it is asked.
    """
    if not upload.media:
        media = create_media(
            url, title_of(upload.name), account=upload.account, assets=assets, field=upload.field
        )
        if not Upload.objects.filter(pk=upload.pk, media="").update(media=media):
            # Somebody asked at the same time and was first: his media is the one.
            cloudkeys[upload.account].media.delete(id=media)
        upload.refresh_from_db(fields=["media"])
    return upload.media
