"""
The webhook of a site: T212, T213, T214, T217 and T243 of the study, and what it does for rows.

No test here lets anything open a connection, but for the one that repairs what was lost.
"""

from __future__ import annotations

import io
import json
import logging
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.utils import timezone

from django_cloudkey import last_events, signals, webhooks
from django_cloudkey.models import HeardNotification, LastEvent
from django_cloudkey.protocol.events import MAX_BODY, Event
from django_cloudkey.protocol.scheme2.keys import Keys, new_secret
from django_cloudkey.protocol.scheme2.webhook import sign_webhook
from tests.testapp.models import Episode, Pilot, Teaser

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES, transaction=True)

USER = "4d0c0ffee000000000000001"
MEDIA = "4d0c0ffee0000000000000aa"
OTHER = "4d0c0ffee0000000000000bb"
OLD, NEW, STRANGE = (new_secret().reveal() for _ in range(3))
URL = "/cloudkey/webhook/default/"


@dataclass
class Teller:
    """A cloud that tells this site; what it signs with and when may be wrong."""

    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))
    secrets: tuple[str, ...] = (OLD,)
    user: str = USER

    def headers(self, body: bytes, *, id: str = "", at: float = 0) -> dict[str, str]:
        keys = [Keys(self.user, "k1", secret) for secret in self.secrets]
        id = id or f"msg_{secrets.token_hex(8)}"
        return sign_webhook(keys, id, int(time.time() + at), body)

    def post(self, body: bytes, headers: dict[str, str], url: str = URL) -> Any:
        answer = self.client.post(url, body, content_type="application/json", headers=headers)
        assert answer.content == b"", "an answer says nothing"
        return answer

    def tell(
        self,
        type: str = "media.ready",
        *,
        media: str = MEDIA,
        sequence: int = 1,
        status: str = "ready",
        asset: str = "",
        id: str = "",
        at: float = 0,
        url: str = URL,
    ) -> int:
        body = event(type, media=media, sequence=sequence, status=status, asset=asset).encode()
        return int(self.post(body, self.headers(body, id=id, at=at), url).status_code)


def event(
    type: str = "media.ready",
    *,
    media: str = MEDIA,
    sequence: int = 1,
    status: str = "ready",
    asset: str = "",
) -> Event:
    assets = {"source": {"status": "ready", "duration": 61}, "mp4_h264_aac": {"status": status}}
    return Event(
        type=type,
        media=media,
        sequence=sequence,
        created=int(time.time()),
        asset=asset,
        data={"assets": assets},
    )


@pytest.fixture(autouse=True)
def _credentials(settings: Any) -> None:
    default = {**settings.CLOUDKEYS["default"], "SECRET": OLD, "KID": "k1"}
    settings.CLOUDKEYS = {
        "default": default,
        "other": {**default, "USER_ID": OTHER, "SECRET": STRANGE},
        "historical": {**default, "SECRET": "", "KID": "", "USER_ID": OTHER},
    }


@pytest.fixture(autouse=True)
def _offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "cloud" in request.fixturenames or connection.vendor != "sqlite":
        return

    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.fixture
