"""Threats to uploads and references by number: T221, T224, T239 and T240."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.cache import caches
from django.test import Client

from django_cloudkey import references
from django_cloudkey.client import NotFound
from django_cloudkey.forms import MediaFormField
from django_cloudkey.models import Upload
from django_cloudkey.references import BadReference, Reference, read
from tests.testapp.models import Lesson

from ..conftest import Cloud

FIELD = "testapp.lesson.video"
MEDIA = "4d0c0ffee0000000000000aa"
FILE = {"field": FIELD, "name": "My talk.mp4", "size": "5"}
ADD = "/admin/testapp/lesson/add/"


def editor(name: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    names = [f"{action}_{model}" for action in ("add", "change") for model in ("lesson", "talk")]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def browser_of(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def sent(browser: Client, content: bytes = b"bytes", **change: str) -> dict[str, str]:
    """Return what the page hands to the finish view."""
    ticket = browser.post("/cloudkey/ticket/", FILE | change).json()
    files = {"file": ("My talk.mp4", content)}
    url = requests.post(ticket["url"], files=files, timeout=10).json()["url"]
    return {"ticket": ticket["ticket"], "url": url}


def finished(browser: Client) -> str:
    reference: str = browser.post("/cloudkey/finish/", sent(browser)).json()["reference"]
    return reference


def errors_of(browser: Client, reference: str, path: str = ADD) -> Any:
    answer = browser.post(path, {"title": "mine", "video": reference})
    return answer.context["errors"] if answer.status_code == 200 else []


# T221: references


def tampered(reference: str) -> str:
    payload, _, rest = reference.partition(":")
    return f"{payload[:-2]}AA:{rest}"


def signed_elsewhere(reference: str) -> str:
    return signing.dumps([MEDIA, FIELD, ""], salt="another app of the site")


@pytest.mark.parametrize("forge", [tampered, signed_elsewhere, lambda _: MEDIA, lambda _: "null"])
def test_t221_forged_reference_is_refused(cloud: Cloud, forge: Any) -> None:
    browser = browser_of(editor("eve"))

    assert errors_of(browser, forge(finished(browser)))
    assert not Lesson.objects.exists()


def test_t221_reference_of_another_user_is_refused(cloud: Cloud) -> None:
    theirs = finished(browser_of(editor("alice")))

    assert errors_of(browser_of(editor("eve")), theirs)
    assert not Lesson.objects.exists()
    assert not Upload.objects.get().claimed


def test_t221_reference_of_another_field_is_refused(cloud: Cloud) -> None:
    browser = browser_of(editor("eve"))

    assert errors_of(browser, finished(browser), path="/admin/testapp/talk/add/")


def test_t221_reference_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Reference(media=MEDIA, field=FIELD).sign()
    assert read(reference).media == MEDIA
    monkeypatch.setattr(references, "MAX_AGE", -1)

    with pytest.raises(BadReference):
        read(reference)


def test_t221_own_reference_may_be_used_again(cloud: Cloud) -> None:
    """Who was shown a media may add it to another row, as he could type the name of a file."""
    browser = browser_of(editor("alice"))
    reference = finished(browser)

    assert [errors_of(browser, reference) for _ in range(2)] == [[], []]
    assert [lesson.video for lesson in Lesson.objects.all()] == [read(reference).media] * 2


# T224: ticket and finish


@pytest.mark.parametrize("path", ["ticket", "finish"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_t224_token_and_origin_are_needed(cloud: Cloud, path: str, headers: dict[str, str]) -> None:
    alice = editor("alice")
    data = sent(browser_of(alice)) | FILE
    browser = browser_of(alice, enforce_csrf_checks=True)
    if headers:
        browser.get(ADD)
        data["csrfmiddlewaretoken"] = browser.cookies["csrftoken"].value
        headers = {"HTTP_ORIGIN": headers["Origin"]}

    assert browser.post(f"/cloudkey/{path}/", data, **headers).status_code == 403  # type: ignore[arg-type]
    assert cloud.client.media.list()["total"] == 0


@pytest.mark.parametrize("path", ["ticket", "finish"])
@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
def test_t224_only_post_does_something(cloud: Cloud, path: str, method: str) -> None:
    browser = browser_of(editor("alice"))
    data = sent(browser)

    answer = getattr(browser, method)(f"/cloudkey/{path}/", data | FILE)

    assert answer.status_code == 405
    assert Upload.objects.get().media == ""


def test_t224_double_click_makes_one_media(cloud: Cloud) -> None:
    browser = browser_of(editor("alice"))
    data = sent(browser)

    answers = [browser.post("/cloudkey/finish/", data).json() for _ in range(2)]

    assert len({read(answer["reference"]).media for answer in answers}) == 1
    assert cloud.client.media.list()["total"] == 1


def test_t224_ticket_of_another_session_of_the_same_user_is_his(cloud: Cloud) -> None:
    alice = editor("alice")
    data = sent(browser_of(alice))

    assert browser_of(alice).post("/cloudkey/finish/", data).status_code == 200


@pytest.mark.parametrize("forge", ["anothers", "guessed", "with\0nul", ""])
def test_t224_foreign_ticket_is_refused(cloud: Cloud, forge: str) -> None:
    data = sent(browser_of(editor("alice")))
    if forge != "anothers":
        data["ticket"] = forge

    assert browser_of(editor("eve")).post("/cloudkey/finish/", data).status_code == 403
    assert cloud.client.media.list()["total"] == 0


def test_t224_permission_that_was_taken_away_ends_the_ticket(cloud: Cloud) -> None:
    alice = editor("alice")
    data = sent(browser_of(alice))
    alice.user_permissions.clear()

    assert browser_of(alice).post("/cloudkey/finish/", data).status_code == 403


def test_t224_file_of_another_user_is_refused(cloud: Cloud) -> None:
    theirs = sent(browser_of(editor("alice")))
    eve = browser_of(editor("eve"))
    mine = sent(eve)

    answer = eve.post("/cloudkey/finish/", {"ticket": mine["ticket"], "url": theirs["url"]})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("This file belongs to another upload")


@pytest.mark.parametrize("url", ["", "http://[", "file:///etc/passwd", "\0", "x" * 10_000])
def test_t224_address_that_is_none_makes_no_media(cloud: Cloud, url: str) -> None:
    browser = browser_of(editor("eve"))
    ticket = browser.post("/cloudkey/ticket/", FILE).json()["ticket"]

    answer = browser.post("/cloudkey/finish/", {"ticket": ticket, "url": url})

    assert answer.status_code == 502
    assert cloud.client.media.list()["total"] == 0


def test_t224_more_bytes_than_the_ticket_are_refused(cloud: Cloud, clip: Path) -> None:
    browser = browser_of(editor("eve"))
    data = sent(browser, clip.read_bytes())  # the ticket says 5
    reference = browser.post("/cloudkey/finish/", data).json()["reference"]
    cloud.work()

    (state,) = browser.get("/cloudkey/status/", {"reference": reference}).json()["states"]

    assert (state["state"], state["reason"]) == ("error", "The file is larger than was announced.")
    with pytest.raises(NotFound):
        cloud.client.media.info(id=read(reference).media)


# T239, T240: nothing of ours is unpickled, and no cache has a key of ours


def test_t239_references_are_json() -> None:
    text = Reference(media=MEDIA, field=FIELD, user="7").sign()

    assert json.loads(signing.b64_decode(text.split(":")[0].encode())) == [MEDIA, FIELD, "7"]


def test_t239_t240_upload_leaves_nothing_in_session_and_cache(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browser_of(editor("alice"))
    before = [session.get_decoded() for session in Session.objects.all()]

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a cache was used")

    for name in ("get", "set", "add", "get_many", "set_many", "incr", "touch", "delete"):
        monkeypatch.setattr(type(caches["default"]), name, refuse)
    reference = finished(browser)
    browser.get("/cloudkey/status/", {"reference": reference})
    field = MediaFormField(label_name=FIELD)
    assert field.to_python(reference) == read(reference).media

    assert [session.get_decoded() for session in Session.objects.all()] == before
