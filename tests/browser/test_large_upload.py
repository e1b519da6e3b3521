"""300 MB through the widget: cancelled, cut off, tried again, and there once, bit by bit."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_cloudkey.models import Upload
from django_cloudkey.reconciliation import UNFINISHED, Reconciliation

from ..conftest import Cloud
from ..processes import ROOT, environment
from ..testapp.models import Lesson
from .conftest import sign_in_as
from .line import Line

pytestmark = pytest.mark.browser

MB = 1_000_000
SIZE = 300 * MB
GROWTH = 16 * MB  # of the site's memory, while 450 MB pass through it


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, draw_clip: Any) -> Path:
    """A clip, and behind it a box that players skip, which makes it as large as a film."""
    clip = draw_clip("clip.mp4").read_bytes()
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    free = SIZE - len(clip)
    with path.open("wb") as file:
        file.write(clip + struct.pack(">I4s", free, b"free"))
        block = os.urandom(MB)
        left = free - 8
        while left:
            left -= file.write(block[: min(left, MB)])
    assert path.stat().st_size == SIZE
    return path


class Site:
    """Site and cloud in one process of its own, at the end of a line."""

    def __init__(self, line: Line, pid: int) -> None:
        self.line = line
        self.url = f"http://localhost:{line.port}"
        self._pid = pid

    def memory(self) -> int:
        """Return the most bytes that there were."""
        found = re.search(r"VmHWM:\s+([0-9]+) kB", Path(f"/proc/{self._pid}/status").read_text())
        assert found
        return int(found[1]) * 1024


@pytest.fixture
def site(cloud: Cloud, settings: Any) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        number = listening.fileno()
        with Line(listening.getsockname()[1]) as line:
            base_url = f"http://localhost:{line.port}/cloud"
            settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "BASE_URL": base_url}
            account = {**settings.CLOUDKEYS["default"], "BASE_URL": base_url}
            settings.CLOUDKEYS = {"default": account}
            command = [
                *(sys.executable, "-m", "gunicorn", f"--bind=fd://{number}", "--workers=1"),
                *("--worker-class=gthread", "--threads=8", "--no-control-socket"),
                *("--log-level=warning", "tests.browser.files:application"),
            ]
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment(settings), pass_fds=[number]
            )
            try:
                with socket.create_connection(("127.0.0.1", line.port), timeout=30) as first:
                    first.sendall(b"GET /cloud/api HTTP/1.0\r\n\r\n")
                    assert first.recv(12) == b"HTTP/1.0 405"
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
                yield Site(line, int(children.split()[0]))
            finally:
                process.terminate()
                try:
                    process.wait(15)
                finally:
                    process.kill()


def stored(settings: Any) -> list[Path]:
    """Return the files that the cloud keeps, those that are on their way included."""
    location = Path(settings.STORAGES["cloudkey"]["OPTIONS"]["location"])
    return [path for path in location.rglob("*") if path.is_file()]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_film_arrives_once_and_whole(
    page: Any, site: Site, cloud: Cloud, film: Path, settings: Any
) -> None:
    sign_in_as(User.objects.create_superuser("editor"), page, site.url)
    page.goto(f"{site.url}/admin/testapp/lesson/add/")
    page.fill("#id_title", "A film")
    page.locator(".cloudkey-input[data-enhanced]").wait_for()

    # Cancelled in the middle
    site.line.hold_after(60 * MB)
    page.set_input_files("#id_video_file", film)
    assert site.line.is_held.wait(60)
    page.get_by_text("of 300 MB").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator(".cloudkey-input[data-empty]").wait_for()
    site.line.free()
    before = site.memory()  # with everything loaded that an upload needs

    # Cut off in the middle
    site.line.hold_after(150 * MB)
    page.set_input_files("#id_video_file", film)
    assert site.line.is_held.wait(60)
    page.get_by_text("of 300 MB").wait_for()
    site.line.cut()
    page.get_by_role("alert").filter(has_text="The connection was lost.").wait_for()
    site.line.free()

    # Tried again, while the form waits to be saved
    page.get_by_role("button", name="Try again").click()
    page.click("[name=_continue]")
    page.wait_for_url("**/change/", timeout=180_000)
    after = site.memory()

    media = Lesson.objects.get().video.id
    assert cloud.client.media.list()["total"] == 1
    (source,) = stored(settings)
    assert source.stat().st_size == SIZE
    assert sha256(source) == sha256(film)
    assert after - before < GROWTH, f"{before / MB:.0f} MB, then {after / MB:.0f} MB"

    assert Upload.objects.count() == 3
    assert Upload.objects.get(claimed=True).media == media
    cloud.work()
    page.locator(".is-ready").first.wait_for(timeout=60_000)
    Upload.objects.update(created=timezone.now() - timedelta(days=30))  # nobody waits any more
    with Reconciliation("default", older_than=timedelta(0)) as both:
        both.compare()
        kinds = [(finding.kind, finding.media) for finding in both.findings()]
        both.mend()
    assert kinds == [(UNFINISHED, "")] * 2  # the tickets of what was cancelled and cut off
    assert both.counts["held"] == 1
    assert not Upload.objects.exists()
    assert cloud.client.media.info(id=media)["id"] == media
