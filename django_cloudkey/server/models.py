"""The cloud's rows: whose, what, in which state. They know neither HTTP nor ffmpeg."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..protocol.assets import AssetStatus, extension_of
from .conf import cloud


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
    api_key = models.CharField(max_length=64, default=new_key, editable=False)
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

    def managed(self) -> models.QuerySet[Account]:
        """Return the accounts of the organisation that this one manages, itself included."""
        accounts = Account.objects.filter(organisation=self.organisation_id)
        return accounts if self.is_manager and self.organisation_id else accounts.none()


class Media(models.Model):
    """One video as its owner knows it."""

    id = models.CharField(primary_key=True, max_length=24, default=new_id, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="media")
    meta = models.JSONField(_("meta"), default=dict, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    still_at = models.FloatField(null=True, editable=False)
    """Second of the source that thumbnails show; ``None``: the encoder chooses."""

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
