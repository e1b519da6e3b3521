"""``cloudkey_reconcile`` accounts for every media on both sides, and deletes nothing in use."""

from __future__ import annotations

import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.utils import timezone

from django_cloudkey import reconciliation, uploads
from django_cloudkey.client.media import Media
from django_cloudkey.models import Upload
from django_cloudkey.reconciliation import Reconciliation
from django_cloudkey.uploads import create_media, finish_upload, open_upload
from tests.testapp.models import Lesson, Talk

from ..conftest import Cloud

FIELD = "testapp.lesson.video"
ASSETS = ["mp4_h264_aac"]
UNKNOWN = "4d0c0ffee0000000000000aa"


@pytest.fixture
def editor(transactional_db: None) -> User:
    return User.objects.create_user("editor")


def orphan(cloud: Cloud, field: str = FIELD, title: str = "a", **meta: str) -> str:
    media = cloud.client.media.create(meta={"title": title, "field": field, **meta})
    return str(media["id"])


def finished(owner: User, path: Path | None = None, size: int = 5) -> Upload:
    """Return an upload that became a media."""
    upload, url = open_upload(owner, FIELD, account="default", name="talk.mp4", size=size)
    content = b"bytes" if path is None else path.read_bytes()
    answer = requests.post(url, files={"file": ("talk.mp4", content)}, timeout=10)
    finish_upload(upload, answer.json()["url"], assets=ASSETS)
    upload.refresh_from_db()
    return upload


def is_old(*rows: Upload) -> None:
    """Let uploads be older than any form that is open."""
    created = timezone.now() - timedelta(days=30)
    Upload.objects.filter(pk__in=[row.pk for row in rows]).update(created=created)


def ids(cloud: Cloud) -> set[str]:
    return {media["id"] for media in cloud.client.media.iterate(fields=["id"])}


def reconcile(*args: str) -> tuple[int, set[tuple[str, str]], dict[str, Any]]:
    """Return exit status, (kind, media) of each finding, and the summary."""
    out, status = io.StringIO(), 0
    try:
        call_command("cloudkey_reconcile", "--older-than=0", "--json", *args, stdout=out)
    except CommandError as error:
        status = error.returncode
    *findings, last = map(json.loads, out.getvalue().splitlines())
    return status, {(each["kind"], each["media"]) for each in findings}, last["summary"]


DELETE = ("--delete", "--no-input")


# What is told apart


def test_nothing_to_do_is_status_0(cloud: Cloud) -> None:
    Lesson.objects.create(title="a", video=orphan(cloud))

    assert reconcile() == (0, set(), {"held": 1})
    assert reconcile(*DELETE) == (0, set(), {"held": 1, "deleted": {}})


def test_everything_is_accounted_for(cloud: Cloud, editor: User) -> None:
    in_row, lost, theirs = orphan(cloud), orphan(cloud), orphan(cloud, "blog.post.film")
    plain = str(cloud.client.media.create(meta={"title": "by hand"})["id"])
    Lesson.objects.create(title="a", video=in_row)
    Talk.objects.create(title="b", video=UNKNOWN)
    given_up = open_upload(editor, FIELD, account="default", name="x", size=1)[0]
    gone = finished(editor)
    cloud.client.media.delete(id=gone.media)
    open_form = finished(editor)
    is_old(given_up, gone)
    found = {
        ("orphan", lost), ("missing", UNKNOWN), ("unfinished", ""), ("gone", gone.media),
    }  # fmt: skip

    assert reconcile() == (
        3,
        found,
        {
            "held": 1,
            "other": 2,
            "waiting": 1,
            "orphan": 1,
            "missing": 1,
            "unfinished": 1,
            "gone": 1,
        },
    )
    assert ids(cloud) == {in_row, lost, theirs, plain, open_form.media}

    status, _, summary = reconcile(*DELETE)

    assert (status, summary["deleted"]) == (3, {"orphan": 1, "unfinished": 1, "gone": 1})
    assert ids(cloud) == {in_row, theirs, plain, open_form.media}
    assert [upload.pk for upload in Upload.objects.all()] == [open_form.pk]
    assert reconcile()[1] == {("missing", UNKNOWN)}


def test_young_media_is_left_alone(cloud: Cloud) -> None:
    media = orphan(cloud)
    out = io.StringIO()

    call_command("cloudkey_reconcile", "--delete", "--no-input", stdout=out)

    assert ids(cloud) == {media}
    assert "0 held by rows, 1 waiting for their rows" in out.getvalue()


