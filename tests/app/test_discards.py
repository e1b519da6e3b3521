"""``on_delete="delete"``: a media goes when no row holds it any more, and never too early."""

from __future__ import annotations

import logging
import socket
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import serializers
from django.core.files.base import ContentFile
from django.db import connection, connections, models, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from django_cloudkey.client import CloudKey, RPCException
from django_cloudkey.fields import MediaField
from tests import urls
from tests.testapp.models import Course, Episode, Lesson, Pilot, Rerun, Teaser

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES, transaction=True)

MEDIA = "4d0c0ffee0000000000000aa"
OTHER = "4d0c0ffee0000000000000bb"


@pytest.fixture
def media(cloud: Cloud) -> Callable[[], str]:
    """Return a function that makes a media on the cloud."""
    return lambda: str(cloud.client.media.create()["id"])


def on_cloud(cloud: Cloud) -> set[str]:
    return {each["id"] for each in cloud.client.media.iterate(fields=["id"])}


def unreachable(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    account = {**settings.CLOUDKEYS["default"], "BASE_URL": f"http://127.0.0.1:{port}"}
    settings.CLOUDKEYS = {"default": account}


# Rows that are deleted


def test_media_goes_with_its_row(cloud: Cloud, media: Any) -> None:
    for model in (Episode, Pilot, Rerun):
        row = model.objects.create(title="a", video=media())

        row.delete()

        assert on_cloud(cloud) == set()


def test_media_go_with_the_rows_of_a_queryset(cloud: Cloud, media: Any) -> None:
    kept = media()
    Episode.objects.create(title="kept", video=kept)
    for model in (Episode, Pilot, Rerun):
        for title in ("a", "b"):
            model.objects.create(title=title, video=media())
        model.objects.create(title="none")

        model.objects.exclude(title="kept").only("title").delete()

        assert on_cloud(cloud) == {kept}


def test_media_go_with_rows_of_another_model(cloud: Cloud, media: Any) -> None:
    course = Course.objects.create(title="a")
    Episode.objects.create(title="a", course=course, video=media())
    Pilot.objects.create(title="b", course=course, video=media())

    course.delete()

    assert on_cloud(cloud) == set()


def test_row_that_only_extends_another_leaves_the_media(cloud: Cloud, media: Any) -> None:
    pilot = Pilot.objects.create(title="a", video=media())

    pilot.delete(keep_parents=True)

    assert on_cloud(cloud) == {Episode.objects.get().video.id}


def test_what_the_database_held_goes_not_what_was_assigned(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    row.video = other = media()

    row.delete()

    assert on_cloud(cloud) == {other}


def test_deferred_value_goes_with_its_row(cloud: Cloud, media: Any) -> None:
    Episode.objects.create(title="a", video=media())

    Episode.objects.defer("video").get().delete()

    assert on_cloud(cloud) == set()


def test_media_of_a_field_that_keeps_stays(cloud: Cloud, media: Any) -> None:
    lesson = Lesson.objects.create(title="a", video=media())
    before = lesson.video.id

    lesson.video = ""
    lesson.save()
    Lesson.objects.all().delete()

    assert on_cloud(cloud) == {before}


# Values that are replaced


def test_replaced_media_goes_and_the_new_one_stays(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())

    row.video = media()
    row.save()

    assert on_cloud(cloud) == {row.video.id}


@pytest.mark.parametrize("nothing", ["", None])
def test_cleared_media_goes(cloud: Cloud, media: Any, nothing: Any) -> None:
    row = Episode.objects.create(title="a", video=media())

    row.video = nothing
    row.save()

    assert on_cloud(cloud) == set()


def test_media_that_an_uploaded_file_replaces_goes(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())

    file: Any = ContentFile(b"bytes of a clip", name="a.mp4")
    row.video = file
    row.save()

    assert on_cloud(cloud) == {row.video.id}


def test_row_that_did_not_load_its_value_replaces_it(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    new = media()

    deferred = Episode.objects.only("title").get()
    deferred.video = new
    deferred.save()
    assert on_cloud(cloud) == {new}

    Episode(pk=row.pk, title="b").save()
    assert on_cloud(cloud) == set()


def test_value_that_is_not_written_is_not_replaced(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    before = row.video.id

    row.video = OTHER
    row.save(update_fields=["title"])
    deferred = Episode.objects.defer("video").get()
    deferred.title = "b"
    deferred.save()

    assert on_cloud(cloud) == {before}
    row.save(update_fields=["video"])
    assert on_cloud(cloud) == set()


def test_expression_that_changes_nothing_keeps_the_media(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    before = row.video.id
    same: Any = models.F("video")
    row.video = same

    row.save()

    assert on_cloud(cloud) == {before}


def test_restored_fixture_deletes_nothing(cloud: Cloud, media: Any) -> None:
    Episode.objects.create(title="a", video=media())
    before = on_cloud(cloud)
    text = serializers.serialize("json", Episode.objects.all())

    for row in serializers.deserialize("json", text.replace(next(iter(before)), OTHER)):
        row.save()

    assert Episode.objects.get().video == OTHER
    assert on_cloud(cloud) == before


# Who else holds it, and when


@pytest.mark.parametrize("model", [Episode, Lesson])
def test_media_that_another_row_holds_stays(cloud: Cloud, media: Any, model: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    other = model.objects.create(title="the same", video=row.video.id)

    row.delete()
    assert on_cloud(cloud) == {other.video.id}

    if model is Episode:
        other.delete()
        assert on_cloud(cloud) == set()


def test_row_of_another_alias_of_the_account_holds_it(
    cloud: Cloud, media: Any, settings: Any, monkeypatch: Any
) -> None:
    settings.CLOUDKEYS = {
        **settings.CLOUDKEYS,
        "strict": {**settings.CLOUDKEYS["default"], "SECLEVEL": "ip"},
        "unfinished": None,
    }
    monkeypatch.setattr(Lesson._meta.get_field("video"), "account", "strict")
    row = Episode.objects.create(title="a", video=media())
    other = Lesson.objects.create(title="the same", video=row.video.id)

    row.delete()

    assert on_cloud(cloud) == {other.video.id}


@pytest.fixture
def other_database() -> Iterator[str]:
    """Return the alias of a database with rows of the site that no router names."""
    editor = connections["cloud"].schema_editor
    for model in (Course, Episode, Pilot):
        with editor() as schema:
            schema.create_model(model)
    yield "cloud"
    for model in (Pilot, Episode, Course):
        with editor() as schema:
            schema.delete_model(model)


def test_rows_of_a_database_that_no_router_names_are_watched(
    cloud: Cloud, media: Any, other_database: str
) -> None:
    rows = Episode.objects.using(other_database)
    first = rows.create(title="a", video=media())
    second = rows.create(title="the same", video=first.video.id)

    first.delete()
    assert on_cloud(cloud) == {second.video.id}

    second.video = media()
    second.save()
    assert on_cloud(cloud) == {second.video.id}


def test_media_stays_until_the_transaction_is_committed(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    before = row.video.id

    with transaction.atomic():
        row.delete()
        assert on_cloud(cloud) == {before}

    assert on_cloud(cloud) == set()


class Failed(Exception):
    """What a test rolls a transaction back with."""


def test_rollback_keeps_media(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    before = row.video.id

    def change() -> None:
        with transaction.atomic():
            row.video = media()
            row.save()
            Episode.objects.all().delete()
            raise Failed

    with pytest.raises(Failed):
        change()

    assert before in on_cloud(cloud)
    assert Episode.objects.get().video == before


def test_savepoint_that_is_rolled_back_keeps_its_media_alone(cloud: Cloud, media: Any) -> None:
    first, second, third = (Episode.objects.create(title=t, video=media()) for t in "abc")
    kept = second.video.id

    def give_up() -> None:
        with transaction.atomic():
            second.delete()
            raise Failed

    with transaction.atomic():
        first.delete()
        with pytest.raises(Failed):
            give_up()
        third.delete()

    assert on_cloud(cloud) == {kept}


def test_media_that_moved_to_another_row_in_the_transaction_stays(cloud: Cloud, media: Any) -> None:
    row = Episode.objects.create(title="a", video=media())
    before = row.video.id

    with transaction.atomic():
        Episode.objects.all().delete()
        Episode.objects.create(title="b", video=before)

    assert on_cloud(cloud) == {before}


def _view(request: HttpRequest) -> HttpResponse:
    Episode.objects.all().delete()
    if "fail" in request.GET:
        raise Failed
    return HttpResponse()


class _Urls:
    urlpatterns = [path("view/", _view), *urls.urlpatterns]


@pytest.mark.parametrize(("query", "left"), [("", 0), ("?fail=1", 1)])
def test_request_that_is_a_transaction_deletes_when_it_succeeded(
    cloud: Cloud, media: Any, settings: Any, monkeypatch: Any, query: str, left: int
) -> None:
    Episode.objects.create(title="a", video=media())
    settings.ROOT_URLCONF = _Urls
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    Client(raise_request_exception=False).get(f"/view/{query}")

    assert (Episode.objects.count(), len(on_cloud(cloud))) == (left, left)


# What the cloud does not do


def test_media_that_is_gone_already_is_no_failure(
    cloud: Cloud, media: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = Episode.objects.create(title="a", video=media())
    row.video.delete()

    row.delete()

    assert caplog.records == []


def test_row_is_deleted_though_the_cloud_is_down(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for id_ in (MEDIA, OTHER):
        Episode.objects.create(title="a", video=id_)
    unreachable(settings)

    Episode.objects.all().delete()

    assert not Episode.objects.exists()
    logged = [record.getMessage() for record in caplog.records]
    assert [MEDIA in logged[0], OTHER in logged[1], len(logged)] == [True, True, 2]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert settings.CLOUDKEYS["default"]["API_KEY"] not in caplog.text


def test_cloud_that_is_down_is_waited_for_once(settings: Any, monkeypatch: Any) -> None:
    for number in range(5):
        Episode.objects.create(title="a", video=f"4d0c0ffee0000000000000{number:02}")
    unreachable(settings)
    account = settings.CLOUDKEYS["default"]
    settings.CLOUDKEYS = {"default": {**account, "RETRIES": 0}}
    connects = []
    connect = socket.socket.connect

    def counted(self: socket.socket, address: Any) -> None:
        connects.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", counted)
    Episode.objects.all().delete()

    assert len(connects) == 1


def test_account_that_is_not_configured_is_logged(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = Episode.objects.create(title="a", video=MEDIA)
    settings.CLOUDKEYS = {}

    row.delete()

    (record,) = caplog.records
    assert MEDIA in record.getMessage()
    assert record.name == "django_cloudkey.discards"


def test_what_a_cloud_says_cannot_break_a_line_of_the_log(
    monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = Episode.objects.create(title="a", video=MEDIA)
    forged = Episode.objects.create(title="b", video="x\nERROR: forged")
    said = RPCException("no\nERROR: forged" + "x" * 10_000)

    def refuse(*args: object, **kwargs: object) -> None:
        raise said

    monkeypatch.setattr(CloudKey, "call", refuse)
    row.delete()
    forged.delete()

    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 600


# What it costs


def test_waiting_for_the_commit_takes_little_memory() -> None:
    rows = 5_000
    Episode.objects.bulk_create(
        Episode(title="a", video=f"{number:024x}") for number in range(rows)
    )
    tracemalloc.start()
    try:
        with transaction.atomic():
            Episode.objects.all().delete()
            waiting = tracemalloc.get_traced_memory()[0]
            transaction.set_rollback(True)
    finally:
        tracemalloc.stop()

    assert waiting / rows < 400  # bytes


def test_field_that_keeps_costs_no_query_and_no_signal() -> None:
    lesson = Lesson.objects.create(title="a", video=MEDIA)

    for signal in (models.signals.pre_save, models.signals.post_save, models.signals.pre_delete):
        assert not signal.has_listeners(Lesson)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        lesson.video = OTHER
        lesson.save()
        Lesson.objects.all().delete()

    kinds = [query["sql"].partition(" ")[0] for query in queries]
    assert [kind for kind in kinds if kind not in ("BEGIN", "COMMIT")] == ["UPDATE", "DELETE"]


def test_save_of_a_field_that_deletes_costs_one_query_more() -> None:
    with CaptureQueriesContext(connection) as queries:
        row = Episode.objects.create(title="a", video=MEDIA)
        Teaser.objects.create(video=MEDIA)
    assert [query["sql"].partition(" ")[0] for query in queries] == ["INSERT", "INSERT"]

    with CaptureQueriesContext(connection) as queries:
        row.save()
    assert [query["sql"].partition(" ")[0] for query in queries] == ["SELECT", "UPDATE"]


def test_row_with_a_key_of_its_own_is_watched(cloud: Cloud, media: Any) -> None:
    row = Teaser.objects.create(video=media())
    assert isinstance(row.pk, uuid.UUID)

    row.video = media()
    row.save()
    assert on_cloud(cloud) == {row.video.id}

    row.delete()
    assert on_cloud(cloud) == set()


def test_unknown_policy_is_refused() -> None:
    wrong: Any = "cascade"
    with pytest.raises(ValueError, match="on_delete must be 'keep' or 'delete', not"):
        MediaField(on_delete=wrong)
