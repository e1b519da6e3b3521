"""``cloudkey_sync`` and ``sync``: columns become what the cloud says, with few calls."""

from __future__ import annotations

import io
import json
import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.utils import timezone

from django_cloudkey import sync as sync_module
from django_cloudkey.client import TransportException
from django_cloudkey.management.commands import cloudkey_sync
from django_cloudkey.media_state import MediaState, media_state
from django_cloudkey.protocol.assets import AssetStatus
from django_cloudkey.server.models import Asset, Media
from django_cloudkey.sync import Synced, sync, sync_rows
from tests.testapp.models import Episode, Lesson, Pilot, Teaser

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES, transaction=True)

MISSING = "4d0c0ffee0000000000000aa"
VIDEO: Any = Episode._meta.get_field("video")
TEASER: Any = Teaser._meta.get_field("video")


@pytest.fixture
def media(account: Any) -> Callable[..., str]:
    """Return a function that makes a media whose assets have the statuses that are named."""

    def make(*statuses: AssetStatus, seconds: int = 61) -> str:
        made = Media.objects.create(account=account)
        for name, status in zip(("source", "mp4_h264_aac"), statuses, strict=False):
            Asset.objects.create(
                media=made, name=name, status=status, progress=40,
                created=timezone.now(), facts={"duration": seconds},
            )  # fmt: skip
        return made.pk

    return make


READY = (AssetStatus.READY, AssetStatus.READY)
WORKING = (AssetStatus.READY, AssetStatus.PROCESSING)
FAILED = (AssetStatus.READY, AssetStatus.ERROR)


