"""A place for one upload, and a disk that is soon full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_cloudkey.server.models import UploadSlot
from django_cloudkey.server.uploads.slots import open_slot, upload_url

from ..conftest import Cloud


@pytest.fixture
def slot(cloud: Cloud) -> UploadSlot:
    return open_slot(cloud.account)


@pytest.fixture
def url(slot: UploadSlot) -> str:
    return upload_url(slot)


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
