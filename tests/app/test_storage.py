"""CloudKeyStorage: files that are media, through the real cloud."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import storages
from django.db import models
from django.test.utils import isolate_apps
from django.utils import timezone

from django_cloudkey.checks import check_storage
from django_cloudkey.client import RPCException
from django_cloudkey.protocol.signing import URL_LIFETIME, parse_auth
from django_cloudkey.storage import CloudKeyStorage

from ..conftest import Cloud
from ..processes import ROOT, environment

UNKNOWN = "4d0c0ffee0000000000000ff"
BYTES = bytes(range(256)) * 16_000  # 4 MB: several pieces


@pytest.fixture(params=["http", "in-process"])
def storage(request: pytest.FixtureRequest, cloud: Cloud, settings: Any) -> CloudKeyStorage:
    default = {**settings.CLOUDKEYS["default"], "TRANSPORT": request.param}
    settings.CLOUDKEYS = {"default": default}
    return CloudKeyStorage()


def save(storage: CloudKeyStorage, name: str = "knots.mp4", content: bytes = BYTES) -> str:
    return str(storage.save(name, ContentFile(content)))


def test_a_file_comes_back_as_it_was_saved(storage: CloudKeyStorage) -> None:
    name = save(storage)

    media, _, base = name.partition("/")
    assert (len(media), base) == (24, "knots.mp4")
    with storage.open(name) as file:
        assert file.size == len(BYTES)
        assert file.read() == BYTES
    assert storage.size(name) == len(BYTES)
    assert storage.exists(name)


def test_a_file_that_was_looked_into_is_saved_from_its_beginning(cloud: Cloud) -> None:
    storage, content = CloudKeyStorage(), ContentFile(BYTES)
    content.read(2048)

    assert storage.size(storage.save("knots.mp4", content)) == len(BYTES)


def test_a_file_is_read_in_pieces_from_anywhere(storage: CloudKeyStorage) -> None:
    with storage.open(save(storage)) as file:
        file.seek(-5, os.SEEK_END)
        assert file.read(100) == BYTES[-5:]
        file.seek(1_500_000)
        assert (file.read(7), file.tell()) == (BYTES[1_500_000:1_500_007], 1_500_007)
        file.seek(0)
        assert b"".join(file.chunks(300_000)) == BYTES
        file.seek(len(BYTES) + 10)
        assert file.read() == b""


@pytest.mark.parametrize("level", ["ip", "useonce", "delegate|ip", "referer_strict"])
def test_a_file_is_read_whatever_level_its_viewers_have(
    cloud: Cloud, settings: Any, level: str
) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "SECLEVEL": level}}
    storage = CloudKeyStorage()

    with storage.open(save(storage)) as file:
        assert file.read() == BYTES


def test_the_address_is_signed_here_and_gives_the_file(
    storage: CloudKeyStorage, cloud: Cloud
) -> None:
    name = save(storage)

    url = storage.url(name)
    short = storage.url(name, parameters={"filename": "mine.mp4"}, expire=60)

    assert requests.get(url, timeout=10).content == BYTES
    answer = requests.get(short, timeout=10)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="mine.mp4"'
    ends = [parse_auth(urlsplit(each).query.split("auth=")[1]).expires for each in (url, short)]
    assert URL_LIFETIME - 70 < ends[0] - ends[1] <= URL_LIFETIME


def test_what_was_made_of_it_can_be_what_the_address_leads_to(cloud: Cloud, clip: Path) -> None:
    storage = CloudKeyStorage(asset_name="mp4_h264_aac", assets=["mp4_h264_aac"])
    with open(clip, "rb") as file:
        name = storage.save("clip.mp4", File(file))
    assert requests.get(storage.url(name), timeout=10).status_code == 404

    cloud.work()

    assert requests.get(storage.url(name), timeout=10).headers["Content-Type"] == "video/mp4"


def test_delete_is_for_good_and_may_be_said_twice(storage: CloudKeyStorage) -> None:
    name = save(storage)

    storage.delete(name)
    storage.delete(name)

    assert not storage.exists(name)
    with pytest.raises(FileNotFoundError):
        storage.open(name)
    with pytest.raises(FileNotFoundError):
        storage.size(name)


def test_media_are_folders_of_one_file(storage: CloudKeyStorage) -> None:
    names = [save(storage, f"{number}.mp4", b"x") for number in range(3)]

    folders, files = storage.listdir("")
    assert sorted(folders) == sorted(name.partition("/")[0] for name in names)
    assert files == []
    assert storage.listdir(names[1].partition("/")[0]) == ([], ["1.mp4"])
    with pytest.raises(FileNotFoundError):
        storage.listdir(UNKNOWN)
    with pytest.raises(FileNotFoundError):
        storage.listdir("any")


def test_times_are_those_of_the_media(storage: CloudKeyStorage) -> None:
    name = save(storage)

    assert abs(timezone.now() - storage.get_created_time(name)) < timedelta(seconds=30)
    assert storage.get_modified_time(name) == storage.get_created_time(name)


@isolate_apps("tests.testapp")
def test_a_file_field_keeps_its_manners(storage: CloudKeyStorage) -> None:
    class Clip(models.Model):  # noqa: DJ008
        file = models.FileField(storage=storage, upload_to="clips/%Y")

        class Meta:
            app_label = "testapp"

    clip = Clip()
    clip.file.save("holiday film.mp4", ContentFile(b"bytes"), save=False)

    assert str(clip.file).endswith("/holiday_film.mp4")
    assert clip.file.read() == b"bytes"
    assert clip.file.size == 5
    assert "/source" in clip.file.url
    _name, _path, _args, kwargs = Clip._meta.get_field("file").deconstruct()
    assert kwargs["storage"] is storage


def test_settings_name_it(settings: Any, cloud: Cloud) -> None:
    backend = "django_cloudkey.storage.CloudKeyStorage"
    options = {"assets": ["mp4_h264_aac_hd"]}
    settings.STORAGES = {**settings.STORAGES, "videos": {"BACKEND": backend, "OPTIONS": options}}

    media = save(storages["videos"]).partition("/")[0]  # type: ignore[arg-type]

    assert set(cloud.client.media.get_assets(id=media)) == {"source", "mp4_h264_aac_hd"}
    with pytest.raises(ImproperlyConfigured, match="bucket"):
        CloudKeyStorage(bucket="x")


def test_it_is_opened_to_be_read(storage: CloudKeyStorage) -> None:
    name = save(storage, content=b"x")

    with pytest.raises(ValueError, match="'wb'"):
        storage.open(name, "wb")
    with pytest.raises(NotImplementedError):
        storage.path(name)


def test_a_cloud_is_no_storage_of_a_cloud(settings: Any) -> None:
    assert check_storage(None) == []
    backend = "django_cloudkey.storage.CloudKeyStorage"

    settings.STORAGES = {**settings.STORAGES, "cloudkey": {"BACKEND": backend}}

    assert [message.id for message in check_storage(None)] == ["cloudkey.E020"]


# Threats


@pytest.mark.parametrize(
    "name",
    ["../x", "/abs", "a/../../x", "..", ".", "", "x" * 24 + "/a", UNKNOWN, f"{UNKNOWN}/",
     f"{UNKNOWN}/..", f"{UNKNOWN}/a/b", f"{UNKNOWN}/a\\b", f"{UNKNOWN}/a\0b",
     f"{UNKNOWN.upper()}/a", f"{UNKNOWN}/{'a' * 300}"],
)  # fmt: skip
def test_t233_names_that_are_none_reach_nothing(name: str) -> None:
    storage = CloudKeyStorage()

    for method in (storage.open, storage.size, storage.url, storage.delete,
                   storage.get_created_time):  # fmt: skip
        with pytest.raises(SuspiciousFileOperation):
            method(name)
    assert not storage.exists(name)


@pytest.mark.parametrize("name", ["../x.mp4", "/abs.mp4", "a/../../x.mp4", "..", "a/.."])
def test_t233_hostile_names_are_not_saved(cloud: Cloud, name: str) -> None:
    with pytest.raises(SuspiciousFileOperation):
        CloudKeyStorage().save(name, ContentFile(b"x"))

    assert cloud.client.media.count() == 0


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("a/b/film.mp4", "film.mp4"),
        ("film.mp4.", "film.mp4."),
        ('fi"lm<b>.mp4', 'fi"lm<b>.mp4'),
        ("é–film.mp4", "é–film.mp4"),
    ],
)
def test_t233_odd_names_are_kept_and_their_folders_are_not(
    storage: CloudKeyStorage, name: str, saved: str
) -> None:
    found = save(storage, name, b"bytes")

    assert found.partition("/")[2] == saved
    with storage.open(found) as file:
        assert file.read() == b"bytes"
    assert storage.exists(found)


def test_t233_long_names_fit_the_column(storage: CloudKeyStorage) -> None:
    name = storage.save("x" * 300 + ".mp4", ContentFile(b"x"), max_length=100)

    assert (len(name), name[-4:]) == (100, ".mp4")
    with pytest.raises(SuspiciousFileOperation, match="max_length"):
        storage.save("film.mp4", ContentFile(b"x"), max_length=28)


def test_t234_files_of_one_name_do_not_meet(storage: CloudKeyStorage) -> None:
    first, second = save(storage, content=b"one"), save(storage, content=b"two")

    assert first != second
    assert [storage.open(name).read() for name in (first, second)] == [b"one", b"two"]
    assert not storage.exists(f"{first.partition('/')[0]}/other.mp4")


def test_t234_many_at_once_overwrite_nothing(storage: CloudKeyStorage) -> None:
    def write(number: int) -> str:
        return save(storage, "film.mp4", f"bytes {number}".encode())

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(write, range(32)))

    assert len(set(names)) == 32
    for number, name in enumerate(names):
        with storage.open(name) as file:
            assert file.read() == f"bytes {number}".encode()
    assert set(storage.listdir("")[0]) == {name.partition("/")[0] for name in names}


def test_t234_file_that_goes_while_it_is_looked_at_is_missing(storage: CloudKeyStorage) -> None:
    name = save(storage, content=b"x" * 3_000_000)
    with storage.open(name) as file:
        assert file.read(10) == b"x" * 10
        storage.delete(name)
        with pytest.raises((OSError, RPCException)):
            file.read()

    assert not storage.exists(name)
    with pytest.raises(FileNotFoundError):
        storage.size(name)


MEMORY = """
import resource, sys, django
django.setup()
from django.core.files.base import ContentFile, File
from django_cloudkey.storage import CloudKeyStorage
storage = CloudKeyStorage()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[1], "rb") as file:
    name = storage.save("small.mp4", ContentFile(b"x" * 4_000_000))
    storage.open(name).read(3_000_000)
    before = peak()
    name = storage.save("big.mp4", File(file))
with storage.open(name) as file:
    total = sum(len(piece) for piece in file.chunks())
print(total, peak() - before)
"""


@pytest.mark.parametrize(
    "size", [200 * 1024**2, pytest.param(1024**3, marks=pytest.mark.full)], ids=["200M", "1G"]
)
def test_memory_does_not_grow_with_the_file(
    cloud: Cloud, settings: Any, tmp_path: Path, size: int
) -> None:
    big = tmp_path / "big.mp4"
    with open(big, "wb") as file:
        file.truncate(size)

    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(big)], env=environment(settings), cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip

    total, kibibytes = map(int, done.stdout.split())
    assert total == size
    assert kibibytes < 16 * 1024
