"""The admin of uploads, and the media library in it: pages that wait for nobody, and deletion."""

from __future__ import annotations

import re
import socket
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone

from django_cloudkey.admin import UploadAdmin
from django_cloudkey.admin.library_views import Choice
from django_cloudkey.models import Upload
from django_cloudkey.server.models import Account
from tests import urls
from tests.testapp.models import Episode, Lesson

from ..conftest import DATABASES, Cloud
from .admins import browser_with, take_the_cloud_away

pytestmark = pytest.mark.django_db(databases=DATABASES)

UPLOADS = "/admin/django_cloudkey/upload/"
LIBRARY = f"{UPLOADS}library/"
PAGE = f"{LIBRARY}media/"
REMOVAL = f"{LIBRARY}delete/"
MEDIA = "4d0c0ffee0000000000000aa"
VIEW, DELETE = "django_cloudkey.view_upload", "django_cloudkey.delete_media"
JSON = {"Accept": "application/json"}


backstage = admin.AdminSite(name="backstage")
backstage.register(Upload, UploadAdmin)


class Backstage:
    urlpatterns = [path("backstage/", backstage.urls), *urls.urlpatterns]


@pytest.fixture
def browser(db: None) -> Client:
    return browser_with(VIEW, DELETE, "testapp.view_lesson")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def add(cloud: Cloud, *titles: str) -> list[str]:
    return [cloud.client.media.create(meta={"title": title})["id"] for title in titles]


def ask(browser: Client, **query: str) -> dict[str, Any]:
    answer: dict[str, Any] = browser.get(PAGE, query, headers=JSON).json()
    return answer


def titles(html: str) -> list[str]:
    return [unescape(title) for title in re.findall(r"__title\"><bdi>(.*?)</bdi>", html)]


def choice(browser: Client, media: str = MEDIA, *, title: str = "A talk", **more: str) -> str:
    user = str(browser.session["_auth_user_id"])
    values = {"account": "default", "media": media, "title": title, "user": user, **more}
    return Choice(**values).sign()


# Browsing


def test_library_is_a_page_before_the_cloud_is_asked(browser: Client, offline: None) -> None:
    page = browser.get(LIBRARY, {"query": '"><script>'}).content.decode()

    assert 'aria-busy="true"' in page
    assert "is-skeleton" in page
    assert "Show the media without JavaScript" in page
    assert 'value="&quot;&gt;&lt;script&gt;"' in page


def test_media_of_the_account_are_shown_those_without_a_row_too(
    cloud: Cloud, browser: Client, clip: Path
) -> None:
    ready = cloud.upload(clip, assets=("mp4_h264_aac", "jpeg_thumbnail_medium"))
    cloud.work()
    add(cloud, "Not yet <b>")
    Lesson.objects.create(title="A lesson", video=ready)

    answer = ask(browser)

    assert answer["status"] == "2 videos"
    assert titles(answer["html"]) == ["Not yet <b>", "clip"]
    assert "Not yet <b>" not in answer["html"]
    first, second = answer["html"].split("<li")[1:]
    assert "in no row" in first
    assert "The media has no source." in first
    assert (
        f'<a href="/admin/testapp/lesson/{Lesson.objects.get().pk}/change/">A lesson</a>' in second
    )
    assert f"/embed/{cloud.account.pk}/{ready}?auth=" in second
    assert "0:02" in second


def test_t225_titles_are_text(cloud: Cloud, browser: Client) -> None:
    title = "</bdi><img src=x onerror=alert(1)>\" data-x='"
    [media] = add(cloud, title)

    shown = ask(browser)["html"], browser.get(PAGE).content.decode()
    removal = browser.get(REMOVAL, {"choice": choice(browser, media, title=title)})

    for html in (*shown, removal.content.decode()):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html
    assert titles(shown[0]) == [title]


