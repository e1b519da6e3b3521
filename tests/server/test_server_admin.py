"""The operator's pages: no key on any of them, nothing written that only the cloud may write."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.test import Client

from django_cloudkey.protocol.events import EventType
from django_cloudkey.server import account_secrets, files, jobs, notifications
from django_cloudkey.server.models import Account, Asset, Job, Media, Notification, atomic
from django_cloudkey.server.worker import tidy_up

from ..conftest import DATABASES

pytestmark = pytest.mark.django_db(databases=DATABASES)
ADMIN = "/admin/cloudkey_server"
NO_SECRETS = {"secrets-TOTAL_FORMS": "0", "secrets-INITIAL_FORMS": "0"}


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


@pytest.fixture
def pages(media: Media) -> list[str]:
    """Addresses of the lists, and of a row of each."""
    account_secrets.add(media.account)
    tell(media)
    job, notification = Job.objects.get(), Notification.objects.get()
    rows = {"account": media.account, "media": media, "job": job, "notification": notification}
    lists = [f"{ADMIN}/{name}/" for name in rows]
    return lists + [f"{ADMIN}/{name}/{quote(row.pk)}/change/" for name, row in rows.items()]


def tell(media: Media) -> None:
    """Write a notification about *media*."""
    Account.objects.update(webhook_url="https://www.example.org/cloudkey/webhook/default/")
    with atomic():
        notifications.tell(media, (EventType.MEDIA_READY, ""))


def test_no_page_shows_a_key(operator: Client, media: Media, pages: list[str]) -> None:
    for page in pages:
        answer = operator.get(page)
        assert answer.status_code == 200
        assert media.account.api_key not in answer.content.decode()
        assert media.account.secrets.get().secret not in answer.content.decode()


def test_no_page_reads_a_key(media: Media, pages: list[str], settings: Any) -> None:
    """SECRET_KEY is lost, and all that was encrypted with it."""
    settings.SECRET_KEY = "another"
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))

    assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    page = f"{ADMIN}/account/{media.account_id}/change/"
    data = {"secrets-TOTAL_FORMS": "1", "secrets-INITIAL_FORMS": "1", "name": "renamed"}
    assert client.post(page, data).status_code == 302
    assert Account.objects.values_list("name", flat=True).get() == "renamed"


def test_lists_do_not_grow_with_the_accounts(operator: Client, media: Media) -> None:
    Account.objects.bulk_create(Account(name=f"account {number}") for number in range(300))

    for name in ("media", "notification"):
        assert "account 299" not in operator.get(f"{ADMIN}/{name}/").content.decode()
    found = operator.get(f"{ADMIN}/media/", {"q": "demo"}).content.decode()
    assert media.pk in found
    assert media.pk not in operator.get(f"{ADMIN}/media/", {"q": "account 299"}).content.decode()


def test_secrets_of_an_account_are_listed_by_their_names(operator: Client, media: Media) -> None:
    account_secrets.add(media.account, networks=["192.0.2.0/24"], methods=["media.count"])
    page = f"{ADMIN}/account/{media.account_id}/change/"

    shown = operator.get(page).content.decode()

    assert "k1" in shown
    assert "192.0.2.0/24" in shown
    assert "media.count" in shown
    assert 'name="secrets-0-is_active"' not in shown


def test_key_cannot_be_searched_for(operator: Client, media: Media) -> None:
    query = {"account__api_key__startswith": media.account.api_key[:1]}

    assert operator.get(f"{ADMIN}/media/", query).status_code == 400


@pytest.mark.parametrize("page", ["account/add/", "media/add/", "job/add/", "notification/add/"])
def test_rows_are_not_added_by_hand(operator: Client, page: str) -> None:
    assert operator.get(f"{ADMIN}/{page}").status_code == 403


def test_account_can_be_switched_off(operator: Client, media: Media) -> None:
    answer = operator.post(
        f"{ADMIN}/account/{media.account_id}/change/", {"name": "demo", **NO_SECRETS}
    )

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


# Notifications


def test_notifications_are_listed_with_what_became_of_them(operator: Client, media: Media) -> None:
    tell(media)
    Notification.objects.update(attempts=3, failure="The answer was 500.")

    query = {"state__exact": "waiting", "type": "media.ready", "q": media.pk}
    page = operator.get(f"{ADMIN}/notification/", query).content.decode()

    for text in ("media.ready", media.pk, "waiting", "The answer was 500."):
        assert text in page
    assert "1 notification" in page


def send_again(client: Client) -> int:
    rows = list(Notification.objects.values_list("pk", flat=True))
    data = {"action": "send_again", "_selected_action": rows}
    return client.post(f"{ADMIN}/notification/", data).status_code


def test_notification_is_sent_again(operator: Client, media: Media) -> None:
    tell(media)
    Notification.objects.update(state="given_up", attempts=9, failure="The answer was 500.")
    assert notifications.claim() is None

    assert send_again(operator) == 302

    again = notifications.claim()
    assert again is not None
    assert (again.state, again.attempts, again.failure) == ("waiting", 1, "")


@pytest.mark.parametrize(("codename", "state"), [("view", "given_up"), ("change", "waiting")])
def test_sending_again_needs_its_permission(media: Media, codename: str, state: str) -> None:
    tell(media)
    Notification.objects.update(state="given_up")
    clerk = User.objects.create_user("clerk", is_staff=True)
    for each in {"view", codename}:
        clerk.user_permissions.add(Permission.objects.get(codename=f"{each}_notification"))
    client = Client()
    client.force_login(clerk)

    send_again(client)

    assert Notification.objects.get().state == state
    assert client.get(f"{ADMIN}/notification/").status_code == 200


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("www.example.org/hook", "An address starts with https://."),
        ("https://www.example.org/hook", ""),
        ("http://www.example.org/hook", "The address must be https, at port 443."),
        ("https://192.168.0.1/hook", "192.168.0.1 is no public address."),
        ("http://web:8000/hook", "The address must be https, at port 443."),
    ],
)
def test_form_of_an_account_checks_its_webhook(
    operator: Client, media: Media, url: str, text: str
) -> None:
    data = {"name": "demo", "is_active": "on", "webhook_url": url, **NO_SECRETS}
    answer = operator.post(f"{ADMIN}/account/{media.account_id}/change/", data)

    assert answer.status_code == (200 if text else 302)
    assert text in answer.content.decode()
    assert Account.objects.get().webhook_url == ("" if text else "https://www.example.org/hook")
