"""Uploads: every kind of file, to the real cloud; memory that does not grow."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_cloudkey.client import CloudKey
from django_cloudkey.client.multipart import MultipartBody, size_of

from ..conftest import Cloud
from .conftest import API_KEY, USER_ID, HostileServer, answer

CONTENT = os.urandom(300_000)


class Stream:
    """Something with ``read()`` and a size, and nothing else."""

    def __init__(self, content: bytes, size: int | None = None) -> None:
        self._file = io.BytesIO(content)
        self.size = len(content) if size is None else size

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 1000))


class Sized(Stream):
    """Something with ``read()`` and a length."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._length = self.size
        del self.size

    def __len__(self) -> int:
        return self._length


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(CONTENT)
    return path


class PathLike:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        pytest.param(str, "holiday", id="path"),
        pytest.param(lambda path: path, "holiday", id="Path"),
        pytest.param(PathLike, "holiday", id="PathLike"),
        pytest.param(lambda path: path.open("rb"), "holiday", id="file-object"),
        pytest.param(lambda path: io.BytesIO(CONTENT), "file", id="BytesIO"),
        pytest.param(lambda path: Stream(CONTENT), "file", id="read-and-size"),
        pytest.param(lambda path: Sized(CONTENT), "file", id="read-and-length"),
    ],
)
def test_t256_every_kind_of_file_arrives(
    cloud: Cloud, path: Path, make: Callable[[Path], Any], name: str
) -> None:
    seen: list[tuple[int, int]] = []
    file = make(path)

    answer = cloud.client.file.upload_file(file, lambda sent, total: seen.append((sent, total)))

    if isinstance(file, io.BufferedReader):
        assert not file.closed
        file.close()
    assert answer["name"] == name
    assert answer["size"] == len(CONTENT)
    assert answer["hash"] == hashlib.sha1(CONTENT).hexdigest()
    assert answer["url"].startswith(f"{cloud.base_url}/files/")
    sent = [number for number, _ in seen]
    assert sent == sorted(set(sent))
    assert sent[-1] == len(CONTENT)
    assert {total for _, total in seen} == {len(CONTENT)}


def test_t256_file_is_sent_from_where_it_stands(cloud: Cloud, path: Path) -> None:
    with path.open("rb") as file:
        file.seek(100)
        answer = cloud.client.file.upload_file(file)

    assert answer["size"] == len(CONTENT) - 100
    assert answer["hash"] == hashlib.sha1(CONTENT[100:]).hexdigest()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ('a"b.mp4', None),
        ("a\r\nX-Evil: 1\r\n\r\nb.mp4", None),
        ("a\nb.mp4", None),
        ("été 日本 🎬.mp4", "été 日本 🎬"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\win.ini", "win"),
        ("a;b=c.mp4", "a;b=c"),
        ("--boundary--.mp4", "--boundary--"),
        ("<script>.mp4", "<script>"),
        ("\udcff.mp4", "?"),
        ("x" * 300 + ".mp4", None),
    ],
)
def test_t256_hostile_name_changes_nothing_but_the_name(
    cloud: Cloud, name: str, kept: str | None
) -> None:
    answer = cloud.client.file.upload_file(io.BytesIO(CONTENT), name=name)

    assert answer["hash"] == hashlib.sha1(CONTENT).hexdigest()
    assert kept is None or answer["name"] == kept
    assert "\n" not in answer["name"]
    assert len(answer["name"]) <= 200


@pytest.mark.parametrize("name", ["", "/", ".", "..", "a/"])
def test_file_without_a_name_arrives(cloud: Cloud, name: str) -> None:
    file = io.BytesIO(CONTENT)
    file.name = name

    assert cloud.client.file.upload_file(file)["size"] == len(CONTENT)


def test_file_whose_name_is_a_number_has_none(cloud: Cloud) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(CONTENT)
        file.seek(0)

        assert cloud.client.file.upload_file(file)["name"] == "file"


