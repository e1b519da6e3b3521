"""Signed addresses: who gets bytes, which bytes, and what a refusal may tell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.client import CloudKey, SecLevel, sign_url
from django_cloudkey.protocol.urls import stream_address
from django_cloudkey.server import files
from django_cloudkey.server.delivery.ranges import Unsatisfiable, parse_range
from django_cloudkey.server.models import Account, Asset, Media

from ..conftest import DATABASES, Cloud

pytestmark = pytest.mark.django_db(databases=DATABASES)

BASE = "http://testserver/cloud"
CONTENT = bytes(range(256)) * 40
STILL = b"\xff\xd8\xff a still"
UNKNOWN = "4d0c0ffee0000000000000ff"
REPLACEMENTS = ("", "0", "9", "a", "F", "-", "/", "?", "&", "%", "#", "\u00e9")


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}


@dataclass(frozen=True)
class Answer:
    """A response that was read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


def add_asset(media: Media, name: str, content: bytes, **more: Any) -> Asset:
    file = files.storage().save(f"media/secret-prefix/{media.pk}/{name}", ContentFile(content))
    facts = {"container": "JPEG" if name.startswith("jpeg") else "MPEG-4"}
    ready = {"status": "ready", "created": timezone.now(), "file": file, "facts": facts, **more}
    return Asset.objects.create(media=media, name=name, **ready)


def add_media(account: Account) -> Media:
    media = Media.objects.create(account=account, meta={"title": "Title"})
    add_asset(media, "mp4_h264_aac", CONTENT)
    add_asset(media, "mp4_h264_aac_ld", CONTENT[:100])
    add_asset(media, "jpeg_thumbnail_medium", STILL)
    return media


@dataclass
class Viewer:
    """A browser, and a site that signs addresses for it."""

    signer: CloudKey
    media: Media
    browser: Client

    def stream_url(self, **options: Any) -> str:
        return self.signer.media.get_stream_url(self.media.pk, **options)

    def get(self, url: str, **headers: str) -> Answer:
        parts = urlsplit(url)
        return self.ask(f"{parts.path}?{parts.query}", **headers)

    def ask(self, path: str, **headers: str) -> Answer:
        answer: Any = self.browser.get(path, **headers)  # type: ignore[arg-type]
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return Answer(answer.status_code, dict(answer.headers), body)

    def status(self, url: str, **headers: str) -> int:
        return self.get(url, **headers).status


@pytest.fixture
def viewer() -> Viewer:
    account = Account.objects.create(name="demo")
    signer = CloudKey(account.pk, account.api_key, BASE)
    return Viewer(signer, add_media(account), Client())


# The right to watch


@pytest.mark.parametrize("kind", ["stream", "embed"])
def test_key_that_cannot_be_read_lets_nobody_in(viewer: Viewer, settings: Any, kind: str) -> None:
    """SECRET_KEY is another: nobody can say whose signature it is. The log has the reason."""
    media = viewer.media.pk
    url = viewer.stream_url() if kind == "stream" else viewer.signer.media.get_embed_url(media)
    assert viewer.status(url) == 200

    settings.SECRET_KEY = "another"

    assert viewer.status(url) == 503


def test_signed_stream_is_served_whole(viewer: Viewer) -> None:
    response = viewer.get(viewer.stream_url())

    assert response.status == 200
    assert response.body == CONTENT
    assert response.headers["Content-Type"] == "video/mp4"
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    "change",
    [
        lambda query: "",
        lambda query: "auth=",
        lambda query: query.replace("auth=", "auth[]="),
        lambda query: query.replace("auth=", "Auth="),
        lambda query: f"{query}&{query}",
        lambda query: f"{query}&auth=",
        lambda query: f"{query}&%61uth=x",
        lambda query: query + "0",
        lambda query: query[:-1],
        lambda query: query.upper().replace("AUTH", "auth"),
        lambda query: query + "-eJwDAAAAAAE=",
        lambda query: query + "%00",
        lambda query: query + "%0A",
        lambda query: query + "%80",
        lambda query: "auth=" + "9" * 100_000,
        lambda query: "auth=0-0-aaaaaaaa-" + "0" * 32,
    ],
    ids=[
        "absent", "empty", "list", "other case", "twice", "second empty", "second quoted",
        "extended", "cut", "upper case", "public part", "nul", "newline", "not utf-8", "long",
        "expired in 1970",
    ],
)  # fmt: skip
def test_broken_auth_is_refused(viewer: Viewer, change: Any) -> None:
    path, _, query = viewer.stream_url().partition("?")

    assert viewer.status(f"{path}?{change(query)}") == 403