def test_search_and_pages(cloud: Cloud, browser: Client) -> None:
    add(cloud, *(f"Knots {n}" for n in range(25)), "Sails")

    first = ask(browser, query="knots")
    [more] = re.findall(r'data-action="more" href="([^"]*)"', first["html"])
    second = browser.get(unescape(more), headers=JSON).json()

    assert first["status"] == "25 videos for “knots”"
    assert len(titles(first["html"])) == 24
    assert titles(second["html"]) == ["Knots 0"]
    assert "data-action" not in second["html"]
    assert "No title has these words: “&lt;i&gt;”" in ask(browser, query="<i>")["html"]


def test_without_javascript_the_same_is_a_page(cloud: Cloud, browser: Client) -> None:
    add(cloud, "Knots")

    page = browser.get(PAGE, {"query": "knots"}).content.decode()

    assert titles(page) == ["Knots"]
    assert f'action="{PAGE}"' in page
    assert "is-skeleton" not in page


def test_cloud_that_is_down_is_told(browser: Client, settings: Any) -> None:
    take_the_cloud_away(settings)

    assert browser.get(LIBRARY).status_code == 200
    for headers in (JSON, {}):
        answer = browser.get(PAGE, headers=headers)
        assert answer.status_code == 502
        assert "The video cloud could not do this: No answer from" in answer.content.decode()


@pytest.mark.parametrize("query", [{"query": "a " * 99}, {"after": "x"}, {"after": "after:x"}])
def test_what_cannot_be_asked_is_told(cloud: Cloud, browser: Client, query: Any) -> None:
    answer = browser.get(PAGE, query, headers=JSON)

    assert answer.status_code in (400, 502)
    assert answer.json()["error"]


def test_account_that_is_not_configured_is_told(browser: Client, settings: Any) -> None:
    settings.CLOUDKEYS = {}

    assert browser.get(LIBRARY).status_code == 200
    assert 'CLOUDKEYS["default"] is not configured.' in ask(browser)["error"]


@pytest.fixture
def archive(cloud: Cloud, settings: Any) -> Account:
    other = Account.objects.create(name="archive")
    default = settings.CLOUDKEYS["default"]
    archive = {**default, "USER_ID": other.pk, "API_KEY": other.api_key}
    settings.CLOUDKEYS = {"default": default, "archive": archive}
    return other


def test_accounts_are_looked_at_one_at_a_time(
    cloud: Cloud, browser: Client, archive: Account
) -> None:
    add(cloud, "Mine")

    page = browser.get(LIBRARY, {"account": "archive"}).content.decode()

    assert re.search(r'account=archive" aria-current="page">archive<', page)
    assert re.search(r'account=default">default<', page)
    assert titles(ask(browser)["html"]) == ["Mine"]
    assert titles(ask(browser, account="archive")["html"]) == []
    for url in (LIBRARY, PAGE):
        assert browser.get(url, {"account": "of nobody"}).status_code == 404


def test_sites_without_a_default_begin_with_another_account(
    cloud: Cloud, browser: Client, settings: Any
) -> None:
    add(cloud, "Knots")
    settings.CLOUDKEYS = {"archive": settings.CLOUDKEYS["default"]}

    assert 'data-account="archive"' in browser.get(LIBRARY).content.decode()
    assert titles(ask(browser)["html"]) == ["Knots"]


def test_admin_of_another_name_hosts_a_library_of_its_own(
    cloud: Cloud, browser: Client, settings: Any
) -> None:
    settings.ROOT_URLCONF = Backstage
    [media] = add(cloud, "Knots")
    backstage = "/backstage/django_cloudkey/upload/"

    shell = browser.get(f"{backstage}library/").content.decode()
    page = browser.get(f"{backstage}library/media/").content.decode()
    [removal] = re.findall(r'__delete" href="([^"]*)"', page)
    asked = browser.get(unescape(removal)).content.decode()
    uploads = browser.get(backstage).content.decode()

    assert f'data-media-url="{backstage}library/media/"' in shell
    assert f'href="{backstage}library/"' in uploads
    for text in (shell, page, asked, uploads):
        assert '="/admin/' not in text
    # The lesson has no form there, and is none of those that the user may not see.
    Lesson.objects.create(title="A lesson", video=media)
    page = browser.get(f"{backstage}library/media/").content.decode()
    assert re.search(r'quiet">Lesson</span> A lesson', page)


