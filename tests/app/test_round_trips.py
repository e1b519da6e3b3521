"""A media through the admin, inlines, formsets, transactions of requests and two databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import requests
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import serializers
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, models
from django.forms import inlineformset_factory, modelform_factory, modelformset_factory
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import isolate_apps
from django.urls import path

from django_cloudkey import urls as app_urls
from django_cloudkey.admin import MediaAdminMixin
from django_cloudkey.models import Upload
from django_cloudkey.references import Reference, read
from django_cloudkey.server import urls as cloud_urls
from django_cloudkey.storage import CloudKeyStorage
from tests import urls
from tests.testapp.models import Course, Episode, Lesson, Pilot, Rerun, Teaser

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES)

MEDIA = "4d0c0ffee0000000000000aa"
OTHER = "4d0c0ffee0000000000000bb"
EPISODE = "testapp.episode.video"


def signed(media: str = MEDIA, field: str = EPISODE, user: str = "") -> str:
    return Reference(media=media, field=field, user=user).sign()


def management(prefix: str, *rows: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    """Return what a browser sends of a formset."""
    data: dict[str, Any] = {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": initial,
    }
    return data | {
        f"{prefix}-{number}-{name}": value
        for number, row in enumerate(rows)
        for name, value in row.items()
    }


def hidden(html: str, name: str) -> str:
    found = re.search(rf'type="hidden" name="{name}" value="([^"]*)"', html)
    assert found is not None, name
    return unescape(found[1])


# Forms and formsets


@pytest.mark.parametrize("model", [Episode, Pilot, Rerun, Lesson, Teaser])
def test_form_of_any_kind_of_model_keeps_and_changes_the_media(model: Any) -> None:
    """Inherited from an abstract model, from a table of its own, by a proxy, or its own field."""
    row = model(video=MEDIA, **({} if model is Teaser else {"title": "a"}))
    row.save()
    fields = [each for each in ("title", "video") if hasattr(row, each)]
    form_class = modelform_factory(model, fields=fields)
    sent = hidden(str(form_class(instance=row)["video"]), "video")

    kept = form_class({"title": "b", "video": sent}, instance=row)
    assert kept.is_valid(), kept.errors
    assert "video" not in kept.changed_data
    assert kept.save().video == MEDIA

    label = row._meta.get_field("video").label
    changed = form_class({"title": "b", "video": signed(OTHER, label)}, instance=row)
    assert changed.is_valid(), changed.errors
    changed.save()
    assert model.objects.get(pk=row.pk).video == OTHER


def test_formset_saves_each_row_its_media_and_clears_one() -> None:
    rows = [Lesson.objects.create(title=title, video=MEDIA) for title in "ab"]
    formset_class = modelformset_factory(Lesson, fields=["title", "video"], extra=1)
    html = formset_class(queryset=Lesson.objects.order_by("pk")).as_p()
    sent = [hidden(html, f"form-{number}-video") for number in range(3)]
    assert [read(each).media for each in sent[:2]] == [MEDIA, MEDIA]
    assert sent[2] == ""

    formset = formset_class(
        management(
            "form",
            {"id": rows[0].pk, "title": "a", "video": sent[0], "video-clear": "on"},
            {"id": rows[1].pk, "title": "b", "video": sent[1]},
            {"id": "", "title": "c", "video": signed(OTHER, "testapp.lesson.video")},
            initial=2,
        ),
        queryset=Lesson.objects.order_by("pk"),
    )
    assert formset.is_valid(), formset.errors
    formset.save()

    assert [str(row.video) for row in Lesson.objects.order_by("pk")] == ["", MEDIA, OTHER]


def test_inline_formset_refuses_the_forged_row_alone() -> None:
    course = Course.objects.create(title="a")
    formset_class = inlineformset_factory(Course, Episode, fields=["title", "video"], extra=2)

    formset = formset_class(
        management(
            "episode_set",
            {"title": "a", "video": signed()},
            {"title": "b", "video": OTHER},
        ),
        instance=course,
    )

    assert not formset.is_valid()
    assert [list(each) for each in formset.errors] == [[], ["video"]]


def test_form_that_is_reused_for_another_row_claims_for_each(cloud: Cloud) -> None:
    owner = User.objects.create_user("editor")
    for media in (MEDIA, OTHER):
        Upload.objects.create(
            owner=owner, field=EPISODE, account="default", name="a", size=1, media=media
        )
        form = modelform_factory(Episode, fields=["title", "video"])(
            {"title": "a", "video": signed(media)}
        )
        form.save()

    assert Upload.objects.filter(claimed=True).count() == 2


# Admin and its inlines


class EpisodeInline(MediaAdminMixin, admin.StackedInline):  # type: ignore[type-arg]
    model = Episode
    fields = ["title", "video"]
    extra = 1


class CourseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    inlines = [EpisodeInline]


site = admin.AdminSite(name="inlines")
site.register(Course, CourseAdmin)


class AdminUrls:
    urlpatterns = [path("inlines/", site.urls), *urls.urlpatterns]


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("editor")


@pytest.fixture
def browser(superuser: User, settings: Any) -> Client:
    settings.ROOT_URLCONF = AdminUrls
    browser = Client()
    browser.force_login(superuser)
    return browser


def test_inlines_of_the_admin_add_keep_replace_and_clear(browser: Client, superuser: User) -> None:
    def post(url: str, *rows: dict[str, Any], initial: int = 0) -> None:
        answer = browser.post(
            url, {"title": "Knots", **management("episode_set", *rows, initial=initial)}
        )
        assert answer.status_code == 302, answer.content.decode()

    own = str(superuser.pk)
    post(
        "/inlines/testapp/course/add/",
        {"title": "a", "video": signed(user=own)},
        {"title": "b", "video": ""},
    )
    course = Course.objects.get()
    assert [str(row.video) for row in course.episode_set.order_by("pk")] == [MEDIA, ""]

    url = f"/inlines/testapp/course/{course.pk}/change/"
    html = browser.get(url).content.decode()
    assert 'name="episode_set-__prefix__-video-file"' in html
    sent = hidden(html, "episode_set-0-video")
    assert read(sent) == Reference(media=MEDIA, field=EPISODE, user=own)
    first, second = (row.pk for row in course.episode_set.order_by("pk"))
    shared = {"course": course.pk}
    post(
        url,
        {"id": first, "title": "a", "video": sent, **shared},
        {"id": second, "title": "b", "video": signed(OTHER, user=own), **shared},
        initial=2,
    )
    assert [str(row.video) for row in course.episode_set.order_by("pk")] == [MEDIA, OTHER]


def test_inline_of_the_admin_refuses_the_upload_of_another_user(
    browser: Client, superuser: User
) -> None:
    stranger = User.objects.create_user("stranger")

    answer = browser.post(
        "/inlines/testapp/course/add/",
        {
            "title": "Knots",
            **management("episode_set", {"title": "a", "video": signed(user=str(stranger.pk))}),
        },
    )

    assert answer.status_code == 200
    assert "does not belong to this form" in answer.content.decode()
    assert not Episode.objects.exists()


@isolate_apps("tests.testapp")
@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_file_field_with_the_storage_is_one_of_the_admins(cloud: Cloud, settings: Any) -> None:
    class Recording(models.Model):  # noqa: DJ008
        file = models.FileField(storage=CloudKeyStorage(), max_length=200, blank=True)

        class Meta:
            app_label = "testapp"

    site = admin.AdminSite(name="recordings")
    site.register(Recording)
    settings.ROOT_URLCONF = type(
        "Urls", (), {"urlpatterns": [path("recordings/", site.urls), *urls.urlpatterns]}
    )
    browser = Client()
    browser.force_login(User.objects.create_superuser("editor"))
    rows: Any = models.QuerySet(Recording)
    with connection.schema_editor() as schema:
        schema.create_model(Recording)
    try:
        add = "/recordings/testapp/recording/add/"
        browser.post(add, {"file": SimpleUploadedFile("my film.mp4", b"first")})
        row = rows.get()
        assert re.fullmatch(r"[0-9a-f]{24}/my_film.mp4", row.file.name)
        url = f"/recordings/testapp/recording/{row.pk}/change/"
        page = browser.get(url).content.decode()
        link = re.search(r'<a href="([^"]+)">[0-9a-f]{24}/my_film.mp4</a>', page)
        assert link is not None
        assert requests.get(unescape(link[1]), timeout=10).content == b"first"

        browser.post(url, {})
        assert rows.get().file == row.file
        browser.post(url, {"file": SimpleUploadedFile("other.mp4", b"second")})
        with rows.get().file.open() as file:
            assert file.read() == b"second"
        browser.post(url, {"file-clear": "on"})
        assert not rows.get().file
    finally:
        with connection.schema_editor() as schema:
            schema.delete_model(Recording)


# A request that is a transaction


def _save(request: HttpRequest) -> HttpResponse:
    form = modelform_factory(Episode, fields=["title", "video"])(request.POST)
    form.save()
    if "fail" in request.GET:
        raise ZeroDivisionError
    return HttpResponse()


class SavingUrls:
    urlpatterns = [path("save/", _save), *urls.urlpatterns]


@pytest.mark.parametrize(("query", "saved"), [("", True), ("?fail=1", False)])
@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_request_that_fails_takes_back_row_and_claim(
    settings: Any, monkeypatch: pytest.MonkeyPatch, query: str, saved: bool
) -> None:
    upload = Upload.objects.create(field=EPISODE, account="default", name="a", size=1, media=MEDIA)
    settings.ROOT_URLCONF = SavingUrls
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    browser = Client(raise_request_exception=False)

    browser.post(f"/save/{query}", {"title": "a", "video": signed()})

    upload.refresh_from_db()
    assert (Episode.objects.filter(video=MEDIA).exists(), upload.claimed) == (saved, saved)


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_widget_uploads_where_all_requests_are_transactions(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Site and cloud are one project: neither may wait for a row that the other has locked."""
    for alias in connections:
        monkeypatch.setitem(connections[alias].settings_dict, "ATOMIC_REQUESTS", True)
    browser = Client()
    browser.force_login(User.objects.create_superuser("editor"))
    wanted = {"field": EPISODE, "name": "a.mp4", "size": "5"}

    ticket = browser.post("/cloudkey/ticket/", wanted).json()
    files = {"file": ("a.mp4", b"bytes")}
    sent = requests.post(ticket["url"], files=files, timeout=10).json()
    answer = browser.post("/cloudkey/finish/", {"ticket": ticket["ticket"], "url": sent["url"]})

    media = read(answer.json()["reference"]).media
    assert cloud.client.media.info(id=media)["id"] == media
    assert Upload.objects.get().media == media


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_action_uploads_where_all_requests_are_transactions(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for alias in connections:
        monkeypatch.setitem(connections[alias].settings_dict, "ATOMIC_REQUESTS", True)
    browser = Client()
    browser.force_login(User.objects.create_superuser("editor"))
    row = Lesson.objects.create(title="a", recording=ContentFile(b"bytes", name="a.mp4"))

    answer = browser.post(f"/admin/testapp/lesson/upload-media/{row.pk}/").json()

    assert answer["state"] == "done", answer
    row.refresh_from_db()
    assert cloud.client.media.info(id=row.video.id)["id"] == row.video


@pytest.mark.parametrize("patterns", [app_urls.urlpatterns, cloud_urls.urlpatterns])
def test_no_view_of_ours_is_a_transaction_of_the_site(patterns: list[Any]) -> None:
    for pattern in patterns:
        assert pattern.callback._non_atomic_requests >= set(connections)


# Two databases


@pytest.fixture
def archive(transactional_db: None) -> Iterator[str]:
    """The alias of a second database that has the tables of some models as well."""
    tables = (Course, Episode, Lesson)
    for model in tables:
        with connections["cloud"].schema_editor() as schema:
            schema.create_model(model)
    yield "cloud"
    for model in reversed(tables):
        with connections["cloud"].schema_editor() as schema:
            schema.delete_model(model)


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_rows_of_two_databases_are_kept_apart(archive: str, tmp_path: Any) -> None:
    here = Lesson.objects.create(title="here", video=MEDIA)
    there = Lesson.objects.using(archive).create(title="there", video=OTHER)
    assert (here._state.db, there._state.db) == ("default", archive)

    assert not Lesson.objects.filter(video=OTHER).exists()
    deferred = Lesson.objects.using(archive).defer("video").get()
    assert deferred.video == OTHER
    there.video = here.video
    there.save()
    assert [str(each.video) for each in Lesson.objects.using(archive).all()] == [MEDIA]
    here.video = ""
    here.save()
    assert Lesson.objects.using(archive).get().video == MEDIA

    Lesson.objects.using(archive).bulk_create([Lesson(title="b", video=OTHER)])
    Lesson.objects.using(archive).filter(title="b").update(video=MEDIA)
    assert Lesson.objects.using(archive).filter(video=MEDIA).count() == 2
    rows = serializers.serialize("json", Lesson.objects.using(archive).all())
    (tmp_path / "rows.json").write_text(rows)
    Lesson.objects.all().delete()
    call_command("loaddata", str(tmp_path / "rows.json"), verbosity=0)
    assert Lesson.objects.filter(video=MEDIA).count() == 2


@pytest.mark.django_db(transaction=True, databases=DATABASES)
def test_form_is_checked_and_saved_in_the_database_of_its_row(archive: str) -> None:
    row = Lesson.objects.using(archive).create(title="there", video=MEDIA)
    form = modelform_factory(Lesson, fields=["title", "video"])(
        {"title": "b", "video": signed(OTHER, "testapp.lesson.video")}, instance=row
    )

    form.save()

    assert Lesson.objects.using(archive).get().video == OTHER
    assert not Lesson.objects.exists()


# Nothing, and nothing twice


def test_unique_media_is_refused_by_form_and_database() -> None:
    Teaser.objects.create(video=MEDIA)
    form = modelform_factory(Teaser, fields=["video"])(
        {"video": signed(field="testapp.teaser.video")}
    )

    assert not form.is_valid()
    assert form.errors.as_data()["video"][0].code == "unique"
    with pytest.raises(IntegrityError):
        Teaser.objects.create(video=MEDIA)


def test_form_stores_nothing_as_the_column_has_it() -> None:
    for _ in range(2):  # NULL is equal to no other, so that a unique column takes several
        form = modelform_factory(Teaser, fields=["video"])({"video": ""})
        assert form.is_valid(), form.errors
        form.save()
    lesson = modelform_factory(Lesson, fields=["title", "video"])({"title": "a", "video": ""})
    lesson.save()

    assert Teaser.objects.filter(video=None).count() == 2
    assert Lesson.objects.filter(video="").count() == 1