def heard() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The signals that were sent: each a name and its arguments."""
    got: list[tuple[str, dict[str, Any]]] = []
    names = ("media_ready", "media_failed", "media_deleted", "asset_ready")

    def listen(name: str) -> Callable[..., None]:
        def receive(*, signal: object, **kwargs: Any) -> None:
            got.append((name, kwargs))

        return receive

    receivers = {name: listen(name) for name in names}
    for name, receive in receivers.items():
        getattr(signals, name).connect(receive)
    yield got
    for name, receive in receivers.items():
        getattr(signals, name).disconnect(receive)


def episode(**values: Any) -> Episode:
    return Episode.objects.create(title="a", video=MEDIA, **values)


def stored(row: Any) -> tuple[str, float | None]:
    fresh = type(row).objects.get(pk=row.pk)
    return fresh.state, fresh.seconds


def is_untouched() -> bool:
    return not LastEvent.objects.exists() and not HeardNotification.objects.exists()


# What it does


@pytest.mark.parametrize(
    ("type_", "status", "state"),
    [
        ("media.ready", "ready", ("ready", 61)),
        ("media.failed", "error", ("error", None)),
        ("asset.ready", "processing", ("processing", None)),
        ("media.deleted", "ready", ("missing", None)),
    ],
)
def test_columns_become_what_was_told(type_: str, status: str, state: Any, teller: Teller) -> None:
    rows = [episode(), Pilot.objects.create(title="b", video=MEDIA)]
    other = Episode.objects.create(title="c", video=OTHER, state="ready", seconds=5)
    teaser = Teaser.objects.create(video=MEDIA)

    assert teller.tell(type_, status=status) == 204

    assert {stored(row) for row in rows} == {state}
    assert stored(other) == ("ready", 5)
    assert Teaser.objects.get(pk=teaser.pk).seconds == state[1]


def test_signals_tell_receivers(teller: Teller, heard: Any) -> None:
    teller.tell("asset.ready", asset="source", sequence=1, status="processing")
    teller.tell("media.ready", sequence=2)
    teller.tell("media.failed", sequence=3, status="error")
    teller.tell("asset.failed", asset="mp4_h264_aac", sequence=4, status="error")
    teller.tell("media.deleted", sequence=5)

    assert [name for name, _ in heard] == [
        "asset_ready", "media_ready", "media_failed", "media_deleted"
    ]  # fmt: skip
    first, second = heard[0][1], heard[1][1]
    assert first.pop("event").sequence == 1
    assert first == {"sender": Event, "account": "default", "media": MEDIA, "asset": "source"}
    assert second.pop("event").assets["source"] == {"status": "ready", "duration": 61}
    assert second == {"sender": Event, "account": "default", "media": MEDIA}


def test_receiver_sees_the_columns_and_no_transaction(teller: Teller) -> None:
    row = episode()
    seen = []

    def receive(**kwargs: Any) -> None:
        seen.append((stored(row), connection.in_atomic_block))

    signals.media_ready.connect(receive)
    try:
        teller.tell()
    finally:
        signals.media_ready.disconnect(receive)

    assert seen == [(("ready", 61), False)]


def test_requests_in_transactions_leave_the_webhook_out(
    teller: Teller, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    test_receiver_sees_the_columns_and_no_transaction(teller)


# Rows that come later


def test_row_that_is_saved_later_knows_what_was_told(teller: Teller) -> None:
    teller.tell()
    row = episode()
    teaser = Teaser.objects.create(video=MEDIA)

    assert stored(row) == ("ready", 61)
    assert (row.state, row.seconds) == ("ready", 61), "the row in hand, too"
    assert Teaser.objects.get(pk=teaser.pk).seconds == 61


def test_row_that_takes_the_id_later_knows_what_was_told(teller: Teller) -> None:
    row = Episode.objects.create(title="a", video=OTHER)
    teller.tell()
    row.video = MEDIA
    row.save(update_fields=["video"])

    assert stored(row) == ("ready", 61)


def test_rollback_hears_nothing(teller: Teller) -> None:
    teller.tell()
    with transaction.atomic():
        episode()
        transaction.set_rollback(True)

    assert not Episode.objects.exists()


def test_notification_that_comes_before_the_commit_is_not_missed(teller: Teller) -> None:
    answers: list[int] = []

    def tell() -> None:
        try:
            answers.append(teller.tell())
        finally:
            connections.close_all()

    thread = threading.Thread(target=tell)
    with transaction.atomic():
        row = episode()
        thread.start()
        thread.join(0.5)  # on PostgreSQL it is through by then, on SQLite it waits for the commit
    thread.join()

    assert answers == [204]
    assert stored(row) == ("ready", 61)


def test_row_that_an_old_copy_overwrote_is_mended(teller: Teller) -> None:
    old = episode()
    teller.tell()
    assert stored(old) == ("ready", 61)
    old.title = "b"
    old.save()  # all columns, as they were

    assert stored(old) == ("ready", 61)


def test_saving_costs_sites_without_a_secret_no_query(
    settings: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        episode()  # and what was told of it
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "SECRET": "", "KID": ""}}
    with django_assert_num_queries(1):
        episode()


def test_saving_what_has_no_part_in_it_costs_no_query(
    teller: Teller, django_assert_num_queries: Any
) -> None:
    row = episode()
    teller.tell()
    row.title = "b"
    with django_assert_num_queries(1):
        row.save(update_fields=["title"])
    assert stored(row) == ("ready", 61)
    row = Episode.objects.only("title", "video").get()
    with django_assert_num_queries(2):
        row.save()  # the id that is stored, and what was loaded: on_delete is "delete"
    row = Episode.objects.get()
    with django_assert_num_queries(2):
        row.save()  # nothing is left to be told


def test_field_of_another_account_is_left_alone(teller: Teller) -> None:
    row = episode()
    stranger = Teller(secrets=(STRANGE,), user=OTHER)

    assert stranger.tell(url="/cloudkey/webhook/other/") == 204
    assert stored(row) == ("processing", None)
    assert stored(episode()) == ("processing", None), "nor is what comes later"


# T212: who tells


def changed(headers: dict[str, str], **changes: str) -> dict[str, str]:
    return {**headers, **{name.replace("_", "-"): value for name, value in changes.items()}}


WRONG: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "nothing": lambda h: {},
    "no signature": lambda h: changed(h, webhook_signature=""),
    "no id": lambda h: {name: value for name, value in h.items() if name != "webhook-id"},
    "no time": lambda h: {name: value for name, value in h.items() if name != "webhook-timestamp"},
    "another id": lambda h: changed(h, webhook_id="msg_0"),
    "another time": lambda h: changed(h, webhook_timestamp=str(int(time.time()) + 1)),
    "upper case": lambda h: changed(h, webhook_signature=h["webhook-signature"].upper()),
    "version": lambda h: changed(h, webhook_signature=h["webhook-signature"].replace("v1", "v2")),
    "no version": lambda h: changed(h, webhook_signature=h["webhook-signature"][3:]),
    "two spaces": lambda h: changed(
        h, webhook_signature=f"{h['webhook-signature']}  {h['webhook-signature']}"
    ),
    "padding": lambda h: changed(h, webhook_signature=h["webhook-signature"].rstrip("=")),
    "too many": lambda h: changed(
        h, webhook_signature=" ".join(["v1,AAAA"] * 8 + [h["webhook-signature"]])
    ),
    "time with a sign": lambda h: changed(h, webhook_timestamp="+" + h["webhook-timestamp"]),
    "time with zeros": lambda h: changed(h, webhook_timestamp="0" + h["webhook-timestamp"]),
    "two ids": lambda h: changed(h, webhook_id=f"{h['webhook-id']},{h['webhook-id']}"),
    "long id": lambda h: changed(h, webhook_id="x" * 65),
    "id with a dot": lambda h: changed(h, webhook_id=h["webhook-id"] + "." + "1"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_t212_what_the_cloud_did_not_sign_is_refused(
    change: Any, teller: Teller, heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = event().encode()
    answer = teller.post(body, change(teller.headers(body)))

    assert answer.status_code == 400
    assert heard == []
    assert is_untouched()
    assert OLD not in caplog.text


def test_t212_another_body_is_refused(teller: Teller, heard: Any) -> None:
    headers = teller.headers(event().encode())

    for body in (event(media=OTHER).encode(), event().encode() + b" ", b""):
        assert teller.post(body, headers).status_code == 400
    assert is_untouched()


@pytest.mark.parametrize("at", [-301, 301, -86_400, 86_400])
def test_t212_stale_and_future_ones_are_refused(at: int, teller: Teller) -> None:
    assert teller.tell(at=at + (1 if at > 0 else 0)) == 400
    assert is_untouched()


@pytest.mark.parametrize("at", [-295, 0, 295])
def test_t212_clocks_may_differ(at: int, teller: Teller) -> None:
    assert teller.tell(at=at) == 204


@pytest.mark.parametrize(
    ("wrong", "url"),
    [
        (Teller(secrets=(STRANGE,)), URL),
        (Teller(user=OTHER), URL),
        (Teller(), "/cloudkey/webhook/other/"),
        (Teller(), "/cloudkey/webhook/historical/"),
        (Teller(), "/cloudkey/webhook/unknown/"),
        (Teller(), "/cloudkey/webhook/%0aERROR%20x/"),
    ],
)
def test_t212_keys_of_others_are_refused(
    wrong: Teller, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert wrong.tell(url=url) == 400
    assert is_untouched()
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_t212_api_key_signs_no_notification(settings: Any) -> None:
    key = settings.CLOUDKEYS["default"]["API_KEY"]
    assert Teller(secrets=(key + "abc",)).tell() == 400  # 43 characters, as secrets have


@pytest.mark.parametrize(
    ("accepted", "signing", "answer"),
    [
        ([], (OLD,), 204),
        ([], (NEW, OLD), 204),
        ([], (OLD, NEW), 204),
        ([], (NEW,), 400),
        ([NEW], (NEW,), 204),
        ([NEW], (OLD,), 204),
        ([NEW], (STRANGE,), 400),
        ([NEW], (STRANGE, NEW), 204),
    ],
)
def test_t212_secrets_rotate(
    accepted: list[str], signing: tuple[str, ...], answer: int, settings: Any
) -> None:
    default = {**settings.CLOUDKEYS["default"], "WEBHOOK_SECRETS": accepted}
    settings.CLOUDKEYS = {"default": default}

    assert Teller(secrets=signing).tell() == answer


def test_site_of_the_historical_scheme_hears_by_a_secret_for_that_alone(settings: Any) -> None:
    default = {**settings.CLOUDKEYS["default"], "WEBHOOK_SECRETS": [NEW]}
    del default["SECRET"], default["KID"]
    settings.CLOUDKEYS = {"default": default}

    assert Teller(secrets=(NEW,)).tell() == 204
    assert stored(episode()) == ("ready", 61)


def test_t212_each_id_is_heeded_once(teller: Teller, heard: Any) -> None:
    row = episode()
    body = event().encode()
    headers = teller.headers(body, id="msg_1")
    for _ in range(3):
        assert teller.post(body, headers).status_code == 204
    Episode.objects.update(state="processing")
    for _ in range(10):  # T214
        assert teller.tell(id="msg_1") == 204

    assert len(heard) == 1
    assert stored(row)[0] == "processing", "the same one was heeded twice"


def test_t212_ids_of_two_clouds_are_two(teller: Teller, heard: Any) -> None:
    stranger = Teller(secrets=(STRANGE,), user=OTHER)
    assert teller.tell(id="msg_1") == 204
    assert stranger.tell(id="msg_1", url="/cloudkey/webhook/other/") == 204

    assert [kwargs["account"] for _, kwargs in heard] == ["default", "other"]


def test_t212_concurrent_copies_are_heeded_once(teller: Teller, heard: Any) -> None:
    start = threading.Barrier(8)
    answers: list[int] = []

    def tell() -> None:
        try:
            start.wait()
            answers.append(teller.tell(id="msg_1"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(heard) == 1
    assert set(answers) <= {204, 503}
    assert 204 in answers


# T213: what is told


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"{}", b"\xff", b"[" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
        json.dumps({"type": "media.ready", "media": "../x", "sequence": 1, "created": 1}).encode(),
        json.dumps({"type": "media.ready", "media": MEDIA, "sequence": "1", "created": 1}).encode(),
    ],
)
def test_t213_what_is_no_event_is_refused_though_it_is_signed(body: bytes, teller: Teller) -> None:
    assert teller.post(body, teller.headers(body)).status_code == 400
    assert is_untouched()


def test_t213_unknown_types_are_ignored(teller: Teller, heard: Any) -> None:
    row = episode()

    assert teller.tell("media.renamed") == 204
    assert stored(row) == ("processing", None)
    assert heard == []


def test_t213_media_that_no_row_holds_changes_none(teller: Teller, heard: Any) -> None:
    row = episode()

    assert teller.tell(media=OTHER) == 204
    assert stored(row) == ("processing", None)
    assert [kwargs["media"] for _, kwargs in heard] == [OTHER]


def test_t213_strange_assets_do_no_harm(teller: Teller) -> None:
    row = episode()
    teaser = Teaser.objects.create(video=MEDIA)
    assets = {
        "source": {"status": "ready", "duration": 10**15, "error": {"code": "\0"}},
        "x" * 50: {}, "mp4_h264_aac": {"status": ["ready"]}, "abs": {"status": "odd"},
    }  # fmt: skip
    body = Event(
        type="media.ready", media=MEDIA, sequence=2**63 - 1, created=0, data={"assets": assets}
    ).encode()

    assert teller.post(body, teller.headers(body)).status_code == 204
    assert stored(row) == ("ready", None)
    assert Teaser.objects.get(pk=teaser.pk).seconds is None


# T214: order, and what is lost


def test_t214_older_one_overwrites_nothing(teller: Teller, heard: Any) -> None:
    row = episode()
    teller.tell("media.ready", sequence=5)
    teller.tell("media.failed", sequence=3, status="error")
    teller.tell("asset.ready", sequence=2, asset="source", status="processing")
    teller.tell("asset.failed", sequence=1, asset="mp4_h264_aac", status="error")

    assert stored(row) == ("ready", 61)
    assert stored(episode()) == ("ready", 61)
    assert LastEvent.objects.get().sequence == 5
    assert [name for name, _ in heard] == ["media_ready", "asset_ready"], (
        "the source is ready still; the media has not failed any more"
    )


def test_t214_nothing_comes_after_the_end(teller: Teller, heard: Any) -> None:
    row = episode()
    teller.tell("media.deleted", sequence=9)
    teller.tell("media.ready", sequence=8)

    assert stored(row) == ("missing", None)
    assert [name for name, _ in heard] == ["media_deleted"]


@pytest.mark.parametrize("seed", range(5))
def test_t214_any_order_ends_in_the_same_state(seed: int, teller: Teller) -> None:
    row = episode()
    steps = [
        ("asset.ready", "processing"), ("asset.failed", "error"), ("media.failed", "error"),
        ("asset.ready", "processing"), ("asset.ready", "ready"), ("media.ready", "ready"),
    ]  # fmt: skip
    told = [(type_, status, number) for number, (type_, status) in enumerate(steps, 1)] * 2
    random.Random(seed).shuffle(told)
    for type_, status, number in told:
        assert (
            teller.tell(type_, status=status, sequence=number, asset="source", id=f"m{number}")
            == 204
        )

    assert stored(row) == ("ready", 61)


def test_t214_concurrent_ones_end_with_the_newest(teller: Teller) -> None:
    row = episode()
    start = threading.Barrier(6)
    answers: list[int] = []

    def tell(sequence: int) -> None:
        try:
            start.wait()
            status = "ready" if sequence == 6 else "processing"
            answers.append(
                teller.tell("asset.ready", asset="source", sequence=sequence, status=status)
            )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(1, 7)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert answers == [204] * 6
    assert stored(row) == ("ready", 61)


def test_t214_what_was_lost_is_repaired_by_the_command(cloud: Cloud) -> None:
    from django_cloudkey.server.models import Asset, Media

    media = Media.objects.create(account=cloud.account)
    Asset.objects.create(media=media, name="source", status="ready", facts={"duration": 61})
    Asset.objects.create(media=media, name="mp4_h264_aac", status="ready")
    row = Episode.objects.create(title="a", video=media.pk)
    Asset.objects.update(created=timezone.now())
    call_command("cloudkey_sync", stdout=io.StringIO())

    assert stored(row) == ("ready", 61)


# T217: the view


class Unread:
    """A body that nobody may read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("it was read")


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "10000000000", "-1", "1e9", "x"])
def test_t217_size_is_limited_before_reading(length: str, rf: Any) -> None:
    request = rf.post(URL, b"", content_type="application/json")
    request.META["CONTENT_LENGTH"] = length
    request._stream = Unread()

    assert webhooks.webhook(request, "default").status_code == 400