@pytest.fixture
def calls(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return a function that tells which methods were called since it was asked last."""
    caplog.set_level(logging.DEBUG, "django_cloudkey.client.cloudkey")

    def told() -> list[str]:
        names = [record.getMessage().partition(":")[0] for record in caplog.records]
        caplog.clear()
        return names

    return told


def episode(video: str, state: str = "") -> Episode:
    row = Episode.objects.create(title=video, video=video)
    Episode.objects.filter(pk=row.pk).update(state=state)
    return row


def stored(row: Any) -> tuple[str, float | None]:
    row.refresh_from_db()
    return row.state, row.seconds


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("cloudkey_sync", *args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


# One field


def test_rows_become_what_the_cloud_says(cloud: Cloud, media: Any) -> None:
    ready, working, failed = (episode(media(*each)) for each in (READY, WORKING, FAILED))
    missing, malformed = episode(MISSING), episode("no id at all")

    assert sync_rows(VIDEO) == Synced(asked=5, changed=5)

    assert stored(ready) == ("ready", 61.0)
    assert stored(working) == ("processing", None)
    assert stored(failed) == ("error", None)
    assert stored(missing) == stored(malformed) == ("missing", None)


def test_settled_rows_are_asked_about_when_all_are(cloud: Cloud, media: Any, calls: Any) -> None:
    rows = [episode(media(*READY), state) for state in ("ready", "error", "missing")]
    episode("")

    assert sync_rows(VIDEO) == Synced(0, 0)
    assert calls() == []

    assert sync_rows(VIDEO, everything=True) == Synced(asked=3, changed=3)
    assert [stored(row) for row in rows] == [("ready", 61.0)] * 3
    assert sync_rows(VIDEO, everything=True) == Synced(asked=3, changed=0)


def test_media_of_several_rows_is_asked_about_once(cloud: Cloud, media: Any, calls: Any) -> None:
    id_ = media(*READY)
    rows = [episode(id_), episode(id_), Pilot.objects.create(title="c", video=id_)]

    assert sync_rows(VIDEO) == Synced(asked=1, changed=3)

    assert calls() == ["media.info"]
    assert [stored(row) for row in rows] == [("ready", 61.0)] * 3


def test_whole_seconds_alone(cloud: Cloud, media: Any) -> None:
    row = Teaser.objects.create(video=media(*READY))
    Teaser.objects.create(video=None)

    assert sync_rows(TEASER) == Synced(asked=1, changed=1)
    assert stored(row) == ("", 61)
    assert sync_rows(TEASER) == Synced(0, 0)


@pytest.mark.parametrize("listed", [False, True])
def test_id_that_was_replaced_meanwhile_is_left_alone(
    cloud: Cloud, media: Any, monkeypatch: Any, listed: bool
) -> None:
    row = episode(media(*READY))
    if listed:
        monkeypatch.setattr(sync_module, "PAGE", 1)
        episode(media(*READY)), episode(media(*READY))
    other = media(*WORKING)
    known = sync_module._known

    def replaced(info: Any) -> Any:
        Episode.objects.filter(pk=row.pk).update(video=other, state="processing")
        return known(info)

    monkeypatch.setattr(sync_module, "_known", replaced)
    sync_rows(VIDEO)

    assert stored(row) == ("processing", None)


def test_many_are_read_from_lists(
    cloud: Cloud, media: Any, calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "PAGE", 4)
    for _ in range(3):
        media(*READY)  # that no row holds
    rows = [episode(media(*READY, seconds=number)) for number in range(12)]
    missing = episode(MISSING)

    assert sync_rows(VIDEO) == Synced(asked=13, changed=13)

    called = calls()
    assert called.count("media.list") == 4
    assert called.count("media.info") == 1  # of the one that the lists lack
    assert len(called) == 6
    assert [stored(row) for row in rows] == [("ready", float(number)) for number in range(12)]
    assert stored(missing) == ("missing", None)


def test_media_younger_than_its_page_of_the_list_is_not_missing(
    cloud: Cloud, media: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "PAGE", 2)
    rows = [episode(media(*READY)) for _ in range(6)]
    monkeypatch.setattr(sync_module._Listing, "take", lambda self, ids: {})

    sync_rows(VIDEO)

    assert {stored(row) for row in rows} == {("ready", 61.0)}


def test_what_was_written_before_a_failure_stays(
    cloud: Cloud, media: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "PAGE", 1)
    rows = sorted((episode(media(*READY)) for _ in range(2)), key=lambda row: str(row.video))
    known = sync_module._known
    asked = []

    def fails_then(info: Any) -> Any:
        asked.append(info)
        if len(asked) == 2:
            raise TransportException("cut")
        return known(info)

    monkeypatch.setattr(sync_module, "_known", fails_then)
    with pytest.raises(TransportException):
        sync_rows(VIDEO)

    assert [stored(row)[0] for row in rows] == ["ready", ""]


def test_webhook_asks_about_what_it_names(cloud: Cloud, media: Any, calls: Any) -> None:
    told, other = episode(media(*READY), "error"), episode(media(*READY))

    assert sync(VIDEO, [str(told.video), MISSING]) == 1
    assert calls() == ["media.info", "media.info"]

    assert (stored(told), stored(other)) == (("ready", 61.0), ("", None))
    assert sync(Lesson._meta.get_field("video"), [MISSING]) == 0
    assert calls() == []


def test_rows_are_found_by_an_index() -> None:
    for everything in (False, True):
        rows = sync_module._rows_to_ask(VIDEO, everything)
        ids = rows.order_by("video").values_list("video", flat=True).distinct()[:100]
        plan = ids.explain()
        assert "SCAN" not in plan.upper() or connection.vendor != "sqlite"
        if connection.vendor == "sqlite":
            assert "USING INDEX" in plan or "USING COVERING INDEX" in plan


def test_memory_is_bounded_by_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 20_000
    Lesson.objects.bulk_create(
        (Lesson(title="", video=f"{number:024x}") for number in range(rows)), batch_size=2_000
    )
    tracemalloc.start()
    try:
        pages = sync_module._pages(Lesson.objects.filter(video__gt=""), "video")
        count = sum(len(page) for page in pages)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == rows
    assert peak < 1_000_000


# The command


def test_command_says_how_many(cloud: Cloud, media: Any) -> None:
    episode(media(*READY))
    Teaser.objects.create(video=media(*WORKING))

    assert run().splitlines() == [
        "testapp.episode.video: 1 media asked about, 1 row changed.",
        "testapp.teaser.video: 1 media asked about, 0 rows changed.",
    ]
    assert json.loads(run("--all", "--json", "testapp.Episode")) == [
        {"field": "testapp.episode.video", "asked": 1, "changed": 0}
    ]


def test_command_says_that_there_is_nothing_to_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudkey_sync, "media_fields", lambda: [])

    assert run() == "No MediaField has a status_field or a duration_field.\n"
    assert json.loads(run("--json")) == []


def test_command_asks_about_what_it_is_told_to(cloud: Cloud, settings: Any) -> None:
    settings.CLOUDKEYS = {**settings.CLOUDKEYS, "archive": settings.CLOUDKEYS["default"]}

    def fields(*args: str) -> list[str]:
        return [each["field"] for each in json.loads(run("--json", *args))]

    both = ["testapp.episode.video", "testapp.teaser.video"]
    assert fields("--account", "default") == both
    assert fields("--account", "archive") == []
    with pytest.raises(CommandError, match=r"nope.* is not configured"):
        fields("--account", "nope")
    assert fields("testapp.Teaser.video") == both[1:]
    assert fields("testapp.episode", "testapp.Episode.video") == both[:1]


@pytest.mark.parametrize(
    "label", ["testapp.Lesson", "testapp.Lesson.video", "testapp.Episode.title", "nothing", "a.b.c"]
)
def test_label_without_columns_is_refused(label: str) -> None:
    with pytest.raises(CommandError, match=f"“{label}” has no MediaField with a status_field"):
        run(label)


def test_cloud_that_is_down_is_one_line(settings: Any) -> None:
    episode(MISSING)
    account = settings.CLOUDKEYS["default"]
    settings.CLOUDKEYS = {"default": {**account, "BASE_URL": "http://127.0.0.1:9", "RETRIES": 0}}

    with pytest.raises(CommandError, match=r"^300: "):
        run()


# What an editor sees


def test_state_of_what_is_ready_has_its_duration(cloud: Cloud, media: Any) -> None:
    ready = media_state(VIDEO, media(*READY))

    assert (ready["state"], ready["label"], ready["duration"]) == ("ready", "ready", 61.0)
    assert "duration" not in media_state(VIDEO, media(*WORKING))


def test_states_of_the_page_are_those_of_the_rows(cloud: Cloud, media: Any) -> None:
    answers = [media_state(VIDEO, media(*each)) for each in (READY, WORKING, FAILED, ())]

    assert [each["state"] for each in answers] == ["ready", "processing", "error", "error"]
    assert {each["state"] for each in answers} <= set(MediaState.values)
    assert answers[1]["progress"] == 40
    assert answers[3]["reason"] == "The media has no source."
    assert all(type(each["state"]) is str for each in answers)


def test_columns_of_a_model_that_managers_hide_are_synced(
    cloud: Cloud, media: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hidden(models.Manager[Any]):
        def get_queryset(self) -> Any:
            return super().get_queryset().none()

    row = episode(media(*READY))
    hidden = Hidden()
    hidden.model = Episode
    monkeypatch.setitem(vars(Episode._meta), "default_manager", hidden)

    assert sync_rows(VIDEO) == Synced(1, 1)
    assert Episode.objects.get(pk=row.pk).state == "ready"
