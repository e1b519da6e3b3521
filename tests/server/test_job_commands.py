"""Jobs listed, and assets made again, on the machine of the cloud."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_cloudkey.server import batches
from django_cloudkey.server.models import Account, Asset, Job, Media

from ..conftest import Cloud

STILL = "jpeg_thumbnail_small"


def run(*args: str) -> list[str]:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue().splitlines()


def test_jobs_are_listed_newest_first_with_their_failures(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    media = [Media.objects.create(account=account) for _ in range(5)]
    for each in media:
        Job.objects.create(media=each, state="failed", attempts=3, finished=timezone.now())
    Asset.objects.create(media=media[0], name=STILL, status="error", error_code="no_space")

    heading, *lines = run("cloudkey_jobs")
    rows = [json.loads(line) for line in run("cloudkey_jobs", "--json")]

    assert [line.split()[1] for line in lines] == [each.pk for each in reversed(media)]
    assert lines[-1].endswith(f"  {STILL}: no_space")
    assert lines[-1].index(STILL) == heading.index("FAILURES")
    assert f"  {timezone.now():%Y-%m-%d} " in lines[0]
    assert [row["failures"] for row in rows] == [{}, {}, {}, {}, {STILL: "no_space"}]
    assert rows[0].items() >= {"state": "failed", "attempts": 3, "account": account.pk}.items()


def test_jobs_are_chosen(account: Account) -> None:
    first, second = (Media.objects.create(account=account) for _ in range(2))
    Job.objects.create(media=first, state="done")
    Job.objects.create(media=first)
    Job.objects.create(media=second)

    def chosen(*args: str) -> list[tuple[str, str]]:
        rows = [json.loads(line) for line in run("cloudkey_jobs", "--json", *args)]
        return [(row["media"], row["state"]) for row in rows]

    assert chosen("--state", "done") == [(first.pk, "done")]
    assert chosen("--media", second.pk) == [(second.pk, "queued")]
    assert len(chosen("--limit", "2")) == 2
    assert len(chosen("--limit", "0", "--state", "done", "--state", "queued")) == 3


def test_asset_is_made_again(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ("mp4_h264_aac", STILL))
    cloud.work()
    before = {asset.name: asset.file for asset in Asset.objects.all()}

    assert run("cloudkey_reprocess", media, STILL) == [f"Queued: {STILL}"]
    cloud.work()

    after = {asset.name: asset.file for asset in Asset.objects.all()}
    assert {name for name in before if before[name] != after[name]} == {STILL}
    assert set(Asset.objects.values_list("status", flat=True)) == {"ready"}
    assert requests.get(cloud.client.media.get_stream_url(media), timeout=10).ok


def test_all_that_was_made_or_failed_is_made_again_and_what_was_given_stays(
    cloud: Cloud, clip: Path
) -> None:
    media = cloud.upload(clip, ("mp4_h264_aac",))
    given = cloud.client.file.upload_file(clip)["url"]
    cloud.client.media.set_assets(id=media, assets=[{"name": "mp4_h264_aac_hd", "url": given}])
    cloud.work()
    Asset.objects.create(media_id=media, name=STILL, status="error", error_code="no_space")
    files = dict(Asset.objects.values_list("name", "file"))

    answer = json.loads(run("cloudkey_reprocess", media, "--json")[0])
    cloud.work()

    assert answer == {"media": media, "queued": [STILL, "mp4_h264_aac"]}
    assert set(Asset.objects.values_list("status", flat=True)) == {"ready"}
    after = dict(Asset.objects.values_list("name", "file"))
    assert {name for name in files if files[name] == after[name]} == {"source", "mp4_h264_aac_hd"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["4d0c0ffee000000000000001"], "There is no media"),
        (["MEDIA", "mp4_h264_aac"], "no asset mp4_h264_aac that is made"),
        (["EMPTY"], "no source"),
    ],
)
def test_what_cannot_be_made_is_told(account: Account, args: list[str], words: str) -> None:
    media = Media.objects.create(account=account)
    Asset.objects.create(media=media, name="source", file="uploads/1", status="ready")
    ids = {"MEDIA": media.pk, "EMPTY": Media.objects.create(account=account).pk}

    with pytest.raises(CommandError, match=words):
        run("cloudkey_reprocess", *(ids.get(arg, arg) for arg in args))

    assert not Job.objects.exists()


def test_media_of_which_nothing_is_made_is_left_alone(account: Account) -> None:
    media = Media.objects.create(account=account)
    Asset.objects.create(media=media, name="source", file="uploads/1", status="ready")

    assert run("cloudkey_reprocess", media.pk) == ["Nothing is made of its source."]
