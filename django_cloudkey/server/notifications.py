"""
The outbox: what sites are told of their media, at least once.

A notification is written in the transaction of the change that it tells of, so that there is never
one without the other, and sent by the worker until its receiver answers that it was heard. Every
write of a sender is fenced by its claim. The clock is the database's.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..protocol.assets import UNFINISHED
from ..protocol.events import Event, EventType
from ..protocol.scheme2.webhook import sign_webhook
from . import account_secrets, outgoing
from .encryption import Unreadable
from .models import Account, Asset, Media, Notification, atomic
from .outgoing_urls import NotAllowed

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # for how long a sender that says nothing keeps a notification
TRIED = timedelta(days=1)
FIRST_DELAY = 5  # seconds before the second attempt; five times as long before each that follows
MAX_DELAY = 6 * 3600  # seconds
PAUSE = 60  # seconds, at most, for which a receiver that failed is left alone
KEPT = timedelta(days=7)  # rows that were delivered or given up, since they were due
MAX_WAITING = 10_000  # notifications of one account
_GONE = 410
_State = Notification.State


def tell(media: Media, *events: tuple[EventType, str]) -> None:
    """
    Write notifications of *events* about *media*, if its account wants any.

    Call it in the transaction of the change, with the media's row locked, when all else is written:
    each notification holds the state of all assets.

    Args:
        events: Each a type and the name of an asset, empty for those about the media itself.
    """
    wanted = Account.objects.filter(pk=media.account_id, is_active=True).exclude(webhook_url="")
    if not events or not wanted.exists():
        return
    mine = Media.objects.filter(pk=media.pk)
    if not mine.update(sequence=F("sequence") + len(events)):
        return  # deleted at this very moment, which somebody else tells
    first = mine.values_list("sequence", flat=True).get() - len(events) + 1
    assets = {asset.name: _describe(asset) for asset in media.assets.order_by("id")}
    Notification.objects.bulk_create(
        Notification(
            account_id=media.account_id,
            type=type.value,
            media=media.pk,
            asset=asset,
            sequence=sequence,
            data={} if type == EventType.MEDIA_DELETED else {"assets": assets},
            due=Now(),
            expires=Now() + TRIED,
        )
        for sequence, (type, asset) in enumerate(events, first)
    )


def outcome(media: Media) -> list[tuple[EventType, str]]:
    """Return the event that all work on *media* is done, well or not; none as long as it is not."""
    statuses = set(media.assets.values_list("status", flat=True))
    if not statuses or not statuses.isdisjoint(UNFINISHED):
        return []
    failed = Asset.Status.ERROR in statuses
    return [(EventType.MEDIA_FAILED if failed else EventType.MEDIA_READY, "")]


def _describe(asset: Asset) -> dict[str, Any]:
    described: dict[str, Any] = {"status": str(asset.status)}
    if (duration := asset.facts.get("duration")) is not None:
        described["duration"] = duration
    if asset.status == Asset.Status.ERROR:
        described["error"] = {"code": asset.error_code, "message": asset.error_message}
    return described


def claim() -> Notification | None:
    """
    Take the notification that is due for longest, or whose sender fell silent; ``None`` without
    one.

    One UPDATE decides. An account has one under way: a receiver that is slow makes only its own
    notifications wait.
    """
    free = Q(state=_State.WAITING, due__lte=Now())
    if not Notification.objects.filter(free).exists():
        return None  # the usual case, without a lock of the database
    token = secrets.token_hex(16)
    under_way = Notification.objects.exclude(claim="").filter(state=_State.WAITING, due__gt=Now())
    with atomic():
        next_one = (
            Notification.objects.filter(free)
            .exclude(account__in=under_way.values("account"))
            .order_by("due", "sequence")
            .select_for_update(skip_locked=True)
        )
        # "=", not "IN", as in jobs.claim.
        taken = Notification.objects.filter(free, pk=next_one.values("pk")[:1]).update(
            claim=token, due=Now() + LEASE, attempts=F("attempts") + 1
        )
    if not taken:
        return None
    # Without the key, which is of no use here and may not be readable any more.
    claimed = Notification.objects.select_related("account").defer("account__api_key")
    return claimed.filter(claim=token).first()


def deliver_due(stop: Callable[[], bool]) -> None:
    """Send one after the other what is due, as long as there is any and *stop* does not say so."""
    while not stop() and (notification := claim()) is not None:
        deliver(notification)


_FAILURES = (
    NotAllowed,
    outgoing.NotAnswered,
    account_secrets.NoSecret,
    Unreadable,
    ImproperlyConfigured,  # settings that were changed: somebody sees it and mends it
)


def deliver(notification: Notification) -> None:
    """Send a claimed *notification* once, and note what came of it."""
    account = notification.account
    if not account.is_active or not account.webhook_url:
        _mine(notification).update(**_given_up(_("The account wants no notifications.")))
        return
    failure, status = "", 0
    try:
        status = _post(notification)
    except _FAILURES as error:
        failure = str(error)[:255]
    if 200 <= status < 300:
        _note_delivery(notification)
    elif status == _GONE:
        _switch_off(account)
    else:
        _note_failure(notification, failure or _answered(status))


def _post(notification: Notification) -> int:
    keys = account_secrets.all_keys(notification.account_id)
    body = event_of(notification).encode()
    headers = sign_webhook(keys, notification.pk, int(time.time()), body)
    headers |= {"Content-Type": "application/json", "User-Agent": "django-cloudkey"}
    return outgoing.post(notification.account.webhook_url, headers, body)


def event_of(notification: Notification) -> Event:
    """Return what *notification* tells."""
    return Event(
        type=notification.type,
        media=notification.media,
        asset=notification.asset,
        sequence=notification.sequence,
        created=int(notification.created.timestamp()),
        data=notification.data,
    )


def _answered(status: int) -> str:
    return _("The answer was %(status)d.") % {"status": status}


def _note_delivery(notification: Notification) -> None:
    _mine(notification).update(state=_State.DELIVERED, delivered=Now(), failure="", claim="")
    # Whatever was put off because the receiver did not answer, and was never tried itself.
    put_off = _waiting(notification.account_id).filter(attempts=0, due__gt=Now())
    put_off.update(due=Now())


def _note_failure(notification: Notification, failure: str) -> None:
    delay = timedelta(seconds=_delay(notification.attempts))
    logger.warning("Notification %s: %s", notification.pk, failure)
    later = _mine(notification).filter(expires__gt=Now() + delay)
    if not later.update(due=Now() + delay, failure=failure, claim=""):
        _mine(notification).update(**_given_up(failure))
    pause = Now() + min(delay, timedelta(seconds=PAUSE))
    _waiting(notification.account_id).filter(claim="", due__lt=pause).update(due=pause)


def _delay(attempts: int) -> float:
    """Return seconds: 5, 25, 125… and six hours at last, each a quarter more or less."""
    delay = min(FIRST_DELAY * 5.0 ** min(attempts - 1, 9), MAX_DELAY)
    return delay * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, hides nothing


def _switch_off(account: Account) -> None:
    logger.warning("Account %s: its webhook is gone and gets no more notifications", account.pk)
    failure = f"{_answered(_GONE)} {_('Notifications were switched off.')}"
    with atomic():
        # Unless it was set to another address meanwhile.
        rows = Account.objects.filter(pk=account.pk, webhook_url=account.webhook_url)
        if rows.update(webhook_url=""):
            _waiting(account.pk).update(**_given_up(failure))


def send_again(notifications: QuerySet[Notification]) -> int:
    """Let *notifications* be sent once more, from now for a day; return their number."""
    return notifications.update(
        state=_State.WAITING,
        attempts=0,
        due=Now(),
        expires=Now() + TRIED,
        delivered=None,
        failure="",
        claim="",
    )


def tidy_up() -> None:
    """Forget what was settled long ago, and give up the oldest of those that are too many."""
    _settled_long_ago().delete()
    waiting = Notification.objects.filter(state=_State.WAITING)
    counts = waiting.order_by().values("account").annotate(count=models.Count("pk"))
    for account in counts.filter(count__gt=MAX_WAITING).values_list("account", flat=True):
        newest = _waiting(account).order_by("-created", "-sequence")
        last = newest.values_list("created", flat=True)[MAX_WAITING]
        surplus = _waiting(account).filter(created__lte=last)
        given_up = surplus.update(**_given_up(_("Too many are waiting.")))
        logger.warning("Account %s: %d notifications too many were given up", account, given_up)


def _settled_long_ago() -> QuerySet[Notification]:
    """Return what was due for the last time before KEPT; an index has it in this form."""
    settled = (_State.DELIVERED, _State.GIVEN_UP)
    return Notification.objects.filter(state__in=settled, due__lt=Now() - KEPT)


def _given_up(failure: str) -> dict[str, Any]:
    return {"state": _State.GIVEN_UP, "failure": failure, "claim": ""}


def _mine(notification: Notification) -> QuerySet[Notification]:
    return Notification.objects.filter(
        pk=notification.pk, claim=notification.claim, state=_State.WAITING
    )


def _waiting(account: str) -> QuerySet[Notification]:
    return Notification.objects.filter(account=account, state=_State.WAITING)
