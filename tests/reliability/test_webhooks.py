"""
F29: what a cloud has to tell reaches the site, whoever is down or killed meanwhile, and once.

Site, worker and cloud are processes of their own, and talk HTTP over sockets.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from django_cloudkey.models import HeardNotification, LastEvent
from django_cloudkey.protocol.events import EventType
from django_cloudkey.protocol.scheme2.webhook import sign_webhook
from django_cloudkey.server import account_secrets, notifications
from django_cloudkey.server.models import Account, Asset, Media, Notification, atomic
from tests.testapp.models import Episode

from ..conftest import Cloud
from ..processes import ROOT, environment
from ..storages.conftest import free_port

MEDIA = 12
KILLS = 4
HOUR = timedelta(hours=1)


@dataclass
class Site:
    """A site that can be started and killed; *heard* is what its receivers wrote down."""

    settings: Any
    file: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/cloudkey/webhook/default/"

    @property
    def heard(self) -> list[tuple[str, str, str, int]]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def start(self, *, hearing_takes: float = 0) -> None:
        command = [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}"),
            *("--worker-class=gthread", "--workers=2", "--threads=8", "--no-control-socket"),
            *("--log-level=error", "tests.reliability.hearing_site:application"),
        ]
        env = {
            **environment(self.settings),
            "HEARD": str(self.file),
            "HEARING_TAKES": str(hearing_takes),
        }
        self.process = subprocess.Popen(command, cwd=ROOT, env=env)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise AssertionError("the site does not listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(15)
            self.process = None


@pytest.fixture
def site(cloud: Cloud, settings: Any, tmp_path: Path) -> Iterator[Site]:
    """A site that is down at first; the account's notifications go there."""
    secret = account_secrets.add(cloud.account)
    default = {**settings.CLOUDKEYS["default"], "SECRET": secret.secret, "KID": secret.kid}
    settings.CLOUDKEYS = {"default": default}
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "WEBHOOK_NETWORKS": ["127.0.0.1"]}
    site = Site(settings=settings, file=tmp_path / "heard")
    Account.objects.update(webhook_url=site.url)
    yield site
    site.stop()


def under_way() -> QuerySet[Notification]:
    """Return what a sender has claimed that is alive, or was a moment ago."""
    return Notification.objects.exclude(claim="").filter(due__gt=timezone.now())


def pass_time(span: timedelta) -> None:
    """Let *span* pass for the outbox."""
    Notification.objects.update(
        due=F("due") - span, created=F("created") - span, expires=F("expires") - span
    )


def tell_all(account: Account) -> None:
    """Tell of MEDIA media that are prepared and become ready, three notifications for each."""
    for number in range(MEDIA):
        media = Media.objects.create(account=account)
        Episode.objects.create(title=str(number), video=media.pk)
        facts = {"duration": number}
        source = Asset.objects.create(media=media, name="source", status="ready", facts=facts)
        video = Asset.objects.create(media=media, name="mp4_h264_aac", status="processing")
        with atomic():
            notifications.tell(media, (EventType.ASSET_READY, source.name))
        video.status = "ready"
        with atomic():
            video.save()
            told = (EventType.ASSET_READY, video.name), *notifications.outcome(media)
            notifications.tell(media, *told)


def test_f29_what_was_told_while_the_site_was_down_comes_once_and_in_order(
    cloud: Cloud, site: Site, start_worker: Callable[..., subprocess.Popen[bytes]]
) -> None:
    tell_all(cloud.account)
    for _ in range(4):  # a quarter of an hour each
        notifications.deliver_due(lambda: False)
        pass_time(HOUR / 4)
    waiting = Notification.objects.filter(state="waiting")
    assert waiting.count() == MEDIA * 3
    failures = set(waiting.exclude(failure="").values_list("failure", flat=True))
    assert failures == {"The connection failed: Connection refused."}
    attempts = waiting.aggregate(sum=Sum("attempts"))["sum"]
    assert attempts <= 8, "a site that is down is left alone"

    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    moments = random.Random(seed)
    site.start(hearing_takes=0.1)
    cut_short = 0
    for _ in range(KILLS):
        pass_time(HOUR / 4)  # the claims of those that were killed run out
        worker = start_worker()
        wait_for(lambda: under_way().exists() or not waiting.exists())
        time.sleep(moments.uniform(0, 0.3))
        worker.kill()
        worker.wait(10)
        cut_short += under_way().count()
    end = time.monotonic() + 60
    while waiting.exists():
        assert time.monotonic() < end
        pass_time(HOUR)
        two = [start_worker("--drain") for _ in range(2)]
        assert [each.wait(60) for each in two] == [0, 0]

    assert cut_short, "no kill hit a sender at work"
    assert Notification.objects.filter(state="delivered").count() == MEDIA * 3
    assert Notification.objects.aggregate(sum=Sum("attempts"))["sum"] >= MEDIA * 3 + cut_short
    ours = Notification.objects.values_list("media", "type", "asset", "sequence")
    assert Counter(site.heard) == Counter(ours), "each was heeded once"
    assert set(LastEvent.objects.values_list("sequence", flat=True)) == {3}
    states = Episode.objects.order_by("id").values_list("state", "seconds")
    assert list(states) == [("ready", number) for number in range(MEDIA)]
    assert HeardNotification.objects.filter(is_done=True).count() == MEDIA * 3


