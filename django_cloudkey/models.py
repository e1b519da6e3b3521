"""What the site remembers of uploads, so that none is lost between the browser and a form."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .references import MAX_AGE

TICKET_AGE = timedelta(hours=24)
"""From the ticket to its finish; for as long a cloud remembers what it did for a ticket."""
WAITING_AGE = TICKET_AGE + timedelta(seconds=MAX_AGE)
"""For as long a ticket, or a form that is open, may bring a media into a row."""

BROWSE = "django_cloudkey.view_upload"
"""The permission to look through all media of an account, whoever uploaded them for whatever."""
DELETE_MEDIA = "django_cloudkey.delete_media"
"""The permission to delete media on the cloud, in the admin."""
REPROCESS_MEDIA = "django_cloudkey.reprocess_media"
"""The permission to have the assets of media made again, in the admin."""


def new_ticket() -> str:
    return secrets.token_urlsafe(24)


class Upload(models.Model):
    """Who sends which file for which field, which media it became, and whether a form took it."""

    ticket = models.CharField(max_length=32, unique=True, default=new_ticket, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("owner"),
    )
    field = models.CharField(_("field"), max_length=200)
    """``app_label.model.field``."""
    account = models.CharField(_("account"), max_length=64)
    """Alias in ``CLOUDKEYS``."""
    name = models.CharField(_("file name"), max_length=255)
    size = models.BigIntegerField(_("size"))
    """Bytes; 0 of a media that was picked from the library, where the cloud does not tell."""
    slot = models.CharField(max_length=64, blank=True, db_index=True, editable=False)
    """Name of the file at the upload address, where the cloud tells it: no other ticket may take
    that file."""
    media = models.CharField(_("media"), max_length=24, blank=True, db_index=True)
    claimed = models.BooleanField(_("claimed"), default=False)
    """A saved row holds the media."""
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-created"]
        permissions = [
            ("reprocess_media", "Can make media on the video cloud again"),
            ("delete_media", "Can delete media on the video cloud"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_waiting(self) -> bool:
        """Whether a ticket, or a form that is open, may still bring its media into a row."""
        return not self.claimed and self.created > timezone.now() - WAITING_AGE

    @property
    def is_expired(self) -> bool:
        """Whether the ticket is too old to be finished."""
        return self.created < timezone.now() - TICKET_AGE


class LastEvent(models.Model):
    """
    The newest that notifications told of a media, for rows that come to hold its id later.

    Older notifications change nothing. It is forgotten when nothing was told for ``KEPT``.
    """

    user = models.CharField(max_length=24)
    """Id of the account on the cloud."""
    media = models.CharField(max_length=24)
    sequence = models.PositiveBigIntegerField()
    is_deleted = models.BooleanField(default=False)
    assets = models.JSONField(default=dict)
    """Name → ``{"status", "duration", "error"}``."""
    heard = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "media"], name="cloudkey_one_last_event")
        ]

    def __str__(self) -> str:
        return f"{self.media} #{self.sequence}"


class HeardNotification(models.Model):
    """
    A notification that was received, so that each is heeded once; its one INSERT decides.

    Whoever heeds it has claimed it for a while: what a process that died left undone is done when
    the cloud sends it again.
    """

    key = models.CharField(primary_key=True, max_length=96)
    """Id of the account on the cloud, ``:``, id of the notification."""
    is_done = models.BooleanField(default=False)
    claim_expires = models.DateTimeField()
    heard = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return self.key
