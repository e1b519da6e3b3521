"""Whose the media are, what they sign with, and how much of that is historical."""

from __future__ import annotations

import secrets

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ...protocol.scheme2.keys import is_kid, new_secret
from ..encryption import EncryptedField
from ..outgoing_urls import NotAllowed, parse_outgoing
from .ids import new_id


def new_key() -> str:
    """Return an API key: 40 hexadecimal characters, 160 random bits."""
    return secrets.token_hex(20)


class Organisation(models.Model):
    """Accounts that belong together: its managers act as any of them."""

    id = models.CharField(primary_key=True, max_length=24, default=new_id, editable=False)
    name = models.CharField(_("name"), max_length=64, unique=True)

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Account(models.Model):
    """Who may call, and whose media are whose. The wire says *user*."""

    id = models.CharField(primary_key=True, max_length=24, default=new_id, editable=False)
    name = models.CharField(_("name"), max_length=64, unique=True)
    organisation = models.ForeignKey(
        Organisation,
        models.PROTECT,
        verbose_name=_("organisation"),
        related_name="accounts",
        null=True,
        blank=True,
    )
    is_manager = models.BooleanField(
        _("manager"),
        default=False,
        help_text=_("May act as every account of its organisation, with all that this one may."),
    )
    is_test = models.BooleanField(
        _("for tests"),
        default=False,
        help_text=_("One call deletes all its media: for the test suites of clients only."),
    )

    class Legacy(models.TextChoices):
        STRICT = "strict", _("strict")
        LENIENT = "lenient", _("lenient")
        OFF = "off", _("off")

    api_key = EncryptedField(default=new_key, editable=False)
    """Signs in the historical scheme; shown once."""
    legacy = models.CharField(
        _("historical scheme"),
        max_length=7,
        choices=Legacy.choices,
        default=Legacy.STRICT,
        help_text=_(
            "Whether its historical signatures count: read strictly, or leniently for old clients "
            "that need it, or not at all."
        ),
    )
    webhook_url = models.CharField(
        _("notifications go to"),
        blank=True,
        max_length=500,
        help_text=_("Address of the site's webhook; empty: to nobody."),
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Off: its calls and its addresses are refused.")
    )
    public_thumbnails = models.BooleanField(
        _("public thumbnails"),
        default=False,
        help_text=_("Serve stills to everyone, as historical clients expect."),
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_manager=False) | models.Q(organisation__isnull=False),
                name="cloudkey_manager_of_organisation",
                violation_error_message=_("A manager belongs to an organisation."),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.webhook_url:
            try:
                parse_outgoing(self.webhook_url)
            except NotAllowed as error:
                raise ValidationError({"webhook_url": str(error)}) from error

    def managed(self) -> models.QuerySet[Account]:
        """Return the accounts of the organisation that this one manages, itself included."""
        accounts = Account.objects.filter(organisation=self.organisation_id)
        return accounts if self.is_manager and self.organisation_id else accounts.none()


def new_secret_text() -> str:
    return new_secret().reveal()


class AccountSecret(models.Model):
    """
    A named secret of an account, for scheme 2.

    The newest signs what the cloud sends; all that are active verify what it gets.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="secrets")
    kid = models.CharField(_("key id"), max_length=24)
    secret = EncryptedField(default=new_secret_text, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    networks = models.JSONField(
        _("networks"),
        default=list,
        blank=True,
        help_text=_("Addresses and networks that may call with it; empty: all."),
    )
    methods = models.JSONField(
        _("methods"),
        default=list,
        blank=True,
        help_text=_("Remote methods that may be called with it, such as “media.info”; empty: all."),
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used = models.DateTimeField(_("last used"), null=True, editable=False)
    """To the minute."""

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "kid"], name="cloudkey_one_secret_per_kid")
        ]

    def __str__(self) -> str:
        return self.kid

    def clean(self) -> None:
        if not is_kid(self.kid):
            raise ValidationError({"kid": _("Letters, digits, “-” and “_”, 24 at most.")})


class LegacyUse(models.Model):
    """How often the historical scheme was used, so that an operator knows when it can go."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="legacy_uses")
    kind = models.CharField(_("kind"), max_length=40)
    """``call`` and the dialect, or ``address``."""
    count = models.PositiveBigIntegerField(_("count"), default=0)
    last = models.DateTimeField(_("last"), default=timezone.now)

    class Meta:
        verbose_name = _("use of the historical scheme")
        verbose_name_plural = _("uses of the historical scheme")
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="cloudkey_one_row_per_use")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind}"
