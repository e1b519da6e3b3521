"""From a file to a stream: upload, media, job, assets, signed address, bytes."""

from __future__ import annotations

from pathlib import Path

import requests

from ..conftest import Cloud

ASSETS = ("mp4_h264_aac", "jpeg_thumbnail_medium", "jpeg_thumbnail_source")


def test_uploaded_file_becomes_streams_and_stills(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)

    before = cloud.client.media.get_assets(id=media)
    cloud.work()
    after = cloud.client.media.get_assets(id=media)

    assert set(before) == {"source", *ASSETS}
    assert {asset["status"] for asset in before.values()} == {"pending"}
    assert {asset["status"] for asset in after.values()} == {"ready"}
    assert after["mp4_h264_aac"]["video_codec"] == "AVC"
    assert after["mp4_h264_aac"]["duration"] == 2

    stream = requests.get(cloud.client.media.get_stream_url(media), timeout=10)
    assert stream.status_code == 200
    assert stream.headers["Content-Type"] == "video/mp4"
    assert len(stream.content) == after["mp4_h264_aac"]["file_size"]

    still = requests.get(cloud.client.media.get_thumbnail_url(media), timeout=10)
    assert still.status_code == 200
    assert still.content.startswith(b"\xff\xd8\xff")


def test_embed_page_of_a_ready_media(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ASSETS)
    cloud.work()

    page = requests.get(cloud.client.media.get_embed_url(media), timeout=10)

    assert page.status_code == 200
    assert "<video" in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