def test_file_that_is_open_as_text_is_told_apart(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")

    with open(tmp_path / "a.txt") as file, pytest.raises(TypeError) as caught:
        cloud.client.file.upload_file(file)  # type: ignore[arg-type]

    assert str(caught.value) == "'a.txt' gives str and not bytes: open it with mode 'rb'."


def test_failure_of_the_progress_is_not_one_of_the_network(cloud: Cloud) -> None:
    def show(sent: int, size: int) -> None:
        raise BrokenPipeError("nobody reads the bar")

    with pytest.raises(BrokenPipeError, match="nobody reads the bar"):
        cloud.client.file.upload_file(io.BytesIO(CONTENT), show)


def _unreadable(tmp_path: Path) -> Any:
    read, write = os.pipe()
    os.close(write)
    return os.fdopen(read, "rb")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda folder: folder / "missing.mp4", "No such file", id="missing"),
        pytest.param(lambda folder: folder, "Is a directory", id="directory"),
        pytest.param(lambda folder: _empty(folder), "'empty.mp4' is empty", id="empty"),
        pytest.param(lambda folder: io.BytesIO(), "'file' is empty", id="empty-object"),
        pytest.param(lambda folder: Stream(b"", 0), "'file' is empty", id="empty-stream"),
        pytest.param(_unreadable, "Illegal seek|not seekable", id="pipe"),
        pytest.param(lambda folder: iter([b"x"]), "length of list_iterator", id="generator"),
        pytest.param(lambda folder: _named_pipe(folder), "Illegal seek|not seekable", id="fifo"),
        pytest.param(lambda folder: "/dev/zero", "'zero' is empty", id="device"),
    ],
)
def test_t256_file_that_cannot_be_sent_costs_no_request(
    server: HostileServer,
    client: CloudKey,
    tmp_path: Path,
    make: Callable[[Path], Any],
    message: str,
) -> None:
    server.answers(b'{"result": {"url": "http://127.0.0.1:1/"}}')
    file = make(tmp_path)

    with pytest.raises(OSError, match=message):
        client.file.upload_file(file)

    assert server.requests == []
    assert server.connections == 0
    if isinstance(file, io.BufferedReader):
        file.close()


def _named_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def _empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def test_t256_file_that_may_not_be_read_costs_no_request(
    server: HostileServer, client: CloudKey, path: Path
) -> None:
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # who may read all
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match="Permission denied"):
            client.file.upload_file(path)
    finally:
        os.seteuid(user)

    assert server.connections == 0


class Failing(Stream):
    def read(self, size: int = -1, /) -> bytes:
        piece = super().read(size)
        if not piece:
            raise OSError(5, "Input/output error")
        return piece


@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param(
            Stream(CONTENT, len(CONTENT) + 1),
            "The file ended after 300000 bytes, 300001 were announced: it changed while it was",
            id="shrunk",
        ),
        pytest.param(Failing(CONTENT, len(CONTENT) + 1), "Input/output error", id="disk-error"),
    ],
)
def test_t256_file_that_fails_while_it_is_read_is_an_error_of_the_file(
    server: HostileServer, client: CloudKey, file: Any, message: str
) -> None:
    upload = b'{"result": {"url": "%s/upload"}}' % server.url.encode()
    server.answers(upload)

    with pytest.raises(OSError, match=message):
        client.file.upload_file(file)

    assert [request.head.split()[1] for request in server.requests] == ["/api"]


def test_t256_file_that_grows_is_sent_as_announced(cloud: Cloud) -> None:
    answer = cloud.client.file.upload_file(Stream(CONTENT, 1000))

    assert answer["size"] == 1000
    assert answer["hash"] == hashlib.sha1(CONTENT[:1000]).hexdigest()


def test_error_in_the_callback_of_progress_comes_out(
    server: HostileServer, client: CloudKey
) -> None:
    upload = b'{"result": {"url": "%s/upload"}}' % server.url.encode()
    server.answers(upload)

    def cancel(sent: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.file.upload_file(io.BytesIO(CONTENT), cancel)


@pytest.mark.parametrize("piece", [1, 7, 64, 4096, -1])
def test_t256_body_is_as_long_as_it_says(piece: int) -> None:
    body = MultipartBody(io.BytesIO(CONTENT[:5000]), name="é.mp4", size=5000)
    length = len(body)

    pieces = list(iter(lambda: body.read(piece), b""))

    assert sum(map(len, pieces)) == length
    assert piece < 0 or max(map(len, pieces)) <= piece
    assert CONTENT[:5000] in b"".join(pieces)
    assert body.sha1 == hashlib.sha1(CONTENT[:5000]).hexdigest()


def test_size_is_what_is_left_of_a_file() -> None:
    file = io.BytesIO(b"0123456789")
    file.seek(4)

    assert size_of(file) == 6
    assert file.tell() == 4


UPLOAD = """
import resource, sys
from django_cloudkey.client import CloudKey
client = CloudKey(sys.argv[1], sys.argv[2], sys.argv[3])
client.media.list()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
client.file.upload_file(sys.argv[4])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_t256_memory_does_not_grow_with_the_file(server: HostileServer, tmp_path: Path) -> None:
    size = 300 << 20
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(size)
    received: list[int] = []

    def take(connection: Any, request: Any) -> bool:
        left = int(request.header("Content-Length")) - len(request.body)
        received.append(left + len(request.body))
        while left > 0:
            left -= len(connection.recv(1 << 20))
        return bool(answer(b'{"url": "http://x/files/1"}')(connection, request))

    upload = b'{"result": {"url": "%s/upload"}}' % server.url.encode()
    server.reads_bodies = lambda request: "/upload" not in request.head
    server.does(answer(upload), answer(upload), take)

    command = [sys.executable, "-c", UPLOAD, USER_ID, API_KEY, server.url, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.stderr == ""
    assert int(done.stdout) < 40 * 1024  # kibibytes
    assert size < received[0] < size + 1000
