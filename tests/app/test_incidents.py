"""
Everything that can happen to uploads happens to one site, through its views and its admin; then
``cloudkey_reconcile`` accounts for every media on both sides, and nobody has got what is another's.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from django_cloudkey import uploads
from django_cloudkey.models import Upload
from django_cloudkey.references import read
from django_cloudkey.uploads import create_media
from tests.testapp.models import Lesson

from ..conftest import Cloud

FIELD = "testapp.lesson.video"
ADD = "/admin/testapp/lesson/add/"


class Editor:
    """Somebody at the admin, whose browser does what the widget does."""

    def __init__(self, name: str) -> None:
        self.user = User.objects.create_superuser(name)
        self.browser = Client(raise_request_exception=False)
        self.browser.force_login(self.user)

    def ticket(self) -> tuple[str, str]:
        wanted = {"field": FIELD, "name": "talk.mp4", "size": "5"}
        answer = self.browser.post("/cloudkey/ticket/", wanted).json()
        return answer["ticket"], answer["url"]

    def send(self, url: str) -> str:
        files = {"file": ("talk.mp4", b"bytes")}
        return str(requests.post(url, files=files, timeout=10).json()["url"])

    def finish(self, ticket: str, url: str) -> Any:
        return self.browser.post("/cloudkey/finish/", {"ticket": ticket, "url": url})

    def upload(self) -> str:
        """Return the reference that the form will carry."""
        ticket, url = self.ticket()
        return str(self.finish(ticket, self.send(url)).json()["reference"])

    def save(self, title: str, reference: str) -> int:
        return self.browser.post(ADD, {"title": title, "video": reference}).status_code


def reconcile(*args: str) -> tuple[Counter[str], set[tuple[str, str]]]:
    """Return the counts, and (media, kind) of each finding that has a media."""
    out = io.StringIO()
    try:
        call_command("cloudkey_reconcile", "--older-than=0", "--json", *args, stdout=out)
    except CommandError as error:
        if error.returncode != 3:  # findings remain
            raise
    *findings, last = map(json.loads, out.getvalue().splitlines())
    counts = last["summary"]
    counts.pop("deleted", None)
    return Counter(counts), {(each["media"], each["kind"]) for each in findings if each["media"]}


def test_reconcile_accounts_for_every_media_whatever_happened(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = Editor("ann"), Editor("bob")
    media: dict[str, str] = {}

    # A form that is saved, and one that is sent twice.
    reference = ann.upload()
    assert ann.save("saved", reference) == 302
    media["saved"] = read(reference).media
    reference = ann.upload()
    assert [ann.save("twice", reference), ann.save("twice", reference)] == [302, 302]
    media["twice"] = read(reference).media

    # A ticket that is finished twice.
    ticket, url = ann.ticket()
    arrived = ann.send(url)
    first, second = (read(ann.finish(ticket, arrived).json()["reference"]) for _ in range(2))
    assert first == second
    media["open"] = first.media  # its form is open still

    # A request that fails behind the form's, and takes the row back.
    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    reference = ann.upload()
    with monkeypatch.context() as patch:
        patch.setattr("django.contrib.admin.ModelAdmin.log_addition", fail)
        assert ann.save("rolled back", reference) == 500
    media["rolled back"] = read(reference).media
    assert not Lesson.objects.filter(title="rolled back").exists()

    # A process that dies between the call to the cloud and the row of the upload.
    def make_and_die(*args: Any, **options: Any) -> str:
        media["crashed"] = create_media(*args, **options)
        raise SystemExit

    ticket, url = ann.ticket()
    arrived = ann.send(url)
    with monkeypatch.context() as patch:
        patch.setattr(uploads, "create_media", make_and_die)
        with pytest.raises(SystemExit):
            ann.finish(ticket, arrived)

    # A file that was sent and never finished, and a ticket that nobody used.
    ann.send(ann.ticket()[1])
    ann.ticket()

    # Bob: Ann's ticket, Ann's file with a ticket of his own, Ann's reference, a made-up one.
    ticket, url = ann.ticket()
    arrived = ann.send(url)
    assert bob.finish(ticket, arrived).status_code == 403
    own, _url = bob.ticket()
    assert bob.finish(own, arrived).status_code == 400
    assert bob.save("stolen", reference) == 200  # the form again, with its error
    assert bob.save("stolen", media["saved"]) == 200
    assert not Lesson.objects.filter(title="stolen").exists()
    media["safe"] = read(ann.finish(ticket, arrived).json()["reference"]).media

    # Rows that were deleted or emptied, and a media that was deleted beside the row.
    for name in ("deleted", "emptied", "gone"):
        reference = ann.upload()
        assert ann.save(name, reference) == 302
        media[name] = read(reference).media
    Lesson.objects.get(title="deleted").delete()
    Lesson.objects.filter(title="emptied").update(video="")
    cloud.client.media.delete(id=media["gone"])
    media["by hand"] = str(cloud.client.media.create(meta={"title": "by hand"})["id"])
    assert len(set(media.values())) == len(media)

    def named(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
        names = {id_: name for name, id_ in media.items()}
        return {(names[id_], kind) for id_, kind in found}

    # Today: what a form may still take waits.
    counts, found = reconcile("--delete", "--no-input")
    assert named(found) == {
        ("deleted", "orphan"), ("emptied", "orphan"), ("gone", "missing"), ("gone", "gone"),
    }  # fmt: skip
    on_cloud = cloud.client.media.count()
    assert counts["held"] + counts["waiting"] + counts["other"] == on_cloud
    assert counts == {
        "held": 2, "waiting": 4, "other": 1, "orphan": 2, "missing": 1, "gone": 1,
    }  # fmt: skip

    # When no form can be open any more: what no row took is found, each once, and nothing else.
    Upload.objects.update(created=timezone.now() - timedelta(days=30))
    counts, found = reconcile()
    assert named(found) == {
        ("open", "orphan"), ("rolled back", "orphan"), ("crashed", "orphan"), ("safe", "orphan"),
        ("gone", "missing"),
    }  # fmt: skip
    assert counts["held"] + counts["orphan"] + counts["other"] == cloud.client.media.count()
    assert counts["unfinished"] == 4  # sent, unused, Bob's own, and the one of the crash

    reconcile("--delete", "--no-input")
    left = {each["id"] for each in cloud.client.media.iterate(fields=["id"])}
    assert left == {media["saved"], media["twice"], media["by hand"]}
    assert not Upload.objects.exists()
    assert reconcile() == (Counter(held=2, other=1, missing=1), {(media["gone"], "missing")})
    assert Upload.objects.filter(owner=bob.user).count() == 0
