"""Media, their assets, and the files of both: on their way in, and on their way out."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ...protocol.assets import AssetStatus, extension_of
from .accounts import Account
from .ids import new_id


class Media(models.Model):
    """One video as its owner knows it."""

    id = models.CharField(primary_key=True, max_length=24, default=new_id, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="media")
    meta = models.JSONField(_("meta"), default=dict, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    still_at = models.FloatField(null=True, editable=False)
    """Second of the source that thumbnails show; ``None``: the encoder chooses."""
    sequence = models.PositiveBigIntegerField(default=0, editable=False)
    """Of the last notification about it."""

    class Meta:
        verbose_name = _("media")
        verbose_name_plural = _("media")
        ordering = ["-created", "-id"]
        indexes = [models.Index(fields=["account", "-created", "-id"], name="cloudkey_media_list")]

    def __str__(self) -> str:
        return str(self.meta.get("title") or self.id)


class Asset(models.Model):
    """One file of a media, made or to be made."""

    class Status(models.TextChoices):
        PENDING = AssetStatus.PENDING, _("pending")
        PROCESSING = AssetStatus.PROCESSING, _("processing")
        READY = AssetStatus.READY, _("ready")
        ERROR = AssetStatus.ERROR, _("error")

    media = models.ForeignKey(Media, models.CASCADE, related_name="assets")
    name = models.CharField(_("name"), max_length=40)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    progress = models.PositiveSmallIntegerField(_("progress"), default=0)
    file = models.CharField(max_length=255, blank=True, editable=False, db_index=True)
    """Name in the storage; empty for an asset that has yet to be made."""
    created = models.DateTimeField(_("created"), null=True, editable=False)
    """When it became ready."""
    facts = models.JSONField(default=dict, blank=True, editable=False)
    """What probing found, under the names of the wire: ``container``, ``video_width``…"""
    duration = models.FloatField(null=True, editable=False)
    """Exact length in seconds of a source that was probed; the wire has it rounded."""
    error_code = models.CharField(max_length=40, blank=True, editable=False)
    error_message = models.CharField(max_length=255, blank=True, editable=False)

    class Meta:
        verbose_name = _("asset")
        verbose_name_plural = _("assets")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["media", "name"], name="cloudkey_one_asset_per_name")
        ]

    def __str__(self) -> str:
        return f"{self.media_id}/{self.name}"

    @property
    def version(self) -> int:
        """Number that changes when the file does."""
        return int(self.created.timestamp()) if self.created else 0

    @property
    def extension(self) -> str:
        return str(self.facts.get("file_extension") or extension_of(self.name))


def new_slot_id() -> str:
    return secrets.token_hex(16)


class UploadSlot(models.Model):
    """A place for one file on its way in: a capability that expires."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RECEIVING = "receiving", _("receiving")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    id = models.CharField(primary_key=True, max_length=32, default=new_slot_id, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="upload_slots")
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires = models.DateTimeField(_("expires"), db_index=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    """Cleaned base name that the sender gave, without its extension."""
    extension = models.CharField(max_length=10, blank=True)
    total = models.BigIntegerField(_("announced size"), default=0)
    """Length of the form that is being sent, as its sender said; 0 when he did not."""
    received = models.BigIntegerField(_("received"), default=0)
    """Bytes of the file so far; written about twice a second."""
    size = models.BigIntegerField(_("size"), default=0)
    sha1 = models.CharField(max_length=40, blank=True)
    file = models.CharField(max_length=255, blank=True, db_index=True)

    class Meta:
        verbose_name = _("upload slot")
        verbose_name_plural = _("upload slots")

    def __str__(self) -> str:
        return self.id


class DiscardedFile(models.Model):
    """A file that nothing names any more; the worker tries to remove it until it is gone."""

    name = models.CharField(max_length=255)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("discarded file")
        verbose_name_plural = _("discarded files")

    def __str__(self) -> str:
        return self.name

    @classmethod
    def discard(cls, names: Iterable[str]) -> None:
        """Note files for removal, in the transaction that stops naming them."""
        cls._default_manager.bulk_create([cls(name=name) for name in names if name])
