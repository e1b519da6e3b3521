"""The admin's columns and its actions on rows: made again, deleted; who may, and what failed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin, site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.db.models.fields.files import FieldFile
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from django_cloudkey.admin import MediaAdminMixin, row_actions
from django_cloudkey.admin.mixin import MAX_ROWS
from django_cloudkey.admin.row_actions import Outcome
from django_cloudkey.client.media import Media
from django_cloudkey.models import Upload
from django_cloudkey.server.models import Asset
from tests.testapp.admin import LessonAdmin
from tests.testapp.models import Course, Episode, Lesson

from ..conftest import DATABASES, Cloud
from .admins import browser_with, take_the_cloud_away

pytestmark = pytest.mark.django_db(databases=DATABASES)

MEDIA = "4d0c0ffee0000000000000aa"
OTHER = "4d0c0ffee0000000000000bb"
LIST = "/admin/testapp/lesson/"
EPISODES = "/admin/testapp/episode/"
LESSONS = ("testapp.view_lesson", "testapp.change_lesson")
REPROCESS, DELETE = "django_cloudkey.reprocess_media", "django_cloudkey.delete_media"
NEEDED = {
    "upload_media": {"testapp.change_lesson"},
    "reprocess_media": {"testapp.change_lesson", REPROCESS},
    "delete_media": {"testapp.change_lesson", DELETE},
}
OFFERED = {
    "upload_media": "Upload local files to the video cloud</option>",
    "reprocess_media": "Make videos again</option>",
    "delete_media": "Delete videos from the video cloud</option>",
}


@pytest.fixture
def browser(db: None) -> Client:
    episodes = ("testapp.view_episode", "testapp.change_episode")
    return browser_with(*LESSONS, *episodes, REPROCESS, DELETE)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def address(action: str, row: Any, *, at: str = LIST) -> str:
    return f"{at}{action.replace('_', '-')}/{row.pk}/"


def select(browser: Client, action: str, *rows: Any, at: str = LIST) -> str:
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return str(browser.post(at, data, follow=True).content.decode())


def test_model_without_a_media_field_is_told(browser: Client) -> None:
    class CourseAdmin(MediaAdminMixin, ModelAdmin):  # type: ignore[type-arg]
        pass

    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")

    with pytest.raises(ImproperlyConfigured, match=r"testapp.Course has no MediaField"):
        CourseAdmin(Course, site).get_actions(request)


# Uploading


class Watched(FieldFile):
    """A local file that tells when it was read to its end."""

    on_close: Callable[[], None]

    def close(self) -> None:
        super().close()
        self.on_close()


def upload_while(row: Lesson, happens: Callable[[], None]) -> Outcome:
    file = Watched(row, Lesson._meta.get_field("recording"), row.recording.name)
    file.on_close = happens
    row.recording = file
    return row_actions.upload(Lesson._meta.get_field("video"), row, "")


@pytest.fixture
def talk(db: None) -> Lesson:
    return Lesson.objects.create(title="A talk", recording=ContentFile(b"bytes", "talk.mp4"))


def test_of_two_uploads_the_quicker_counts(cloud: Cloud, talk: Lesson) -> None:
    outcome = upload_while(talk, lambda: _quicker(talk))

    assert (outcome.state, outcome.label) == ("skipped", "has a video already")
    assert Lesson.objects.get().video == OTHER
    assert cloud.client.media.list()["total"] == 0


def test_cloud_that_dies_before_the_second_upload_is_deleted_is_no_failure(
    cloud: Cloud, talk: Lesson, settings: Any
) -> None:
    def happens() -> None:
        _quicker(talk)
        take_the_cloud_away(settings)

    outcome = upload_while(talk, happens)

    assert (outcome.state, outcome.label) == ("skipped", "has a video already")
    assert Lesson.objects.get().video == OTHER


def _quicker(row: Lesson) -> None:
    Lesson.objects.filter(pk=row.pk).update(video=OTHER)


def test_row_that_is_deleted_during_its_upload_leaves_no_video(cloud: Cloud, talk: Lesson) -> None:
    outcome = upload_while(talk, lambda: _delete_row(talk))

    assert (outcome.state, outcome.label) == ("error", "The row was deleted meanwhile.")
    assert cloud.client.media.list()["total"] == 0


def _delete_row(row: Lesson) -> None:
    Lesson.objects.filter(pk=row.pk).delete()


# Columns


def test_columns_ask_for_each_row_once_and_later(browser: Client, offline: None) -> None:
    Lesson.objects.create(title="One", video=MEDIA)

    page = browser.get(LIST).content.decode()

    cells = [part.split('"')[0] for part in page.split('data-reference="')[1:]]
    assert len(cells) == 3
    assert len(set(cells)) == 1


def test_columns_show_what_the_row_keeps_and_ask_nothing(browser: Client, offline: None) -> None:
    episode = Episode.objects.create(title="One", video=MEDIA)
    Episode.objects.filter(pk=episode.pk).update(state="ready", seconds=65.2)

    page = browser.get(EPISODES).content.decode()

    assert "data-reference" not in page
    assert '<span class="cloudkey-status is-ready">' in page
    assert "1:05" in page
    assert f"/embed/4d0c0ffee000000000000001/{MEDIA}?auth=" in page


@pytest.mark.parametrize("state", ["processing", "error", "", "else"])
def test_what_may_change_or_has_a_reason_is_asked_for(
    browser: Client, offline: None, state: str
) -> None:
    episode = Episode.objects.create(title="One", video=MEDIA)
    Episode.objects.filter(pk=episode.pk).update(state=state)

    page = browser.get(EPISODES).content.decode()

    assert page.count("data-reference") == 3


def test_form_of_who_may_only_look_shows_a_preview(
    offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LessonAdmin, "readonly_fields", ["media_preview"])
    lesson = Lesson.objects.create(title="One", video=MEDIA)
    empty = Lesson.objects.create(title="None")
    browser = browser_with("testapp.view_lesson")

    page = browser.get(f"{LIST}{lesson.pk}/change/").content.decode()

    assert page.count("data-reference") == 3
    assert "media_cells.js" in page
    assert "data-reference" not in browser.get(f"{LIST}{empty.pk}/change/").content.decode()


def test_list_shows_rows_whose_account_is_not_configured(browser: Client, settings: Any) -> None:
    episode = Episode.objects.create(title="One", video=MEDIA)
    Episode.objects.filter(pk=episode.pk).update(state="ready")
    settings.CLOUDKEYS = {}

    assert "One" in browser.get(EPISODES).content.decode()


@pytest.mark.parametrize("at", [LIST, EPISODES])
def test_queries_of_a_list_do_not_grow_with_it(
    browser: Client, offline: None, at: str, django_assert_num_queries: Any
) -> None:
    model: Any = Lesson if at == LIST else Episode
    model.objects.create(title="One", video=MEDIA)
    from django.db import connection

    with CaptureQueriesContext(connection) as one:
        browser.get(at)
    model.objects.bulk_create(model(title=f"Row {n}", video=MEDIA) for n in range(30))
    with django_assert_num_queries(len(one)):
        browser.get(at)


def test_t225_titles_are_text_on_every_page(browser: Client, offline: None) -> None:
    title = "<script>x</script>\" onload='x'"
    lesson = Lesson.objects.create(title=title, video=MEDIA)

    for page in (
        browser.get(LIST).content.decode(),
        *(select(browser, action, lesson) for action in NEEDED),
    ):
        assert "<script>x" not in page
        assert "onload='" not in page


# Who may


@pytest.mark.parametrize("action", NEEDED)
def test_t222_each_action_is_for_whoever_has_all_its_permissions(
    action: str, offline: None
) -> None:
    lesson = Lesson.objects.create(title="A talk", recording=ContentFile(b"x", name="x.mp4"))
    everything = {"testapp.view_lesson", *NEEDED[action]}
    for missing in sorted(NEEDED[action]):
        browser = browser_with(*sorted(everything - {missing}), name=missing)
        assert OFFERED[action] not in browser.get(LIST).content.decode()
        assert 'class="cloudkey-rows"' not in select(browser, action, lesson)
        assert browser.post(address(action, lesson)).status_code == 403
    browser = browser_with(*sorted(everything), name="all")
    assert OFFERED[action] in browser.get(LIST).content.decode()
    assert 'class="cloudkey-rows"' in select(browser, action, lesson)


@pytest.mark.parametrize("pair", list(combinations(sorted(NEEDED), 2)), ids=str)
def test_permission_for_one_action_is_none_for_another(pair: Any, offline: None) -> None:
    lesson = Lesson.objects.create(title="A talk", video=MEDIA)
    for may, wants in (pair, reversed(pair)):
        browser = browser_with("testapp.view_lesson", *sorted(NEEDED[may]), name=f"{may} only")
        expected = 200 if NEEDED[wants] <= NEEDED[may] else 403
        assert browser.post(address(wants, lesson)).status_code == expected


@pytest.mark.parametrize("action", NEEDED)
def test_t224_actions_need_a_login_a_post_and_the_token(action: str, browser: Client) -> None:
    lesson = Lesson.objects.create(title="A talk", video=MEDIA)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())

    assert browser.get(address(action, lesson)).status_code == 404
    assert strict.post(address(action, lesson)).status_code == 403
    assert Client().post(address(action, lesson)).status_code == 302
    assert browser.post(f"{LIST}{action.replace('_', '-')}/999/").status_code == 403


def test_too_many_rows_are_a_message(browser: Client, offline: None) -> None:
    Lesson.objects.bulk_create(Lesson(title="x", video=MEDIA) for _ in range(MAX_ROWS + 1))
    data = {"action": "delete_media", "_selected_action": ["1"], "select_across": "1"}

    page = browser.post(LIST, data, follow=True).content.decode()

    assert f"Please select at most {MAX_ROWS} rows at a time." in page


# Made again


def test_what_is_ready_is_made_again(cloud: Cloud, browser: Client, clip: Path) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.upload(clip))
    cloud.work()
    before = Asset.objects.get(name="mp4_h264_aac")
    source = Asset.objects.get(name="source")

    answer = browser.post(address("reprocess_media", lesson)).json()

    assert answer == {"state": "done", "label": "being prepared again"}
    wanted = {"source", *Lesson._meta.get_field("video").assets}
    assert set(Asset.objects.values_list("name", flat=True)) == wanted
    cloud.work()
    after = Asset.objects.get(name="mp4_h264_aac")
    assert (after.status, after.pk != before.pk) == ("ready", True)
    assert Asset.objects.get(name="source") == source
    assert LogEntry.objects.get().get_change_message() == "Had its video made again."


def test_what_failed_is_made_again(cloud: Cloud, browser: Client, clip: Path) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.upload(clip))
    cloud.work()
    Asset.objects.exclude(name="source").update(status="error", error_code="timed_out")

    assert browser.post(address("reprocess_media", lesson)).json()["state"] == "done"
    cloud.work()
    assert {*Asset.objects.values_list("status", flat=True)} == {"ready"}


def test_what_is_being_prepared_is_left_alone(cloud: Cloud, browser: Client, clip: Path) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.upload(clip))
    cloud.work()
    cloud.client.media.remove_assets(id=lesson.video.id, assets_names=["mp4_h264_aac"])
    items = [{"name": "mp4_h264_aac", "action": "transcode"}]
    cloud.client.media.set_assets(id=lesson.video.id, assets=items)
    before = Asset.objects.get(name="mp4_h264_aac")

    answer = browser.post(address("reprocess_media", lesson)).json()

    assert answer == {"state": "skipped", "label": "is being prepared already"}
    assert Asset.objects.get(name="mp4_h264_aac") == before


def test_without_an_original_nothing_is_removed(cloud: Cloud, browser: Client, clip: Path) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.upload(clip))
    cloud.work()
    cloud.client.media.remove_assets(id=lesson.video.id, assets_names=["source"])

    answer = browser.post(address("reprocess_media", lesson)).json()

    assert answer["label"] == "The video cloud has no original to make it from."
    assert Asset.objects.get().status == "ready"


def test_nothing_is_removed_for_what_the_cloud_cannot_make(
    cloud: Cloud, browser: Client, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.upload(clip))
    cloud.work()
    before = set(Asset.objects.values_list("pk", "status"))
    monkeypatch.setattr(Lesson._meta.get_field("video"), "assets", ("mp4_h264_aac", "abs"))

    answer = browser.post(address("reprocess_media", lesson)).json()

    assert "this server does not make abs" in answer["label"]
    assert set(Asset.objects.values_list("pk", "status")) == before


def test_row_that_is_deleted_meanwhile_loses_its_video(
    cloud: Cloud, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.client.media.create()["id"])
    original = Media.delete

    def delete_both(self: Media, **args: Any) -> Any:
        Lesson.objects.all().delete()
        return original(self, **args)

    monkeypatch.setattr(Media, "delete", delete_both)

    assert delete(browser, lesson).json() == {"state": "done", "label": "deleted"}
    assert cloud.client.media.count() == 0


def test_rows_without_a_video_or_with_a_lost_one_say_so(cloud: Cloud, browser: Client) -> None:
    empty = Lesson.objects.create(title="empty")
    lost = Lesson.objects.create(title="lost", video=MEDIA)

    assert browser.post(address("reprocess_media", empty)).json() == {
        "state": "skipped",
        "label": "has no video",
    }
    assert browser.post(address("reprocess_media", lost)).json() == {
        "state": "error",
        "label": "The video cloud does not have this video.",
    }
    assert not LogEntry.objects.exists()


def test_columns_of_a_row_know_that_its_video_is_made_again(
    cloud: Cloud, browser: Client, clip: Path
) -> None:
    episode = Episode.objects.create(title="One", video=cloud.upload(clip))
    cloud.work()
    Episode.objects.update(state="ready", seconds=2)

    browser.post(address("reprocess_media", episode, at=EPISODES))

    episode.refresh_from_db()
    assert (episode.state, episode.seconds) == ("processing", None)


# Deleted


def test_page_lists_what_would_be_deleted_and_deletes_nothing(
    browser: Client, offline: None
) -> None:
    lesson = Lesson.objects.create(title="A talk", video=MEDIA)
    Lesson.objects.create(title="Its double", video=MEDIA)
    Episode.objects.create(title="Its episode", video=MEDIA)

    page = select(browser, "delete_media", lesson)

    assert "will be deleted from the video cloud" in page
    assert f'data-media="{MEDIA}"' in page
    assert "Its double" in page
    assert "Its episode" in page
    lesson.refresh_from_db()
    assert lesson.video == MEDIA


def delete(browser: Client, row: Any, *, at: str = LIST, **more: str) -> Any:
    return browser.post(address("delete_media", row, at=at), {"media": str(row.video), **more})


def test_video_is_deleted_and_its_row_emptied(cloud: Cloud, browser: Client, clip: Path) -> None:
    media = cloud.upload(clip)
    lesson = Lesson.objects.create(title="A talk", video=media)
    Upload.objects.create(media=media, account="default", size=1, claimed=True)

    assert delete(browser, lesson).json() == {"state": "done", "label": "deleted"}
    lesson.refresh_from_db()
    assert not lesson.video
    assert cloud.client.media.count() == 0
    assert not Upload.objects.exists()
    assert LogEntry.objects.get().get_change_message() == "Changed video."


def test_row_of_a_deleted_video_forgets_its_state(
    cloud: Cloud, browser: Client, clip: Path
) -> None:
    episode = Episode.objects.create(title="One", video=cloud.upload(clip))
    Episode.objects.update(state="ready", seconds=2)

    assert delete(browser, episode, at=EPISODES).json()["state"] == "done"
    episode.refresh_from_db()
    assert (episode.video.id, episode.state, episode.seconds) == ("", "", None)


def test_video_that_other_rows_show_is_kept(cloud: Cloud, browser: Client, clip: Path) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.upload(clip))
    Episode.objects.create(title="Secret", video=lesson.video.id)

    answer = delete(browser, lesson).json()

    assert answer == {
        "state": "error",
        "label": "Other rows show it, too. Nothing was deleted.",
    }
    lesson.refresh_from_db()
    assert lesson.video
    assert cloud.client.media.count() == 1


def test_video_that_nobody_was_asked_about_is_kept(cloud: Cloud, browser: Client) -> None:
    lesson = Lesson.objects.create(title="A talk", video=cloud.client.media.create()["id"])

    for seen in (OTHER, ""):
        answer = browser.post(address("delete_media", lesson), {"media": seen}).json()
        assert answer == {"state": "skipped", "label": "has another video by now"}
    assert cloud.client.media.count() == 1


def test_row_of_a_lost_video_is_emptied(cloud: Cloud, browser: Client) -> None:
    lesson = Lesson.objects.create(title="A talk", video=MEDIA)

    assert delete(browser, lesson).json() == {
        "state": "done",
        "label": "was not on the video cloud any more",
    }
    lesson.refresh_from_db()
    assert not lesson.video
    assert delete(browser, lesson).json()["state"] == "skipped"


@pytest.mark.parametrize("action", ["reprocess_media", "delete_media"])
def test_dead_cloud_is_a_sentence_and_leaves_the_row(
    browser: Client, settings: Any, action: str
) -> None:
    take_the_cloud_away(settings)
    lesson = Lesson.objects.create(title="A talk", video=MEDIA)

    assert 'class="cloudkey-rows"' in select(browser, action, lesson)
    answer = browser.post(address(action, lesson), {"media": MEDIA}).json()

    assert answer["state"] == "error"
    assert answer["label"].startswith("The video cloud could not do this: No answer from")
    lesson.refresh_from_db()
    assert lesson.video == MEDIA


def test_forms_without_javascript_get_a_message(cloud: Cloud, browser: Client) -> None:
    lesson = Lesson.objects.create(title="A <talk>", video=cloud.client.media.create()["id"])
    page = select(browser, "delete_media", lesson)
    assert f'formaction="{address("delete_media", lesson)}"' in page

    answer = delete(browser, lesson, plain="1")

    assert (answer.status_code, answer["Location"]) == (302, LIST)
    assert "A &lt;talk&gt;: deleted" in browser.get(LIST).content.decode()
