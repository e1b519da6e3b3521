"""What is remembered of requests: that they came, how often, and what they were answered."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .accounts import Account


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
