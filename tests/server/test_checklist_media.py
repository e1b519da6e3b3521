"""
What the test suites of historical clients ask of a server about media, in our words.

The numbers are those of the protocol's notes: P of the PHP suite, C of the Python suite of October
2010, B of the one before. Where the generations contradict each other the later one holds, as each
test says.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections

from django_cloudkey.client import CloudKey, InvalidParameter, NotFound
from django_cloudkey.server.worker import Worker

from ..conftest import Cloud

UNKNOWN = "1b87186c84e1b015a0000000"
MALFORMED = "b87186c84e1b015a0000000"  # 23 characters
VIDEO = {
    "status", "container", "created", "duration", "file_size", "global_bitrate", "video_bitrate",
    "video_codec", "video_width", "video_height", "audio_bitrate", "audio_codec",
}  # fmt: skip
STILL = {
    "status", "container", "created", "file_size", "video_codec", "video_width", "video_height",
}  # fmt: skip
SIX = [
    "mp4_h264_aac_ld", "mp4_h264_aac", "jpeg_thumbnail_small", "jpeg_thumbnail_medium",
    "jpeg_thumbnail_large", "source",
]  # fmt: skip


@pytest.fixture
def key(cloud: Cloud) -> CloudKey:
    return cloud.client


@pytest.fixture
def media(key: CloudKey) -> str:
    """A media without anything."""
    return str(key.media.create()["id"])


@pytest.fixture
def url(key: CloudKey, clip: Path) -> str:
    """The address of an uploaded clip."""
    return str(key.file.upload_file(clip)["url"])


@pytest.fixture
def broken(key: CloudKey) -> str:
    """The address of an upload that is no video; an empty one, as there was, is not taken."""
    return str(key.file.upload_file(io.BytesIO(b"RIFF"), name="broken.avi")["url"])


@pytest.fixture
def worker(cloud: Cloud, settings: Any) -> Iterator[threading.Thread]:
    """A worker that runs beside the test, with assets pending as long as in production."""
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "PENDING_TIME": 2}

    def work() -> None:
        try:
            Worker().run(drain=True)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    yield thread
    if thread.ident is not None:
        thread.join(60)


def statuses(key: CloudKey, media: str) -> dict[str, str]:
    assets = key.media.get_assets(id=media)
    return {name: asset["status"] for name, asset in assets.items()}


def transcode(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "action": "transcode"} for name in names]


# PHP


def test_p08_create_without_arguments_answers_an_id_of_24_characters(key: CloudKey) -> None:
    assert len(key.media.create()["id"]) == 24


def test_p09_info_answers_the_id_it_is_asked_for(key: CloudKey, media: str) -> None:
    assert key.media.info(id=media, fields=["id"]) == {"id": media}


@pytest.mark.parametrize(("id", "error"), [(UNKNOWN, NotFound), (MALFORMED, InvalidParameter)])
def test_p10_p11_c01_c03_c06_unknown_and_malformed_ids(
    key: CloudKey, id: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        key.media.info(id=id, fields=["id"])
    with pytest.raises(error):
        key.media.delete(id=id)
    with pytest.raises(error):
        key.media.set_meta(id=id, meta={"a": "b"})


def test_p12_c01_deleted_media_is_not_found(key: CloudKey, media: str) -> None:
    assert key.media.delete(id=media) is None

    with pytest.raises(NotFound):
        key.media.info(id=media, fields=["id"])


def test_p13_c08_set_meta_overwrites(key: CloudKey, media: str) -> None:
    assert key.media.set_meta(id=media, meta={"mykey": "one"}) is None
    assert key.media.get_meta(id=media, keys=["mykey"]) == {"mykey": "one"}

    key.media.set_meta(id=media, meta={"mykey": "two"})

    assert key.media.get_meta(id=media, keys=["mykey"]) == {"mykey": "two"}


def test_p14_set_meta_needs_meta(key: CloudKey, media: str) -> None:
    with pytest.raises(InvalidParameter, match=r"media\.set_meta: meta is missing"):
        key.call("media.set_meta", id=media)


def test_p15_missing_meta_key_is_no_error(key: CloudKey, media: str) -> None:
    """It is left out (X2), which PHP reads as null."""
    assert key.media.get_meta(id=media, keys=["not_found_key"]) == {}


def test_p16_p17_removed_meta_key_is_gone_and_a_missing_one_no_error(
    key: CloudKey, media: str
) -> None:
    key.media.set_meta(id=media, meta={"a": "x", "b": "y"})

    assert key.media.remove_meta(id=media, keys=["a", "nothing"]) is None

    assert key.media.get_meta(id=media) == {"b": "y"}


def test_p18_p19_c09_c11_c12_source_is_set_made_ready_and_removed(
    cloud: Cloud, key: CloudKey, media: str, url: str
) -> None:
    items = [{"name": "source", "url": url}]

    assert key.media.set_assets(id=media, assets=items, callback_url="http://a.example/") is None
    assert statuses(key, media) == {"source": "pending"}
    cloud.work()
    assert statuses(key, media) == {"source": "ready"}
    assert key.media.remove_assets(id=media, assets_names=["source"]) is None
    assert key.media.get_assets(id=media, assets_names=["source"]) == {}
    key.media.set_assets(id=media, assets=items)
    key.media.remove_assets(id=media, assets_names=["source"])
    cloud.work()

    assert key.media.get_assets(id=media, assets_names=["source"]) == {}


def test_p20_source_and_transcodes_of_one_call(
    cloud: Cloud, key: CloudKey, media: str, url: str
) -> None:
    items = [*transcode("mp4_h264_aac_ld", "mp4_h264_aac"), {"name": "source", "url": url}]

    assert key.media.set_assets(id=media, assets=items) is None
    assert set(statuses(key, media).items()) == {
        ("source", "pending"), ("mp4_h264_aac_ld", "pending"), ("mp4_h264_aac", "pending"),
    }  # fmt: skip
    cloud.work()

    for asset in key.media.get_assets(id=media).values():
        assert asset["status"] == "ready"
        assert asset["duration"] == 2
        assert asset["file_size"] > 0


# Python, October 2010


def test_c02_c19_info_has_exactly_what_is_asked_for(key: CloudKey) -> None:
    media = key.media.create(meta={"title": "t", "author": "a", "more": "m"})["id"]
    fields = ["meta.title", "meta.author"]

    assert key.media.info(id=media, fields=fields) == {"meta": {"title": "t", "author": "a"}}
    answer = key.media.info(id=media, fields=["id", "created", *fields])
    assert set(answer) == {"id", "created", "meta"}


def test_c04_c05_meta_is_set_read_and_removed(key: CloudKey, media: str) -> None:
    meta = {f"mykey-{number}": f"value-{number}" for number in range(10)}
    some = sorted(meta)[:6]

    assert key.media.set_meta(id=media, meta=meta) is None
    assert key.media.get_meta(id=media) == meta
    key.media.remove_meta(id=media, keys=some)
    assert key.media.get_meta(id=media, keys=some) == {}
    left = key.media.get_meta(id=media)
    assert left == {name: meta[name] for name in sorted(meta)[6:]}
    key.media.remove_meta(id=media, keys=list(left))

    assert key.media.get_meta(id=media) == {}


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("set_meta", {"meta": ["x"]}),
        ("get_meta", {"keys": "toto"}),
        ("set_meta", {}),
        ("remove_meta", {}),
        ("remove_meta", {"keys": "toto"}),
    ],
)
def test_c07_malformed_and_missing_arguments(
    key: CloudKey, media: str, method: str, args: dict[str, Any]
) -> None:
    """``get_meta`` without keys is no error: it answers everything (X1)."""
    with pytest.raises(InvalidParameter, match=f"Invalid parameters for media.{method}: "):
        key.call(f"media.{method}", id=media, **args)


def test_c13_c14_c15_assets_of_three_calls(
    cloud: Cloud, key: CloudKey, media: str, url: str
) -> None:
    """Ready assets have the fields of 2010, and those of later years beside them (X3)."""
    key.media.set_assets(id=media, assets=[{"name": "source", "url": url}])
    key.media.set_assets(id=media, assets=transcode("mp4_h264_aac"))
    item = {"name": "mp4_h264_aac_ld", "source_asset": "mp4_h264_aac"}
    key.media.set_assets(id=media, assets=[item])  # C15: of one that is pending
    assert set(statuses(key, media).values()) == {"pending"}
    cloud.work()
    item = {"name": "jpeg_thumbnail_small", "source_asset": "mp4_h264_aac"}
    key.media.set_assets(id=media, assets=[item])  # C15: of one that is ready
    cloud.work()

    assets = key.media.get_assets(id=media)
    assert {asset["status"] for asset in assets.values()} == {"ready"}
    assert set(assets) == {"source", "mp4_h264_aac", "mp4_h264_aac_ld", "jpeg_thumbnail_small"}
    assert set(assets["mp4_h264_aac"]) >= VIDEO


def test_c16_transcode_without_source_is_not_found(key: CloudKey, media: str) -> None:
    with pytest.raises(NotFound, match="1010: The media has no source"):
        key.media.set_assets(id=media, assets=transcode("mp4_h264_aac"))

    assert key.media.get_assets(id=media) == {}


def test_c17_b06_asset_that_is_ready_is_left_alone(
    cloud: Cloud, key: CloudKey, media: str, url: str
) -> None:
    """B6 wanted Exists; the later suite leaves it open (X9)."""
    still = "jpeg_thumbnail_small"
    key.media.set_assets(id=media, assets=[{"name": "source", "url": url}, *transcode(still)])
    cloud.work()
    before = key.media.get_assets(id=media)

    assert key.media.set_assets(id=media, assets=transcode(still)) is None
    assert key.media.process_asset(id=media, preset=still) is None
    cloud.work()

    assert {name: asset["created"] for name, asset in before.items()} == {
        name: asset["created"] for name, asset in key.media.get_assets(id=media).items()
    }


def test_c18_create_answers_exactly_an_id(key: CloudKey) -> None:
    """Never a bare text (X6)."""
    answer = key.media.create()

    assert set(answer) == {"id"}
    assert key.media.info(id=answer["id"], fields=["id"]) == answer


def test_p23_c20_six_assets_are_seen_pending_one_after_another(
    key: CloudKey, url: str, worker: threading.Thread
) -> None:
    media = key.media.create(url=url, assets_names=SIX)["id"]
    worker.start()

    for name in SIX:
        assert key.media.get_assets(id=media, assets_names=[name]) == {name: {"status": "pending"}}
    worker.join(60)

    assets = key.media.get_assets(id=media)
    assert {asset["status"] for asset in assets.values()} == {"ready"}
    for name, asset in assets.items():
        assert set(asset) >= (STILL if name.startswith("jpeg") else VIDEO)
        assert "filesize" not in asset  # X4
        assert not name.startswith("jpeg") or "duration" not in asset


def test_c21_source_that_is_no_video_ends_every_asset_in_error(
    cloud: Cloud, key: CloudKey, broken: str
) -> None:
    media = key.media.create(url=broken, assets_names=SIX)["id"]

    cloud.work()

    assert key.media.get_assets(id=media) == {name: {"status": "error"} for name in SIX}


@pytest.mark.parametrize("url", ["http://localhost/", "ftp://user:password@a.example/a.mp4"])
def test_p24_c22_foreign_source_is_refused_at_once(key: CloudKey, media: str, url: str) -> None:
    """The former service fetched it and ended in error; this one says so in the call."""
    with pytest.raises(InvalidParameter, match="url must be an address that an upload to this"):
        key.media.create(url=url, assets_names=SIX)
    with pytest.raises(InvalidParameter, match="url must be an address that an upload to this"):
        key.media.set_assets(id=media, assets=[{"name": "source", "url": url}])

    assert key.media.get_assets(id=media) == {}


def test_c23_duplicate_names_make_one_asset(key: CloudKey, url: str) -> None:
    media = key.media.create(url=url, assets_names=["mp4_h264_aac"] * 3)["id"]
    key.media.set_assets(id=media, assets=transcode(*["mp4_h264_aac_ld"] * 3))

    assert sorted(statuses(key, media)) == ["mp4_h264_aac", "mp4_h264_aac_ld", "source"]


# Python, September 2010


def test_b01_b02_list_is_a_page_that_can_be_sorted(key: CloudKey) -> None:
    """A page object, never an array (X7), and so never everything at once."""
    assert key.media.list()["list"] == []
    ids = [key.media.create(meta={"n": f"{n:02}"})["id"] for n in range(15)]
    by_number = [["meta.n", 1]]

    def page(**args: Any) -> list[str]:
        answer = key.call("media.list", fields=["id"], sort=by_number, **args)
        return [item["id"] for item in answer["list"]]

    assert page(page=1) == ids[:10]
    assert page(page=2) == ids[10:]
    assert page(page=2, count=6) == ids[6:12]
    by_number = [["meta.n", -1]]
    assert page() == ids[:4:-1]
    created = key.media.list(sort=[("created", 1)], fields=["created"])["list"]
    assert created == sorted(created, key=lambda item: item["created"])


@pytest.mark.parametrize(
    "args",
    [
        {"filter": {"$where": "1"}},
        {"filter": "x"},
        {"filter": {"meta__title": "x"}},
        {"filter": {"account": "x"}},
        {"filter": {"meta.a": {"$gt": ""}}},
        {"fields": "id"},
        {"sort": "created"},
        {"sort": [["account__api_key", 1]]},
        {"sort": [["created", 2]]},
        {"sort": [["created"]]},
        {"count": 101},
    ],
)
def test_b03_malformed_list_arguments(key: CloudKey, args: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=f"for media.list: {next(iter(args))} must be a"):
        key.call("media.list", **args)


def test_b04_list_filters_by_meta(key: CloudKey) -> None:
    meta = {f"mykey-{number}": f"value-{number}" for number in range(1, 4)}
    media = key.media.create(meta=meta)["id"]
    key.media.create(meta={"mykey-1": "value-10"})
    key.media.create(meta={"mykey-2": "value-1"})

    answer = key.media.list(
        fields=["id", "meta.mykey-2", "meta.mykey-3"], filter={"meta.mykey-1": "value-1"}
    )

    assert answer["list"] == [{"id": media, "meta": {"mykey-2": "value-2", "mykey-3": "value-3"}}]
    assert answer["total"] == 1


def test_b05_b06_b08_methods_for_one_asset(
    cloud: Cloud, key: CloudKey, media: str, url: str
) -> None:
    assert key.media.set_asset(id=media, preset="source", url=url) is None
    assert key.media.process_asset(id=media, preset="jpeg_thumbnail_small") is None
    assert key.media.process_asset(id=media, asset_name="mp4_h264_aac_ld") is None
    pending = key.media.get_asset(id=media, preset="mp4_h264_aac_ld")
    cloud.work()

    assert pending == {"name": "mp4_h264_aac_ld", "status": "pending"}
    video = key.media.get_asset(id=media, preset="mp4_h264_aac_ld")
    assert set(video) >= VIDEO | {"name"}
    version = video["created"]
    path = f"{cloud.account.pk}/{media}"
    still = urlsplit(key.media.get_asset_url(id=media, preset="jpeg_thumbnail_small")).path
    assert still.startswith(f"/cloud/{path}/jpeg_thumbnail_small-")
    address = urlsplit(key.media.get_asset_url(id=media, asset_name="mp4_h264_aac_ld"))
    assert address.path == f"/cloud/route/{path}/mp4_h264_aac_ld-{version}.mp4"
    assert key.media.remove_asset(id=media, preset="mp4_h264_aac_ld") is None
    for call in (key.media.get_asset, key.media.remove_asset, key.media.get_asset_url):
        with pytest.raises(NotFound, match="Asset not found"):
            call(id=media, preset="mp4_h264_aac_ld")
    with pytest.raises(NotFound, match="The asset has no address"):
        key.media.get_asset_url(id=media, preset="source")


def test_b06_process_without_source_is_not_found(key: CloudKey, media: str) -> None:
    """A null result or an error, never a status in the result (X11)."""
    with pytest.raises(NotFound):
        key.media.process_asset(id=media, preset="mp4_h264_aac")
    with pytest.raises(InvalidParameter, match="asset_name is missing"):
        key.media.process_asset(id=media)
    with pytest.raises(InvalidParameter, match="preset and asset_name name two assets"):
        key.media.get_asset(id=media, preset="source", asset_name="mp4_h264_aac")


def test_b07_info_without_fields(key: CloudKey, media: str) -> None:
    assert set(key.media.info(id=media)) == {"id", "meta", "assets", "created"}


def test_p25_b08_asset_in_error_has_its_name(cloud: Cloud, key: CloudKey, broken: str) -> None:
    media = key.media.create(url=broken)["id"]
    cloud.work()

    asset = key.media.get_asset(id=media, preset="source")
    assert asset == {"status": "error", "name": "source"}
    # P25: asked for with the arguments of get_assets, it answers what get_assets does.
    asked = key.media.get_asset(id=media, assets_names=["source"])
    assert asked == {"source": {"status": "error"}}
