"""
T221, T224: whatever is broken off between a browser and a row, every media is accounted for.

Each case leaves something behind. Then every media of the cloud is held by a row, waited for, or
found; once nobody waits any more, what no row holds goes, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from django_cloudkey import uploads
from django_cloudkey.models import Upload
from django_cloudkey.reconciliation import ORPHAN, Reconciliation
from django_cloudkey.references import read
from tests.testapp.models import Episode, Lesson

from ..conftest import Cloud

FIELD = "testapp.lesson.video"
ADD = "/admin/testapp/lesson/add/"


def browser_of(name: str) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    names = ["add_lesson", "change_lesson", "delete_lesson", "view_upload"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture
def alice(db: None) -> Client:
    return browser_of("alice")


@pytest.fixture
def eve(db: None) -> Client:
    return browser_of("eve")


def sent(browser: Client, field: str = FIELD) -> dict[str, str]:
    data = {"field": field, "name": "a.mp4", "size": "5"}
    ticket = browser.post("/cloudkey/ticket/", data).json()
    url = requests.post(ticket["url"], files={"file": ("a.mp4", b"bytes")}, timeout=10).json()[
        "url"
    ]
    return {"ticket": ticket["ticket"], "url": url}


def finish(browser: Client, data: dict[str, str]) -> Any:
    return browser.post("/cloudkey/finish/", data)


def reference(browser: Client) -> str:
    return str(finish(browser, sent(browser)).json()["reference"])


def save(browser: Client, value: str) -> int:
    return int(browser.post(ADD, {"title": "a", "video": value}).status_code)


class PowerCut(BaseException):
    """The process is gone: no handler of the program runs."""


# What is broken off, and how many media rows hold in the end


def sends_twice(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    value = reference(alice)
    assert [save(alice, value), save(alice, value)] == [302, 302]
    assert Lesson.objects.count() == 2
    return 1


def forges(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    data = sent(alice)
    assert finish(eve, data).status_code == 403
    assert finish(eve, {**sent(eve), "url": data["url"]}).status_code == 400
    value = finish(alice, data).json()["reference"]
    assert save(eve, value) == 200  # the form again, with a sentence
    assert save(eve, read(value).media) == 200
    assert save(alice, value) == 302
    return 1


def leaves_the_form(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    reference(alice)
    return 0


def dies_before_the_id_is_stored(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    def die(*args: Any, **options: Any) -> str:
        create(*args, **options)
        raise PowerCut

    create, data = uploads.create_media, sent(alice)
    with patch.context() as cut:
        cut.setattr(uploads, "create_media", die)
        with pytest.raises(PowerCut):
            finish(alice, data)
    return 0


def dies_and_asks_again(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    def die(*args: Any, **options: Any) -> str:
        create(*args, **options)
        raise PowerCut

    create, data = uploads.create_media, sent(alice)
    with patch.context() as cut:
        cut.setattr(uploads, "create_media", die)
        with pytest.raises(PowerCut):
            finish(alice, data)
    assert save(alice, finish(alice, data).json()["reference"]) == 302
    return 1


def rolls_back(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    value = reference(alice)
    with transaction.atomic():
        assert save(alice, value) == 302
        transaction.set_rollback(True)
    assert not Lesson.objects.exists()
    assert not Upload.objects.get().claimed
    return 0


def deletes_the_row(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    assert save(alice, reference(alice)) == 302
    Lesson.objects.get().delete()
    return 0


def deletes_one_row_of_two(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    value = reference(alice)
    picked = eve.post("/cloudkey/pick/", {"field": FIELD, "media": read(value).media}).json()
    assert [save(alice, value), save(eve, picked["reference"])] == [302, 302]
    Lesson.objects.latest("pk").delete()
    return 1


def deletes_media_with_a_row(alice: Client, eve: Client, patch: pytest.MonkeyPatch) -> int:
    kept, gone = reference(alice), reference(alice)
    assert [save(alice, kept), save(alice, gone)] == [302, 302]
    for value in (kept, gone):
        Episode.objects.create(title="a", video=read(value).media).delete()
    Lesson.objects.filter(video=read(gone).media).delete()
    return 1


@pytest.mark.parametrize(
    "case",
    [
        sends_twice,
        forges,
        leaves_the_form,
        dies_before_the_id_is_stored,
        dies_and_asks_again,
        rolls_back,
        deletes_the_row,
        deletes_one_row_of_two,
        deletes_media_with_a_row,
    ],
    ids=lambda case: case.__name__,
)
def test_t221_t224_every_media_is_accounted_for(
    cloud: Cloud,
    alice: Client,
    eve: Client,
    monkeypatch: pytest.MonkeyPatch,
    case: Callable[[Client, Client, pytest.MonkeyPatch], int],
) -> None:
    expected = case(alice, eve, monkeypatch)

    there = {media["id"] for media in cloud.client.media.iterate(fields=["id"])}
    in_rows = set(Lesson.objects.values_list("video", flat=True))
    assert len(in_rows) == expected
    assert in_rows <= there  # no row names what is not there
    with Reconciliation("default", older_than=timedelta(0)) as both:
        both.compare()
        orphans = {each.media for each in both.findings() if each.kind == ORPHAN}
    assert both.counts["held"] == expected
    assert both.counts["other"] == 0
    assert expected + both.counts["waiting"] + len(orphans) == len(there)

    Upload.objects.update(created=timezone.now() - timedelta(days=30))
    with Reconciliation("default", older_than=timedelta(0)) as both:
        both.compare()
        both.mend()
    assert {media["id"] for media in cloud.client.media.iterate(fields=["id"])} == in_rows
    with Reconciliation("default", older_than=timedelta(0)) as both:
        both.compare()
        assert list(both.findings()) == []