@pytest.mark.parametrize("kind", ["stream", "thumbnail", "embed"])
@pytest.mark.parametrize("level", [SecLevel.NONE, SecLevel.IP])
def test_no_single_change_of_an_address_is_accepted(
    viewer: Viewer, kind: str, level: SecLevel
) -> None:
    sign = getattr(viewer.signer.media, f"get_{kind}_url")
    url = sign(viewer.media.pk, seclevel=level, ip="127.0.0.1")
    assert viewer.status(url) == 200
    start = len("http://testserver")
    parts = urlsplit(url)
    original = f"{parts.path}?{parts.query}"
    assert original == url[start:]
    # Every position for the plain level; for the other the token alone, which differs.
    first = 0 if level == SecLevel.NONE else original.index("?")
    positions = range(first, len(original))

    accepted = [
        changed
        for position in positions
        for new in REPLACEMENTS[position % 3 :: 3]
        if (changed := original[:position] + new + original[position + 1 :]) != original
        and viewer.ask(changed).status in (200, 206)
    ]

    assert accepted == []


@pytest.mark.parametrize("suffix", ["/", "%0A", "%00", ".mp4", ";x", "//", "/..", "%2e"])
def test_nothing_may_follow_the_path(viewer: Viewer, suffix: str) -> None:
    path, _, query = viewer.stream_url().partition("?")

    assert viewer.status(f"{path}{suffix}?{query}") in (403, 404)


@pytest.mark.parametrize("seconds", [-1, 0, -7200])
def test_expired_address_is_refused(viewer: Viewer, seconds: int) -> None:
    assert viewer.status(viewer.stream_url(expires=time.time() + seconds)) == 403


def test_address_ends_with_its_second(viewer: Viewer) -> None:
    url = viewer.stream_url(expires=time.time() + 2)
    before = viewer.status(url)
    time.sleep(2)

    assert (before, viewer.status(url)) == (200, 403)


def test_lifetime_beyond_the_limit_is_refused(viewer: Viewer, settings: Any) -> None:
    configure(settings, MAX_URL_LIFETIME=3600)

    assert viewer.status(viewer.stream_url(expires=time.time() + 3500)) == 200
    assert viewer.status(viewer.stream_url(expires=time.time() + 3700)) == 403


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("192.0.2.7", 200),
        ("::ffff:192.0.2.7", 200),
        ("192.0.2.70", 403),
        ("192.0.2", 403),
        ("2001:db8::1", 403),
        ("", 403),
    ],
)
def test_ip_level_admits_one_address(viewer: Viewer, address: str, status: int) -> None:
    url = viewer.stream_url(seclevel=SecLevel.IP, ip="192.0.2.7")

    assert viewer.status(url, REMOTE_ADDR=address) == status


def test_other_notation_of_an_ipv6_address_is_the_same(viewer: Viewer) -> None:
    url = viewer.stream_url(seclevel=SecLevel.IP, ip="2001:db8::1")

    assert viewer.status(url, REMOTE_ADDR="2001:0DB8:0:0:0:0:0:1") == 200
    assert viewer.status(url, REMOTE_ADDR="2001:db8::2") == 403


@pytest.mark.parametrize(
    ("peer", "forwarded", "status"),
    [
        ("198.51.100.1", "192.0.2.7", 403),
        ("10.0.0.1", "192.0.2.7", 200),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", 200),
        ("10.0.0.1", "192.0.2.7, 198.51.100.1", 403),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7:4711", 200),
        ("10.0.0.1", "unknown", 403),
        ("10.0.0.1", "192.0.2.7, unknown", 403),
        ("10.0.0.1", "," * 50_000, 403),
    ],
)
def test_t160_forwarded_address_is_believed_from_trusted_proxies_only(
    viewer: Viewer, settings: Any, peer: str, forwarded: str, status: int
) -> None:
    configure(settings, TRUSTED_PROXIES=["10.0.0.0/8"])
    url = viewer.stream_url(seclevel=SecLevel.IP, ip="192.0.2.7")

    assert viewer.status(url, REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded) == status