def test_rows_that_one_may_not_see_are_only_counted(cloud: Cloud, browser: Client) -> None:
    [media] = add(cloud, "Knots")
    Episode.objects.create(title="Secret", video=media)

    html = ask(browser)["html"]

    assert "Secret" not in html
    assert "1 more row" in html
    assert "__delete" not in html


def test_queries_do_not_grow_with_the_page(cloud: Cloud, browser: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            ask(browser)
        return len(queries)

    for media in add(cloud, "One"):
        Lesson.objects.create(title="x", video=media)
    few = count()
    for media in add(cloud, *map(str, range(20))):
        Lesson.objects.create(title="x", video=media)
    assert count() == few


# Who may


def test_t222_library_is_for_whoever_may_view_uploads(offline: None) -> None:
    browser = browser_with(DELETE, "testapp.view_lesson", "testapp.change_lesson")

    token = {"choice": choice(browser)}
    for url in (UPLOADS, LIBRARY, PAGE, REMOVAL):
        assert browser.get(url, token).status_code == 403
        assert Client().get(url).status_code == 302
    assert browser.post(REMOVAL, token).status_code == 403


def test_t222_deletion_is_for_whoever_may_delete_media(cloud: Cloud) -> None:
    browser = browser_with(VIEW, "django_cloudkey.delete_upload", "django_cloudkey.reprocess_media")
    [media] = add(cloud, "Knots")
    token = {"choice": choice(browser, media)}

    assert "__delete" not in ask(browser)["html"]
    assert browser.get(REMOVAL, token).status_code == 403
    assert browser.post(REMOVAL, token).status_code == 403
    assert cloud.client.media.count() == 1


def test_t221_only_what_the_library_offered_to_the_user_is_deleted(
    cloud: Cloud, browser: Client, archive: Account
) -> None:
    [media] = add(cloud, "Knots")
    token = choice(browser, media)
    wrong = ["", media, token[:-1], token + "x", choice(browser, media, user="999")]

    for text in wrong:
        assert browser.get(REMOVAL, {"choice": text}).status_code == 403
        assert browser.post(REMOVAL, {"choice": text}).status_code == 403
    assert browser.post(REMOVAL, {"choice": choice(browser, media, account="x")}).status_code == 404
    # An id of another account is none of this one.
    browser.post(REMOVAL, {"choice": choice(browser, media, account="archive")})
    assert cloud.client.media.count() == 1


def test_t224_deletion_needs_a_post_with_the_token(cloud: Cloud, browser: Client) -> None:
    [media] = add(cloud, "Knots")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())

    browser.get(REMOVAL, {"choice": choice(browser, media)})
    assert strict.post(REMOVAL, {"choice": choice(browser, media)}).status_code == 403
    assert cloud.client.media.count() == 1


# Deleting


def test_media_is_deleted_when_that_is_confirmed(cloud: Cloud, browser: Client) -> None:
    [media] = add(cloud, "Knots")
    owner = User.objects.get()
    Upload.objects.create(media=media, account="default", size=1, owner=owner)
    [url] = re.findall(r'__delete" href="([^"]*)"', ask(browser)["html"])

    asked = browser.get(unescape(url)).content.decode()
    [token] = re.findall(r'name="choice" value="([^"]*)"', asked)
    answer = browser.post(REMOVAL, {"choice": token}, follow=True)

    assert "Knots" in asked
    assert "by editor for a form that may still be open" in asked
    assert answer.redirect_chain == [(f"{LIBRARY}?account=default", 302)]
    assert "The video “Knots” was deleted." in answer.content.decode()
    assert cloud.client.media.count() == 0
    assert not Upload.objects.exists()
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_id, str(entry.object_repr)) == (
        DELETION,
        media,
        "Knots",
    )


