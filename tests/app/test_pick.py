"""Picking a media that is on the cloud already: who may look, what is found, what is signed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from django_cloudkey.client import CloudKey, NotFound
from django_cloudkey.models import Upload
from django_cloudkey.reconciliation import Reconciliation
from django_cloudkey.references import Reference, read
from django_cloudkey.server.models import Account
from tests.testapp.models import Clip, Episode, Lesson

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES)

FIELD = "testapp.lesson.video"
MEDIA = "4d0c0ffee0000000000000aa"


class LessonForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Lesson
        fields = ["title", "video"]


def user_who(*codenames: str, name: str = "editor") -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return user


def browser_of(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def browser(db: None) -> Client:
    return browser_of(user_who("add_lesson", "view_upload"))


def library(browser: Client, **query: str) -> dict[str, Any]:
    answer: dict[str, Any] = browser.get("/cloudkey/library/", {"field": FIELD, **query}).json()
    return answer


def pick(browser: Client, media: str, field: str = FIELD) -> Any:
    return browser.post("/cloudkey/pick/", {"field": field, "media": media})


def titled(cloud: Cloud, *titles: str) -> list[str]:
    return [cloud.client.media.create(meta={"title": title})["id"] for title in titles]


# Looking


def test_library_shows_the_media_of_the_account(cloud: Cloud, browser: Client, clip: Any) -> None:
    media = cloud.upload(clip, ("mp4_h264_aac", "jpeg_thumbnail_medium"))
    cloud.work()

    (found,) = library(browser)["media"]

    assert (found["id"], found["title"], found["state"]) == (media, "clip", "ready")
    assert found["thumbnail"].startswith(cloud.base_url)
    assert "embed" not in found


@pytest.mark.parametrize(
    ("query", "titles"), [("", 3), ("knots", 2), ("easy KNOTS", 1), ("bees", 0)]
)
def test_library_is_searched_by_title(
    cloud: Cloud, browser: Client, query: str, titles: int
) -> None:
    titled(cloud, "Knots", "Easy knots", "Bread")

    answer = library(browser, query=query)

    assert (len(answer["media"]), answer["total"], answer["next"]) == (titles, titles, "")


def test_pasted_id_is_found(cloud: Cloud, browser: Client) -> None:
    media, _other = titled(cloud, "Knots", "Bread")

    assert [each["id"] for each in library(browser, query=f" {media} ")["media"]] == [media]
    assert library(browser, query=MEDIA)["media"] == []


def test_library_is_read_page_by_page(cloud: Cloud, browser: Client) -> None:
    titled(cloud, *map(str, range(30)))

    first = library(browser)
    second = library(browser, after=first["next"])

    found = [each["id"] for each in first["media"] + second["media"]]
    assert (first["total"], len(found), len(set(found)), second["next"]) == (30, 30, 30, "")


@pytest.mark.parametrize("question", [{"after": "x"}, {"query": "word " * 200}])
def test_question_that_cannot_be_asked_is_a_sentence(
    cloud: Cloud, browser: Client, question: dict[str, str]
) -> None:
    answer = browser.get("/cloudkey/library/", {"field": FIELD, **question})

    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_dead_cloud_is_a_sentence(browser: Client, settings: Any) -> None:
    account = {**settings.CLOUDKEYS["default"], "BASE_URL": "http://127.0.0.1:9"}
    settings.CLOUDKEYS = {"default": account}

    for answer in (browser.get("/cloudkey/library/", {"field": FIELD}), pick(browser, MEDIA)):
        assert answer.status_code == 502
        assert answer.json()["error"].startswith("The video cloud could not do this")


# Who may


@pytest.mark.parametrize("permissions", [(), ("add_lesson",), ("view_upload",), ("view_lesson",)])
@pytest.mark.parametrize("path", ["library", "pick"])
def test_looking_and_picking_take_both_permissions(
    cloud: Cloud, permissions: tuple[str, ...], path: str
) -> None:
    (media,) = titled(cloud, "Knots")
    browser = browser_of(user_who(*permissions))
    method = browser.get if path == "library" else browser.post

    assert method(f"/cloudkey/{path}/", {"field": FIELD, "media": media}).status_code == 403


@pytest.mark.parametrize("path", ["library", "pick"])
def test_nobody_may_not(path: str) -> None:
    method = Client().get if path == "library" else Client().post

    assert method(f"/cloudkey/{path}/", {"field": FIELD, "media": MEDIA}).status_code == 403


@pytest.mark.parametrize("field", ["", "testapp.lesson.title", "auth.user.password", "a.b.c"])
def test_only_media_fields_have_a_library(browser: Client, field: str) -> None:
    assert browser.get("/cloudkey/library/", {"field": field}).status_code == 403
    assert pick(browser, MEDIA, field=field).status_code == 403


@pytest.mark.parametrize(("method", "path"), [("post", "library"), ("get", "pick")])
def test_other_method_is_not_allowed(browser: Client, method: str, path: str) -> None:
    answer = getattr(browser, method)(f"/cloudkey/{path}/", {"field": FIELD, "media": MEDIA})

    assert answer.status_code == 405


def test_picking_needs_the_token_of_a_form(cloud: Cloud) -> None:
    browser = browser_of(user_who("add_lesson", "view_upload"), enforce_csrf_checks=True)
    (media,) = titled(cloud, "Knots")

    assert pick(browser, media).status_code == 403
    assert not Upload.objects.exists()


# Picking


def test_picked_media_is_signed_for_user_and_field(cloud: Cloud, browser: Client) -> None:
    (media,) = titled(cloud, "Knots")

    reference = read(pick(browser, media).json()["reference"])

    editor = User.objects.get()
    assert reference == Reference(media=media, field=FIELD, user=str(editor.pk))


def test_picked_media_is_saved_with_the_form(cloud: Cloud, browser: Client, clip: Any) -> None:
    media = cloud.upload(clip)
    cloud.work()
    reference = pick(browser, media).json()["reference"]

    saved = browser.post("/admin/testapp/lesson/add/", {"title": "a", "video": reference})

    assert saved.status_code == 302
    assert Lesson.objects.get().video == media
    assert Upload.objects.get().claimed


@pytest.mark.parametrize("media", [MEDIA, "", "x", "../../etc", "http://evil.example/", "\0" * 24])
def test_media_that_is_not_there_is_not_signed(cloud: Cloud, browser: Client, media: str) -> None:
    answer = pick(browser, media)

    assert answer.status_code == 404
    assert answer.json() == {"error": "There is no such video on the video cloud."}


def test_media_of_another_account_is_not_there(cloud: Cloud, browser: Client) -> None:
    other = Account.objects.create(name="other")
    foreign = CloudKey(other.pk, other.api_key, cloud.base_url).media.create(meta={"title": "x"})

    assert pick(browser, foreign["id"]).status_code == 404
    assert library(browser, query=foreign["id"])["media"] == []


def test_media_over_the_limit_is_not_signed(cloud: Cloud, clip: Any) -> None:
    browser = browser_of(user_who("add_clip", "view_upload"))
    media = cloud.upload(clip)
    cloud.work()
    assert clip.stat().st_size > 100

    answer = pick(browser, media, field="testapp.clip.video")

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The file is too large.")
    assert not Clip.objects.exists()


# What is picked, and not saved yet, is deleted by nothing


def test_row_that_goes_leaves_a_media_that_was_picked(
    cloud: Cloud, browser: Client, clip: Any
) -> None:
    media = cloud.upload(clip)
    cloud.work()
    episode = Episode.objects.create(title="a", video=media)
    pick(browser, media)

    episode.delete()

    assert cloud.client.media.info(id=media)["id"] == media


def test_form_that_is_saved_with_the_same_media_takes_it_from_no_other_field(
    cloud: Cloud, browser: Client, clip: Any
) -> None:
    media = cloud.upload(clip)
    cloud.work()
    pick(browser, media)
    form = forms.modelform_factory(Episode, fields=["title", "video"])
    reference = Reference(media=media, field="testapp.episode.video").sign()
    episode = form({"title": "a", "video": reference}).save()

    episode.delete()

    assert cloud.client.media.info(id=media)["id"] == media
    assert Upload.objects.get().is_waiting


def test_reconcile_leaves_an_orphan_that_was_picked(
    cloud: Cloud, browser: Client, clip: Any
) -> None:
    media, other = cloud.upload(clip), cloud.upload(clip)
    cloud.work()
    for each in (media, other):
        cloud.client.media.set_meta(id=each, meta={"title": "a", "field": FIELD})
    pick(browser, media)

    call_command("cloudkey_reconcile", "--older-than=0", "--delete", "--no-input", verbosity=0)

    assert cloud.client.media.info(id=media)["id"] == media
    with pytest.raises(NotFound):
        cloud.client.media.info(id=other)


def test_media_of_an_unknown_size_is_kept_too(cloud: Cloud, browser: Client, clip: Any) -> None:
    media = cloud.upload(clip)
    pick(browser, media)  # nobody has looked at it yet
    episode = Episode.objects.create(title="a", video=media)
    cloud.work()

    episode.delete()

    assert Upload.objects.get().size == 0
    with Reconciliation("default", older_than=timedelta(0)) as both:
        both.compare()
        assert list(both.findings()) == []
    reference = pick(browser, media).json()["reference"]
    answer = browser.get("/cloudkey/status/", {"reference": reference}).json()
    assert answer["states"][0]["state"] == "ready"


def test_picking_again_is_remembered_once(cloud: Cloud, browser: Client, clip: Any) -> None:
    media = cloud.upload(clip)
    cloud.work()
    pick(browser, media)
    Upload.objects.update(created=timezone.now() - timedelta(days=30))

    pick(browser, media)

    upload = Upload.objects.get()
    assert upload.is_waiting
    assert (upload.name, upload.size) == ("clip", clip.stat().st_size)


# The widget


def html_for(user: Any) -> str:
    form = LessonForm()
    form.fields["video"].bind_user(user)  # type: ignore[attr-defined]
    return str(form["video"])


def test_widget_offers_the_library_to_who_may_browse() -> None:
    html = html_for(user_who("add_lesson", "view_upload"))

    assert 'data-library-url="/cloudkey/library/"' in html
    assert 'data-pick-url="/cloudkey/pick/"' in html


@pytest.mark.parametrize("user", ["7", 7, AnonymousUser()])
def test_widget_offers_no_library_to_others(user: object) -> None:
    assert not re.search("data-(library|pick)", html_for(user))


def test_widget_offers_no_library_without_the_permission() -> None:
    assert not re.search("data-(library|pick)", html_for(user_who("add_lesson")))