@pytest.mark.parametrize(
    ("useragent", "status"),
    [("Firefox/1", 200), ("Firefox/1 ", 403), ("firefox/1", 403), ("", 403), ("F" * 70_000, 403)],
)
def test_useragent_level_admits_one_browser(viewer: Viewer, useragent: str, status: int) -> None:
    url = viewer.stream_url(seclevel=SecLevel.USERAGENT, useragent="Firefox/1")

    assert viewer.status(url, HTTP_USER_AGENT=useragent) == status


def test_both_values_of_a_combined_level_must_match(viewer: Viewer) -> None:
    level = SecLevel.IP | SecLevel.USERAGENT
    url = viewer.stream_url(seclevel=level, ip="192.0.2.7", useragent="Firefox")

    def status(address: str, useragent: str) -> int:
        return viewer.status(url, REMOTE_ADDR=address, HTTP_USER_AGENT=useragent)

    assert status("192.0.2.7", "Firefox") == 200
    assert status("192.0.2.8", "Firefox") == 403
    assert status("192.0.2.7", "Chrome") == 403
    assert status("192.0.2.", "7Firefox") == 403


def test_bare_delegation_restricts_nothing(viewer: Viewer) -> None:
    assert viewer.status(viewer.stream_url(seclevel=SecLevel.DELEGATE)) == 200


def test_key_of_another_account_signs_nothing_here(viewer: Viewer) -> None:
    other = Account.objects.create(name="other")
    forger = CloudKey(viewer.signer.user_id, other.api_key, BASE)
    stranger = CloudKey(other.pk, other.api_key, BASE)

    assert viewer.status(forger.media.get_stream_url(viewer.media.pk)) == 403
    assert viewer.status(stranger.media.get_stream_url(viewer.media.pk)) == 404


def test_t177_inactive_account_is_refused(viewer: Viewer) -> None:
    url = viewer.stream_url()
    Account.objects.update(is_active=False)

    assert viewer.status(url) == 403


def test_t170_token_opens_only_what_it_was_signed_for(viewer: Viewer) -> None:
    other = Media.objects.create(account=viewer.media.account)
    add_asset(other, "mp4_h264_aac", CONTENT)
    stream = viewer.stream_url()
    embed = viewer.signer.media.get_embed_url(viewer.media.pk)

    swapped = [
        stream.replace(viewer.media.pk, other.pk),
        stream.replace("mp4_h264_aac.", "mp4_h264_aac_ld."),
        stream.replace("/route/", "/route/http/"),
        stream.replace(".mp4?", ".flv?"),
        stream.replace(".mp4?", "?"),
        stream.replace(".mp4?", "-7.mp4?"),
        f"{stream.partition('?')[0]}?{embed.partition('?')[2]}",
        f"{embed.partition('?')[0]}?{stream.partition('?')[2]}",
    ]

    assert [viewer.status(url) for url in swapped] == [403] * len(swapped)


@pytest.mark.parametrize("extension", ["mp4", "", "flv", "mov"])
@pytest.mark.parametrize("version", [None, 0, 1, 1700000000])
def test_extension_and_version_are_free_when_signed(
    viewer: Viewer, extension: str, version: int | None
) -> None:
    address = stream_address(
        viewer.signer.user_id,
        viewer.media.pk,
        "mp4_h264_aac",
        extension=extension,
        version=version,
    )
    response = viewer.get(sign_url(f"{BASE}/{address.path}", viewer.signer.api_key))

    assert (response.status, response.headers["Content-Type"]) == (200, "video/mp4")


@pytest.mark.parametrize("version", [-1, 2**70], ids=["negative", "long"])
def test_signature_does_not_help_a_path_outside_the_grammar(viewer: Viewer, version: int) -> None:
    path = f"route/{viewer.signer.user_id}/{viewer.media.pk}/mp4_h264_aac-{version}.mp4"

    assert viewer.status(sign_url(f"{BASE}/{path}", viewer.signer.api_key)) == 404


