"""Names and folders of the cloud's files."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile

from django_cloudkey.server import files


def test_stored_file_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.write_bytes(b"bytes")

    assert files.store(path, "media/a/made.mp4") == "media/a/made.mp4"
    assert not path.exists()
    assert files.storage().size("media/a/made.mp4") == 5


@pytest.mark.parametrize("elsewhere", [False, True], ids=["moved", "copied"])
def test_f05_stored_file_and_its_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    written: list[Path] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        written.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if elsewhere:
        monkeypatch.setattr(os, "rename", _refuse)
    path = tmp_path / "made"
    path.write_bytes(b"bytes")

    name = files.store(path, "media/account/made.mp4")

    stored = Path(files.storage().path(name))
    assert stored.read_bytes() == b"bytes"
    # From the bottom up: what a folder names is there before the folder is.
    assert written == [stored, *list(stored.parents)[: len(Path(name).parents)]]


def _refuse(*args: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_taken_name_is_not_overwritten(tmp_path: Path) -> None:
    files.storage().save("media/x", ContentFile(b"first"))
    path = tmp_path / "second"
    path.write_bytes(b"second")

    name = files.store(path, "media/x")

    assert name != "media/x"
    with files.storage().open("media/x") as first:
        assert first.read() == b"first"


def test_removal_takes_the_empty_folders_along() -> None:
    for name in ("media/a/b/one", "media/a/two"):
        files.storage().save(name, ContentFile(b"x"))

    files.remove("media/a/b/one")
    assert files.storage().listdir("media/a") == ([], ["two"])
    files.remove("media/a/two")
    # The last stays: somebody is always about to put a file into it.
    assert files.storage().listdir("media") == ([], [])
    files.remove("media/a/two")


def test_names_are_found_in_every_folder() -> None:
    wanted = {"media/a/1", "media/a/b/2", "media/c/3"}
    for name in wanted:
        files.storage().save(name, ContentFile(b"x"))

    assert set(files.names_under("media")) == wanted
    assert list(files.names_under("nowhere")) == []


def test_local_copy_costs_no_bytes_and_goes(tmp_path: Path) -> None:
    name = files.storage().save("uploads/x", ContentFile(b"source"))

    with files.local_copy(name, tmp_path) as path:
        assert path.read_bytes() == b"source"
        assert path.samefile(files.storage().path(name))

    assert not path.exists()
    assert files.storage().exists(name)


def test_local_copy_of_a_storage_without_paths_is_a_copy(tmp_path: Path, settings: Any) -> None:
    backend = "django.core.files.storage.InMemoryStorage"
    settings.STORAGES = {**settings.STORAGES, "cloudkey": {"BACKEND": backend}}
    name = files.storage().save("uploads/x", ContentFile(b"source"))

    with files.local_copy(name, tmp_path) as path:
        assert path.read_bytes() == b"source"
    assert not path.exists()


def test_copy_of_a_missing_file_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match="uploads/x"),
        files.local_copy("uploads/x", tmp_path),
    ):
        pass


def test_work_folders_are_private_and_go(tmp_path: Path) -> None:
    with files.job_dir("1-claim") as folder:
        (folder / "output").write_bytes(b"x")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(files.work_dir().stat().st_mode) == 0o700

    assert not folder.exists()


def test_failed_attempt_leaves_no_folder() -> None:
    with suppress(RuntimeError), files.job_dir("1-claim") as folder:
        (folder / "output").write_bytes(b"x")
        raise RuntimeError

    assert not folder.exists()
