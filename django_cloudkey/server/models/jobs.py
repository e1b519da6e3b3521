"""Work on media."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .media import Media


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
