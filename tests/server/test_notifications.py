"""The outbox: written with the change that it tells of, sent once it is committed, never lost."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from django_cloudkey.protocol.events import EventType
from django_cloudkey.protocol.scheme2.webhook import WebhookRefused, verify_webhook
from django_cloudkey.server import account_secrets, notifications
from django_cloudkey.server.models import Account, Asset, Media, Notification, atomic
from django_cloudkey.server.notifier import Notifier
from django_cloudkey.server.worker import Worker

from ..conftest import DATABASES, Cloud
from ..receivers import Receiver, receiving, status

pytestmark = pytest.mark.django_db(databases=DATABASES, transaction=True)
READY = EventType.MEDIA_READY


@pytest.fixture
def receiver(account: Account, settings: Any) -> Iterator[Receiver]:
    """The account's, in a network that the cloud may call; the account has a secret."""
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "WEBHOOK_NETWORKS": ["127.0.0.1"]}
    with receiving() as started:
        account.webhook_url = started.url
        account.save()
        account_secrets.add(account)
        yield started


@pytest.fixture
def media(account: Account) -> Media:
    media = Media.objects.create(account=account)
    Asset.objects.create(
        media=media, name="source", status="ready", facts={"duration": 61, "file_size": 9}
    )
    return media


def tell(media: Media, *types: EventType) -> None:
    with atomic():
        notifications.tell(media, *((each, "") for each in types))


def send() -> None:
    notifications.deliver_due(lambda: False)


def make_due() -> None:
    Notification.objects.update(due=timezone.now() - timedelta(seconds=1))


# What is written


def test_account_without_webhook_gets_no_rows(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ("jpeg_thumbnail_small",))
    cloud.work()
    cloud.client.media.delete(id=media)

    assert not Notification.objects.exists()


def test_each_step_of_a_media_is_told_in_order(
    cloud: Cloud, clip: Path, receiver: Receiver
) -> None:
    media = cloud.upload(clip, ("mp4_h264_aac", "jpeg_thumbnail_small"))
    cloud.work()
    cloud.client.media.delete(id=media)
    send()

    events = [each.event for each in receiver.received]
    assert [(each.type, each.asset) for each in events] == [
        ("asset.ready", "source"),
        ("asset.ready", "mp4_h264_aac"),
        ("asset.ready", "jpeg_thumbnail_small"),
        ("media.ready", ""),
        ("media.deleted", ""),
    ]
    assert [each.sequence for each in events] == [1, 2, 3, 4, 5]
    assert {each.media for each in events} == {media}
    assert all(abs(each.created - time.time()) < 60 for each in events)
    assert events[0].assets["mp4_h264_aac"] == {"status": "processing"}
    assert events[3].assets["source"] == {"status": "ready", "duration": 2}
    assert {each["status"] for each in events[3].assets.values()} == {"ready"}
    assert events[4].assets == {}


def test_failure_is_told_with_its_reason(cloud: Cloud, receiver: Receiver, tmp_path: Path) -> None:
    path = tmp_path / "letter.mp4"
    path.write_bytes(b"Dear viewers, " * 100)
    cloud.upload(path)
    cloud.work()

    assert receiver.types == ["asset.failed", "asset.failed", "media.failed"]
    source = receiver.received[-1].event.assets["source"]
    assert source["error"]["code"] == "not_a_video"


def test_file_that_was_given_as_it_is_is_told(cloud: Cloud, clip: Path, receiver: Receiver) -> None:
    media = cloud.upload(clip, ())
    cloud.work()
    url = cloud.client.file.upload_file(clip)["url"]
    cloud.client.media.set_assets(id=media, assets=[{"name": "mp4_h264_aac_hq", "url": url}])
    cloud.work()

    told = [(each.event.type, each.event.asset) for each in receiver.received]
    assert told[-2:] == [("asset.ready", "mp4_h264_aac_hq"), ("media.ready", "")]


def test_change_that_is_rolled_back_tells_nothing(media: Media, receiver: Receiver) -> None:
    with atomic():
        notifications.tell(media, (READY, ""))
        transaction.set_rollback(True, using="cloud")

    assert not Notification.objects.exists()
    assert Media.objects.get().sequence == 0


def test_account_that_is_switched_off_is_told_nothing(media: Media, receiver: Receiver) -> None:
    tell(media, READY)
    Account.objects.update(is_active=False)
    tell(media, READY)
    send()

    assert receiver.received == []
    assert [each.state for each in Notification.objects.all()] == ["given_up"]


# What is sent


def test_sent_again_is_the_same_but_for_the_time(media: Media, receiver: Receiver) -> None:
    receiver.answer = status(500)
    tell(media, READY)
    send()
    make_due()
    receiver.answer = status(204)
    send()

    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    row = Notification.objects.get()
    assert (row.state, row.attempts, row.failure) == ("delivered", 2, "")
    assert row.delivered is not None


