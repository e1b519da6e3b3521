"""The ways up: a file that this process reads, or one that a browser sends by itself."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.files import File
from django.db import router, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from .client.multipart import Progress, Readable
from .conf import DEFAULT_ALIAS
from .connection import cloudkeys
from .models import Upload
from .protocol.exceptions import RPCException
from .rows import aliases_of, is_held

_FILE = re.compile(r"/([0-9A-Za-z_-]{1,64})(?:\.[0-9A-Za-z]+)?$", re.ASCII)
"""The name of a file at the end of its address."""

DEFAULT_ASSETS = ("mp4_h264_aac", "jpeg_thumbnail_medium", "jpeg_thumbnail_source")


class UploadRefused(ValueError):
    """A ticket that cannot be finished; the text is for the editor."""


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
    url: str,
    title: str,
    *,
    account: str,
    assets: Sequence[str],
    field: str = "",
    upload: Upload | None = None,
) -> str:
    """
    Make a media of what was sent to an upload address and return its id.

    Args:
        field: ``app_label.model.field`` that it is for, if any.
        upload: Whose ticket it was sent with; however often this is asked for it, a cloud that
            heeds idempotency keys makes one media.
    """
    client = cloudkeys[account]
    meta = {"title": title[:255]}
    if field:
        meta["field"] = field
    if upload is not None:
        meta["upload"] = str(upload.pk)
        client = client.once(_key_of(upload, url))
    media = client.media.create(url=url, assets_names=list(assets), meta=meta)
    return str(media["id"])


def _key_of(upload: Upload, url: str) -> str:
    """Return what names the making of this media to the cloud: no part of the ticket."""
    return salted_hmac(
        "django_cloudkey.uploads", f"{upload.ticket} {url}", algorithm="sha256"
    ).hexdigest()


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
        owner_id=owner.pk,
        field=field,
        account=account,
        name=name[:255],
        size=size,
        slot=parse_qs(urlsplit(url).query).get("uuid", [""])[0][:64],
    )
    return upload, url


def finish_upload(upload: Upload, url: str, *, assets: Sequence[str]) -> str:
    """
    Make a media of what the browser sent and return its id; once, however often it is asked.

    A process that dies before the id is stored leaves a media that the next call finds again, by
    its idempotency key, or else ``cloudkey_reconcile``, by its meta.

    Raises:
        UploadRefused: the ticket expired, or *url* is the file of another one.
        RPCException: the cloud refused, or could not be reached.
    """
    if upload.is_expired:
        raise UploadRefused(_("This upload took too long. Please upload the file again."))
    if upload.media:
        return upload.media
    name = _FILE.search(url)
    if name and Upload.objects.filter(slot=name[1]).exclude(pk=upload.pk).exists():
        raise UploadRefused(_("This file belongs to another upload. Please upload it again."))
    try:
        media = create_media(
            url,
            title_of(upload.name),
            account=upload.account,
            assets=assets,
            field=upload.field,
            upload=upload,
        )
    except RPCException:
        # Of two clicks the second may be told that the first is at work, and by now has ended.
        media = _media_of(upload)
        if not media:
            raise
        return media
    if not Upload.objects.filter(pk=upload.pk, media="").update(media=media):
        first = _media_of(upload)
        if first != media:
            # A cloud without idempotency keys made two; the one of who was quicker counts.
            cloudkeys[upload.account].media.delete(id=media)
        if not first:
            raise UploadRefused(_("This upload took too long. Please upload the file again."))
        return first
    return media


def _media_of(upload: Upload) -> str:
    """Return what is stored by now; nothing when the row was removed meanwhile."""
    return Upload.objects.filter(pk=upload.pk).values_list("media", flat=True).first() or ""


def claim(field: str, media: str) -> None:
    """
    Note, in the transaction of the row that is saved, that a row holds what was uploaded for it.

    Args:
        field: ``app_label.model.field``; a form for another may still be open.
    """
    Upload.objects.filter(field=field, media=media).update(claimed=True)


def note_pick(owner: Any, field: str, media: str, *, account: str, name: str, size: int) -> None:
    """
    Remember that a form holds a media of the library, so that nothing deletes it meanwhile.

    Args:
        field: ``app_label.model.field``.
        name: Title of the media.
        size: Bytes of its source; 0 when they are not known.
    """
    pick = {"owner_id": owner.pk, "field": field, "account": account, "media": media}
    now = timezone.now()
    if not Upload.objects.filter(**pick, claimed=False).update(size=size, created=now):
        Upload.objects.create(**pick, name=name[:255], size=size)


def is_awaited(account: str, media: str) -> bool:
    """Say whether a form that is open may hand over *media*."""
    uploads = Upload.objects.filter(media=media, account__in=aliases_of(account), claimed=False)
    return any(upload.is_waiting for upload in uploads)


def let_go(media: str, *, account: str, records: Q, even_waiting: bool = False) -> bool:
    """
    Remove the *records* of a media, unless a row holds it or is about to; say whether it may go.

    The claim of a form that is being saved holds a lock on its record, and is waited for.

    Args:
        records: Which uploads are those of the media.
        even_waiting: Though a form that is open may hand it over.
    """
    database = router.db_for_write(Upload)
    with transaction.atomic(using=database):
        own = list(Upload.objects.using(database).select_for_update().filter(records))
        if is_held(account, media) or (not even_waiting and any(each.is_waiting for each in own)):
            return False
        Upload.objects.using(database).filter(pk__in=[each.pk for each in own]).delete()
    return True


def refuse_larger(media: str, size: int, *, account: str) -> bool:
    """
    Say whether a media has more than the announced bytes; if no row holds it, delete it.

    Args:
        size: Bytes of its source.
    """
    records = Q(media=media, account__in=aliases_of(account))
    if not Upload.objects.filter(records, size__gt=0, size__lt=size).exists():
        return False
    if let_go(media, account=account, records=records, even_waiting=True):
        cloudkeys[account].media.delete(id=media)
    return True