def test_t217_body_that_is_longer_than_announced_is_refused(rf: Any) -> None:
    read = []

    class Endless:
        def read(self, size: int = -1) -> bytes:
            read.append(size)
            return b"x" * size

    request = rf.post(URL, b"", content_type="application/json")
    request._stream = Endless()

    assert webhooks.webhook(request, "default").status_code == 400
    assert read == [MAX_BODY + 1]


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
def test_t217_only_post(method: str) -> None:
    assert getattr(Client(), method)(URL).status_code == 405


def test_t217_only_the_webhook_does_without_a_csrf_token() -> None:
    from django_cloudkey.urls import urlpatterns

    exempt = [each.name for each in urlpatterns if getattr(each.callback, "csrf_exempt", False)]
    assert exempt == ["webhook"]
    teller = Teller(client=Client(enforce_csrf_checks=True))
    assert teller.tell() == 204
    assert teller.client.post("/cloudkey/ticket/", {}).status_code == 403


def test_site_where_everybody_has_to_log_in_hears(teller: Teller, settings: Any) -> None:
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]

    assert teller.tell() == 204


@pytest.mark.parametrize("now", [2**31 - 2, 2**31 + 2, 2**32, 10_413_792_000])
def test_f31_clocks_may_go_on(now: int, teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(now))
    row = episode()

    assert teller.tell() == 204
    assert teller.tell(at=-302) == 400
    assert stored(row) == ("ready", 61)