def test_t212_all_active_secrets_sign_the_newest_first(media: Media, receiver: Receiver) -> None:
    newest = account_secrets.add(media.account)
    retired = account_secrets.add(media.account)
    retired.is_active = False
    retired.save()
    tell(media, READY)
    send()

    (got,) = receiver.received
    signatures = got.headers["webhook-signature"].split(" ")
    assert len(signatures) == 2
    for secret in media.account.secrets.filter(is_active=True):
        keys = account_secrets.keys_of(secret)
        assert verify_webhook([keys], got.headers, got.body, now=time.time()) == got.id
    first = {**got.headers, "webhook-signature": signatures[0]}
    keys = account_secrets.keys_of(newest)
    assert verify_webhook([keys], first, got.body, now=time.time()) == got.id
    keys = account_secrets.keys_of(retired)
    with pytest.raises(WebhookRefused):
        verify_webhook([keys], got.headers, got.body, now=time.time())


def test_account_without_a_secret_is_tried_again(media: Media, receiver: Receiver) -> None:
    media.account.secrets.all().delete()
    tell(media, READY)
    send()

    row = Notification.objects.get()
    assert (row.state, row.failure) == (
        "waiting", "The account has no active secret to sign with."
    )  # fmt: skip
    assert receiver.received == []


def test_account_whose_secrets_cannot_be_read_holds_up_nothing(
    media: Media, receiver: Receiver, settings: Any
) -> None:
    tell(media, READY)
    settings.SECRET_KEY = "another, and the old one is no fallback"
    send()

    row = Notification.objects.get()
    assert row.state == "waiting"
    assert "SECRET_KEY" in row.failure
    assert row.claim == ""


def test_settings_that_became_wrong_are_a_failure_like_another(
    media: Media, receiver: Receiver, settings: Any
) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "WEBHOOK_NETWORKS": ["nowhere"]}
    tell(media, READY)
    send()

    row = Notification.objects.get()
    assert (row.state, row.claim) == ("waiting", "")
    assert "WEBHOOK_NETWORKS" in row.failure


def test_delays_grow_and_end_within_a_day() -> None:
    delays = [notifications._delay(attempt) for attempt in range(1, 12)]

    assert all(4 * 0.75 < delay <= notifications.MAX_DELAY * 1.25 for delay in delays)
    assert all(a < b for a, b in itertools.pairwise(delays[:6]))
    within_a_day = [sum(delays[:n]) for n in range(1, 12) if sum(delays[:n]) < 24 * 3600]
    assert 7 <= len(within_a_day) <= 10
    assert len({notifications._delay(3) for _ in range(10)}) > 1, "no jitter"


def test_receiver_that_fails_for_a_day_is_given_up(media: Media, receiver: Receiver) -> None:
    receiver.answer = status(500)
    tell(media, READY)
    send()
    assert Notification.objects.get().state == "waiting"
    Notification.objects.update(expires=timezone.now() + timedelta(seconds=3))
    make_due()
    send()

    row = Notification.objects.get()
    assert (row.state, row.attempts, row.failure) == ("given_up", 2, "The answer was 500.")


def test_receiver_that_failed_is_left_alone_and_then_gets_all(
    media: Media, receiver: Receiver
) -> None:
    receiver.answer = status(503)
    tell(media, *[READY] * 20)
    send()

    assert len(receiver.received) == 1, "one attempt tells that it is down"
    assert Notification.objects.filter(due__gt=timezone.now()).count() == 20
    receiver.answer = status(204)
    Notification.objects.filter(sequence=2).update(due=timezone.now() - timedelta(seconds=1))
    send()
    assert len(receiver.received) == 20, "all that was put off came at once"
    make_due()
    send()
    assert [each.event.sequence for each in receiver.received[1:]] == [*range(2, 21), 1]


def test_deleted_account_takes_its_notifications_along(media: Media, receiver: Receiver) -> None:
    tell(media, READY)
    claimed = notifications.claim()
    assert claimed is not None
    Account.objects.all().delete()
    notifications.deliver(claimed)

    assert not Notification.objects.exists()


# Who sends


def test_two_senders_never_take_the_same(media: Media, receiver: Receiver) -> None:
    for number in range(4):
        other = Account.objects.create(name=f"a{number}", webhook_url=receiver.url)
        account_secrets.add(other)
        of_other = Media.objects.create(account=other)
        tell(of_other, *[READY] * 20)
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait()
            for _ in range(200):
                send()
                if not Notification.objects.filter(state="waiting").exists():
                    return
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    ids = [each.id for each in receiver.received]
    assert len(ids) == len(set(ids)) == 80
    assert set(Notification.objects.values_list("attempts", "state")) == {(1, "delivered")}


