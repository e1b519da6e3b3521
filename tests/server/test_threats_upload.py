"""
Attacks on the historical upload, over sockets: its sealed address, its form, its target and status.

The numbers are those of the threat model. T082, a sender of one byte a second, is for the server in
front: docs/guide/cloud.rst. T085 to T094 are of resumable uploads, which there are none of.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
from django.utils import timezone

from django_cloudkey.client import CloudKey, InvalidParameter
from django_cloudkey.server import files
from django_cloudkey.server.models import Account, Asset, Job, RateCounter, UploadSlot
from django_cloudkey.server.uploads import views
from django_cloudkey.server.uploads.receiver import MAX_NAME, split_name
from django_cloudkey.server.uploads.slots import open_slot, upload_url
from django_cloudkey.server.uploads.targets import is_callback

from ..conftest import Cloud
from .uploading import (
    BOUNDARY,
    CONTENT,
    FILE,
    MULTIPART,
    SITE,
    Sender,
    configure,
    expire,
    fill,
    form,
    opened,
    part,
    partials,
    post,
    status_of,
    wait_for,
)

SHA1 = hashlib.sha1(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _known_site(settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[SITE])


# T071: the address


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("&seal=", "&sea="),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url[:-1],
        lambda url: url + "0",
        lambda url: url.replace("uuid=", "uuid=0"),
        lambda url: url.partition("?")[0],
        lambda url: url.replace("seal=", "seal=%E9%80%A0"),
    ],
    ids=["no seal", "tampered seal", "cut", "extended", "other slot", "no query", "not ascii"],
)
def test_t071_unsealed_address_is_refused(slot: UploadSlot, url: str, change: Any) -> None:
    answer = post(change(url))

    slot.refresh_from_db()
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == (
        "This upload address is not valid, or not any more."
    )
    assert slot.state == "waiting"


def test_t071_seal_of_one_slot_does_not_open_another(cloud: Cloud, slot: UploadSlot) -> None:
    other = upload_url(open_slot(cloud.account))
    mixed = other.replace(other.partition("uuid=")[2].partition("&")[0], slot.pk)

    assert post(mixed).status_code == 403


def test_t071_expired_slot_is_refused(slot: UploadSlot, url: str) -> None:
    UploadSlot.objects.update(expires=timezone.now() - timedelta(seconds=1))

    assert post(url).status_code == 403


def test_t071_slot_of_an_inactive_account_is_refused(cloud: Cloud, url: str) -> None:
    Account.objects.update(is_active=False)

    assert post(url).status_code == 403


def test_t071_address_works_once(slot: UploadSlot, url: str) -> None:
    first, second = post(url), post(url, form(part('name="file"; filename="x.mp4"', b"other")))

    slot.refresh_from_db()
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["error"]["message"] == "This upload address was used already."
    assert slot.sha1 == first.json()["hash"]


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("www.example.org", "evil.example"),
        lambda url: url.partition("&target=")[0],
        lambda url: url.replace("%2Fdone", "%2Fother"),
        lambda url: f"{url}&target=https%3A%2F%2Fevil.example",
        lambda url: re.sub(r"uuid=(\w+)&", r"uuid=\1:target:https://evil.example/&", url),
    ],
    ids=["other host", "removed", "other page", "second target", "target in the id"],
)
def test_t071_target_is_sealed(cloud: Cloud, change: Any) -> None:
    url = opened(cloud.client, target=f"{SITE}/done")["url"]

    answer = requests.post(
        change(url), files={"file": ("x.mp4", CONTENT)}, allow_redirects=False, timeout=20
    )

    assert answer.status_code == 403
    assert UploadSlot.objects.get().state == "waiting"


def test_t071_target_cannot_be_added_to_an_address_without_one(cloud: Cloud) -> None:
    url = opened(cloud.client)["url"]

    answer = requests.post(
        f"{url}&target={SITE}/", files={"file": CONTENT}, allow_redirects=False, timeout=20
    )

    assert answer.status_code == 403


def test_t071_address_cannot_be_guessed_and_lasts_a_day(slot: UploadSlot, url: str) -> None:
    query = parse_qs(urlsplit(url).query)

    assert all(re.fullmatch(r"[0-9a-f]{32}", query[name][0]) for name in ("uuid", "seal"))
    assert abs(slot.expires - slot.created - timedelta(days=1)) < timedelta(seconds=5)


# T072 and T073: the name


@pytest.mark.parametrize(
    ("disposition", "name", "extension"),
    [
        ('filename="../../x.mp4"', "x", "mp4"),
        ('filename="..\\\\..\\\\x.mp4"', "x", "mp4"),
        ('filename="/etc/passwd"', "passwd", ""),
        ('filename="C:\\\\videos\\\\x.MP4"', "x", "mp4"),
        ('filename="a\x01b\x7f.mp4"', "ab", "mp4"),
        ('filename="a\u202egpj.exe"', "agpj", "exe"),
        ("filename*=utf-8''%2e%2e%2fx%0d%0a.mp4", "x", "mp4"),
        ("filename*=utf-8''..%2f..%2fetc%2fpasswd", "passwd", ""),
        (f'filename="{"x" * 300}.mp4"', "x" * MAX_NAME, "mp4"),
        ('filename="CON"', "CON", ""),
        ('filename=".mp4"', ".mp4", ""),
        ('filename="x.mp4/../y.<b>"', "y.<b>", ""),
    ],
)
def test_t072_hostile_name_is_for_display_only(
    slot: UploadSlot, url: str, disposition: str, name: str, extension: str
) -> None:
    answer = post(url, form(part(f'name="file"; {disposition}')))

    slot.refresh_from_db()
    assert answer.status_code == 200
    assert (answer.json()["name"], slot.name, slot.extension) == (name, name, extension)
    assert slot.file == f"uploads/{slot.pk}"
    assert list(files.names_under("uploads")) == [slot.file]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b/"])
def test_t072_file_without_a_name_is_no_file(slot: UploadSlot, url: str, name: str) -> None:
    answer = post(url, form(part(f'name="file"; filename="{name}"')))

    slot.refresh_from_db()
    assert (answer.status_code, slot.state) == (400, "failed")


def test_t072_display_name_has_no_control_characters() -> None:
    name, extension = split_name("../\x00a\r\nSet-Cookie: b=c\u2066\ufeff.mp4")

    assert (name, extension) == ("aSet-Cookie: b=c", "mp4")


@pytest.mark.parametrize(
    "name",
    [
        "x\0.mp4", "x\r\nSet-Cookie: a=b", "x\nSet-Cookie: a=b\n.mp4", "x" * 4096 + ".mp4",
        "a;b=c.mp4", 'a\\"b.mp4', "%0d%0aSet-Cookie: a=b.mp4", "\u202egpj.exe", "a/b.mp4",
    ],
)  # fmt: skip
def test_t072_t073_name_splits_no_header_and_is_no_path(cloud: Cloud, name: str) -> None:
    url = opened(cloud.client, target=f"{SITE}/done")["url"]

    answer = requests.post(
        url,
        data=form(part(f'name="file"; filename="{name}"')),
        headers=MULTIPART,
        allow_redirects=False,
        timeout=20,
    )

    assert answer.status_code in (303, 400)
    assert "Set-Cookie" not in answer.headers
    slot = UploadSlot.objects.get()
    assert list(files.names_under("uploads")) == ([slot.file] if slot.file else [])
    shown = dict(parse_qsl(urlsplit(answer.headers.get("Location", "")).query)).get("name", "")
    assert shown == slot.name
    assert not re.search(r"[\x00-\x1f/\\\\\u202e]", shown)
    assert len(shown) <= MAX_NAME


# T074 and T075: what is no video


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


HEADER = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
NO_VIDEOS = {
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "pdf": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(alert(1))>>>>endobj",
    "elf": b"\x7fELF\2\1\1" + bytes(200),
    "zip": b"PK\5\6" + bytes(18),
    "php": b"<?php system($_GET[0]); ?>",
    "js": b"alert(document.cookie)//",
    "jpeg and js": b"\xff\xd8\xff\xe0/*" + bytes(100) + b"*/=1;alert(1)//\xff\xd9",
    "mp4 and html": HEADER + box(b"free", b"<script>alert(1)</script>"),
    "one byte": b"x",
    "only headers": HEADER,
    "only moov": HEADER + box(b"moov", box(b"mvhd", bytes(100))),
    "mdat without moov": HEADER + box(b"mdat", bytes(5000)),
}


def test_t074_t075_what_is_no_video_ends_in_error_and_is_never_shown(cloud: Cloud) -> None:
    media = {}
    for kind, content in NO_VIDEOS.items():
        body = part('name="file"; filename="x.mp4"\r\nContent-Type: video/mp4', content)
        answer = post(upload_url(open_slot(cloud.account)), form(body))
        assert answer.status_code == 200
        address = answer.json()["url"]
        assert requests.get(address, timeout=10).status_code == 404
        names = ["mp4_h264_aac", "jpeg_thumbnail_small"]
        media[kind] = cloud.client.media.create(url=address, assets_names=names)["id"]

    cloud.work()
    cloud.work()

    assert Job.objects.filter(attempts=1).count() == len(NO_VIDEOS)
    for kind, made in media.items():
        statuses = {asset["status"] for asset in cloud.client.media.get_assets(id=made).values()}
        assert (kind, statuses) == (kind, {"error"})
        address = cloud.client.media.get_stream_url(made, "source")
        assert requests.get(address.partition("?")[0], timeout=10).status_code == 403
        # Whoever sent it can have it back, as a file that no browser runs.
        source = requests.get(address, timeout=10)
        assert (kind, source.content) == (kind, NO_VIDEOS[kind])
        assert source.headers["Content-Type"] == "application/octet-stream"
        assert source.headers["X-Content-Type-Options"] == "nosniff"
        assert source.headers["Content-Disposition"].startswith("attachment")
        assert source.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert {asset.error_code for asset in Asset.objects.all()} == {"not_a_video"}


# T076 to T078: the form


def assert_refused(slot: UploadSlot, url: str, body: bytes) -> None:
    answer = post(url, body)

    slot.refresh_from_db()
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")
    assert (slot.state, slot.file) == ("failed", "")
    assert partials() == []
    assert list(files.names_under("uploads")) == []


def test_t075_empty_file_is_refused(slot: UploadSlot, url: str) -> None:
    assert_refused(slot, url, form(part('name="file"; filename="x.mp4"', b"")))


@pytest.mark.parametrize(
    "body",
    [
        form(part('name="video"; filename="x.mp4"')),
        form(FILE, part('name="file"; filename="second.mp4"')),
        form(FILE, part('name="other"; filename="second.mp4"')),
        form(part('name="title"', b"no file")),
        form(part('name="file"', b"a text field")),
        form(part('name=""; filename="x.mp4"')),
        form(),
        form(*[part(f'name="n{number}"', b"x") for number in range(1100)]),
        form(*[part(f'name="n{number}"', b"x") for number in range(10_000)]),
        form(*[part(f'name="f{number}"; filename="x.mp4"', b"x") for number in range(101)]),
    ],
    ids=[
        "named otherwise", "two files", "second file named otherwise", "no file", "text",
        "no field name", "no part", "too many fields", "far too many fields", "too many files",
    ],
)  # fmt: skip
def test_t076_form_without_exactly_one_file_is_refused(
    slot: UploadSlot, url: str, body: bytes
) -> None:
    assert_refused(slot, url, body)


@pytest.mark.parametrize(
    "body",
    [b"", FILE, FILE[:-500], form(FILE).replace(b"\r\n", b"\n"), b"nothing of a form"],
    ids=["no body", "no final boundary", "cut", "bare newlines", "no form"],
)
def test_t077_malformed_form_is_refused(slot: UploadSlot, url: str, body: bytes) -> None:
    assert_refused(slot, url, body)


def test_t078_broken_base64_is_refused(slot: UploadSlot, url: str) -> None:
    encoded = 'name="file"; filename="x"\r\nContent-Transfer-Encoding: base64'

    assert_refused(slot, url, form(part(encoded, b"a\xff=")))


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "video/mp4", "", "multipart/form-data", "multipart/form-data; boundary="],
)
def test_t077_other_kind_of_body_is_refused(slot: UploadSlot, url: str, content_type: str) -> None:
    answer = post(url, form(FILE), {"Content-Type": content_type})

    slot.refresh_from_db()
    assert (answer.status_code, slot.state) == (400, "failed")
    assert partials() == []


def test_t077_long_boundary_is_refused(slot: UploadSlot, url: str) -> None:
    """Django 6.1 fails by itself at a header of 10,000 characters, before any application."""
    boundary = "b" * 5_000
    body = form(FILE).replace(BOUNDARY.encode(), boundary.encode())

    answer = post(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    assert (answer.status_code, partials()) == (400, [])


def test_t077_boundary_inside_the_data_ends_it_and_the_answer_says_so(
    slot: UploadSlot, url: str
) -> None:
    """As Django reads forms; a sender chooses a boundary that its file does not hold."""
    content = f"x--{BOUNDARY}--x\r\n-{BOUNDARY}\r\n".encode()

    answer = post(url, form(part('name="file"; filename="x.mp4"', content))).json()

    assert (answer["size"], answer["hash"]) == (1, hashlib.sha1(b"x").hexdigest())
    with files.storage().open(f"uploads/{slot.pk}") as stored:
        assert stored.read() == b"x"


def test_t077_huge_header_of_a_part_is_refused_soon(slot: UploadSlot, url: str) -> None:
    started = time.monotonic()

    answer = post(url, form(part('name="file"; filename="x.mp4"\r\nX-Long: ' + "x" * 1_000_000)))

    assert (answer.status_code, partials()) == (400, [])
    assert time.monotonic() - started < 3


def test_t078_megabytes_of_white_space_in_base64_take_linear_time(url: str) -> None:
    encoded = 'name="file"; filename="x.mp4"\r\nContent-Transfer-Encoding: base64'
    started = time.monotonic()

    assert post(url, form(part(encoded, b" " * 8_000_000))).status_code == 400
    assert time.monotonic() - started < 5


# T079 and T080: the length


def test_t079_body_shorter_than_announced_is_refused(slot: UploadSlot, url: str) -> None:
    sender = Sender(url, form(FILE), sent=3000)
    sender.socket.shutdown(socket.SHUT_WR)

    assert sender.status() == 400
    slot.refresh_from_db()
    assert slot.state == "failed"


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_t079_connection_cut_in_the_middle_leaves_nothing(
    slot: UploadSlot, url: str, reset: bool
) -> None:
    sender = Sender(url, form(part('name="file"; filename="x.mp4"', b"x" * 2_000_000)), 900_000)
    wait_for(slot, "receiving")

    if reset:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    sender.socket.close()

    wait_for(slot, "failed")
    assert partials() == []
    assert list(files.names_under("uploads")) == []


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "9" * 5000])
def test_t080_length_that_is_no_number_is_refused(url: str, length: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {MULTIPART['Content-Type']}\r\nContent-Length: {length}\r\n\r\n"
        )
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            assert answer.readline().split()[1] == b"400"


def test_t080_announced_size_over_the_limit_is_refused_unread(
    cloud: Cloud, slot: UploadSlot, url: str, settings: Any
) -> None:
    configure(settings, MAX_UPLOAD_SIZE=10_000)
    sender = Sender(url, form(part('name="file"; filename="x.mp4"', b"x" * 200_000)), sent=100)
    sender.socket.shutdown(socket.SHUT_WR)

    assert sender.status() == 413
    slot.refresh_from_db()
    assert (slot.state, partials()) == ("waiting", [])


@pytest.mark.parametrize(("length", "status"), [(9_999_999_999_999, 413), (10**9, 413), (100, 400)])
def test_t080_length_decides_how_much_is_read(
    slot: UploadSlot, url: str, settings: Any, length: int, status: int
) -> None:
    configure(settings, MAX_UPLOAD_SIZE=10_000)
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {MULTIPART['Content-Type']}\r\nContent-Length: {length}\r\n\r\n"
        )
        connection.sendall(head.encode() + form(FILE)[:500])
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            assert int(answer.readline().split()[1]) == status
    assert partials() == []


# T081 and T083: memory and disk


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
def test_t081_limit_counts_the_file_and_not_its_form(
    slot: UploadSlot, url: str, settings: Any, more: int, status: int
) -> None:
    configure(settings, MAX_UPLOAD_SIZE=10_000)

    answer = post(url, form(part('name="file"; filename="x.mp4"', b"x" * (10_000 + more))))

    slot.refresh_from_db()
    assert answer.status_code == status
    assert slot.state == ("failed" if more else "done")
    assert partials() == []


def test_t081_upload_that_would_fill_the_disk_is_refused(
    cloud: Cloud, slot: UploadSlot, url: str, settings: Any
) -> None:
    configure(settings, MIN_FREE_SPACE=2**60)

    answer = post(url)

    assert answer.status_code == 507
    assert answer.json()["error"] == {
        "code": 1030,
        "message": "The server has not enough free disk space.",
    }
    assert partials() == []


class Zeros:
    """A file of *size* bytes that is nowhere."""

    name = "zeros.mp4"

    def __init__(self, size: int) -> None:
        self.size = self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return bytes(size)


def test_t081_memory_does_not_grow_with_the_file(cloud: Cloud) -> None:
    cloud.client.file.upload_file(Zeros(1000))

    tracemalloc.start()
    try:
        answer = cloud.client.file.upload_file(Zeros(200 * 1024**2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        for name in list(files.names_under("uploads")):
            files.remove(name)

    assert answer["size"] == 200 * 1024**2
    assert peak < 12 * 1024**2


def test_t083_disk_that_fills_up_meanwhile_leaves_nothing(
    slot: UploadSlot, url: str, settings: Any, small_disk: Path
) -> None:
    configure(settings, WORK_DIR=small_disk)
    body = form(part('name="file"; filename="x.mp4"', b"x" * 1_500_000))
    sender = Sender(url, body, sent=1000)
    wait_for(slot, "receiving")
    fill(small_disk, leave=300_000)

    assert sender.finish() == 507
    slot.refresh_from_db()
    assert (slot.state, partials()) == ("failed", [])


@pytest.mark.parametrize("size", [200_000, 120_000], ids=["refused", "cut short"])
def test_t083_full_storage_never_holds_half_a_file(
    cloud: Cloud, slot: UploadSlot, url: str, settings: Any, small_disk: Path, size: int
) -> None:
    backend = "django.core.files.storage.FileSystemStorage"
    options = {"location": small_disk}
    settings.STORAGES = {
        **settings.STORAGES,
        "cloudkey": {"BACKEND": backend, "OPTIONS": options},
    }
    (small_disk / "uploads").mkdir()
    fill(small_disk, leave=102_400)

    answer = post(url, form(part('name="file"; filename="x.mp4"', b"x" * size)))

    slot.refresh_from_db()
    assert answer.status_code == 507
    assert (slot.state, partials()) == ("failed", [])
    assert list(files.names_under("uploads")) == []


def test_t083_upload_after_the_disk_was_freed_works(
    cloud: Cloud, settings: Any, small_disk: Path
) -> None:
    configure(settings, WORK_DIR=small_disk, MIN_FREE_SPACE=500_000)
    ballast = fill(small_disk, leave=400_000)
    refused = post(upload_url(open_slot(cloud.account)))
    ballast.unlink()

    assert refused.status_code == 507
    assert post(upload_url(open_slot(cloud.account))).status_code == 200


# T084: two at once


def test_t084_second_sender_is_refused_while_the_first_sends(slot: UploadSlot, url: str) -> None:
    sender = Sender(url, form(FILE), sent=200)
    wait_for(slot, "receiving")

    second = post(url, form(part('name="file"; filename="x.mp4"', b"other" * 5000)))

    assert second.status_code == 409
    assert sender.finish() == 200
    slot.refresh_from_db()
    assert slot.sha1 == hashlib.sha1(CONTENT).hexdigest()


def test_t084_one_of_many_simultaneous_senders_wins(slot: UploadSlot, url: str) -> None:
    start = threading.Barrier(6)

    def send(number: int) -> tuple[int, bytes]:
        content = bytes([number]) * 50_000
        start.wait()
        return post(url, form(part('name="file"; filename="x.mp4"', content))).status_code, content

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))

    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409, 409]
    winner = next(content for status, content in answers if status == 200)
    slot.refresh_from_db()
    with files.storage().open(slot.file) as stored:
        assert stored.read() == winner


# T094: another method than that of the request


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_t094_header_changes_no_method(slot: UploadSlot, url: str, name: str) -> None:
    got = requests.get(url, headers={name: "POST"}, timeout=10)
    sent = post(url, headers={**MULTIPART, name: "DELETE"})

    assert (got.status_code, sent.status_code) == (405, 200)
    slot.refresh_from_db()
    assert (slot.state, slot.size) == ("done", len(CONTENT))


# T095: the target


HOSTILE_TARGETS = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc",
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/done", "done",
    "https://evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example",
    "https://www.example.org@evil.example", "https://www.example.org:x@evil.example/",
    "https://www.example.org:443@evil.example/", "https://evil.example#https://www.example.org/",
    "https://evil.example/https://www.example.org/", "https://www.example.org.evil.example/",
    "https://www.example.orgevil.example/", "https://www.example.org\\@evil.example/",
    "https://www.example.org\\.evil.example/", "https://evil.example\\www.example.org/",
    "https://www.example.org:8443/", "http://www.example.org/", "https://example.org/",
    "https://WWW.EXAMPLE.ORG%2eevil.example/", "https://www.example.org%00.evil.example/",
    "https://www。example.org/", "https://www.example.org/é", "https://www.example.org/ x",
    "https://www.example.org/\r\nSet-Cookie: a=b", "https://www.example.org/\n",
    "https://www.example.org/\x00", "https://www.example.org\t/", "\thttps://www.example.org/",
    " https://www.example.org/", "https://www.example.org/x\\y", "https://[::1]/", "https://",
    "https://www.example.org/" + "x" * 8192, "https://www.example.org/" + "x" * 2048, "null", "?",
]  # fmt: skip


@pytest.mark.parametrize("target", HOSTILE_TARGETS)
def test_t095_other_targets_are_refused_at_file_upload(cloud: Cloud, target: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cloud.client.file.upload(target=target)

    assert str(caught.value) == (
        "630: Invalid parameters for file.upload: target must be the address of a page of one of "
        "this server's UPLOAD_ORIGINS."
    )
    assert not UploadSlot.objects.exists()


@pytest.mark.parametrize("value", [1, True, ["https://www.example.org/"], {"a": 1}])
def test_t095_target_is_a_text(cloud: Cloud, value: Any) -> None:
    with pytest.raises(InvalidParameter, match="target must be"):
        cloud.client.call("file.upload", target=value)


def test_t095_no_target_is_allowed_unless_it_is_configured(cloud: Cloud, settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[])

    for target in (f"{SITE}/", cloud.base_url, f"{cloud.base_url}/"):
        with pytest.raises(InvalidParameter):
            cloud.client.file.upload(target=target)


def test_t095_browser_is_led_to_the_target_with_what_arrived(cloud: Cloud) -> None:
    url = opened(cloud.client, target=f"{SITE}/done?lesson=7#top")["url"]

    answer = requests.post(
        url, files={"file": ("a & b=ü.3gp", CONTENT)}, allow_redirects=False, timeout=20
    )

    slot = UploadSlot.objects.get()
    assert (answer.status_code, answer.content) == (303, b"")
    base, _, query = answer.headers["Location"].partition("?")
    assert base == f"{SITE}/done"
    values = dict(parse_qsl(query, strict_parsing=True))
    assert values.pop("seal")
    assert values == {
        "lesson": "7",
        "url": f"{cloud.base_url}/files/{slot.pk}.3gp",
        "name": "a & b=ü",
        "hash": SHA1,
        "size": str(len(CONTENT)),
    }


# T096: the status


@pytest.mark.parametrize(
    "change",
    [
        lambda url, other: re.sub(r"seal=\w+", "seal=" + "0" * 32, url),
        lambda url, other: re.sub(r"&seal=\w+", "", url),
        lambda url, other: re.sub(r"uuid=\w+", f"uuid={other}", url),
        lambda url, other: re.sub(r"uuid=\w+", "uuid=%00", url),
        lambda url, other: url.partition("?")[0],
    ],
    ids=["wrong seal", "no seal", "other slot", "no id", "no query"],
)
def test_t096_others_learn_nothing(cloud: Cloud, change: Any) -> None:
    other = Account.objects.create(name="other")
    stranger = CloudKey(other.pk, other.api_key, cloud.base_url)
    foreign = parse_qs(urlsplit(opened(stranger)["url"]).query)["uuid"][0]
    url = change(opened(cloud.client, status=True)["status"], foreign)

    answer = status_of(url)

    assert answer.status_code == 404
    assert answer.json() == {"state": "notfound", "received": 0, "size": 0}
    assert status_of(url, params={"jsonp_cb": "f"}).status_code == 404


def test_t096_seals_are_good_for_one_thing(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    swapped = addresses["status"].replace("/progress?", "/upload?")

    assert post(swapped).status_code == 403
    assert status_of(addresses["url"].replace("/upload?", "/progress?")).status_code == 404


def test_t096_expired_upload_is_not_found(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    post(addresses["url"])
    assert status_of(addresses["status"]).json()["state"] == "done"
    expire()

    assert status_of(addresses["status"]).status_code == 404


def test_t096_status_tells_three_things_and_changes_nothing(cloud: Cloud) -> None:
    addresses = opened(cloud.client, status=True)
    post(addresses["url"])
    before = UploadSlot.objects.values().get()

    for _ in range(50):
        assert set(status_of(addresses["status"]).json()) == {"state", "received", "size"}

    assert UploadSlot.objects.values().get() == before


def test_t096_polling_is_limited_for_each_upload(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert views.MAX_POLLS * 0.3 >= 60  # seconds: what the documentation allows
    monkeypatch.setattr(views, "MAX_POLLS", 20)
    status, other = (opened(cloud.client, status=True)["status"] for _ in range(2))

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: status_of(status).status_code, range(40)))

    assert (codes.count(200), codes.count(429)) == (20, 20)
    refused = status_of(status, params={"jsonp_cb": "f"}, headers={"Origin": SITE})
    assert (refused.status_code, refused.content) == (429, b"")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Access-Control-Allow-Origin"] == SITE
    assert status_of(other).status_code == 200
    RateCounter.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert status_of(status).status_code == 200


def test_t096_stranger_leaves_no_counter(cloud: Cloud) -> None:
    url = opened(cloud.client, status=True)["status"]

    for _ in range(3):
        assert status_of(re.sub(r"seal=\w+", "seal=" + "0" * 32, url)).status_code == 404
    assert not RateCounter.objects.exists()


# T097: the function


HOSTILE_CALLBACKS = [
    "alert(1)//", "</script>", "a</script>", "a\u2028b", "a\u2029", "x" * 65, "a.b.c.d.e.f", "a.",
    ".a", "a..b", "1a", "a-b", "a b", "a\n", "\na", "a\x00", "a;b", "a,b", "a[0]", "a['b']", "é",
    "ａ", "a=b", "%61", "'", '"', "/**/", "a/*", "a" * 64 + ".b" * 5, "CWS\x07\x0e0000",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_CALLBACKS)
def test_t097_unsafe_callback_is_refused_at_both_ends(cloud: Cloud, name: str) -> None:
    with pytest.raises(InvalidParameter, match="jsonp_cb must be '\\?' or the name of a Java"):
        cloud.client.file.upload(status=True, jsonp_cb=name)
    url = opened(cloud.client, status=True)["status"]

    answer = status_of(url, params={"jsonp_cb": name})

    assert (answer.status_code, answer.content) == (400, b"")


def test_t097_question_mark_that_nobody_replaced_is_refused(cloud: Cloud) -> None:
    assert status_of(opened(cloud.client, status=True, jsonp_cb="?")["status"]).status_code == 400


def test_t097_callback_has_up_to_five_words() -> None:
    assert is_callback(".".join(["a" * 64] * 5))
    assert not is_callback("")


# T098 and T099: other sites


def test_t098_form_of_another_site_may_send_and_learns_nothing(url: str) -> None:
    """The address is the right to send; the pages of the admin want their token (tests/app)."""
    stranger = {
        "Origin": "https://evil.example",
        "Referer": "https://evil.example/",
        "Cookie": "a=b",
    }

    answer = post(url, headers={**MULTIPART, **stranger})

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Set-Cookie" not in answer.headers


ORIGIN = "https://site.example"


def test_t099_page_of_a_configured_site_may_send_and_read(url: str, settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[ORIGIN])

    preflight = requests.options(
        url, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}, timeout=10
    )
    answer = post(url, headers={**MULTIPART, "Origin": ORIGIN})

    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    for response in (preflight, answer):
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert response.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_t099_refusal_can_be_read_by_a_configured_site(url: str, settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[ORIGIN])

    answer = post(url + "0", headers={**MULTIPART, "Origin": ORIGIN})

    assert answer.status_code == 403
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{ORIGIN}.evil", "http://site.example", ""]
)
def test_t099_other_origins_may_not_read(url: str, settings: Any, origin: str) -> None:
    configure(settings, UPLOAD_ORIGINS=[ORIGIN])

    preflight = requests.options(url, headers={"Origin": origin}, timeout=10)

    assert "Access-Control-Allow-Origin" not in preflight.headers


@pytest.mark.parametrize(("origin", "may"), [(SITE, True), ("https://evil.example", False)])
def test_t099_status_can_be_read_by_configured_sites(cloud: Cloud, origin: str, may: bool) -> None:
    url = opened(cloud.client, status=True)["status"]

    preflight = requests.options(url, headers={"Origin": origin}, timeout=10)
    answer = status_of(url, headers={"Origin": origin})

    for response in (preflight, answer):
        allowed = response.headers.get("Access-Control-Allow-Origin")
        assert allowed == (origin if may else None)
        assert response.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers
    if may:
        assert preflight.headers["Access-Control-Allow-Methods"] == "GET, OPTIONS"
