"""The embed page: which state it shows, what it lets run, and what it plays."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from django_cloudkey.client import CloudKey, SecLevel
from django_cloudkey.server import files
from django_cloudkey.server.models import Account, Asset, Media

from ..conftest import DATABASES

pytestmark = pytest.mark.django_db(databases=DATABASES)

BASE = "http://testserver/cloud"
UNKNOWN = "4d0c0ffee0000000000000ff"


@pytest.fixture
def media() -> Media:
    account = Account.objects.create(name="demo")
    media = Media.objects.create(account=account, meta={"title": "A talk"})
    for name in ("source", "mp4_h264_aac", "mp4_h264_aac_hd", "jpeg_thumbnail_source"):
        file = files.storage().save(f"media/{name}", ContentFile(b"bytes"))
        Asset.objects.create(
            media=media, name=name, status="ready", created=timezone.now(), file=file
        )
    return media


def embed_url(media: Media, **restrictions: Any) -> str:
    signer = CloudKey(media.account_id, media.account.api_key, BASE)
    return signer.media.get_embed_url(media.pk, **restrictions)


def get(url: str, **headers: str) -> Any:
    parts = urlsplit(url)
    return Client().get(f"{parts.path}?{parts.query}", **headers)  # type: ignore[arg-type]


def attribute(page: Any, name: str) -> str:
    found = re.search(rf'{name}="([^"]*)"', page.content.decode())
    assert found is not None, f"the page has no {name}"
    return unescape(found[1])


def test_ready_media_is_played_in_its_best_quality(media: Media) -> None:
    page = get(embed_url(media))

    assert page.status_code == 200
    assert "<video" in page.content.decode()
    assert "mp4_h264_aac_hd" in video_url(page)


def video_url(page: Any) -> str:
    found = re.search(r'<video[^>]*?\ssrc="([^"]*)"', page.content.decode(), re.DOTALL)
    assert found is not None, "the page plays nothing"
    return unescape(found[1])


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        ({"mp4_h264_aac": "pending"}, "This video is being prepared"),
        ({"mp4_h264_aac": "processing"}, "This video is being prepared"),
        ({"mp4_h264_aac": "error"}, "This video could not be prepared"),
        ({}, "This video could not be prepared"),
    ],
)
def test_media_that_is_not_ready_says_so(
    media: Media, statuses: dict[str, str], sentence: str
) -> None:
    media.assets.exclude(name="source").delete()
    for name, status in statuses.items():
        Asset.objects.create(media=media, name=name, status=status, error_message="ffmpeg: boom")

    page = get(embed_url(media))

    assert page.status_code == 200
    assert sentence in page.content.decode()
    assert "<video" not in page.content.decode()
    assert "boom" not in page.content.decode()


def test_playable_asset_is_played_while_another_is_made(media: Media) -> None:
    media.assets.filter(name="mp4_h264_aac_hd").update(status="processing")

    assert "/mp4_h264_aac-" in video_url(get(embed_url(media)))


def test_unknown_media_is_missing(media: Media) -> None:
    signer = CloudKey(media.account_id, media.account.api_key, BASE)
    page = get(signer.media.get_embed_url(UNKNOWN))

    assert page.status_code == 404
    assert "There is no video here" in page.content.decode()


def test_refusal_is_the_same_page_whatever_exists(media: Media) -> None:
    forged = embed_url(media)[:-1] + "x"
    addresses = [
        forged,
        forged.replace(media.pk, UNKNOWN),
        forged.replace(media.account_id, UNKNOWN),
        forged.partition("?")[0],
        embed_url(media, expires=time.time() - 1),
    ]

    pages = [get(address) for address in addresses]

    assert {page.status_code for page in pages} == {403}
    assert len({page.content for page in pages}) == 1
    assert "This video is not available" in pages[0].content.decode()
    assert "A talk" not in pages[0].content.decode()


@pytest.mark.parametrize("path", ["embed/", "embed/a/b", "player/embed/x", "embed/../api"])
def test_address_outside_the_grammar_is_refused(media: Media, path: str) -> None:
    page = Client().get(f"/cloud/{path}")

    assert page.status_code in (404, 405)


HOSTILE = [
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<style>*{display:none}</style>",
    "{{ settings.SECRET_KEY }}{% now 'Y' %}",
]


@pytest.mark.parametrize("title", HOSTILE)
def test_title_is_text(media: Media, title: str) -> None:
    Media.objects.update(meta={"title": title})

    text = get(embed_url(media)).content.decode()

    assert unescape(text).count(title) >= 1
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<style" not in text
    assert "' onmouseover='" not in text


@pytest.mark.parametrize("title", [None, 5, True, 1.5, ""])
def test_title_of_any_type_makes_a_page(media: Media, title: object) -> None:
    Media.objects.update(meta={"title": title})

    assert get(embed_url(media)).status_code == 200


@pytest.mark.parametrize("state", ["player", "processing", "missing", "refused"])
def test_page_runs_nothing_of_its_own(media: Media, state: str) -> None:
    url = embed_url(media)
    if state == "processing":
        media.assets.update(status="pending")
    elif state == "missing":
        media.delete()
    elif state == "refused":
        url = url[:-1]

    page = get(url)

    text = page.content.decode()
    assert page["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' http://testserver; media-src 'self' http://testserver; "
        "base-uri 'none'; form-action 'none'"
    )
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert re.findall(r"<script[^>]*>\s*[^<\s]", text) == []
    assert "<style" not in text
    assert re.findall(r"<[^>]*\s(?:on\w+|style)\s*=", text) == []
    assert "javascript:" not in text


def test_page_may_be_framed_and_is_not_kept(media: Media) -> None:
    page = get(embed_url(media))

    assert "X-Frame-Options" not in page.headers
    assert page["Cache-Control"] == "private, no-store"
    assert page["Referrer-Policy"] == "no-referrer"
    assert page["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "restrictions",
    [
        {},
        {"seclevel": SecLevel.DELEGATE},
        {"seclevel": SecLevel.IP, "ip": "192.0.2.7"},
        {"seclevel": SecLevel.USERAGENT, "useragent": "Firefox"},
        {"seclevel": SecLevel.IP | SecLevel.USERAGENT, "ip": "192.0.2.7", "useragent": "Firefox"},
    ],
)
def test_bytes_are_for_the_viewer_of_the_page_until_its_end(
    media: Media, restrictions: dict[str, Any]
) -> None:
    expires = int(time.time()) + 500
    viewer = {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "Firefox"}
    page = get(embed_url(media, expires=expires, **restrictions), **viewer)

    for url in (video_url(page), attribute(page, "poster")):
        answer = get(url, **viewer)
        assert b"".join(answer.streaming_content) == b"bytes"
        assert 400 < int(answer["Cache-Control"].removeprefix("private, max-age=")) <= 500
        stranger = get(url, REMOTE_ADDR="192.0.2.8", HTTP_USER_AGENT="Chrome")
        is_bound = bool(int(restrictions.get("seclevel", 0)) & SecLevel.IP)
        assert stranger.status_code == (403 if is_bound else 200)
        if not is_bound:
            assert list(stranger.streaming_content) == [b"bytes"]


def test_page_without_a_still_has_no_poster(media: Media) -> None:
    media.assets.filter(name="jpeg_thumbnail_source").delete()

    assert "poster=" not in get(embed_url(media)).content.decode()


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ("start=90", "90"),
        ("start=0", "0"),
        ("start=-1", "0"),
        ("start=1.5", "0"),
        ("start=javascript:alert(1)", "0"),
        ("start=9999999", "0"),
        ("start=\u0661", "0"),
        ('start=1"onload=', "0"),
        ("", "0"),
    ],
)
def test_start_is_a_number(media: Media, query: str, start: str) -> None:
    assert attribute(get(f"{embed_url(media)}&{query}"), "data-start") == start


@pytest.mark.parametrize(
    ("query", "plays"),
    [("autoplay=1", True), ("autoplay=0", False), ("autoplay=javascript:x", False), ("", False)],
)
def test_autoplay_is_a_flag(media: Media, query: str, plays: bool) -> None:
    page = get(f"{embed_url(media)}&{query}").content.decode()

    assert ("data-autoplay" in page) is plays


def test_player_is_announced_by_its_title(media: Media) -> None:
    assert attribute(get(embed_url(media)), "aria-label") == "A talk"