# What a refusal tells


def test_refusal_is_the_same_whatever_exists(viewer: Viewer) -> None:
    known = viewer.stream_url()[:-1] + "x"
    addresses = [
        known,
        known.replace(viewer.media.pk, UNKNOWN),
        known.replace(viewer.signer.user_id, UNKNOWN),
        known.replace("mp4_h264_aac.mp4", "mp4_h264_aac_fhd.mp4"),
        viewer.stream_url(expires=time.time() - 5),
        viewer.stream_url(seclevel=SecLevel.IP, ip="192.0.2.7"),
    ]

    answers = [viewer.get(address) for address in addresses]

    assert {answer.status for answer in answers} == {403}
    assert {answer.body for answer in answers} == {b"This address is not valid, or not any more."}
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    assert answers[0].headers["Cache-Control"] == "private, no-store"


def test_signed_address_of_an_unknown_media_is_not_found(viewer: Viewer) -> None:
    response = viewer.get(viewer.signer.media.get_stream_url(UNKNOWN))

    assert (response.status, response.body) == (404, b"Not found.")


@pytest.mark.parametrize("status", ["pending", "processing", "error"])
def test_t177_asset_that_is_not_ready_is_not_found(viewer: Viewer, status: str) -> None:
    Asset.objects.update(status=status)

    assert viewer.status(viewer.stream_url()) == 404


def test_asset_whose_file_is_gone_is_not_found(viewer: Viewer) -> None:
    for asset in Asset.objects.all():
        files.remove(asset.file)

    assert viewer.status(viewer.stream_url()) == 404


def test_t177_deleted_media_is_not_found_at_once(viewer: Viewer) -> None:
    url = viewer.stream_url()
    before = viewer.status(url)
    viewer.media.delete()

    assert (before, viewer.status(url)) == (200, 404)


def test_storage_name_is_in_no_header(viewer: Viewer) -> None:
    urls = [viewer.stream_url(), viewer.stream_url(download=True)]
    urls.append(viewer.signer.media.get_thumbnail_url(viewer.media.pk))

    for url in urls:
        response = viewer.get(url)
        assert response.status == 200
        assert "secret-prefix" not in str(response.headers)
        assert "Content-Disposition" not in response.headers or "/route/http/" in url


def test_host_header_changes_nothing(viewer: Viewer, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    url = viewer.stream_url()
    elsewhere = url.replace("testserver", "evil.example")
    signed_elsewhere = sign_url(
        elsewhere.partition("?")[0], viewer.signer.api_key, expires=time.time() + 60
    )

    assert viewer.status(url, HTTP_HOST="evil.example") == 200
    assert viewer.status(signed_elsewhere, HTTP_HOST="evil.example") == 403
    assert viewer.status(signed_elsewhere, HTTP_X_FORWARDED_HOST="evil.example") == 403


def test_other_configured_address_is_accepted(viewer: Viewer, settings: Any) -> None:
    signer = CloudKey(viewer.signer.user_id, viewer.signer.api_key, "https://old.example/v")
    url = signer.media.get_stream_url(viewer.media.pk)
    here = url.replace("https://old.example/v", "http://testserver/cloud")
    before = viewer.status(here)
    configure(settings, ACCEPTED_URLS=["https://old.example/v/"])

    assert (before, viewer.status(here)) == (403, 200)


# Stills


def test_still_needs_a_signature(viewer: Viewer) -> None:
    signed = viewer.signer.media.get_thumbnail_url(viewer.media.pk)
    unsigned = signed.partition("?")[0]
    response = viewer.get(signed)

    assert (response.status, response.headers["Content-Type"]) == (200, "image/jpeg")
    assert response.body == STILL
    assert viewer.status(unsigned) == 403


def test_still_of_an_account_with_public_thumbnails_does_not(viewer: Viewer) -> None:
    Account.objects.update(public_thumbnails=True)
    unsigned = viewer.stream_url(asset_name="jpeg_thumbnail_medium")
    stream = viewer.stream_url().partition("?")[0]

    assert "?" not in unsigned
    assert viewer.status(unsigned) == 200
    assert viewer.status(unsigned.replace(viewer.media.pk, UNKNOWN)) == 404
    assert viewer.status(stream) == 403


def test_public_stills_of_an_inactive_account_are_refused(viewer: Viewer) -> None:
    Account.objects.update(public_thumbnails=True, is_active=False)

    assert viewer.status(viewer.stream_url(asset_name="jpeg_thumbnail_medium")) == 403


# Ranges


SIZE = len(CONTENT)


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=100-199", 100, 199),
        ("bytes=9000-", 9000, SIZE - 1),
        ("bytes=-500", SIZE - 500, SIZE - 1),
        ("bytes=-99999999", 0, SIZE - 1),
        ("bytes=5-9999999999999999999", 5, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("bytes= 7-8 ", 7, 8),
    ],
)
def test_range_is_exact(viewer: Viewer, header: str, first: int, last: int) -> None:
    response = viewer.get(viewer.stream_url(), HTTP_RANGE=header)

    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response.headers["Content-Length"] == str(last - first + 1)
    assert response.body == CONTENT[first : last + 1]


