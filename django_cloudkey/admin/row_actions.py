"""What the admin's actions do with the media of one row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from django.db import models, router
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from .. import companions, uploads
from ..connection import cloudkeys
from ..fields import MediaField
from ..protocol.assets import SOURCE, UNFINISHED, AssetStatus
from ..protocol.exceptions import Exists, NotFound, RPCException
from ..rows import aliases_of, holders
from ..views import remote_failure
from .held_rows import is_same


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row."""

    state: Literal["done", "skipped", "error"]
    label: str
    """For the editor."""
    log: Any = ""
    """The change message for the history of the row; empty for no change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAction:
    """An action: the texts of its page, and what it does to one row that shows a media."""

    name: str
    run: Callable[[MediaField, Any, str], Outcome]
    title: str | Promise
    intro: Any
    """With ``%(count)d``, lazy."""
    start: str | Promise
    running: str | Promise
    working: str | Promise
    is_destructive: bool = False
    shows_files: bool = False
    shows_holders: bool = False


def upload(media_field: MediaField, row: Any, shown: str) -> Outcome:
    """Upload the local file of a row that has no media."""
    name = media_field.attname
    if getattr(row, name):
        return Outcome("skipped", _("has a video already"))
    source = getattr(row, media_field.source_field)
    if not source:
        return Outcome("error", _("has no local file"))
    try:
        with source.open("rb") as file:
            media = uploads.upload_media(
                file,
                title=str(row),
                account=media_field.account,
                assets=media_field.assets,
                field=media_field.label,
            )
    except RPCException as error:
        return Outcome("error", remote_failure(error))
    except OSError as error:
        reason = {"reason": error.strerror or error}
        return Outcome("error", _("The local file cannot be read: %(reason)s") % reason)
    stored = _stored(row).values_list(name).first()
    if stored is None or stored[0]:
        with suppress(RPCException):  # cloudkey_reconcile finds it, too
            cloudkeys[media_field.account].media.delete(id=media)
        if stored is None:
            return Outcome("error", _("The row was deleted meanwhile."))
        # A second click, or another editor, was quicker: his media is the one.
        return Outcome("skipped", _("has a video already"))
    setattr(row, name, media)
    row.save(update_fields=[name])
    return Outcome("done", _("uploaded, being prepared"), _changed(media_field))


def reprocess(media_field: MediaField, row: Any, shown: str) -> Outcome:
    """
    Make the assets that the field names from the media's source, again.

    The protocol makes what is missing or failed, and nothing for an asset that is there. So that is
    asked for first, which a cloud that cannot make it refuses; then what is there is removed, and
    cannot be watched until it is made: there is no call for both.
    """
    media = getattr(row, media_field.attname).id
    if not media:
        return Outcome("skipped", _("has no video"))
    client = cloudkeys[media_field.account].media
    names = [name for name in media_field.assets if name != SOURCE]
    try:
        assets = client.get_assets(id=media)
        if assets.get(SOURCE, {}).get("status") != AssetStatus.READY:
            return Outcome("error", _("The video cloud has no original to make it from."))
        there = [name for name in names if name in assets]
        if any(assets[name].get("status") in UNFINISHED for name in there):
            return Outcome("skipped", _("is being prepared already"))
        ready = [name for name in there if assets[name].get("status") == AssetStatus.READY]
        with suppress(Exists):
            client.set_assets(id=media, assets=_to_make(names))
        if ready:
            client.remove_assets(id=media, assets_names=ready)
            client.set_assets(id=media, assets=_to_make(ready))
    except NotFound:
        return Outcome("error", _("The video cloud does not have this video."))
    except RPCException as error:
        return Outcome("error", remote_failure(error))
    values = companions.of_media(media_field, is_empty=False)
    if values:
        # Not save(): nothing else of the row has changed, and its media has not.
        _stored(row).filter(**{media_field.attname: media}).update(**values)
    return Outcome("done", _("being prepared again"), _("Had its video made again."))


def _to_make(names: list[str]) -> list[dict[str, str]]:
    return [{"name": name, "action": "transcode"} for name in names]


def delete(media_field: MediaField, row: Any, shown: str) -> Outcome:
    """
    Delete the media of a row on the cloud, then empty the row's field.

    In this order, so that a cloud that fails leaves all as it was, and what is interrupted in
    between can be repeated. Not while other rows show the media.

    Args:
        shown: Id of the media that the editor saw.
    """
    name = media_field.attname
    media = getattr(row, name).id
    if not media:
        return Outcome("skipped", _("has no video"))
    if media != shown:
        return Outcome("skipped", _("has another video by now"))
    others = [
        each for _field, each in holders(media_field.account, [media]) if not is_same(each, row)
    ]
    if others:
        return Outcome("error", _("Other rows show it, too. Nothing was deleted."))
    try:
        cloudkeys[media_field.account].media.delete(id=media)
        label = _("deleted")
    except NotFound:
        label = _("was not on the video cloud any more")
    except RPCException as error:
        return Outcome("error", remote_failure(error))
    # Somebody may have chosen another one meanwhile, or deleted the row.
    if _stored(row).filter(**{name: media}).exists():
        setattr(row, name, "")
        row.save(update_fields=[name])
    records = Q(media=media, account__in=aliases_of(media_field.account))
    uploads.let_go(media, account=media_field.account, records=records, even_waiting=True)
    return Outcome("done", label, _changed(media_field))


def _stored(row: Any) -> models.QuerySet[Any]:
    """Return *row* alone, as the database has it that is written."""
    return models.QuerySet(type(row), using=router.db_for_write(type(row))).filter(pk=row.pk)


def _changed(media_field: MediaField) -> list[Any]:
    return [{"changed": {"fields": [str(media_field.verbose_name)]}}]


UPLOAD = RowAction(
    name="upload_media",
    run=upload,
    title=gettext_lazy("Upload to the video cloud"),
    intro=ngettext_lazy(
        "The local file of one row is sent to the video cloud.",
        "The local files of %(count)d rows are sent to the video cloud, one after the other. "
        "Rows without a file, or with a video, are skipped. Leave this page open until it is done.",
        "count",
    ),
    start=gettext_lazy("Start"),
    running=gettext_lazy("Uploading {number} of {count}"),
    working=gettext_lazy("uploading…"),
    shows_files=True,
)
REPROCESS = RowAction(
    name="reprocess_media",
    run=reprocess,
    title=gettext_lazy("Make videos again"),
    intro=ngettext_lazy(
        "The video of one row is made again from its original. It cannot be watched until it is "
        "ready.",
        "The videos of %(count)d rows are made again from their originals. They cannot be watched "
        "until they are ready.",
        "count",
    ),
    start=gettext_lazy("Make again"),
    running=gettext_lazy("Asking for {number} of {count}"),
    working=gettext_lazy("asking…"),
)
DELETE = RowAction(
    name="delete_media",
    run=delete,
    title=gettext_lazy("Delete videos from the video cloud"),
    intro=ngettext_lazy(
        "The video of this row will be deleted from the video cloud, with everything that was "
        "made of it. This cannot be undone. The row stays, without a video.",
        "The videos of these %(count)d rows will be deleted from the video cloud, with "
        "everything that was made of them. This cannot be undone. The rows stay, without a video.",
        "count",
    ),
    start=gettext_lazy("Yes, I’m sure"),
    running=gettext_lazy("Deleting {number} of {count}"),
    working=gettext_lazy("deleting…"),
    is_destructive=True,
    shows_holders=True,
)
ALL = (UPLOAD, REPROCESS, DELETE)
