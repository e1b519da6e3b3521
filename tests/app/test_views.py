"""What the widget asks the site: who may, what comes of it, and what a failure says."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_cloudkey import cloudkeys
from django_cloudkey.media_state import describe
from django_cloudkey.models import Upload
from django_cloudkey.references import Reference, read
from django_cloudkey.uploads import finish_upload, open_upload
from tests.testapp.models import Episode, Lesson

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES)

FIELD = "testapp.lesson.video"
MEDIA = "4d0c0ffee0000000000000aa"
FILE = {"field": FIELD, "name": "My talk.mp4", "size": "5"}


def user_who_may(*actions: str, name: str = "editor") -> User:
    user = User.objects.create_user(name, is_staff=True)
    codenames = [f"{action}_lesson" for action in actions]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def editor(db: None) -> User:
    return user_who_may("add")


@pytest.fixture
def browser(editor: User) -> Client:
    return browser_of(editor)


@pytest.fixture
def dead_cloud(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    account = {**settings.CLOUDKEYS["default"], "BASE_URL": f"http://127.0.0.1:{port}"}
    settings.CLOUDKEYS = {"default": account}


def send(url: str) -> str:
    files = {"file": ("My talk.mp4", b"bytes")}
    return str(requests.post(url, files=files, timeout=10).json()["url"])


def test_upload_goes_from_ticket_to_reference(cloud: Cloud, editor: User, browser: Client) -> None:
    ticket = browser.post("/cloudkey/ticket/", FILE).json()
    url = send(ticket["url"])
    finished = browser.post("/cloudkey/finish/", {"ticket": ticket["ticket"], "url": url})

    reference = read(finished.json()["reference"])
    upload = Upload.objects.get()
    assert (reference.field, reference.user) == (FIELD, str(editor.pk))
    assert (upload.media, upload.claimed, upload.owner) == (reference.media, False, editor)
    info = cloud.client.media.info(id=reference.media, fields=["meta.title"])
    assert info["meta"]["title"] == "My talk"
    answer = browser.get("/cloudkey/status/", {"reference": finished.json()["reference"]})
    assert answer.json()["states"] == [
        {"title": "My talk", "state": "processing", "label": "being prepared", "progress": 0}
    ]


def test_finishing_twice_makes_one_media(cloud: Cloud, browser: Client) -> None:
    ticket = browser.post("/cloudkey/ticket/", FILE).json()
    data = {"ticket": ticket["ticket"], "url": send(ticket["url"])}

    references = [browser.post("/cloudkey/finish/", data).json()["reference"] for _ in range(2)]

    assert len({read(reference).media for reference in references}) == 1
    assert cloud.client.media.list()["total"] == 1


def test_finishing_twice_at_once_makes_one_media(cloud: Cloud, editor: User) -> None:
    upload, url = open_upload(
        editor, "testapp.lesson.video", account="default", name="talk.mp4", size=5
    )
    address = send(url)
    copies = [Upload.objects.get(pk=upload.pk) for _ in range(2)]  # both saw no media yet

    media = {finish_upload(copy, address, assets=["mp4_h264_aac"]) for copy in copies}

    assert len(media) == 1
    assert cloud.client.media.list()["total"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "ticket"), ("post", "finish"), ("get", "status")],
)
@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_every_view_needs_a_permission(method: str, path: str, who: str) -> None:
    client = Client() if who == "nobody" else browser_of(user_who_may())
    owner = user_who_may(name="owner") if who == "nobody" else User.objects.get()
    upload = Upload.objects.create(owner=owner, field=FIELD, account="default", name="n", size=1)
    reference = Reference(media=MEDIA, field=FIELD).sign()
    data = {**FILE, "ticket": upload.ticket, "reference": reference, "url": "x"}

    assert getattr(client, method)(f"/cloudkey/{path}/", data).status_code == 403


@pytest.mark.parametrize("model", ["rerun", "pilot"])
def test_permission_for_a_model_that_extends_the_fields_is_enough(cloud: Cloud, model: str) -> None:
    user = User.objects.create_user("editor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename=f"change_{model}"))
    field = Episode._meta.get_field("video").label  # what its forms name

    answer = browser_of(user).post("/cloudkey/ticket/", {**FILE, "field": field})

    assert answer.status_code == 200
    others = {**FILE, "field": FIELD}
    assert browser_of(user).post("/cloudkey/ticket/", others).status_code == 403


@pytest.mark.parametrize("path", ["ticket", "finish"])
def test_writing_needs_the_token_of_a_form(editor: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(editor)

    assert client.post(f"/cloudkey/{path}/", FILE).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"), [("get", "ticket"), ("get", "finish"), ("post", "status")]
)
def test_other_method_is_not_allowed(browser: Client, method: str, path: str) -> None:
    assert getattr(browser, method)(f"/cloudkey/{path}/").status_code == 405


@pytest.mark.parametrize("ticket", ["", "guessed", "anothers"])
def test_foreign_ticket_is_refused(browser: Client, ticket: str) -> None:
    other = user_who_may("add", name="other")
    upload = Upload.objects.create(owner=other, field=FIELD, account="default", name="n", size=1)
    data = {"ticket": upload.ticket if ticket == "anothers" else ticket, "url": "x"}

    assert browser.post("/cloudkey/finish/", data).status_code == 403


def test_ticket_without_an_owner_is_nobodys() -> None:
    upload = Upload.objects.create(field=FIELD, account="default", name="n", size=1)

    assert Client().post("/cloudkey/finish/", {"ticket": upload.ticket}).status_code == 403


@pytest.mark.parametrize(
    "field",
    ["", "testapp", "testapp.lesson", "testapp.lesson.title", "auth.user.password", "a.b.c"],
)
def test_only_media_fields_take_uploads(browser: Client, field: str) -> None:
    assert browser.post("/cloudkey/ticket/", {**FILE, "field": field}).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"size": "0"},
        {"size": "-1"},
        {"size": "\u0661"},
        {"size": "9" * 19},
        {"size": "9" * 5000},
        {"name": ""},
        {"name": "\0"},
    ],
)
def test_ticket_for_nothing_is_refused(browser: Client, change: dict[str, str]) -> None:
    answer = browser.post("/cloudkey/ticket/", {**FILE, **change})

    assert answer.status_code == 400
    assert answer.json() == {"error": "The file is empty, or has no name."}


def test_dead_cloud_is_a_sentence(browser: Client, editor: User, dead_cloud: None) -> None:
    upload = Upload.objects.create(owner=editor, field=FIELD, account="default", name="n", size=1)
    reference = Reference(media=MEDIA, field=FIELD).sign()

    ticket = browser.post("/cloudkey/ticket/", FILE)
    finish = browser.post("/cloudkey/finish/", {"ticket": upload.ticket, "url": "x"})
    status = browser.get("/cloudkey/status/", {"reference": reference})

    assert (ticket.status_code, finish.status_code, status.status_code) == (502, 502, 200)
    sentence = "The video cloud could not do this: No answer from http://127.0.0.1:"
    assert ticket.json()["error"].startswith(sentence)
    assert finish.json()["error"].startswith(sentence)
    assert status.json()["states"][0]["label"].startswith(sentence)
    assert status.json()["states"][0]["state"] == "unknown"


def test_state_of_a_deleted_media_is_missing(cloud: Cloud, browser: Client) -> None:
    reference = Reference(media=MEDIA, field=FIELD).sign()

    answer = browser.get("/cloudkey/status/", {"reference": [reference, reference]})

    assert answer.json()["states"] == [{"state": "missing", "label": "not on the cloud"}] * 2


@pytest.mark.parametrize("reference", ["", "x", MEDIA])
def test_state_needs_a_reference(browser: Client, reference: str) -> None:
    assert browser.get("/cloudkey/status/", {"reference": reference}).status_code == 403


def test_failed_media_tells_its_reason(cloud: Cloud, browser: Client) -> None:
    ticket = browser.post("/cloudkey/ticket/", FILE).json()
    data = {"ticket": ticket["ticket"], "url": send(ticket["url"])}
    reference = browser.post("/cloudkey/finish/", data).json()["reference"]
    cloud.work()

    (state,) = browser.get("/cloudkey/status/", {"reference": reference}).json()["states"]

    assert state == {
        "title": "My talk",
        "state": "error",
        "label": "failed",
        "reason": "This file is not a video that can be played.",
    }


def test_cloud_that_does_not_tell_the_progress_is_at_the_beginning() -> None:
    assets = {"source": {"status": "processing", "progress": None}}

    assert describe(cloudkeys["default"], MEDIA, assets, [])["progress"] == 0


def test_saved_form_claims_the_upload(cloud: Cloud, browser: Client, editor: User) -> None:
    ticket = browser.post("/cloudkey/ticket/", FILE).json()
    data = {"ticket": ticket["ticket"], "url": send(ticket["url"])}
    reference = browser.post("/cloudkey/finish/", data).json()["reference"]

    saved = browser.post("/admin/testapp/lesson/add/", {"title": "a", "video": reference})

    assert saved.status_code == 302
    assert Lesson.objects.get().video == read(reference).media
    assert Upload.objects.get().claimed is True