def test_media_of_another_alias_of_the_same_account_is_held(cloud: Cloud, settings: Any) -> None:
    settings.CLOUDKEYS = {**settings.CLOUDKEYS, "strict": settings.CLOUDKEYS["default"]}
    Lesson.objects.create(title="a", video=orphan(cloud))

    assert reconcile("--account=strict", *DELETE)[:2] == (0, set())
    assert len(ids(cloud)) == 1


def test_media_in_two_rows_outlives_one(cloud: Cloud) -> None:
    media = orphan(cloud)
    Lesson.objects.create(title="a", video=media)
    Lesson.objects.create(title="b", video=media).delete()

    assert reconcile(*DELETE)[:2] == (0, set())
    assert ids(cloud) == {media}


# Where an upload can be lost


def test_rollback_leaves_an_orphan(cloud: Cloud) -> None:
    with transaction.atomic():
        lesson = Lesson(title="a")
        lesson.video = ContentFile(b"bytes", name="x.mp4")
        lesson.save()
        transaction.set_rollback(True)

    assert reconcile()[1] == {("orphan", str(lesson.video))}
    assert reconcile(*DELETE)[0] == 0
    assert ids(cloud) == set()


def test_crash_between_making_and_storing_is_found(
    cloud: Cloud, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_and_die(*args: Any, **options: Any) -> str:
        create_media(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(uploads, "create_media", make_and_die)
    with pytest.raises(KeyboardInterrupt):
        finished(editor)
    (media,) = ids(cloud)

    assert reconcile()[1] == set()  # the browser may ask again
    is_old(Upload.objects.get())
    assert reconcile()[1] == {("orphan", media), ("unfinished", "")}
    assert reconcile(*DELETE)[0] == 0
    assert (ids(cloud), Upload.objects.count()) == (set(), 0)


def test_upload_that_no_form_took_waits_for_as_long_as_a_form_may(
    cloud: Cloud, editor: User
) -> None:
    upload = finished(editor)

    assert reconcile(*DELETE)[1:] == (set(), {"waiting": 1, "deleted": {}})
    is_old(upload)
    assert reconcile(*DELETE)[2]["deleted"] == {"orphan": 1}
    assert (ids(cloud), Upload.objects.count()) == (set(), 0)


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_media_of_a_row_that_changed_is_an_orphan(cloud: Cloud, editor: User, change: str) -> None:
    upload = finished(editor)
    lesson = Lesson(title="a")
    Lesson._meta.get_field("video").save_form_data(lesson, upload.media)
    lesson.save()
    assert reconcile()[1] == set()

    if change == "deleted":
        lesson.delete()
    else:
        lesson.video = ""
        lesson.save()

    assert reconcile()[1] == {("orphan", upload.media)}
    assert reconcile(*DELETE)[0] == 0
    assert ids(cloud) == set()


def test_record_of_a_finished_upload_goes_in_time(cloud: Cloud, editor: User) -> None:
    upload = finished(editor)
    Lesson.objects.create(title="a", video=upload.media)
    is_old(upload)

    assert reconcile(*DELETE)[:2] == (0, set())
    assert Upload.objects.count() == 0
    assert ids(cloud) == {upload.media}


def test_more_bytes_than_announced_are_found_once_the_cloud_knows(
    cloud: Cloud, editor: User, clip: Path
) -> None:
    size = clip.stat().st_size
    honest, taken, free = (finished(editor, clip, size=each) for each in (size, size - 1, 5))
    Lesson.objects.create(title="a", video=taken.media)
    assert reconcile()[1] == set()
    cloud.work()

    assert reconcile(*DELETE)[1] == {("too large", taken.media), ("too large", free.media)}
    assert ids(cloud) == {honest.media, taken.media}  # no row loses its media by itself


# Races


def test_row_that_takes_a_media_meanwhile_keeps_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = orphan(cloud)
    with Reconciliation("default", older_than=timedelta()) as both:
        both.compare()
        assert both.counts == {"orphan": 1}
        Lesson.objects.create(title="a", video=media)

        assert not both.mend()["orphan"]
    assert ids(cloud) == {media}


def test_form_that_is_being_saved_is_waited_for(cloud: Cloud, editor: User) -> None:
    upload = finished(editor)
    is_old(upload)
    claimed, mending = threading.Event(), threading.Event()

    def save() -> None:
        try:
            with transaction.atomic():
                lesson = Lesson(title="a")
                Lesson._meta.get_field("video").save_form_data(lesson, upload.media)
                lesson.save()
                claimed.set()
                mending.wait(20)
                time.sleep(0.5)  # for which the other waits
        finally:
            connections.close_all()

    with Reconciliation("default", older_than=timedelta()) as both, ThreadPoolExecutor(1) as pool:
        both.compare()
        assert both.counts == {"orphan": 1}
        saved = pool.submit(save)
        assert claimed.wait(20)
        mending.set()

        assert not both.mend()["orphan"]
        saved.result()
    assert ids(cloud) == {upload.media}


def test_row_that_is_saved_after_the_cloud_was_read_is_not_missing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Reconciliation("default", older_than=timedelta()) as both:
        read_rows = both._read_rows

        def save_first() -> None:
            Lesson.objects.create(title="a", video=orphan(cloud))
            read_rows()

        monkeypatch.setattr(both, "_read_rows", save_first)
        both.compare()

        assert list(both.findings()) == []


def test_two_at_once_do_no_harm(cloud: Cloud) -> None:
    kept = orphan(cloud)
    Lesson.objects.create(title="a", video=kept)
    for _ in range(6):
        orphan(cloud)
    both_read = threading.Barrier(2)

    def run(_number: int) -> int:
        try:
            with Reconciliation("default", older_than=timedelta()) as both:
                both.compare()
                both_read.wait(20)
                return both.mend()["orphan"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(run, range(2)))

    assert sum(done) == 6
    assert ids(cloud) == {kept}


def test_pages_are_read_to_their_ends(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "BATCH", 2)
    lost = {orphan(cloud) for _ in range(5)}
    held = {orphan(cloud) for _ in range(5)}
    for media in held:
        Lesson.objects.create(title="a", video=media)
    for number in range(5):
        Lesson.objects.create(title="gone", video=f"{number:024x}")

    _, found, summary = reconcile()

    assert found == {("orphan", media) for media in lost} | {
        ("missing", f"{number:024x}") for number in range(5)
    }
    assert summary["held"] == 5


# The command


def test_findings_are_a_table_and_a_sentence(cloud: Cloud) -> None:
    media = orphan(cloud, title="line\nbreak")
    lesson = Lesson.objects.create(title="a", video=UNKNOWN)
    out = io.StringIO()

    with pytest.raises(CommandError, match=r"^2 findings remain\.$"):
        call_command("cloudkey_reconcile", "--older-than", "0", stdout=out)

    heading, first, second, sentence = out.getvalue().splitlines()
    assert heading.split()[:4] == ["FINDING", "MEDIA", "FIELD", "SINCE"]
    assert first.startswith(f"orphan   {media}  {FIELD}  20")
    assert first.endswith("line\\nbreak")
    assert second.split() == ["missing", UNKNOWN, FIELD, "-", str(lesson.pk)]
    assert sentence.startswith("Media: 0 held by rows, 0 waiting")


def test_title_that_no_file_holds_is_no_obstacle(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = {"title": "half \ud800", "field": FIELD}
    page = [{"id": UNKNOWN, "created": 1, "meta": meta}]
    monkeypatch.setattr(Media, "iterate", lambda *args, **options: iter(page))

    with Reconciliation("default", older_than=timedelta()) as both:
        both.compare()

        assert [finding.about for finding in both.findings()] == ["half ?"]


@pytest.mark.parametrize(("answer", "left"), [("yes", 0), ("Y", 0), ("no", 1), ("", 1)])
def test_delete_asks(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, answer: str, left: int) -> None:
    orphan(cloud)
    asked: list[str] = []

    def type_in(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("builtins.input", type_in)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)

    assert reconcile("--delete")[0] == (3 if left else 0)
    assert len(ids(cloud)) == left
    assert asked[0].startswith("Delete these 1 on the cloud of “default”")


def test_nobody_to_ask_deletes_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan(cloud)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))

    with pytest.raises(CommandError, match="say --no-input"):
        call_command("cloudkey_reconcile", "--older-than=0", "--delete")

    assert len(ids(cloud)) == 1


@pytest.mark.parametrize("hours", ["-1", "soon", "nan", "1e400"])
def test_hours_are_a_number(hours: str) -> None:
    with pytest.raises(CommandError, match="a number of hours from 0 is needed"):
        call_command("cloudkey_reconcile", f"--older-than={hours}")


def test_dead_cloud_is_status_1(cloud: Cloud, settings: Any) -> None:
    account = {**settings.CLOUDKEYS["default"], "BASE_URL": "http://127.0.0.1:9"}
    settings.CLOUDKEYS = {"default": account}

    with pytest.raises(CommandError, match=r"^300: ") as caught:
        call_command("cloudkey_reconcile")

    assert caught.value.returncode == 1
