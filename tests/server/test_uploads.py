"""The upload endpoint over real sockets: one sealed address, one file, or a clear refusal."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.utils import timezone

from django_cloudkey.client import InvalidParameter, LimitExceeded, TransportException
from django_cloudkey.server import files
from django_cloudkey.server.models import Account, Asset, UploadSlot
from django_cloudkey.server.uploads.receiver import MAX_NAME, split_name
from django_cloudkey.server.uploads.slots import open_slot, upload_url
from django_cloudkey.server.worker import tidy_up

from ..conftest import Cloud

CONTENT = b"a clip" * 1000
BOUNDARY = "b0und4ry"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}


def part(disposition: str, content: bytes = CONTENT) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FILE = part('name="file"; filename="clip.mp4"')


def post(url: str, body: bytes = form(FILE), headers: dict[str, str] = MULTIPART) -> Any:
    return requests.post(url, data=body, headers=headers, timeout=20)


def partials() -> list[str]:
    return [path.name for path in (files.work_dir() / "uploads").glob("*")]


def wait_for(slot: UploadSlot, state: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        slot.refresh_from_db()
        if slot.state == state:
            return
        time.sleep(0.02)
    raise AssertionError(f"the slot is {slot.state}, not {state}")


@pytest.fixture
def slot(cloud: Cloud) -> UploadSlot:
    return open_slot(cloud.account)


@pytest.fixture
def url(slot: UploadSlot) -> str:
    return upload_url(slot)


class Sender:
    """A sender who pauses: the head and a piece of the form now, the rest when told."""

    def __init__(self, url: str, body: bytes, sent: int) -> None:
        parts = urlsplit(url)
        self._body, self._sent = body, sent
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=20)
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {MULTIPART['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body[:sent])

    def finish(self) -> int:
        """Send the rest and return the status of the answer."""
        self.socket.sendall(self._body[self._sent :])
        return self.status()

    def status(self) -> int:
        with self.socket, self.socket.makefile("rb") as answer:
            return int(answer.readline().split()[1])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, *, leave: int) -> Path:
    """Write a file that leaves *leave* bytes of the file system free."""
    path = folder / "ballast"
    path.write_bytes(b"x" * (shutil.disk_usage(folder).free - leave))
    return path


# What arrives


def test_answer_names_what_arrived(cloud: Cloud, slot: UploadSlot, url: str) -> None:
    answer = post(url)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"url", "seal", "hash", "name", "size"}
    assert body["url"] == f"{cloud.base_url}/files/{slot.pk}.mp4"
    assert body["hash"] == hashlib.sha1(CONTENT).hexdigest()
    assert body["name"] == "clip"
    assert body["size"] == len(CONTENT)
    assert len(body["seal"]) == 32


def test_file_is_stored_whole_under_the_slot(slot: UploadSlot, url: str) -> None:
    post(url)

    slot.refresh_from_db()
    assert (slot.state, slot.file) == ("done", f"uploads/{slot.pk}")
    with files.storage().open(slot.file) as stored:
        assert stored.read() == CONTENT
    assert partials() == []


def test_client_and_server_agree_on_an_upload(cloud: Cloud, clip: Path) -> None:
    answer = cloud.client.file.upload_file(clip)

    assert answer["hash"] == hashlib.sha1(clip.read_bytes()).hexdigest()
    assert answer["name"] == "clip"
    assert answer["url"].endswith(".mp4")


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
def test_hostile_name_is_for_display_only(
    slot: UploadSlot, url: str, disposition: str, name: str, extension: str
) -> None:
    answer = post(url, form(part(f'name="file"; {disposition}')))

    slot.refresh_from_db()
    assert answer.status_code == 200
    assert (answer.json()["name"], slot.name, slot.extension) == (name, name, extension)
    assert slot.file == f"uploads/{slot.pk}"
    assert list(files.names_under("uploads")) == [slot.file]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b/"])
def test_file_without_a_name_is_no_file(slot: UploadSlot, url: str, name: str) -> None:
    answer = post(url, form(part(f'name="file"; filename="{name}"')))

    slot.refresh_from_db()
    assert (answer.status_code, slot.state) == (400, "failed")


def test_display_name_has_no_control_characters() -> None:
    name, extension = split_name("../\x00a\r\nSet-Cookie: b=c\u2066\ufeff.mp4")

    assert (name, extension) == ("aSet-Cookie: b=c", "mp4")


# Who may send


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
def test_unsealed_address_is_refused(slot: UploadSlot, url: str, change: Any) -> None:
    answer = post(change(url))

    slot.refresh_from_db()
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == (
        "This upload address is not valid, or not any more."
    )
    assert slot.state == "waiting"


def test_seal_of_one_slot_does_not_open_another(cloud: Cloud, slot: UploadSlot) -> None:
    other = upload_url(open_slot(cloud.account))
    mixed = other.replace(other.partition("uuid=")[2].partition("&")[0], slot.pk)

    assert post(mixed).status_code == 403


def test_expired_slot_is_refused(slot: UploadSlot, url: str) -> None:
    UploadSlot.objects.update(expires=timezone.now() - timedelta(seconds=1))

    assert post(url).status_code == 403


def test_slot_of_an_inactive_account_is_refused(cloud: Cloud, url: str) -> None:
    Account.objects.update(is_active=False)

    assert post(url).status_code == 403


def test_address_works_once(slot: UploadSlot, url: str) -> None:
    first, second = post(url), post(url, form(part('name="file"; filename="x.mp4"', b"other")))

    slot.refresh_from_db()
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["error"]["message"] == "This upload address was used already."
    assert slot.sha1 == first.json()["hash"]


def test_second_sender_is_refused_while_the_first_is_sending(slot: UploadSlot, url: str) -> None:
    sender = Sender(url, form(FILE), sent=200)
    wait_for(slot, "receiving")

    second = post(url, form(part('name="file"; filename="x.mp4"', b"other" * 5000)))

    assert second.status_code == 409
    assert sender.finish() == 200
    slot.refresh_from_db()
    assert slot.sha1 == hashlib.sha1(CONTENT).hexdigest()


def test_one_of_many_simultaneous_senders_wins(slot: UploadSlot, url: str) -> None:
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


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_sends(slot: UploadSlot, url: str, method: str) -> None:
    answer = requests.request(method, url, data=form(FILE), headers=MULTIPART, timeout=10)

    slot.refresh_from_db()
    assert (answer.status_code, slot.state) == (405, "waiting")


# Bodies that are no file


@pytest.mark.parametrize(
    "body",
    [
        form(part('name="video"; filename="x.mp4"')),
        form(FILE, part('name="file"; filename="second.mp4"')),
        form(FILE, part('name="other"; filename="second.mp4"')),
        form(part('name="title"', b"no file")),
        form(part('name="file"', b"a text field")),
        form(part('name="file"; filename="x.mp4"', b"")),
        form(part('name=""; filename="x.mp4"')),
        form(),
        b"",
        FILE,
        FILE[:-500],
        form(FILE).replace(b"\r\n", b"\n"),
        b"nothing of a form",
        form(*[part(f'name="n{number}"', b"x") for number in range(1100)]),
        form(*[part(f'name="f{number}"; filename="x.mp4"', b"x") for number in range(101)]),
        form(part('name="file"; filename="x"\r\nContent-Transfer-Encoding: base64', b"a\xff=")),
    ],
    ids=[
        "named otherwise", "two files", "second file named otherwise", "no file", "text",
        "empty file", "no field name", "no part", "no body", "no final boundary", "cut",
        "bare newlines", "no form", "too many fields", "too many files", "broken base64",
    ],
)  # fmt: skip
def test_body_that_is_no_single_file_is_refused(slot: UploadSlot, url: str, body: bytes) -> None:
    answer = post(url, body)

    slot.refresh_from_db()
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")
    assert (slot.state, slot.file) == ("failed", "")
    assert partials() == []
    assert list(files.names_under("uploads")) == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "video/mp4", "", "multipart/form-data", "multipart/form-data; boundary="],
)
def test_body_that_is_no_form_is_refused(slot: UploadSlot, url: str, content_type: str) -> None:
    answer = post(url, form(FILE), {"Content-Type": content_type})

    slot.refresh_from_db()
    assert (answer.status_code, slot.state) == (400, "failed")
    assert partials() == []


@pytest.mark.parametrize("length", ["-1", "1e3", "abc"])
def test_length_that_is_no_number_is_refused(url: str, length: str) -> None:
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


# Limits


def test_announced_size_over_the_limit_is_refused_unread(
    cloud: Cloud, slot: UploadSlot, url: str, settings: Any
) -> None:
    configure(settings, MAX_UPLOAD_SIZE=10_000)
    sender = Sender(url, form(part('name="file"; filename="x.mp4"', b"x" * 200_000)), sent=100)
    sender.socket.shutdown(socket.SHUT_WR)

    assert sender.status() == 413
    slot.refresh_from_db()
    assert (slot.state, partials()) == ("waiting", [])


def test_client_raises_limit_exceeded_with_the_sentence(
    cloud: Cloud, settings: Any, tmp_path: Path
) -> None:
    configure(settings, MAX_UPLOAD_SIZE=1_000_000)
    path = tmp_path / "long.mp4"
    path.write_bytes(bytes(5_000_000))

    with pytest.raises(LimitExceeded) as caught:
        cloud.client.file.upload_file(path)

    assert caught.value.code == 1030
    assert caught.value.message == "The file is longer than 1000000 bytes."


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
def test_limit_counts_the_file_and_not_its_form(
    slot: UploadSlot, url: str, settings: Any, more: int, status: int
) -> None:
    configure(settings, MAX_UPLOAD_SIZE=10_000)

    answer = post(url, form(part('name="file"; filename="x.mp4"', b"x" * (10_000 + more))))

    slot.refresh_from_db()
    assert answer.status_code == status
    assert slot.state == ("failed" if more else "done")
    assert partials() == []


def test_upload_that_would_fill_the_disk_is_refused(
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


def test_disk_that_fills_up_meanwhile_leaves_nothing(
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
def test_full_storage_never_holds_half_a_file(
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


def test_upload_after_the_disk_was_freed_works(
    cloud: Cloud, settings: Any, small_disk: Path
) -> None:
    configure(settings, WORK_DIR=small_disk, MIN_FREE_SPACE=500_000)
    ballast = fill(small_disk, leave=400_000)
    refused = post(upload_url(open_slot(cloud.account)))
    ballast.unlink()

    assert refused.status_code == 507
    assert post(upload_url(open_slot(cloud.account))).status_code == 200


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_connection_cut_in_the_middle_leaves_nothing(
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


def test_body_shorter_than_announced_is_refused(slot: UploadSlot, url: str) -> None:
    sender = Sender(url, form(FILE), sent=3000)
    sender.socket.shutdown(socket.SHUT_WR)

    assert sender.status() == 400
    slot.refresh_from_db()
    assert slot.state == "failed"


class Zeros:
    """A file of *size* bytes that is nowhere."""

    name = "zeros.mp4"

    def __init__(self, size: int) -> None:
        self.size = self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        self._left -= size
        return bytes(size)


def test_memory_does_not_grow_with_the_file(cloud: Cloud) -> None:
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


# Other sites


ORIGIN = "https://site.example"


def test_page_of_a_configured_site_may_send_and_read(url: str, settings: Any) -> None:
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


def test_refusal_can_be_read_by_a_configured_site(url: str, settings: Any) -> None:
    configure(settings, UPLOAD_ORIGINS=[ORIGIN])

    answer = post(url + "0", headers={**MULTIPART, "Origin": ORIGIN})

    assert answer.status_code == 403
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", f"{ORIGIN}.evil", "http://site.example", ""]
)
def test_other_origins_may_not_read(url: str, settings: Any, origin: str) -> None:
    configure(settings, UPLOAD_ORIGINS=[ORIGIN])

    preflight = requests.options(url, headers={"Origin": origin}, timeout=10)

    assert "Access-Control-Allow-Origin" not in preflight.headers


# What is never used


def expire(**which: object) -> None:
    past = timezone.now() - timedelta(seconds=1)
    UploadSlot.objects.filter(**which).update(expires=past)


def test_expired_upload_and_its_file_are_removed(slot: UploadSlot, url: str) -> None:
    post(url)
    expire()

    tidy_up()
    tidy_up()

    assert not UploadSlot.objects.exists()
    assert list(files.names_under("uploads")) == []


def test_expired_partial_file_is_removed(slot: UploadSlot) -> None:
    files.partial_path(slot.pk).write_bytes(b"half")
    UploadSlot.objects.update(state="receiving")
    expire()

    tidy_up()

    assert partials() == []


def test_partial_file_of_a_killed_process_is_removed_after_its_lifetime(
    slot: UploadSlot, settings: Any
) -> None:
    configure(settings, UPLOAD_LIFETIME=100)
    old, young = files.partial_path("0" * 32), files.partial_path("1" * 32)
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - 200,) * 2)

    tidy_up()

    assert partials() == [young.name]


def test_live_upload_is_left_alone(slot: UploadSlot, url: str) -> None:
    post(url)

    tidy_up()

    slot.refresh_from_db()
    assert files.storage().exists(slot.file)


def test_source_of_a_media_outlives_its_upload(cloud: Cloud, slot: UploadSlot, url: str) -> None:
    media = cloud.client.media.create(url=post(url).json()["url"])["id"]
    expire()

    tidy_up()
    tidy_up()

    source = Asset.objects.get(media=media, name="source")
    assert not UploadSlot.objects.exists()
    assert files.storage().exists(source.file)


def test_upload_stays_as_long_as_a_media_is_made_of_it(
    cloud: Cloud, slot: UploadSlot, url: str
) -> None:
    address = post(url).json()["url"]
    first = cloud.client.media.create(url=address)["id"]
    second = cloud.client.media.create(url=address)["id"]

    cloud.client.media.delete(id=first)
    tidy_up()

    assert files.storage().exists(Asset.objects.get(media=second).file)


def test_upload_goes_with_the_last_media_made_of_it(
    cloud: Cloud, slot: UploadSlot, url: str
) -> None:
    address = post(url).json()["url"]
    media = cloud.client.media.create(url=address)["id"]

    cloud.client.media.delete(id=media)
    tidy_up()

    assert list(files.names_under("uploads")) == []
    with pytest.raises(InvalidParameter, match="url must be an address that an upload"):
        cloud.client.media.create(url=address)


def test_file_of_a_media_that_outlived_its_upload_goes_with_the_media(
    cloud: Cloud, slot: UploadSlot, url: str
) -> None:
    media = cloud.client.media.create(url=post(url).json()["url"])["id"]
    expire()
    tidy_up()

    cloud.client.media.delete(id=media)
    tidy_up()

    assert list(files.names_under("uploads")) == []


def test_upload_that_took_longer_than_its_slot_is_refused(slot: UploadSlot, url: str) -> None:
    sender = Sender(url, form(FILE), sent=200)
    wait_for(slot, "receiving")
    expire()
    tidy_up()

    with suppress(BrokenPipeError):
        assert sender.finish() == 403
    tidy_up()
    assert partials() == []
    assert list(files.names_under("uploads")) == []


def test_server_that_is_gone_is_a_transport_failure(cloud: Cloud, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = type(cloud.client)(cloud.account.pk, "k" * 40, f"http://127.0.0.1:{port}")
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)

    with pytest.raises(TransportException, match=f"No answer from http://127.0.0.1:{port}"):
        client.file.upload_file(path)
