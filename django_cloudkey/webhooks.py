"""
The webhook: where a cloud tells this site of its media.

Nothing of a request is read before its signature is found right, and whoever sent another learns
nothing from the answer. Each notification is heeded once, whenever and however often it comes, and
an older one changes nothing that a newer one has told. The network is not asked.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from functools import lru_cache

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, router, transaction
from django.db.models.functions import Now
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import last_events, signals
from .conf import aliases
from .connection import cloudkeys
from .models import HeardNotification, LastEvent
from .protocol.events import MAX_BODY, Event, EventType, read_event
from .protocol.scheme2.keys import Keys
from .protocol.scheme2.webhook import WebhookRefused, verify_webhook
from .protocol.secret import Secret

logger = logging.getLogger(__name__)

CLAIM = timedelta(seconds=60)  # for how long a notification may be at work
KEPT = last_events.KEPT
SIGNALS: dict[str, Signal | None] = {
    EventType.MEDIA_READY: signals.media_ready,
    EventType.MEDIA_FAILED: signals.media_failed,
    EventType.MEDIA_DELETED: signals.media_deleted,
    EventType.ASSET_READY: signals.asset_ready,
    EventType.ASSET_FAILED: None,
}
"""Every type that is heeded."""


class _Busy(Exception):
    """Another request is at work on the same notification."""


@csrf_exempt
@login_not_required
@require_POST
def webhook(request: HttpRequest, account: str) -> HttpResponse:
    """
    Take a notification for *account*, an alias in ``CLOUDKEYS``.

    Answers 204 when it was heeded, now or before; 400 when it is refused; 503 while it is at work;
    500 when a receiver of a signal, or the database, failed. The cloud sends it again after each
    but the first.
    """
    try:
        user, keys = _keys_of(account)
        body = _body_of(request)
        id = verify_webhook(keys, request.headers, body, now=time.time())
        event = read_event(body)
    except (ImproperlyConfigured, WebhookRefused, ValueError, OSError) as error:
        logger.warning("A notification for %r was refused: %s", account[:64], error)
        return HttpResponse(status=400)
    if event.type not in SIGNALS:
        return HttpResponse(status=204)
    try:
        heeded = _heed_once(account, user, id, event)
    except _Busy:
        return HttpResponse(status=503, headers={"Retry-After": "60"})
    except DatabaseError:
        logger.exception("Notification %s for %r could not be heeded", id, account)
        heeded = False
    return HttpResponse(status=204 if heeded else 500)


def _keys_of(account: str) -> tuple[str, list[Keys]]:
    if account not in aliases():
        raise WebhookRefused("account")
    settings = cloudkeys.settings(account)
    own = (settings.secret,) if settings.secret is not None else ()
    secrets = (*own, *settings.webhook_secrets)
    if not secrets:
        raise ImproperlyConfigured(
            f"CLOUDKEYS[{account!r}] has neither SECRET nor WEBHOOK_SECRETS."
        )
    return settings.user_id, [_derived(settings.user_id, secret) for secret in secrets]


@lru_cache(maxsize=256)
def _derived(user: str, secret: Secret) -> Keys:
    return Keys(user, "webhook", secret)  # no notification says by which secret it was signed


def _body_of(request: HttpRequest) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and int(length[:9]) <= MAX_BODY):
        raise ValueError("too large")
    body = request.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise ValueError("too large")
    return bytes(body)


def _heed_once(account: str, user: str, id: str, event: Event) -> bool:
    """Do what *event* asks for, unless that was done; return whether it is done."""
    key = f"{user}:{id}"
    if not _claim(key):
        return True
    try:
        is_done = _heed(account, user, event)
    except BaseException:
        _release(key)
        raise
    if not is_done:
        _release(key)
        return False
    HeardNotification.objects.filter(key=key).update(is_done=True)
    HeardNotification.objects.filter(heard__lt=Now() - KEPT).delete()
    last_events.forget_old()
    return True


def _claim(key: str) -> bool:
    """
    Return whether there is something to do, which is the caller's from now on.

    Raises:
        _Busy: it is another's at this moment.
    """
    fresh = {"claim_expires": Now() + CLAIM}
    using = router.db_for_write(HeardNotification)
    try:
        with transaction.atomic(using=using):
            HeardNotification(key=key, **fresh).save(using=using, force_insert=True)
    except IntegrityError:
        mine = HeardNotification.objects.using(using).filter(key=key)
        abandoned = mine.filter(is_done=False, claim_expires__lt=Now())
        if abandoned.update(**fresh):
            return True
        if mine.filter(is_done=True).exists():
            return False
        raise _Busy from None
    return True


def _release(key: str) -> None:
    HeardNotification.objects.filter(key=key, is_done=False).delete()


def _heed(account: str, user: str, event: Event) -> bool:
    """Write what *event* tells and send its signal; return whether no receiver failed."""
    last_events.remember(user, event)
    last = last_events.write_columns(account, user, event.media)
    signal = SIGNALS[event.type]
    if signal is None or (last is not None and not _is_current(event, last)):
        return True
    of_asset = {"asset": event.asset} if event.type == EventType.ASSET_READY else {}
    answers = signal.send_robust(
        sender=Event, account=account, media=event.media, event=event, **of_asset
    )
    return not any(isinstance(answer, Exception) for _receiver, answer in answers)


def _is_current(event: Event, last: LastEvent) -> bool:
    if event.sequence >= last.sequence:
        return True
    return not last.is_deleted and event.is_true_of(last.assets)
