"""``MediaField``: what its value is, what saving does, and that nothing else asks the network."""

from __future__ import annotations

import copy
import io
import pickle
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.forms import modelform_factory
from django.test.utils import isolate_apps

from django_cloudkey.client import TransportException
from django_cloudkey.fields import FieldMedia, MediaField
from django_cloudkey.models import Upload
from tests.testapp.models import Lesson

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES)

MEDIA = "4d0c0ffee0000000000000aa"
OTHER = "4d0c0ffee0000000000000bb"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def clip_file(content: bytes, name: str) -> Any:
    """Return what may be assigned beside an id; the stubs know of texts only."""
    return ContentFile(content, name=name)


def value(id_: Any) -> FieldMedia:
    media = Lesson(video=id_).video
    assert isinstance(media, FieldMedia)
    return media


# The value


def test_value_behaves_like_its_id() -> None:
    media = value(MEDIA)

    assert (str(media), media.id, len(media), bool(media)) == (MEDIA, MEDIA, 24, True)
    assert media == MEDIA
    assert media == value(MEDIA)
    assert media != OTHER
    assert media != 5
    assert hash(media) == hash(MEDIA)
    assert repr(media) == f"<FieldMedia {MEDIA}>"


@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_value_is_falsy(nothing: object) -> None:
    media = value(nothing)

    assert not media
    assert (str(media), len(media), repr(media)) == ("", 0, "<FieldMedia empty>")
    assert media == ""
    assert media == None  # noqa: E711 - as templates compare


def test_pending_file_is_something() -> None:
    media = value(clip_file(b"x", "x.mp4"))

    assert media
    assert media != ""
    assert media.id == ""


def test_class_attribute_is_the_descriptor() -> None:
    assert Lesson.video.field is Lesson._meta.get_field("video")


def test_value_can_be_assigned_to_another_row() -> None:
    same: Any = value(MEDIA)
    lesson = Lesson(video=same)

    assert lesson.video == MEDIA
    assert lesson.__dict__["video"] == MEDIA


def test_deferred_value_is_loaded_when_asked_for(offline: None) -> None:
    Lesson.objects.create(title="a", video=MEDIA)
    lesson = Lesson.objects.defer("video").get()

    assert "video" not in lesson.__dict__
    assert lesson.video == MEDIA


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))]
)
def test_row_can_be_copied(clone: Any) -> None:
    assert clone(Lesson(title="a", video=MEDIA)).video == MEDIA


def test_pickle_holds_no_client() -> None:
    lesson = Lesson(title="a", video=MEDIA)
    _ = lesson.video.embed_url()

    assert b"0123456789abcdef" not in pickle.dumps(lesson)


def test_addresses_are_computed_here(offline: None) -> None:
    media = value(MEDIA)

    assert media.embed_url().startswith("http://testserver/cloud/embed/4d0c0ffee000000000000001/")
    assert f"/{MEDIA}/mp4_h264_aac.mp4?auth=" in media.stream_url()
    assert f"/{MEDIA}/jpeg_thumbnail_medium.jpeg?auth=" in media.thumbnail_url()


def test_remote_methods_are_out_of_reach_of_templates() -> None:
    for name in ("info", "assets", "delete"):
        assert getattr(FieldMedia, name).alters_data


# Rows


def test_id_goes_to_the_database_and_back(offline: None) -> None:
    lesson = Lesson.objects.create(title="a", video=MEDIA)
    lesson.full_clean()
    lesson.refresh_from_db()

    assert lesson.video == MEDIA
    assert Lesson.objects.values_list("video", flat=True).get() == MEDIA
    assert Lesson.objects.filter(video=MEDIA).get() == lesson
    assert Lesson.objects.filter(video__in=[value(MEDIA)]).get() == lesson
    assert Lesson.objects.filter(video__startswith="4d0c").count() == 1
    assert Lesson.objects.exclude(video="").count() == 1


def test_bulk_writes_store_ids(offline: None) -> None:
    first, second = Lesson.objects.bulk_create([Lesson(title="a", video=MEDIA), Lesson(title="b")])
    second.video = OTHER
    Lesson.objects.bulk_update([first, second], ["video"])

    assert list(Lesson.objects.order_by("title").values_list("video", flat=True)) == [MEDIA, OTHER]


