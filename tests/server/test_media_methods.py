"""Search, statistics, thumbnails, and assets that are asked for while a job is at work."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from django_cloudkey.client import InvalidParameter, NotFound
from django_cloudkey.server import encryption, files, jobs, pipeline
from django_cloudkey.server.models import Account, Asset, DiscardedFile, Job, Media
from django_cloudkey.server.worker import tidy_up

from ..conftest import Cloud

ASSETS = ("mp4_h264_aac_ld", "jpeg_thumbnail_small")
UNKNOWN = "1b87186c84e1b015a0000000"


@pytest.fixture
def films(cloud: Cloud) -> dict[str, str]:
    """Title → media."""
    create = cloud.client.media.create
    return {
        title: create(meta={"title": title, "author": author, "0": "zero", "free": free})["id"]
        for title, author, free in (
            ("Knots 100%", "Ann", True),
            ("ÉTÉ à Paris", "ann", False),
            ("knots_and splices", "Bob", 7),
        )
    }


def test_page_of_a_list_reads_the_key_once(
    cloud: Cloud, films: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is decrypted, and signs the addresses of all the assets on the page."""
    for media in films.values():
        ready = {"status": "ready", "created": timezone.now(), "file": "x"}
        Asset.objects.create(media_id=media, name="mp4_h264_aac", **ready)
    read: list[str] = []
    decrypt = encryption.decrypt

    def count(text: str) -> str:
        read.append(text)
        return decrypt(text)

    monkeypatch.setattr(encryption, "decrypt", count)

    page = cloud.client.media.list()

    urls = [item["assets"]["mp4_h264_aac"]["stream_url"] for item in page["list"]]
    assert len({url.partition("?")[0] for url in urls}) == len(films)
    assert len(read) == 1


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        (None, ["knots_and splices", "ÉTÉ à Paris", "Knots 100%"]),
        ("", ["knots_and splices", "ÉTÉ à Paris", "Knots 100%"]),
        ("knots", ["knots_and splices", "Knots 100%"]),
        ("KNOTS splices", ["knots_and splices"]),
        ("été", ["ÉTÉ à Paris"]),
        ("100%", ["Knots 100%"]),
        ("_", ["knots_and splices"]),
        ("%", ["Knots 100%"]),
        ("meta.author:ann", ["ÉTÉ à Paris", "Knots 100%"]),
        ("meta.author:ann knots", ["Knots 100%"]),
        ("meta.title:knots SORT:created", ["Knots 100%", "knots_and splices"]),
        ("SORT:-meta.author meta.author:ann", ["ÉTÉ à Paris", "Knots 100%"]),
        ("meta.0:zero knots SORT:-created", ["knots_and splices", "Knots 100%"]),
        ("meta.free:true", ["Knots 100%"]),
        ("meta.free:7", ["knots_and splices"]),
        ("meta.nothing:x", []),
        ("title:knots", []),
        ("account:x", []),
        ("account__api_key:x", []),
        ("meta__title:knots", []),
        ("meta.title__contains:knots", []),
        ("SORT:account__api_key", []),
        ("created:x", []),
        ("created:0", []),
        ("' OR 1=1", []),
        ("meta.a'b:x", []),
        (".*", []),
    ],
)
def test_search_finds(
    cloud: Cloud, films: dict[str, str], query: str | None, titles: list[str]
) -> None:
    Account.objects.create(name="stranger").media.create(meta={"title": "knots"})
    for number, media in enumerate(films.values()):
        created = Media.objects.get(pk=media).created.replace(microsecond=number)
        Media.objects.filter(pk=media).update(created=created)

    answer = cloud.client.media.search(query=query, fields=["meta.title"])

    assert [item["meta"]["title"] for item in answer["list"]] == titles
    assert (answer["total"], answer["has_more"]) == (len(titles), False)


def test_search_by_id_and_time(cloud: Cloud, films: dict[str, str]) -> None:
    media = films["Knots 100%"]
    created = cloud.client.media.info(id=media, fields=["created"])["created"]

    by_id = cloud.client.media.search(query=f"id:{media}", fields=["id"])
    by_time = cloud.client.media.search(query=f"created:{created} 100%", fields=["id"])

    assert by_id["list"] == by_time["list"] == [{"id": media}]


