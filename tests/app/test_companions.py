"""``status_field`` and ``duration_field``: they follow what is assigned, and ask nobody."""

from __future__ import annotations

import copy
import pickle
import socket
from typing import Any

import pytest
from django.core import checks, serializers
from django.core.files.base import ContentFile
from django.db import connection, models
from django.forms import modelform_factory
from django.test.utils import CaptureQueriesContext, isolate_apps

from django_cloudkey.fields import MediaField
from django_cloudkey.media_state import MediaState
from tests.testapp.models import Episode, Pilot, Rerun, Teaser

from ..conftest import DATABASES

pytestmark = [pytest.mark.django_db(databases=DATABASES), pytest.mark.usefixtures("offline")]

MEDIA = "4d0c0ffee0000000000000aa"
OTHER = "4d0c0ffee0000000000000bb"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def ready() -> Episode:
    """A row whose media is ready; nobody deletes it."""
    return Episode.objects.create(title="a", video=MEDIA, state="ready", seconds=61.0)


def told(row: Any) -> tuple[str, float | None]:
    return row.state, row.seconds


def stored(row: Any) -> tuple[str, float | None]:
    return told(type(row).objects.get(pk=row.pk))


def test_states_are_choices() -> None:
    assert MediaState.values == ["processing", "ready", "error", "missing"]
    assert Episode(state="ready").get_state_display() == "ready"


# What is assigned


@pytest.mark.parametrize("model", [Episode, Pilot, Rerun])
def test_new_row_is_being_prepared(model: type[Episode]) -> None:
    row = model.objects.create(title="a", video=MEDIA)
    empty = model.objects.create(title="b")

    assert told(row) == stored(row) == ("processing", None)
    assert told(empty) == stored(empty) == ("", None)


def test_row_that_knows_its_state_keeps_it(ready: Episode) -> None:
    assert stored(ready) == ("ready", 61.0)


def test_another_id_is_being_prepared_from_the_assignment_on(ready: Episode) -> None:
    ready.video = OTHER
    assert told(ready) == ("processing", None)


@pytest.mark.parametrize("nothing", ["", None])
def test_cleared_value_has_no_state(ready: Episode, nothing: Any) -> None:
    ready.video = nothing
    assert told(ready) == ("", None)


@pytest.mark.parametrize("name", ["", "a.mp4"])
def test_file_is_being_prepared(ready: Episode, name: str) -> None:
    file: Any = ContentFile(b"bytes", name=name)
    ready.video = file
    assert told(ready) == ("processing", None)


def test_expression_is_being_prepared(ready: Episode) -> None:
    value: Any = models.Value(OTHER)
    ready.video = value
    assert told(ready) == ("processing", None)


def test_same_id_changes_nothing(ready: Episode) -> None:
    ready.video = ready.video
    same: Any = MEDIA
    ready.video = same
    ready.video = Episode(video=MEDIA).video

    assert told(ready) == ("ready", 61.0)


def test_value_of_another_row_is_being_prepared(ready: Episode) -> None:
    other = Episode.objects.create(title="b", video=OTHER)
    ready.video = other.video

    assert told(ready) == ("processing", None)


def test_id_that_a_form_hands_over_is_being_prepared(ready: Episode) -> None:
    Episode._meta.get_field("video").save_form_data(ready, OTHER)

    assert told(ready) == ("processing", None)


def test_duration_alone_follows() -> None:
    row = Teaser.objects.create(video=MEDIA, seconds=61)
    row.video = OTHER

    assert row.seconds is None
    assert row.state == ""


# What is loaded


def test_loading_changes_nothing_and_asks_the_database_once(ready: Episode) -> None:
    Episode.objects.filter(pk=ready.pk).update(state="")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        row = Episode.objects.get()

    assert (told(row), len(queries)) == (("", 61.0), 1)


@pytest.mark.parametrize("deferred", [["video"], ["state"], ["video", "state", "seconds"]])
def test_deferred_values_are_loaded_as_they_are(ready: Episode, deferred: list[str]) -> None:
    row = Episode.objects.defer(*deferred).get()

    assert row.video == MEDIA
    assert told(row) == ("ready", 61.0)


