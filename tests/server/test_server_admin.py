"""The operator's pages: no key on any of them, nothing written that only the cloud may write."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.test import Client

from django_cloudkey.server import files, jobs
from django_cloudkey.server.models import Account, Asset, Job, Media
from django_cloudkey.server.worker import tidy_up

from ..conftest import DATABASES

pytestmark = pytest.mark.django_db(databases=DATABASES)
ADMIN = "/admin/cloudkey_server"


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.fixture
def media() -> Media:
    media = Media.objects.create(account=Account.objects.create(name="demo"))
    file = files.storage().save("media/a/b", ContentFile(b"x"))
    Asset.objects.create(media=media, name="mp4_h264_aac", status="ready", file=file)
    jobs.enqueue(media)
    return media


def test_no_page_shows_a_key(operator: Client, media: Media) -> None:
    pages = [f"{ADMIN}/{name}/" for name in ("account", "media", "job")]
    pages += [
        f"{ADMIN}/account/{media.account_id}/change/",
        f"{ADMIN}/media/{media.pk}/change/",
        f"{ADMIN}/job/{Job.objects.get().pk}/change/",
    ]

    for page in pages:
        answer = operator.get(page)
        assert answer.status_code == 200
        assert media.account.api_key not in answer.content.decode()


def test_key_cannot_be_searched_for(operator: Client, media: Media) -> None:
    query = {"account__api_key__startswith": media.account.api_key[:1]}

    assert operator.get(f"{ADMIN}/media/", query).status_code == 400


@pytest.mark.parametrize("page", ["account/add/", "media/add/", "job/add/"])
def test_rows_are_not_added_by_hand(operator: Client, page: str) -> None:
    assert operator.get(f"{ADMIN}/{page}").status_code == 403


def test_account_can_be_switched_off(operator: Client, media: Media) -> None:
    answer = operator.post(f"{ADMIN}/account/{media.account_id}/change/", {"name": "demo"})

    account = Account.objects.get()
    assert answer.status_code == 302
    assert (account.is_active, account.api_key) == (False, media.account.api_key)


@pytest.mark.parametrize("way", ["page", "action"])
def test_deleted_media_leaves_no_file(operator: Client, media: Media, way: str) -> None:
    if way == "page":
        operator.post(f"{ADMIN}/media/{media.pk}/delete/", {"post": "yes"})
    else:
        data = {"action": "delete_selected", "_selected_action": [media.pk], "post": "yes"}
        operator.post(f"{ADMIN}/media/", data)
    tidy_up()

    assert not Media.objects.exists()
    assert list(files.names_under("media")) == []
