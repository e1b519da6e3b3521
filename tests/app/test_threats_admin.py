"""Threats to the admin of both wings, by their numbers: T222 and T223."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_cloudkey.protocol.signing import URL_LIFETIME, parse_auth
from django_cloudkey.references import Reference
from django_cloudkey.server.models import Account, Media
from django_cloudkey.testing import Cloud as InProcessCloud
from tests.testapp.models import Lesson

from ..conftest import DATABASES

pytestmark = pytest.mark.django_db(databases=DATABASES)

MEDIA = "4d0c0ffee0000000000000aa"
SERVER = "/admin/cloudkey_server/"


def browser_who_may(*codenames: str) -> Client:
    user = User.objects.create_user("editor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Client(raise_request_exception=False)
    browser.force_login(user)
    return browser


@pytest.fixture
def media() -> Media:
    account = Account.objects.create(name="north")
    return Media.objects.create(account=account, meta={"title": "Knots"})


# T222: what staff sees, finds and deletes of others


@pytest.mark.parametrize("path", ["account/", "media/", "job/", "organisation/", "notification/"])
def test_t222_screens_of_the_cloud_need_their_permission(path: str) -> None:
    assert browser_who_may("view_lesson").get(f"{SERVER}{path}").status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "api_key__startswith={key}", "api_key={key}", "api_key__gt=g", "api_key__regex=^g",
        "secrets__secret__startswith=g", "secrets__secret__gt=g", "media__account__api_key__gt=g",
    ],
)  # fmt: skip
def test_t222_accounts_are_not_found_by_their_secrets(media: Media, query: str) -> None:
    browser = browser_who_may("view_account", "view_media")
    key = media.account.api_key

    assert browser.get(f"{SERVER}account/?{query.format(key=key[:4])}").status_code == 400
    assert browser.get(f"{SERVER}media/?account__{query.format(key=key)}").status_code == 400


@pytest.mark.parametrize(
    "path", ["account/", "account/{account}/change/", "media/", "media/{id}/change/"]
)
def test_t222_no_screen_shows_a_key(media: Media, path: str) -> None:
    secret = media.account.secrets.create().secret
    browser = browser_who_may("view_account", "change_account", "view_media")

    page = browser.get(SERVER + path.format(account=media.account.pk, id=media.pk))

    assert page.status_code == 200
    assert media.account.api_key not in page.content.decode()
    assert secret not in page.content.decode()


@pytest.mark.parametrize("may_delete", [False, True])
def test_t222_deleting_the_selected_needs_the_permission(media: Media, may_delete: bool) -> None:
    browser = browser_who_may("view_media", *(["delete_media", "delete_asset"] * may_delete))

    browser.post(
        f"{SERVER}media/",
        {"action": "delete_selected", "_selected_action": [media.pk], "post": "yes"},
    )

    assert Media.objects.filter(pk=media.pk).exists() is not may_delete


def test_t222_key_that_is_sent_with_a_form_is_not_stored(media: Media) -> None:
    before = media.account.api_key
    browser = browser_who_may("view_account", "change_account")

    answer = browser.post(
        f"{SERVER}account/{media.account.pk}/change/",
        {"name": "south", "is_active": "on", "api_key": "0" * 40, "id": "0" * 24},
    )

    assert answer.status_code == 302
    account = Account.objects.get()
    assert (account.pk, account.name, account.api_key) == (media.account.pk, "south", before)


@pytest.mark.parametrize(
    "query", ["video__startswith=4d", "video__media__id=1", "owner__password=x"]
)
def test_t222_rows_of_the_site_are_found_by_ids_and_nothing_behind_them(query: str) -> None:
    Lesson.objects.create(title="a", video=MEDIA)

    page = browser_who_may("view_lesson").get(f"/admin/testapp/lesson/?{query}")

    # A wrong lookup leads back to the whole list, as everywhere in the admin.
    assert page.status_code == (200 if query == "video__startswith=4d" else 302)


# T223: addresses on screens


def test_t223_no_page_of_the_admin_holds_a_signed_address(cloudkey_cloud: InProcessCloud) -> None:
    lesson = Lesson.objects.create(title="a", video=cloudkey_cloud.media())
    browser = browser_who_may("view_lesson", "change_lesson")

    for path in ("", f"{lesson.pk}/change/", f"{lesson.pk}/history/"):
        page = browser.get(f"/admin/testapp/lesson/{path}")
        assert page.status_code == 200
        assert "auth=" not in page.content.decode()


def test_t223_preview_is_signed_for_each_request_and_not_for_long(
    cloudkey_cloud: InProcessCloud,
) -> None:
    lesson = Lesson.objects.create(title="a", video=cloudkey_cloud.media())
    browser = browser_who_may("view_lesson")
    reference = Reference(media=lesson.video.id, field="testapp.lesson.video").sign()

    def ask() -> dict[str, Any]:
        answer = browser.get("/cloudkey/status/", {"reference": reference})
        assert "no-store" in answer.headers["Cache-Control"]
        state: dict[str, Any] = answer.json()["states"][0]
        return state

    first, second = ask(), ask()
    for name in ("embed", "thumbnail"):
        assert first[name] != second[name]
        token = parse_auth(parse_qs(urlsplit(first[name]).query)["auth"][0])
        assert 0 < token.expires - time.time() <= URL_LIFETIME


def test_t223_address_of_the_page_goes_to_no_other_host() -> None:
    page = browser_who_may("view_lesson", "change_lesson").get("/admin/testapp/lesson/")

    # Django's own header; with it browsers tell the cloud nothing of the admin's addresses.
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert re.search(r'href="https?://', page.content.decode()) is None