@pytest.mark.parametrize(
    "header", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0", "bytes=9999999999999-"]
)
def test_range_after_the_end_cannot_be_satisfied(viewer: Viewer, header: str) -> None:
    response = viewer.get(viewer.stream_url(), HTTP_RANGE=header)

    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"
    assert response.body == b""


@pytest.mark.parametrize(
    "header",
    [
        "bytes=5-3",
        "bytes=a-b",
        "bytes=-",
        "bytes=",
        "bytes 0-1",
        "items=0-1",
        " bytes = 0-1",
        "bytes=0-99999999999999999999",
        "bytes=1--2",
        "bytes=0-1,3-4",
        "bytes=" + ",".join(["0-"] * 1000),
        "bytes=\u0661-\u0662",
    ],
)
def test_range_that_is_not_understood_is_ignored(viewer: Viewer, header: str) -> None:
    response = viewer.get(viewer.stream_url(), HTTP_RANGE=header)

    assert response.status == 200
    assert response.body == CONTENT


def test_range_of_another_version_gives_the_whole_file(viewer: Viewer) -> None:
    url = viewer.stream_url()
    etag = viewer.get(url).headers["ETag"]

    def status(if_range: str) -> int:
        return viewer.status(url, HTTP_RANGE="bytes=0-9", HTTP_IF_RANGE=if_range)

    assert status(etag) == 206
    assert status('"old"') == 200
    assert status(f"W/{etag}") == 200
    assert status("Wed, 21 Oct 2015 07:28:00 GMT") == 200


def test_replaced_asset_has_another_etag(viewer: Viewer) -> None:
    url = viewer.stream_url()
    before = viewer.get(url).headers["ETag"]
    file = files.storage().save("media/new", ContentFile(CONTENT))
    later = timezone.now() + timedelta(seconds=5)
    Asset.objects.filter(name="mp4_h264_aac").update(file=file, created=later)

    assert viewer.get(url).headers["ETag"] != before
    assert viewer.status(url, HTTP_RANGE="bytes=0-9", HTTP_IF_RANGE=before) == 200


def test_known_version_is_not_sent_again(viewer: Viewer) -> None:
    url = viewer.stream_url()
    etag = viewer.get(url).headers["ETag"]

    response = viewer.get(url, HTTP_IF_NONE_MATCH=etag)

    assert (response.status, response.body) == (304, b"")
    assert response.headers["ETag"] == etag
    assert viewer.status(url, HTTP_IF_NONE_MATCH='"old"') == 200


@pytest.mark.parametrize("header", ["", "bytes=100-199", "bytes=99999-"])
def test_head_has_the_headers_of_get_and_no_body(cloud: Cloud, header: str) -> None:
    media = add_media(cloud.account)
    url = cloud.client.media.get_stream_url(media.pk)
    headers = {"Range": header} if header else {}

    get = requests.get(url, headers=headers, timeout=10)
    head = requests.head(url, headers=headers, timeout=10)

    # A server may leave out the length of a body that it would not have sent anyway.
    ignored = {"Date"} if get.content else {"Date", "Content-Length"}
    assert head.status_code == get.status_code
    assert head.content == b""
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in get.headers.items() if k not in ignored
    }


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_only_reading_is_allowed(viewer: Viewer, method: str) -> None:
    assert getattr(viewer.browser, method)(viewer.stream_url()).status_code == 405