def test_account_has_one_notification_under_way(media: Media, receiver: Receiver) -> None:
    other = Account.objects.create(name="other", webhook_url=receiver.url)
    tell(media, READY, READY)
    tell(Media.objects.create(account=other), READY)

    first, second, third = notifications.claim(), notifications.claim(), notifications.claim()
    assert first is not None
    assert second is not None
    assert (first.account_id, second.account_id, third) == (media.account_id, other.pk, None)


def test_claim_of_a_silent_sender_runs_out(media: Media, receiver: Receiver) -> None:
    tell(media, READY)
    silent = notifications.claim()
    assert silent is not None
    assert notifications.claim() is None
    make_due()
    second = notifications.claim()
    assert second is not None
    assert second.claim != silent.claim
    notifications._note_failure(silent, "late")

    row = Notification.objects.get()
    assert (row.claim, row.failure) == (second.claim, ""), "the late one wrote"


def test_worker_sends_while_it_encodes(
    cloud: Cloud, draw_clip: Any, receiver: Receiver, media: Media
) -> None:
    cloud.upload(draw_clip("long.mp4", seconds=20, size="640x360"))
    tell(media, READY)
    worker = Worker()
    seen: list[str] = []

    def watch() -> None:
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end and not seen:
                if READY in receiver.types:
                    seen.extend(Asset.objects.values_list("status", flat=True))
                time.sleep(0.02)
            worker.stop()
        finally:
            connections.close_all()

    thread = threading.Thread(target=watch)
    thread.start()
    worker.run()
    thread.join()

    assert {"pending", "processing"} & set(seen), "it was sent when the work was done"


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=30)])
def test_f30_clock_of_a_process_that_jumps_moves_nothing(
    jump: timedelta, media: Media, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timezone.now
    receiver.answer = status(500)
    monkeypatch.setattr(timezone, "now", lambda: real() + jump)
    tell(media, READY)
    claimed = notifications.claim()
    assert claimed is not None
    assert timedelta(seconds=50) < claimed.due - real() < timedelta(seconds=70)
    assert notifications.claim() is None, "the claim counts"
    notifications.deliver(claimed)

    row = Notification.objects.get()
    assert row.state == "waiting"
    assert timedelta(0) < row.due - real() < timedelta(seconds=10)


def test_worker_sends_all_that_is_due_without_a_pause(media: Media, receiver: Receiver) -> None:
    tell(media, *[READY] * 40)
    worker = Worker()
    started = time.monotonic()

    def watch() -> None:
        while len(receiver.received) < 40 and time.monotonic() - started < 30:
            time.sleep(0.05)
        worker.stop()

    thread = threading.Thread(target=watch)
    thread.start()
    worker.run()
    thread.join()

    assert [each.event.sequence for each in receiver.received] == list(range(1, 41))
    assert time.monotonic() - started < 20, "a pause of a second after each makes forty"


def test_f43_machine_without_a_thread_for_a_sender(
    media: Media, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("notifier-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    tell(media, *[READY] * 3)
    end = time.monotonic() + 20
    with Notifier():
        while len(receiver.received) < 3 and time.monotonic() < end:
            time.sleep(0.02)

    assert [each.event.sequence for each in receiver.received] == [1, 2, 3]


# What is kept


def test_settled_rows_are_tidied_up(media: Media, receiver: Receiver) -> None:
    tell(media, READY, READY, READY)
    old = timezone.now() - timedelta(days=8)
    Notification.objects.filter(sequence__lt=3).update(created=old, expires=old, due=old)
    Notification.objects.filter(sequence=1).update(state="delivered")
    Notification.objects.filter(sequence=3).update(state="given_up")
    notifications.tidy_up()

    assert [each.sequence for each in Notification.objects.order_by("sequence")] == [2, 3]


def test_settled_rows_are_found_without_reading_the_others() -> None:
    connection = connections["cloud"]
    with atomic():
        if connection.vendor == "postgresql":  # which reads a table of no rows as a whole
            connection.cursor().execute("SET LOCAL enable_seqscan = off")
        plan = notifications._settled_long_ago().explain()

    assert "cloudkey_notification_due" in plan


def test_t215_queue_of_an_account_is_bounded(
    media: Media, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "MAX_WAITING", 10)
    other = Account.objects.create(name="other", webhook_url=receiver.url)
    tell(Media.objects.create(account=other), *[READY] * 10)
    for _ in range(13):
        tell(media, READY)
    notifications.tidy_up()

    waiting = Notification.objects.filter(state="waiting")
    assert waiting.filter(account=other).count() == 10
    mine = waiting.filter(account=media.account).order_by("sequence")
    assert [each.sequence for each in mine] == list(range(4, 14)), "the newest stay"
