"""Files that were encoded elsewhere: assets as they are, without anything being encoded here."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from django_cloudkey.client import CloudKey
from django_cloudkey.server import files
from django_cloudkey.server.models import Asset, Job
from django_cloudkey.server.transcoding.probe import probe

from ..conftest import Cloud

NAME = "flv_h263_mp3"


@pytest.fixture
def key(cloud: Cloud) -> CloudKey:
    return cloud.client


@pytest.fixture
def phone_clip(draw_clip: Callable[..., Path]) -> Path:
    return draw_clip("phone.3gp", seconds=1, size="176x144", sound=False)


@pytest.fixture
def url(key: CloudKey, phone_clip: Path) -> str:
    return str(key.file.upload_file(phone_clip)["url"])


def test_c10_ready_made_file_becomes_ready_as_it_is(
    cloud: Cloud, key: CloudKey, url: str, phone_clip: Path
) -> None:
    media = key.media.create()["id"]

    assert key.media.set_assets(id=media, assets=[{"name": NAME, "url": url}]) is None
    assert key.media.get_assets(id=media) == {NAME: {"status": "pending"}}
    cloud.work()

    asset = key.media.get_assets(id=media)[NAME]
    assert asset["status"] == "ready"
    assert (asset["container"], asset["file_extension"]) == ("MPEG-4", "3gp")
    assert (asset["video_width"], asset["video_height"], asset["duration"]) == (176, 144, 1)
    response = requests.get(asset["stream_url"], timeout=10)
    assert response.content == phone_clip.read_bytes()
    assert response.headers["Content-Type"] == "video/mp4"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    saved = requests.get(key.media.get_stream_url(media, NAME, download=True), timeout=10)
    assert saved.headers["Content-Disposition"] == f'attachment; filename="{NAME}.3gp"'


def test_c10_legacy_form_names_one_asset(cloud: Cloud, key: CloudKey, url: str) -> None:
    media = key.media.create()["id"]

    key.media.set_asset(id=media, preset="mp4_h264_aac", url=url)
    cloud.work()

    assert key.media.get_asset(id=media, preset="mp4_h264_aac")["video_width"] == 176


@pytest.mark.parametrize(
    "data",
    [b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"<html><script>alert(1)</script>", b"\0" * 100],
)
def test_what_is_no_video_ends_in_error_and_is_never_served(
    cloud: Cloud, key: CloudKey, url: str, clip: Path, data: bytes
) -> None:
    bad = key.file.upload_file(io.BytesIO(data), name="a.mp4")["url"]
    media = key.media.create()["id"]
    items = [
        {"name": "mp4_h264_aac_hd", "url": bad},
        {"name": NAME, "url": url},
        {"name": "source", "url": key.file.upload_file(clip)["url"]},
        {"name": "jpeg_thumbnail_small"},
    ]

    key.media.set_assets(id=media, assets=items)
    cloud.work()

    assets = key.media.info(id=media, fields=["assets", "assets.mp4_h264_aac_hd.error"])["assets"]
    assert {name: asset["status"] for name, asset in assets.items()} == {
        "mp4_h264_aac_hd": "error",
        NAME: "ready",
        "source": "ready",
        "jpeg_thumbnail_small": "ready",
    }
    assert assets["mp4_h264_aac_hd"]["error"]["code"] == "not_a_video"
    refused = requests.get(key.media.get_stream_url(media, "mp4_h264_aac_hd"), timeout=10)
    assert refused.status_code == 404


def test_given_file_stays_when_the_source_changes(
    cloud: Cloud, key: CloudKey, url: str, clip: Path
) -> None:
    media = key.media.create()["id"]
    key.media.set_assets(id=media, assets=[{"name": "mp4_h264_aac", "url": url}])
    source = [{"name": "source", "url": key.file.upload_file(clip)["url"]}]

    key.media.set_assets(id=media, assets=source)
    cloud.work()
    assert key.media.get_assets(id=media)["mp4_h264_aac"]["video_width"] == 176

    key.media.set_assets(id=media, assets=[{"name": "mp4_h264_aac", "action": "transcode"}])
    cloud.work()
    assert key.media.get_assets(id=media)["mp4_h264_aac"]["video_width"] == 320


def test_the_same_file_again_changes_nothing(cloud: Cloud, key: CloudKey, url: str) -> None:
    media = key.media.create()["id"]
    key.media.set_assets(id=media, assets=[{"name": NAME, "url": url}])
    cloud.work()
    before = Asset.objects.get(media=media)

    key.media.set_assets(id=media, assets=[{"name": NAME, "url": url}])

    assert Asset.objects.get(media=media) == before
    assert not Job.objects.filter(state=Job.State.QUEUED).exists()


def test_file_goes_with_the_last_asset_that_is_made_of_it(
    cloud: Cloud, key: CloudKey, url: str
) -> None:
    one, other = (key.media.create()["id"] for _ in range(2))
    for media in (one, other):
        key.media.set_assets(id=media, assets=[{"name": NAME, "url": url}])
    cloud.work()
    file = Asset.objects.filter(media=one).get().file

    key.media.delete(id=one)
    cloud.work()
    assert files.storage().exists(file)
    assert key.media.get_assets(id=other)[NAME]["status"] == "ready"

    key.media.delete(id=other)
    cloud.work()
    assert not files.storage().exists(file)


def test_asset_removed_while_it_is_looked_at_stays_removed(
    cloud: Cloud, key: CloudKey, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = key.media.create()["id"]
    key.media.set_assets(id=media, assets=[{"name": NAME, "url": url}])

    def remove_first(*args: object, **options: object) -> object:
        Asset.objects.filter(media=media).delete()
        return probe(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("django_cloudkey.server.pipeline.probe", remove_first)
    cloud.work()

    assert key.media.get_assets(id=media) == {}
