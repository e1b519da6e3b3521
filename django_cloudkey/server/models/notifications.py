"""What sites are told."""

from __future__ import annotations

import secrets

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .accounts import Account


def new_notification_id() -> str:
    return f"msg_{secrets.token_hex(16)}"


class Notification(models.Model):
    """
    Something that an account's site is told, until it has heard it.

    Like a job it is claimed by one statement: that puts ``due`` off, so that it is another's if
    nothing comes of the claim.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        GIVEN_UP = "given_up", _("given up")

    id = models.CharField(
        primary_key=True, max_length=40, default=new_notification_id, editable=False
    )
    """The same whenever it is sent again."""
    account = models.ForeignKey(Account, models.CASCADE, related_name="notifications")
    type = models.CharField(_("type"), max_length=20)
    """Such as ``media.ready``."""
    media = models.CharField(_("media"), max_length=24)
    asset = models.CharField(_("asset"), max_length=40, blank=True)
    sequence = models.PositiveBigIntegerField(_("sequence"))
    """Grows with each notification about the media."""
    data = models.JSONField(_("data"), default=dict, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due = models.DateTimeField(_("due"), default=timezone.now)
    claim = models.CharField(max_length=32, blank=True, editable=False)
    """Of whoever sends it now."""
    expires = models.DateTimeField(_("tried until"), default=timezone.now)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    delivered = models.DateTimeField(_("delivered"), null=True, editable=False)
    failure = models.CharField(_("last failure"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-created"]
        indexes = [
            models.Index(fields=["state", "due"], name="cloudkey_notification_due"),
            models.Index(
                fields=["account"],
                condition=~models.Q(claim=""),
                name="cloudkey_notification_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.media}"