@given(
    size=st.integers(min_value=0, max_value=10_000),
    header=st.one_of(
        st.from_regex(r"bytes=[0-9]{0,5}-[0-9]{0,5}", fullmatch=True), st.text(max_size=20)
    ),
)
def test_parsed_range_lies_inside_the_file(size: int, header: str) -> None:
    try:
        part = parse_range(header, size)
    except Unsatisfiable:
        first, _, last = header.removeprefix("bytes=").strip().partition("-")
        assert int(first) >= size if first else int(last) == 0 or size == 0
        return
    if part is not None:
        start, length = part
        assert 0 <= start < size
        assert 1 <= length <= size - start


@given(data=st.data(), size=st.integers(min_value=1, max_value=10_000))
def test_range_inside_the_file_is_taken_as_it_is(data: Any, size: int) -> None:
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, size - 1))

    assert parse_range(f"bytes={first}-{last}", size) == (first, last - first + 1)
    assert parse_range(f"bytes=-{last + 1}", size) == (size - last - 1, last + 1)


# Headers


def test_bytes_are_never_a_page_of_the_host(viewer: Viewer) -> None:
    headers = viewer.get(viewer.stream_url(), HTTP_RANGE="bytes=0-9").headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cache-Control"].startswith("private, max-age=")
    assert "X-Frame-Options" not in headers


def test_caches_forget_when_the_address_expires(viewer: Viewer) -> None:
    response = viewer.get(viewer.stream_url(expires=time.time() + 60))

    seconds = int(response.headers["Cache-Control"].removeprefix("private, max-age="))
    assert 50 <= seconds <= 60


def test_source_is_served_as_bytes(viewer: Viewer) -> None:
    add_asset(viewer.media, "source", b"<html>", facts={"file_extension": "html"})

    response = viewer.get(viewer.stream_url(asset_name="source", download=True))

    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == 'attachment; filename="source.html"'


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("My talk.mp4", 'attachment; filename="My talk.mp4"'),
        ("talk.exe", 'attachment; filename="talk.mp4"'),
        ("talk.html", 'attachment; filename="talk.mp4"'),
        ("../../etc/passwd", 'attachment; filename="passwd.mp4"'),
        ('a"b\\c;d.mp4', 'attachment; filename="c;d.mp4"'),
        ('a"b;d.mp4', 'attachment; filename="a\\"b;d.mp4"'),
        ("a\r\nSet-Cookie: x=y.mp4", 'attachment; filename="aSet-Cookie: x=y.mp4"'),
        ("\u202egpj.exe", 'attachment; filename="gpj.mp4"'),
        ("\U0001f600.mp4", "attachment; filename*=utf-8''%F0%9F%98%80.mp4"),
        ("", 'attachment; filename="mp4_h264_aac.mp4"'),
        ("x" * 10_000, f'attachment; filename="{"x" * 200}.mp4"'),
    ],
)
def test_t174_download_is_named_safely(viewer: Viewer, filename: str, disposition: str) -> None:
    url = viewer.stream_url(download=True)
    response = viewer.get(f"{url}&filename={quote(filename)}")

    assert response.status == 200
    assert response.headers["Content-Disposition"] == disposition
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("filename", ["/", "..", ".", "\u202e", "/.."])
def test_download_always_has_a_name(viewer: Viewer, filename: str) -> None:
    url = viewer.stream_url(download=True)
    response = viewer.get(f"{url}&filename={quote(filename, safe='')}")

    assert response.headers["Content-Disposition"] == 'attachment; filename="mp4_h264_aac.mp4"'


def test_stream_has_no_disposition(viewer: Viewer) -> None:
    response = viewer.get(f"{viewer.stream_url()}&filename=x.mp4")

    assert response.status == 200
    assert "Content-Disposition" not in response.headers
