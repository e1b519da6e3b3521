"""From a claimed job to published assets, or to a reason; nothing half, nothing left."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connections
from django.utils import timezone

from django_cloudkey.server import discards, files, jobs, pipeline
from django_cloudkey.server.models import Asset, DiscardedFile, Job, Media, UploadSlot, atomic
from django_cloudkey.server.worker import Worker, tidy_up

from ..conftest import Cloud, cut_connection

ASSETS = ("mp4_h264_aac", "jpeg_thumbnail_medium")
SECRET = "what no viewer may read"


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}


def never() -> bool:
    return False


def claimed() -> Job:
    job = jobs.claim()
    assert job is not None, "there is nothing to claim"
    return job


def make_due() -> None:
    Job.objects.update(due=timezone.now() - timedelta(seconds=1))


def location() -> Path:
    return Path(files.storage().path(""))


def names() -> set[str]:
    return set(files.names_under("media"))


def folders() -> list[Path]:
    return list((files.work_dir() / "jobs").glob("*"))


def named() -> set[str]:
    return set(Asset.objects.exclude(name="source").values_list("file", flat=True)) - {""}


def upload(cloud: Cloud, folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return cloud.upload(path, ASSETS)


def test_stale_worker_publishes_nothing(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)
    stale = claimed()
    newer: list[Job] = []

    def take_over() -> bool:
        # While the first worker encodes, its lease runs out and another does all the work.
        if not newer:
            Job.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))
            newer.append(claimed())
            pipeline.process(newer[0], never)
        return False

    with pytest.raises(jobs.ClaimLost):
        pipeline.process(stale, take_over)

    assert newer, "the work ended before it could be taken over"
    assert {asset.status for asset in Asset.objects.filter(media=media)} == {"ready"}
    assert all(newer[0].claim in name for name in named())
    assert names() == named()
    assert Job.objects.get().state == "done"
    assert folders() == []


def test_job_that_was_interrupted_too_often_is_given_up(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)
    Job.objects.update(attempts=3)

    cloud.work()

    asset = Asset.objects.get(media=media, name="mp4_h264_aac")
    assert (asset.status, asset.error_code) == ("error", "worker_lost")
    assert asset.error_message == "The work was interrupted too often and was given up."
    assert Job.objects.get().state == "failed"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.mp4", b"<!doctype html><script>alert(1)</script>" * 100),
        ("one.mp4", b"x"),
        ("zeros.mp4", bytes(100_000)),
        ("header.mp4", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"),
        ("picture.mp4", b"\x89PNG\r\n\x1a\n" + bytes(200)),
    ],
)
def test_file_that_is_no_video_ends_with_a_reason(
    cloud: Cloud, tmp_path: Path, name: str, content: bytes
) -> None:
    media = upload(cloud, tmp_path, name, content)

    cloud.work()

    assert cloud.client.media.get_assets(id=media) == {
        asset: {"status": "error"} for asset in ("source", *ASSETS)
    }
    error = cloud.client.media.info(id=media, fields=["assets.source.error"])["assets"]["source"]
    assert error["error"]["code"] == "not_a_video"
    assert (
        error["error"]["message"] == "This file is not a video in a format that is accepted here."
    )
    assert Job.objects.get().attempts == 1
    assert (names(), folders()) == (set(), [])


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXTINF:10,\nfile://{path}\n",
        "#EXTM3U\n#EXTINF:10,\nconcat:{path}|{path}\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet><Representation id="1" bandwidth="1"><BaseURL>{path}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
        '<smil><body><video src="{path}"/></body></smil>',
    ],
    ids=["hls", "hls file url", "hls concat", "ffconcat", "dash", "smil"],
)
def test_playlist_reads_nobodys_file(
    cloud: Cloud, clip: Path, tmp_path: Path, playlist: str
) -> None:
    other = tmp_path / "other.mp4"
    shutil.copy(clip, other)
    media = upload(cloud, tmp_path, "list.mp4", playlist.format(path=other).encode())

    cloud.work()

    assert set(map(str, cloud.client.media.get_assets(id=media).values())) == {
        "{'status': 'error'}"
    }
    assert (names(), folders()) == (set(), [])


def test_missing_source_is_tried_again_and_given_up(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)
    files.remove(Asset.objects.get(name="source").file)
    delays = []

    for _ in range(3):
        make_due()
        before = timezone.now()
        cloud.work()
        delays.append(round((Job.objects.get().due - before).total_seconds()))

    assert delays[:2] == [5, 10] or delays[:2] == [6, 11]
    job, asset = Job.objects.get(), Asset.objects.get(media=media, name="mp4_h264_aac")
    assert (job.state, job.attempts) == ("failed", 3)
    assert (asset.status, asset.error_code) == ("error", "storage")
    assert asset.error_message == "The file could not be read or stored."


def test_storage_that_comes_back_loses_nothing(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)
    aside = location().with_name("aside")
    location().rename(aside)
    location().write_text("not a folder")
    cloud.work()
    waiting = Job.objects.get().state

    location().unlink()
    aside.rename(location())
    make_due()
    cloud.work()

    assert waiting == "queued"
    assert {asset.status for asset in Asset.objects.filter(media=media)} == {"ready"}


def test_storage_that_stays_away_does_not_end_the_worker(cloud: Cloud, clip: Path) -> None:
    cloud.upload(clip, ASSETS)
    location().rename(location().with_name("aside"))
    location().write_text("not a folder")

    for _ in range(3):
        make_due()
        cloud.work()

    assert Job.objects.get().state == "failed"
    assert set(Asset.objects.values_list("error_code", flat=True)) == {"storage"}


def test_stopped_worker_gives_its_job_back_untried(
    cloud: Cloud, draw_clip: Callable[..., Path]
) -> None:
    cloud.upload(draw_clip("long.mp4", seconds=20), ASSETS)
    worker = Worker()
    job = claimed()

    worker.stop()
    worker._work(job)

    job.refresh_from_db()
    assert (job.state, job.attempts, job.claim) == ("queued", 0, "")
    assert (names(), folders()) == (set(), [])


def test_media_deleted_during_its_job_leaves_nothing(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)
    deleted: list[Any] = []

    def delete() -> bool:
        if not deleted:
            deleted.append(cloud.client.media.delete(id=media))
        return False

    with pytest.raises(jobs.ClaimLost):
        pipeline.process(claimed(), delete)
    tidy_up()

    assert deleted, "the work ended before the media was deleted"
    assert (names(), folders()) == (set(), [])
    assert not Job.objects.exists()


def test_files_of_a_killed_attempt_are_removed_by_the_next(cloud: Cloud, clip: Path) -> None:
    media = Media.objects.get(pk=cloud.upload(clip, ASSETS))
    folder = location() / "media" / media.account_id / media.pk / "deadclaim"
    folder.mkdir(parents=True)
    (folder / "mp4_h264_aac.mp4").write_bytes(b"half")

    cloud.work()

    assert names() == named()
    assert len(names()) == 2


def test_worker_that_gave_up_and_slept_leaves_the_next_attempt_alone(
    cloud: Cloud, clip: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = Media.objects.get(pk=cloud.upload(clip, ASSETS))
    Job.objects.update(attempts=3)
    folder = location() / "media" / media.account_id / media.pk
    (folder / "killed").mkdir(parents=True)
    (folder / "killed" / "mp4_h264_aac.mp4").write_bytes(b"half")

    def store_meanwhile(record: logging.LogRecord) -> bool:
        # The job is closed; its assets are asked for again, and a worker that is awake stores one.
        (folder / "next").mkdir()
        (folder / "next" / "mp4_h264_aac.mp4").write_bytes(b"whole")
        return True

    monkeypatch.setattr(pipeline.logger, "filter", store_meanwhile)
    pipeline.process(claimed(), never)

    assert Job.objects.get().state == "failed"
    assert names() == {f"media/{media.account_id}/{media.pk}/next/mp4_h264_aac.mp4"}


def test_reprocessed_asset_replaces_its_file(cloud: Cloud, clip: Path) -> None:
    media = Media.objects.get(pk=cloud.upload(clip, ASSETS))
    cloud.work()
    before = names()
    Asset.objects.filter(name="mp4_h264_aac").update(status="error")
    items = [{"name": "mp4_h264_aac", "action": "transcode"}]
    cloud.client.media.set_assets(id=media.pk, assets=items)

    cloud.work()

    assert names() == named()
    assert len(before & names()) == 1  # the still was not asked for again


def test_asset_that_this_version_does_not_make_ends_in_error(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)
    Asset.objects.create(media_id=media, name="mp4_of_a_later_version")

    for _ in range(2):
        pipeline.process(claimed(), never)
        if not Job.objects.filter(state="queued").exists():
            break

    assert not Job.objects.filter(state="queued").exists()
    later = Asset.objects.get(name="mp4_of_a_later_version")
    assert (later.status, later.error_code) == ("error", "encoding_failed")
    others = Asset.objects.exclude(pk=later.pk)
    assert set(others.values_list("status", flat=True)) == {"ready"}


def test_progress_is_written(cloud: Cloud, clip: Path) -> None:
    media = Media.objects.get(pk=cloud.upload(clip, ASSETS))
    Asset.objects.exclude(name="source").update(status="processing")

    pipeline._progress_writer(media)(42)

    assets = cloud.client.media.get_assets(id=media.pk)
    assert assets["mp4_h264_aac"] == {"status": "processing", "progress": 42}
    assert assets["source"] == {"status": "pending"}


def test_f12_connection_that_is_cut_while_it_encodes_costs_no_attempt(
    cloud: Cloud, draw_clip: Callable[..., Path]
) -> None:
    media = cloud.upload(draw_clip("a-while.mp4", seconds=40, size="640x360"), ASSETS)
    cuts: list[bool] = []

    def cut_once() -> bool:
        if not cuts and Asset.objects.filter(progress__gt=0, status="processing").exists():
            cuts.append(True)
            cut_connection()
        return False

    pipeline.process(claimed(), cut_once)

    assert cuts, "the work ended before the connection was cut"
    assert {asset.status for asset in Asset.objects.filter(media=media)} == {"ready"}
    assert (Job.objects.get().state, Job.objects.get().attempts) == ("done", 1)


def test_second_media_of_an_upload_keeps_the_source(cloud: Cloud, clip: Path) -> None:
    url = cloud.client.file.upload_file(clip)["url"]
    first = cloud.client.media.create(url=url, assets_names=["mp4_h264_aac"])["id"]
    second = cloud.client.media.create(url=url, assets_names=["mp4_h264_aac"])["id"]

    cloud.client.media.delete(id=first)
    tidy_up()
    cloud.work()

    assets = cloud.client.media.get_assets(id=second)
    assert assets["mp4_h264_aac"]["status"] == "ready"
    assert requests.get(cloud.client.media.get_stream_url(second), timeout=10).status_code == 200


def test_source_goes_with_two_media_that_are_deleted_at_once(cloud: Cloud, clip: Path) -> None:
    url = cloud.client.file.upload_file(clip)["url"]
    media = [Media.objects.get(pk=cloud.client.media.create(url=url)["id"]) for _ in range(2)]
    UploadSlot.objects.all().delete()  # as it expires a day later
    both = threading.Barrier(2)

    def delete(each: Media) -> None:
        try:
            with atomic():
                discards.discard_media(each)
                with suppress(threading.BrokenBarrierError):  # SQLite: one after the other
                    both.wait(1)
                each.delete()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(delete, media))
    tidy_up()

    assert list(files.names_under("uploads")) == []


def test_discarded_file_that_cannot_be_removed_stays_noted(cloud: Cloud) -> None:
    location().mkdir()
    (location() / "folder" / "inside").mkdir(parents=True)
    DiscardedFile.discard(["folder/inside/gone", "gone"])
    (location() / "gone").mkdir()
    (location() / "gone" / "kept").write_bytes(b"x")

    discards.remove_discarded()

    assert list(DiscardedFile.objects.values_list("name", flat=True)) == ["gone"]


def test_discarded_file_that_cannot_be_removed_is_in_nobodys_way(cloud: Cloud) -> None:
    (location() / "media" / "stays" / "inside").mkdir(parents=True)
    DiscardedFile.discard(["media/stays", "media/goes"])
    noted = DiscardedFile.objects.get(name="media/stays").created
    (location() / "media" / "goes").write_bytes(b"x")

    for _ in range(2):
        discards.remove_discarded(seconds=0)

    assert names() == set()
    assert DiscardedFile.objects.get().created == noted


def test_discarded_files_are_all_removed_in_one_round(cloud: Cloud) -> None:
    (location() / "media").mkdir(parents=True)
    for number in range(501):
        (location() / "media" / str(number)).write_bytes(b"x")
    DiscardedFile.discard(f"media/{number}" for number in range(501))

    tidy_up()

    assert names() == set()
    assert not DiscardedFile.objects.exists()