@pytest.mark.parametrize("form", ["json", "xml"])
def test_fixture_restores_the_row(offline: None, form: str) -> None:
    Lesson.objects.create(title="a", video=MEDIA)
    Lesson.objects.create(title="b")
    text = serializers.serialize(form, Lesson.objects.order_by("title"))
    Lesson.objects.all().delete()

    for row in serializers.deserialize(form, text):
        row.save()

    assert list(Lesson.objects.order_by("title").values_list("video", flat=True)) == [MEDIA, ""]


@pytest.mark.parametrize(
    "id_",
    [
        "../" + "a" * 21,
        "a" * 23,
        "a" * 25,
        "A" * 24,
        "g" * 24,
        "<b>" + "a" * 21,
        " " * 24,
        "a" * 10_000,
    ],
)
def test_text_that_is_no_id_is_invalid(offline: None, id_: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Lesson(title="a", video=id_).full_clean()

    assert "A media id is 24 characters of 0-9 and a-f." in caught.value.message_dict["video"]


def test_file_assigned_in_code_is_uploaded_by_save(cloud: Cloud) -> None:
    lesson = Lesson(title="a", video=clip_file(b"bytes of a clip", "My_clip.mp4"))
    lesson.full_clean()

    lesson.save()

    info = cloud.client.media.info(id=lesson.video.id, fields=["meta.title", "assets"])
    assert info["meta"] == {"title": "My clip"}
    assert set(info["assets"]) == {
        "source", "mp4_h264_aac", "jpeg_thumbnail_medium", "jpeg_thumbnail_source",
    }  # fmt: skip
    assert Lesson.objects.get().video == lesson.video


def test_file_is_uploaded_once(cloud: Cloud) -> None:
    lesson = Lesson.objects.create(title="a", video=clip_file(b"bytes", "a.mp4"))
    first = lesson.video.id

    lesson.save()

    assert lesson.video == first
    assert cloud.client.media.list()["total"] == 1


def test_bulk_create_uploads_each_file(cloud: Cloud) -> None:
    files = [ContentFile(b"bytes", name=name) for name in ("a.mp4", "b.mp4")]

    rows = Lesson.objects.bulk_create(Lesson(title="a", video=file) for file in files)  # type: ignore[misc]

    assert sorted(str(row.video) for row in rows) == sorted(
        each["id"] for each in cloud.client.media.iterate(fields=["id"])
    )


def test_query_that_uploads_nothing_takes_no_file(offline: None) -> None:
    """It would store an empty id, or the name of the file, and nobody would notice."""
    row = Lesson.objects.create(title="a", video=MEDIA)
    row.video = file = ContentFile(b"bytes", name="a.mp4")

    queries: list[Callable[[], object]] = [
        lambda: Lesson.objects.bulk_update([row], ["video"]),
        lambda: Lesson.objects.update(video=file),
        lambda: Lesson.objects.update(video=row.video),
        lambda: Lesson.objects.filter(video=file).exists(),
    ]
    for query in queries:
        with pytest.raises(TypeError, match="upload a file"), transaction.atomic():
            query()

    assert Lesson.objects.get().video == MEDIA


def test_row_is_not_saved_when_the_cloud_is_down(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    account = {**settings.CLOUDKEYS["default"], "BASE_URL": f"http://127.0.0.1:{port}"}
    settings.CLOUDKEYS = {"default": account}

    with pytest.raises(TransportException), transaction.atomic():
        Lesson.objects.create(title="a", video=clip_file(b"bytes", "a.mp4"))

    assert not Lesson.objects.exists()


def test_remote_methods_ask_the_cloud(cloud: Cloud) -> None:
    lesson = Lesson.objects.create(title="a", video=clip_file(b"bytes", "a.mp4"))

    assert lesson.video.info(["id"]) == {"id": lesson.video.id}
    assert lesson.video.assets()["source"]["status"] == "pending"
    lesson.video.delete()
    assert cloud.client.media.list()["total"] == 0


def test_media_that_a_form_hands_over_is_claimed(offline: None) -> None:
    own = {"field": "testapp.lesson.video", "account": "default", "name": "n", "size": 1}
    upload = Upload.objects.create(**own, media=MEDIA)
    other = Upload.objects.create(**own, media=OTHER)
    lesson = Lesson(title="a")
    Lesson._meta.get_field("video").save_form_data(lesson, MEDIA)

    lesson.save()

    upload.refresh_from_db()
    other.refresh_from_db()
    assert (upload.claimed, other.claimed) == (True, False)


@isolate_apps("tests.testapp")
def test_unique_column_that_may_be_null_takes_many_empty_rows() -> None:
    class Single(models.Model):  # noqa: DJ008
        video = MediaField(null=True, blank=True, unique=True)

        class Meta:
            app_label = "testapp"

    # SQLite changes no schema inside a transaction with foreign keys checked.
    names = connection.introspection.table_names()
    assert Single._meta.db_table not in names
    with connection.cursor() as cursor:
        cursor.execute(
            f'CREATE TABLE "{Single._meta.db_table}" '
            "(id integer PRIMARY KEY, video varchar(24) UNIQUE)"
        )
    for pk in (1, 2):
        row = Single(pk=pk)
        row.full_clean(exclude=["id"])
        row.save(force_insert=True)
    Single(pk=3, video=MEDIA).save(force_insert=True)

    assert list(Single._default_manager.order_by("pk").values_list("video", flat=True)) == [
        None,
        None,
        MEDIA,
    ]
    with pytest.raises(ValidationError, match="already exists"):
        Single(pk=4, video=MEDIA).full_clean()


# The column


def state(field: MediaField) -> ProjectState:
    project = ProjectState()
    project.add_model(
        ModelState("testapp", "Row", [("id", models.AutoField(primary_key=True)), ("video", field)])
    )
    return project


def changes(before: MediaField, after: MediaField) -> dict[str, Any]:
    return MigrationAutodetector(state(before), state(after))._detect_changes()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    "options",
    [
        {"account": "archive"},
        {"assets": ["mp4_h264_aac_hd"]},
        {"source_field": "recording"},
        {"seclevel": "ip"},
        {"on_delete": "delete"},
        {"status_field": "state", "duration_field": "seconds"},
    ],
)
def test_option_that_changes_no_column_needs_no_migration(options: dict[str, Any]) -> None:
    assert changes(MediaField(blank=True), MediaField(blank=True, **options)) == {}


@pytest.mark.parametrize(
    "options", [{"null": True}, {"unique": True}, {"db_index": False}, {"max_length": 40}]
)
def test_option_that_changes_the_column_needs_one(options: dict[str, Any]) -> None:
    assert "testapp" in changes(MediaField(), MediaField(**options))


@pytest.mark.parametrize(
    "options", [{}, {"null": True}, {"unique": True}, {"db_index": False}, {"max_length": 40}]
)
def test_deconstruction_is_stable(options: dict[str, Any]) -> None:
    field = MediaField(**options)
    _, path, args, kwargs = field.deconstruct()

    assert path == "django_cloudkey.fields.MediaField"
    assert (args, kwargs) == ([], options)
    assert MediaField(**kwargs).deconstruct() == field.deconstruct()


def test_project_needs_no_migration_and_no_network(offline: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0, stdout=io.StringIO())
    call_command("check", stdout=io.StringIO(), stderr=io.StringIO())


def test_form_is_rendered_offline(offline: None) -> None:
    form = modelform_factory(Lesson, fields=["video"])(instance=Lesson(video=MEDIA))

    assert 'name="video-file"' in form.as_p()


@isolate_apps("tests.testapp")
@pytest.mark.parametrize("source", ["title", "nothing"])
def test_source_field_must_be_a_file(source: str) -> None:
    class Row(models.Model):  # noqa: DJ008
        title = models.CharField(max_length=5)
        video = MediaField(source_field=source)

        class Meta:
            app_label = "testapp"

    (error,) = Row.video.field.check()
    assert error.id == "cloudkey.E010"
    assert error.msg == f"source_field={source!r} is not a FileField of Row."