def test_f34_f35_a_hundred_copies_at_once_and_after_a_restart_count_once(
    cloud: Cloud, site: Site
) -> None:
    tell_all(cloud.account)
    row = Notification.objects.filter(type="media.ready").first()
    assert row is not None
    body = notifications.event_of(row).encode()
    keys = account_secrets.all_keys(row.account_id)

    def send(_: int) -> int:
        headers = sign_webhook(keys, row.pk, int(time.time()), body)
        return requests.post(site.url, body, headers=headers, timeout=30).status_code

    site.start(hearing_takes=0.2)
    with ThreadPoolExecutor(25) as pool:
        first = Counter(pool.map(send, range(100)))
    site.stop()
    site.start()
    with ThreadPoolExecutor(25) as pool:
        second = Counter(pool.map(send, range(100)))

    assert set(first) <= {204, 503}
    assert first[204] >= 1
    assert second == {204: 100}
    assert len(site.heard) == 1


def test_uploaded_video_tells_the_site_by_itself(
    cloud: Cloud,
    site: Site,
    clip: Path,
    start_worker: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_bytes(b"Dear viewers, " * 100)
    site.start()
    worker = start_worker()
    started = time.monotonic()
    film = Episode.objects.create(title="film", video=cloud.upload(clip))
    wrong = Episode.objects.create(title="letter", video=cloud.upload(letter))
    wait_for(lambda: not Episode.objects.filter(state="processing").exists(), 60)
    seconds = time.monotonic() - started
    cloud.client.media.delete(id=wrong.video.id)
    wait_for(lambda: len(site.heard) == 5)
    worker.terminate()
    assert worker.wait(20) == 0

    film.refresh_from_db()
    wrong.refresh_from_db()
    assert (film.state, film.seconds) == ("ready", 2)
    assert (wrong.state, wrong.seconds) == ("missing", None)
    heard = {(media, type_): sequence for media, type_, _asset, sequence in site.heard}
    assert heard[film.video.id, "media.ready"] == 3
    assert heard[wrong.video.id, "media.failed"] == 3
    assert heard[wrong.video.id, "media.deleted"] == 4
    print(f"from the upload to both columns: {seconds:.1f} s")  # noqa: T201


def test_secrets_are_replaced_without_a_gap(cloud: Cloud, site: Site) -> None:
    """F50, as far as it is about notifications."""

    def tell() -> None:
        with atomic():
            notifications.tell(
                Media.objects.create(account=cloud.account), (EventType.MEDIA_READY, "")
            )
        notifications.deliver_due(lambda: False)

    site.start()
    tell()
    new = account_secrets.add(cloud.account)
    tell()
    site.stop()
    default = {**site.settings.CLOUDKEYS["default"], "SECRET": new.secret, "KID": new.kid}
    site.settings.CLOUDKEYS = {"default": default}
    site.start()
    tell()
    cloud.account.secrets.exclude(pk=new.pk).update(is_active=False)
    tell()

    states = Notification.objects.values_list("state", "attempts")
    assert list(states) == [("delivered", 1)] * 4
    assert len(site.heard) == 4
    new.is_active = False
    new.save()
    account_secrets.add(cloud.account)
    tell()
    assert Notification.objects.filter(failure="The answer was 400.").count() == 1


def wait_for(is_so: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