def test_search_has_pages_and_limits(cloud: Cloud, films: dict[str, str]) -> None:
    search = cloud.client.media.search

    first = search(query="SORT:meta.title", fields=["id"], per_page=2)

    assert len(first["list"]) == 2
    assert (first["pages"], first["has_more"]) == (2, True)
    for query in ("x" * 513, 1, ["x"], "a\0"):
        with pytest.raises(InvalidParameter, match="query must be a text of at most 512"):
            cloud.client.call("media.search", query=query)


def test_list_filters_by_values_of_every_kind(cloud: Cloud, films: dict[str, str]) -> None:
    def found(**filter: Any) -> int:
        rows = {name.replace("_", "."): value for name, value in filter.items()}
        return int(cloud.client.media.list(filter=rows)["total"])

    assert found(meta_free=True) == found(meta_free=7) == found(meta_free="7") == 1
    assert found(meta_title="ÉTÉ à Paris") == 1
    assert found(meta_title="été à paris") == 0
    assert found(meta_nothing=None) == 3
    assert found(meta_author="Ann", meta_free=False) == 0
    assert found(created=0) == found(created="x") == found(id="x") == 0


def test_count(cloud: Cloud, films: dict[str, str]) -> None:
    Account.objects.create(name="stranger").media.create()

    assert cloud.client.media.count() == 3


def test_statistics_are_zero(cloud: Cloud) -> None:
    media = cloud.client.media.create()["id"]
    info = cloud.client.media.info

    fields = ["stats.global.total", "stats.fr.last_week"]
    expected = {"stats": {"global": {"total": 0}, "fr": {"last_week": 0}}}
    assert info(id=media, fields=fields) == expected
    assert set(info(id=media, fields=["stats"])["stats"]) == {"global"}
    assert len(info(id=media, fields=["stats.uk"])["stats"]["uk"]) == 7
    assert "stats" not in info(id=media)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"name": "abs"}, "this server does not make abs"),
        ({"name": "source"}, "the source needs a url"),
        ({"name": "mp4_h264_aac", "action": "copy"}, "there is no action 'copy', only 'transcode'"),
        (
            {"name": "mp4_h264_aac", "url": "http://a.example/"},
            "url must be an address",
        ),
        ({"name": "jpeg_thumbnail_small", "url": "x"}, "jpeg_thumbnail_small takes no url"),
        ({"name": "abs", "url": "x"}, "abs takes no url"),
        ({"name": "live", "url": "x"}, "live takes no url"),
        (
            {"name": "mp4_h264_aac", "url": "x", "action": "transcode"},
            "mp4_h264_aac has a url and an action",
        ),
    ],
)
def test_item_that_cannot_be_made_is_refused(
    cloud: Cloud, item: dict[str, str], reason: str
) -> None:
    media = cloud.client.media.create()["id"]

    with pytest.raises(InvalidParameter, match=f"for media.set_assets: {reason}"):
        cloud.client.media.set_assets(id=media, assets=[item])


def test_unknown_source_asset_is_not_found_and_nothing_is_changed(cloud: Cloud, clip: Path) -> None:
    media = cloud.client.media.create()["id"]
    url = cloud.client.file.upload_file(clip)["url"]
    item = {"name": "mp4_h264_aac", "source_asset": "mp4_h264_aac_hd"}

    with pytest.raises(NotFound, match="no such source asset"):
        cloud.client.media.set_assets(id=media, assets=[{"name": "source", "url": url}, item])

    assert cloud.client.media.get_assets(id=media) == {}
    assert not Job.objects.exists()


