"""The admin: lists and forms that never wait, and the action that uploads row by row."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.template import engines
from django.test import Client
from django.urls import path as url_path

from tests import urls as site_urls
from tests.testapp.models import Lesson

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES)

MEDIA = "4d0c0ffee0000000000000aa"
LIST = "/admin/testapp/lesson/"
KEY = "0123456789abcdef0123456789abcdef01234567"


def browser_who_may(*actions: str) -> Client:
    user = User.objects.create_user("editor", is_staff=True)
    codenames = [f"{action}_lesson" for action in actions]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser(db: None) -> Client:
    return browser_who_may("view", "change")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def lesson(db: None) -> Lesson:
    return Lesson.objects.create(
        title="A talk", recording=ContentFile(b"bytes of a clip", name="clip.mp4")
    )


def row(lesson: Lesson) -> str:
    return f"{LIST}upload-media/{lesson.pk}/"


def test_list_is_rendered_without_the_cloud(browser: Client, offline: None) -> None:
    Lesson.objects.create(title="<b>", video=MEDIA)
    Lesson.objects.create(title="none")

    page = browser.get(LIST).content.decode()

    assert page.count('class="cloudkey-status"') == 1
    assert 'data-url="/cloudkey/status/"' in page
    assert MEDIA not in page.replace(f"/{MEDIA}/", "")


def test_form_is_rendered_without_the_cloud(browser: Client, offline: None) -> None:
    lesson = Lesson.objects.create(title="a", video=MEDIA)

    page = browser.get(f"{LIST}{lesson.pk}/change/")

    assert page.status_code == 200
    assert 'name="video-file"' in page.content.decode()
    assert "media_input.js" in page.content.decode()


def test_query_of_the_add_page_names_no_media(offline: None) -> None:
    page = browser_who_may("add").get(f"{LIST}add/", {"video": MEDIA})

    assert 'name="video" value=""' in page.content.decode()


def test_unchanged_form_can_be_saved(browser: Client, offline: None) -> None:
    from django_cloudkey.references import Reference

    lesson = Lesson.objects.create(title="a", video=MEDIA)
    user = User.objects.get()
    reference = Reference(media=MEDIA, field="testapp.lesson.video", user=str(user.pk)).sign()

    answer = browser.post(f"{LIST}{lesson.pk}/change/", {"title": "b", "video": reference})

    assert answer.status_code == 302
    lesson.refresh_from_db()
    assert (lesson.title, lesson.video) == ("b", MEDIA)


def test_action_is_offered_to_whoever_may_change(browser: Client, lesson: Lesson) -> None:
    page = browser.get(LIST).content.decode()

    assert "Upload local files to the video cloud" in page


def test_action_is_not_offered_to_whoever_may_look(lesson: Lesson) -> None:
    page = browser_who_may("view").get(LIST).content.decode()

    assert "Upload local files" not in page


def test_action_leads_to_a_page_with_the_rows(browser: Client, lesson: Lesson) -> None:
    Lesson.objects.create(title="not selected")
    data = {"action": "upload_media", "_selected_action": [str(lesson.pk)]}

    text = browser.post(LIST, data).content.decode()

    assert "A talk" in text
    assert "not selected" not in text
    assert f'data-url="{row(lesson)}"' in text


def test_row_is_uploaded(cloud: Cloud, browser: Client, lesson: Lesson) -> None:
    answer = browser.post(row(lesson))

    lesson.refresh_from_db()
    assert answer.json() == {"state": "done", "label": "uploaded, being prepared"}
    info = cloud.client.media.info(id=lesson.video.id, fields=["meta.title"])
    assert info["meta"]["title"] == "A talk"


def test_row_with_a_video_is_skipped(browser: Client, lesson: Lesson, offline: None) -> None:
    Lesson.objects.update(video=MEDIA)

    assert browser.post(row(lesson)).json() == {
        "state": "skipped",
        "label": "has a video already",
    }


def test_row_without_a_file_says_so(browser: Client, offline: None) -> None:
    lesson = Lesson.objects.create(title="a")

    assert browser.post(row(lesson)).json() == {"state": "error", "label": "has no local file"}


def test_row_whose_file_is_gone_says_so(cloud: Cloud, browser: Client, lesson: Lesson) -> None:
    Path(lesson.recording.path).unlink()

    assert browser.post(row(lesson)).json() == {
        "state": "error",
        "label": "The local file cannot be read: No such file or directory",
    }


def test_dead_cloud_is_a_sentence(browser: Client, lesson: Lesson, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    account = {**settings.CLOUDKEYS["default"], "BASE_URL": f"http://127.0.0.1:{port}"}
    settings.CLOUDKEYS = {"default": account}

    answer = browser.post(row(lesson)).json()

    assert answer["state"] == "error"
    assert answer["label"].startswith(
        f"The video cloud could not do this: No answer from http://127.0.0.1:{port}"
    )


def test_uploading_is_for_whoever_may_change(lesson: Lesson) -> None:
    browser = browser_who_may("view", "add", "delete")

    assert browser.post(row(lesson)).status_code == 403
    selected = {"action": "upload_media", "_selected_action": [str(lesson.pk)]}
    assert "Upload to the video cloud" not in browser.post(LIST, selected).content.decode()
    assert Client().post(row(lesson)).status_code == 302


def test_uploading_needs_a_post_with_the_token(browser: Client, lesson: Lesson) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())

    assert browser.get(row(lesson)).status_code == 404
    assert strict.post(row(lesson)).status_code == 403


def test_unknown_row_is_refused(browser: Client) -> None:
    assert browser.post(f"{LIST}upload-media/999/").status_code == 403


# Keys stay secret


def failing_view(request: Any) -> Any:
    template = engines["django"].from_string(
        "{% load cloudkey %}{% cloudkey_embed media seclevel=level %}"
    )
    return template.render({"media": MEDIA, "level": request.GET.get("level", "ip")}, None)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"TIMEOUT": "soon"}, {"UNKNOWN": 1}, {"SECLEVEL": "ipp"}, {"BASE_URL": "ftp://x"}],
    ids=["signing", "timeout", "unknown key", "level", "base url"],
)
def test_error_page_and_log_hold_no_key(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    wrong: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.setattr(
        site_urls, "urlpatterns", [*site_urls.urlpatterns, url_path("fail/", failing_view)]
    )
    from django.urls import clear_url_caches

    clear_url_caches()
    settings.DEBUG = True
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], **wrong}}
    client = Client(raise_request_exception=False)

    with caplog.at_level(logging.DEBUG):
        page = client.get("/fail/")
    clear_url_caches()

    assert page.status_code == 500
    assert "Traceback" in page.content.decode()
    assert KEY not in page.content.decode()
    assert KEY not in caplog.text