def test_f30_site_with_a_wrong_clock_hears_when_it_is_right(
    teller: Teller, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for skew in (600, -600, -3600):
        assert teller.tell(id="msg_1", at=skew) == 400

    assert teller.tell(id="msg_1") == 204
    assert len(heard) == 1


# T243: receivers that fail


def test_t243_failure_of_a_receiver_is_told_to_the_cloud_and_the_repeat_is_heeded(
    teller: Teller, heard: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = episode()
    broken = True

    def receive(**kwargs: Any) -> None:
        if broken:
            raise RuntimeError("no mail server")

    signals.media_ready.connect(receive)
    try:
        assert teller.tell(id="msg_1") == 500
        assert "no mail server" in caplog.text
        assert stored(row) == ("ready", 61), "the columns do not wait for receivers"
        assert len(heard) == 1, "the other receivers were called"
        broken = False
        assert teller.tell(id="msg_1") == 204
        assert len(heard) == 2
        assert teller.tell(id="msg_1") == 204
    finally:
        signals.media_ready.disconnect(receive)

    assert len(heard) == 2


def test_t243_failure_of_the_database_is_told_to_the_cloud(
    teller: Teller, heard: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise OperationalError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(last_events, "remember", fail)
        assert teller.tell(id="msg_1") == 500
    assert "Notification msg_1 for 'default' could not be heeded" in caplog.text
    assert heard == []
    assert teller.tell(id="msg_1") == 204
    assert len(heard) == 1


def test_process_that_died_at_work_swallows_nothing(
    teller: Teller, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(last_events, "write_columns", die)
        patch.setattr(webhooks, "_release", lambda key: None)  # who is killed tidies nothing up
        teller.client.raise_request_exception = True
        with pytest.raises(Killed):
            teller.tell(id="msg_1")
    assert teller.tell(id="msg_1") == 503, "it may be at work still"
    HeardNotification.objects.update(claim_expires=timezone.now() - timedelta(seconds=1))
    row = episode()
    assert teller.tell(id="msg_1") == 204

    assert len(heard) == 1
    assert stored(row) == ("ready", 61)


# What is kept


def test_what_was_heard_is_forgotten_when_nothing_can_come_of_it(teller: Teller) -> None:
    teller.tell(id="msg_1", media=OTHER)
    teller.tell(id="msg_2")
    old = timezone.now() - timedelta(days=15)
    HeardNotification.objects.filter(key__endswith="msg_1").update(heard=old)
    LastEvent.objects.filter(media=OTHER).update(heard=old)
    teller.tell(id="msg_3", sequence=2)

    keys = HeardNotification.objects.values_list("key", flat=True).order_by("key")
    assert list(keys) == [f"{USER}:msg_2", f"{USER}:msg_3"]
    assert LastEvent.objects.get().media == MEDIA


def test_log_names_the_reason_and_no_secret(
    teller: Teller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    teller.tell(at=-400)
    Teller(secrets=(STRANGE,)).tell()
    teller.tell()

    assert "for 'default' was refused: time" in caplog.text
    assert "for 'default' was refused: signature" in caplog.text
    assert OLD not in caplog.text
