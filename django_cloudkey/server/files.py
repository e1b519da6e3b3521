"""
The cloud's files: names in one storage, and the folder where they are received and made.

A name is never shared between two writers: a source is ``uploads/<random>``, and what a job makes
is under ``media/<account>/<media>/<claim>/``, a folder of that attempt alone. Storages have no
rename, so a file counts only once a row names it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.files import File, locks
from django.core.files.storage import Storage, storages

from .conf import cloud

RECEIVED_UNDER, MADE_UNDER = "uploads/", "media/"
"""Beginnings of the names of what was uploaded and of what jobs made."""
LOCK = "lock"


def storage() -> Storage:
    return storages[cloud.storage]


class LocalFile(File):  # type: ignore[type-arg]
    """A finished file that a local storage may take by moving it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def store(path: Path, name: str) -> str:
    """
    Move the file at *path* into the storage and return the name that it got there.

    When this returns, a local file and its name survive a loss of power: rows that name it may be
    committed.

    Raises:
        OSError: the storage did not take all of it; nothing of it is left there.
    """
    size = path.stat().st_size
    try:
        with LocalFile(path) as file, _one_kind_of_error():
            stored = storage().save(name, file)
            # Django's move to another file system does not see that a last write was cut short.
            if storage().size(stored) != size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _write_through(stored)
    except OSError:
        with suppress(OSError), _one_kind_of_error():
            storage().delete(name)
        raise
    path.unlink(missing_ok=True)
    return str(stored)


def _write_through(name: str) -> None:
    """Have the kernel write a local file to the disk, and the folders on the way to it."""
    path = _path_of(name)
    if path is None:
        return
    for each in (Path(path), *list(Path(path).parents)[: name.count("/") + 1]):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that cannot do it
                raise
        finally:
            os.close(descriptor)


@contextmanager
def _one_kind_of_error() -> Iterator[None]:
    """Turn the errors that only one kind of storage has, such as S3's, into OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


def remove(name: str) -> None:
    """
    Delete a file, and the folders that it leaves empty where the storage has folders.

    Raises:
        OSError: the storage did not do it, or does not answer.
    """
    with _one_kind_of_error():
        storage().delete(name)
        if _bucket() is None:
            _remove_empty_folders(name)


def _remove_empty_folders(name: str) -> None:
    store_ = storage()
    # The outermost stays: an upload may be about to put its file into it at any moment.
    while "/" in (name := name.rpartition("/")[0]):
        try:
            folders, files = store_.listdir(name)
            if folders or files:
                return
            store_.delete(name)
        except (FileNotFoundError, NotADirectoryError, NotImplementedError):
            continue
        except OSError:
            return  # Somebody put a file into the folder meanwhile.


def names_under(prefix: str) -> Iterator[str]:
    """
    Yield the name of every file under *prefix*.

    Raises:
        OSError: the storage does not answer.
    """
    try:
        with _one_kind_of_error():
            folders, files = storage().listdir(prefix)
    except FileNotFoundError:
        return
    for file in files:
        yield f"{prefix}/{file}"
    for folder in folders:
        yield from names_under(f"{prefix}/{folder}")


class StoredFile(NamedTuple):
    """A file of the storage, as listing it tells."""

    name: str
    size: int | None
    """Bytes; ``None`` where listing does not tell."""
    modified: float | None
    """Unix time; ``None`` where listing does not tell."""


def stored_under(prefix: str) -> Iterator[StoredFile]:
    """
    Yield every file under *prefix*, which ends with a slash, a piece of the storage at a time.

    Folders of this machine and buckets of S3 tell sizes and times on the way; other storages are
    listed a folder at a time.
    """
    folder = _path_of(prefix)
    bucket = _bucket()
    if folder is not None:
        yield from _in_folder(folder, prefix)
    elif bucket is not None:
        root = str(getattr(storage(), "location", "")).strip("/")
        start = f"{root}/" if root else ""
        for each in bucket.objects.filter(Prefix=start + prefix):
            name = each.key.removeprefix(start)
            yield StoredFile(name, each.size, each.last_modified.timestamp())
    else:
        for name in names_under(prefix.rstrip("/")):
            yield StoredFile(name, None, None)


def _bucket() -> Any:
    """Return the bucket of a storage in S3, which has no folders; ``None`` for others."""
    bucket = getattr(storage(), "bucket", None)
    return bucket if hasattr(bucket, "objects") else None


def _in_folder(folder: str, prefix: str) -> Iterator[StoredFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_dir():
                    yield from _in_folder(entry.path, f"{prefix}{entry.name}/")
                else:
                    found = entry.stat()
                    yield StoredFile(prefix + entry.name, found.st_size, found.st_mtime)
            except FileNotFoundError:
                continue  # It was removed meanwhile.


@contextmanager
def local_copy(name: str, directory: Path) -> Iterator[Path]:
    """
    Give the file *name* a path inside *directory*, which holds nothing else of interest.

    A link where the storage is local, else a copy made in pieces.

    Raises:
        OSError: there is no such file, it cannot be copied, or the storage does not answer.
    """
    target = directory / "source"
    path = _path_of(name)
    if path is None:
        with (
            _one_kind_of_error(),
            storage().open(name, "rb") as source,
            target.open("wb") as copy,
        ):
            shutil.copyfileobj(source, copy, 1024 * 1024)
    else:
        _link(path, target)
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)


def _path_of(name: str) -> str | None:
    """Return where the storage has the file on this machine's disk, if it does."""
    try:
        path = str(storage().path(name))
    except NotImplementedError:
        return None
    return path if os.path.exists(path) else None  # Django's storage in memory has paths too.


def _link(path: str, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # another file system, or one without hard links
        os.symlink(os.path.abspath(path), target)


def free_space() -> int:
    """Return the bytes that are free where files are received."""
    return shutil.disk_usage(work_dir()).free


def work_dir() -> Path:
    """Return the work folder, which only its owner can enter."""
    path = cloud.work_dir
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise ImproperlyConfigured(
            f'CLOUDKEY_SERVER["WORK_DIR"], {path}, must belong to the user of this process, and '
            "nobody else may write there."
        )
    return path


def partial_path(slot_id: str) -> Path:
    """Return where the bytes of an upload are written while they arrive."""
    folder = work_dir() / "uploads"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{slot_id}.part"


@contextmanager
def job_dir(name: str) -> Iterator[Path]:
    """
    Make a folder for one attempt at one job, and remove it whatever happens.

    A file in it is locked as long as this process lives, see :func:`is_in_use`.
    """
    path = work_dir() / "jobs" / name
    path.mkdir(mode=0o700, parents=True)
    try:
        with (path / LOCK).open("wb") as file:
            locks.lock(file, locks.LOCK_EX)
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def is_in_use(folder: Path) -> bool:
    """Return whether a process that lives made *folder* by :func:`job_dir`, whichever cloud's."""
    try:
        with (folder / LOCK).open("r+b") as file:
            return not locks.lock(file, locks.LOCK_EX | locks.LOCK_NB)
    except FileNotFoundError:
        return False