def test_asset_in_error_is_made_from_a_new_source(cloud: Cloud, clip: Path) -> None:
    key = cloud.client
    bad = key.file.upload_file(io.BytesIO(b"RIFF"), name="a.avi")["url"]
    media = key.media.create(url=bad, assets_names=["jpeg_thumbnail_small"])["id"]
    cloud.work()
    url = key.file.upload_file(clip)["url"]
    items = [{"name": "source", "url": url}, {"name": "jpeg_thumbnail_small"}]

    key.media.set_assets(id=media, assets=items)
    cloud.work()

    assert {asset["status"] for asset in key.media.get_assets(id=media).values()} == {"ready"}


def at_work(cloud: Cloud, clip: Path, change: Callable[[str], Any]) -> str:
    """Call *change* with the media while its job encodes; return the media."""
    media = cloud.upload(clip, ASSETS)
    job = jobs.claim()
    assert job is not None
    done: list[Any] = []

    def stop() -> bool:
        if not done and Asset.objects.filter(status="processing").exists():
            done.append(change(media))
        return False

    pipeline.process(job, stop)
    assert done, "the work ended before it could be changed"
    return media


def files_match_rows() -> bool:
    tidy_up()
    named = set(Asset.objects.exclude(name="source").values_list("file", flat=True)) - {""}
    return set(files.names_under("media")) == named and not DiscardedFile.objects.exists()


def test_asset_removed_while_it_is_made_is_not_published(cloud: Cloud, clip: Path) -> None:
    remove = cloud.client.media.remove_assets

    media = at_work(cloud, clip, lambda id: remove(id=id, assets_names=["mp4_h264_aac_ld"]))

    assert set(cloud.client.media.get_assets(id=media)) == {"source", "jpeg_thumbnail_small"}
    assert files_match_rows()
    assert Job.objects.get().state == "done"


def test_source_replaced_while_it_is_worked_on_makes_everything_anew(
    cloud: Cloud, clip: Path, draw_clip: Callable[..., Path]
) -> None:
    key = cloud.client
    url = key.file.upload_file(draw_clip("square.mp4", size="200x200"))["url"]

    media = at_work(
        cloud,
        clip,
        lambda id: key.media.set_assets(id=id, assets=[{"name": "source", "url": url}]),
    )
    between = {asset["status"] for asset in key.media.get_assets(id=media).values()}
    cloud.work()

    assert between == {"pending"}
    assets = key.media.get_assets(id=media)
    assert {(asset["status"], asset["video_height"]) for asset in assets.values()} == {
        ("ready", 200), ("ready", 60),
    }  # fmt: skip
    assert files_match_rows()


def test_thumbnails_are_taken_from_the_timecode(
    cloud: Cloud, tmp_path: Path, draw_clip: Callable[..., Path]
) -> None:
    key = cloud.client
    media = cloud.upload(draw_clip("long.mp4", seconds=20), ("jpeg_thumbnail_small",))
    cloud.work()
    before = still(media)

    assert key.media.set_thumbnail(id=media, timecode="00:00:15.50", force=True) is None
    assert key.media.get_assets(id=media)["jpeg_thumbnail_small"] == {"status": "pending"}
    cloud.work()
    later = still(media)
    key.media.set_thumbnail(id=media, timecode="00:00:02.00")
    cloud.work()

    assert len({before, later}) == 2
    assert still(media) == before  # a tenth of 20 seconds, where it was taken first
    assert set(key.media.get_assets(id=media)) == {"source", "jpeg_thumbnail_small"}
    assert files_match_rows()


def still(media: str) -> bytes:
    asset = Asset.objects.get(media=media, name="jpeg_thumbnail_small")
    with files.storage().open(asset.file, "rb") as file:
        return bytes(file.read())


def test_media_without_thumbnails_gets_all_of_them(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip, ())

    cloud.client.media.set_thumbnail(id=media, timecode="00:00:01.00")

    names = {name for name in pipeline.MADE if name.startswith("jpeg")}
    assert set(cloud.client.media.get_assets(id=media)) == {"source", *names}


def test_thumbnail_needs_a_source(cloud: Cloud) -> None:
    media = cloud.client.media.create()["id"]

    with pytest.raises(NotFound, match="The media has no source"):
        cloud.client.media.set_thumbnail(id=media, timecode="00:00:01.00")