def test_refreshed_row_is_as_the_database_has_it(ready: Episode) -> None:
    Episode.objects.update(video=OTHER, state="ready", seconds=5.0)

    ready.refresh_from_db()
    assert (ready.video, told(ready)) == (OTHER, ("ready", 5.0))

    Episode.objects.update(video=MEDIA)
    ready.refresh_from_db(fields=["video"])
    assert (ready.video, told(ready)) == (MEDIA, ("ready", 5.0))


def test_deferred_value_that_is_assigned_is_being_prepared(ready: Episode) -> None:
    row = Episode.objects.only("title").get()

    with CaptureQueriesContext(connection) as queries:
        row.video = OTHER
    assert len(queries) == 0
    row.save()

    assert stored(row) == ("processing", None)


def test_fixture_keeps_what_it_says(ready: Episode) -> None:
    text = serializers.serialize("json", Episode.objects.all())
    Episode.objects.all()._raw_delete("default")
    for row in serializers.deserialize("json", text.replace('"ready"', '""')):
        row.save()

    assert stored(ready) == ("", 61.0)


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))]
)
def test_copy_is_as_its_original(ready: Episode, clone: Any) -> None:
    row = clone(ready)
    assert (row.video, told(row)) == (MEDIA, ("ready", 61.0))

    row.video = OTHER
    assert (told(row), told(ready)) == (("processing", None), ("ready", 61.0))


def test_pickled_value_is_without_its_row(ready: Episode) -> None:
    media = pickle.loads(pickle.dumps(ready.video))

    assert (media, media.row) == (MEDIA, None)


# What is saved


def test_save_of_the_id_alone_writes_what_follows_from_it(ready: Episode) -> None:
    ready.video = OTHER
    ready.save(update_fields=["video"])
    assert stored(ready) == ("processing", None)

    ready.seconds = 5.0
    ready.save(update_fields=["video"])
    assert stored(ready) == ("processing", None)


def test_save_of_other_columns_writes_neither(ready: Episode) -> None:
    ready.video = OTHER
    ready.save(update_fields=["title"])
    assert stored(ready) == ("ready", 61.0)

    ready.save(update_fields=["video", "state"])
    assert stored(ready) == ("processing", None)


def test_row_that_is_written_over_is_being_prepared(ready: Episode) -> None:
    Episode(pk=ready.pk, title="b", video=MEDIA).save()

    assert stored(ready) == ("processing", None)


def test_form_writes_what_follows_from_the_id(ready: Episode) -> None:
    form = modelform_factory(Episode, fields=["title", "video"])(
        {"title": "b", "video": "", "video-clear": "on"}, instance=ready
    )
    # The media stays: its cloud is not asked here.
    Episode.objects.update(video="")
    form.save()

    assert stored(ready) == ("", None)


# Checks


@isolate_apps("tests.testapp")
def test_columns_that_cannot_hold_it_are_errors() -> None:
    class Row(models.Model):
        short = models.CharField(max_length=9)
        may_be_null = models.CharField(max_length=10, null=True)
        never_null = models.FloatField()
        a = MediaField(status_field="nothing", duration_field="nothing")
        b = MediaField(status_field="short", duration_field="never_null")
        c = MediaField(status_field="may_be_null", duration_field="short")
        d = MediaField(status_field="never_null")

        class Meta:
            app_label = "testapp"

        def __str__(self) -> str:
            return ""

    def errors(name: str) -> list[Any]:
        field: Any = Row._meta.get_field(name)
        return [error for error in field.check() if error.level >= checks.ERROR]

    assert {name: [error.id for error in errors(name)] for name in "abcd"} == {
        "a": ["cloudkey.E012", "cloudkey.E013"],
        "b": ["cloudkey.E012", "cloudkey.E013"],
        "c": ["cloudkey.E012", "cloudkey.E013"],
        "d": ["cloudkey.E012"],
    }
    status, duration = errors("a")
    assert status.msg == (
        "status_field='nothing' is not a CharField of 10 characters or more of Row that is never "
        "NULL."
    )
    assert duration.msg == (
        "duration_field='nothing' is not a FloatField or IntegerField of Row with null=True."
    )


def test_columns_that_can_hold_it_are_silent() -> None:
    for model in (Episode, Pilot, Rerun, Teaser):
        assert model.check() == []