def test_page_that_asks_waits_for_nobody(browser: Client, offline: None) -> None:
    page = browser.get(REMOVAL, {"choice": choice(browser)})

    assert "Yes, I’m sure" in page.content.decode()


def test_media_that_rows_show_is_kept(cloud: Cloud, browser: Client) -> None:
    [media] = add(cloud, "Knots")
    token = {"choice": choice(browser, media)}
    Lesson.objects.create(title="A lesson", video=media)
    Episode.objects.create(title="Secret", video=media)

    for page in (browser.get(REMOVAL, token), browser.post(REMOVAL, token)):
        text = page.content.decode()
        assert "cannot be deleted while rows show it" in text
        assert ">A lesson</a>" in text
        assert "1 row that you may not see" in text
        assert "Secret" not in text
        assert "Yes, I’m sure" not in text
    assert cloud.client.media.count() == 1


def test_deletion_that_fails_is_told(browser: Client, settings: Any) -> None:
    take_the_cloud_away(settings)

    answer = browser.post(REMOVAL, {"choice": choice(browser)})

    assert answer.status_code == 502
    assert "The video cloud could not do this: No answer from" in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_deleting_twice_is_deleting_once(cloud: Cloud, browser: Client) -> None:
    answer = browser.post(REMOVAL, {"choice": choice(browser)}, follow=True)

    assert "was deleted" in answer.content.decode()


# Uploads


@pytest.fixture
def uploads(db: None) -> None:
    old = timezone.now() - timedelta(days=30)
    states: dict[str, dict[str, Any]] = {
        "held.mp4": {"claimed": True, "media": MEDIA},
        "waiting.mp4": {},
        "expired.mp4": {"created": old},
    }
    for name, more in states.items():
        Upload.objects.create(
            name=name, size=5_000_000, field="testapp.lesson.video", account="default", **more
        )


def test_uploads_are_listed_by_state(browser: Client, uploads: None, offline: None) -> None:
    page = browser.get(UPLOADS).content.decode()
    assert f'href="{LIBRARY}"' in page
    assert f'href="{LIBRARY}?account=default&amp;query={MEDIA}"' in page
    for state, name in (("claimed", "held"), ("waiting", "waiting"), ("expired", "expired")):
        page = browser.get(UPLOADS, {"state": state}).content.decode()
        assert re.findall(r"(\w+)\.mp4</a>", page) == [name]
    page = browser.get(UPLOADS, {"q": MEDIA}).content.decode()
    assert re.findall(r"(\w+)\.mp4</a>", page) == ["held"]


def test_uploads_are_only_looked_at(uploads: None, offline: None) -> None:
    User.objects.create_superuser("root")
    root = Client()
    root.force_login(User.objects.get())
    upload = Upload.objects.get(name="held.mp4")

    page = root.get(f"{UPLOADS}{upload.pk}/change/").content.decode()

    assert "held.mp4" in page
    assert 'name="_save"' not in page
    assert root.post(f"{UPLOADS}{upload.pk}/change/", {"name": "x"}).status_code == 403
    assert root.get(f"{UPLOADS}add/").status_code == 403
    assert root.post(f"{UPLOADS}{upload.pk}/delete/", {"post": "yes"}).status_code == 403
    assert upload.ticket not in page


def test_queries_of_uploads_do_not_grow(browser: Client, uploads: None) -> None:
    owner = User.objects.get()
    with CaptureQueriesContext(connection) as few:
        browser.get(UPLOADS)
    for n in range(20):
        Upload.objects.create(name=f"{n}.mp4", size=1, owner=owner, account="default")
    with CaptureQueriesContext(connection) as many:
        browser.get(UPLOADS)
    assert len(many) == len(few)
