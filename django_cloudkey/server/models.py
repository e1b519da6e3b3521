"""The cloud's rows: whose, what, in which state. They know neither HTTP nor ffmpeg."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import connections, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..protocol.assets import AssetStatus, extension_of
from ..protocol.scheme2.keys import Keys, is_kid, new_secret
from ..protocol.secret import Secret
from .conf import cloud
from .encryption import EncryptedField
from .outgoing_urls import NotAllowed, parse_outgoing


def new_id() -> str:
    """Return 24 hexadecimal characters that sort by time, in the form of a MongoDB ObjectId."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def new_key() -> str:
    """Return an API key: 40 hexadecimal characters, 160 random bits."""
    return secrets.token_hex(20)


def new_slot_id() -> str:
    return secrets.token_hex(16)


def atomic() -> transaction.Atomic:
    """Return a transaction on the cloud's database."""
    return transaction.atomic(using=cloud.database)


def disconnect() -> None:
    """
    Close this thread's connection to the cloud's database; the next query opens another.

    One that broke stays broken, and outside of requests nobody else closes it.
    """
    connections[cloud.database].close()


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

    @property
    def keys(self) -> Keys:
        """What it signs with."""
        return Keys(self.account_id, self.kid, Secret(self.secret))


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


class OneTimeClaim(models.Model):
    """
    Something that happens once, and did: the first use of an address, a nonce of a call.

    Its one INSERT decides who was first.
    """

    key = models.CharField(primary_key=True, max_length=128)
    holder = models.CharField(max_length=64, blank=True)
    """Digest of whoever was first."""
    expires = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("one-time claim")
        verbose_name_plural = _("one-time claims")

    def __str__(self) -> str:
        return self.key


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


class Job(models.Model):
    """
    Work on a media: make every asset that is pending.

    These rows are the truth about the work. A worker claims one by one statement, keeps it by
    renewing its lease, and may change anything only as long as the row carries its claim.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    media = models.ForeignKey(Media, models.CASCADE, related_name="jobs")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due = models.DateTimeField(_("due"), default=timezone.now)
    claim = models.CharField(max_length=32, blank=True, editable=False)
    lease_expires = models.DateTimeField(null=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished = models.DateTimeField(_("finished"), null=True, editable=False)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "due"], name="cloudkey_job_due")]
        constraints = [
            models.UniqueConstraint(
                fields=["media"],
                condition=models.Q(state__in=["queued", "running"]),
                name="cloudkey_one_open_job",
            )
        ]

    def __str__(self) -> str:
        return f"{self.media_id} #{self.pk}"


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


class SavedAnswer(models.Model):
    """
    The answer to one call that carried an idempotency key, or the claim of who works on it.

    The answer is written in the transaction of the work itself: there is never one without the
    other.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="saved_answers")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    """SHA-256 of the request's body."""
    claim = models.CharField(max_length=32)
    claim_expires = models.DateTimeField()
    answer = models.TextField(blank=True)
    """Body of the answer; empty as long as the call is at work."""
    expires = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("saved answer")
        verbose_name_plural = _("saved answers")
        constraints = [
            models.UniqueConstraint(fields=["account", "key"], name="cloudkey_one_answer_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.key}"


class RateCounter(models.Model):
    """How often something happened within the minute that began with its first time."""

    name = models.CharField(primary_key=True, max_length=64)
    """What is counted, and whose: ``calls:<account>``, ``failures:<network>``,
    ``polls:<upload>``."""
    count = models.PositiveIntegerField(default=1)
    expires = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("rate counter")
        verbose_name_plural = _("rate counters")

    def __str__(self) -> str:
        return self.name
