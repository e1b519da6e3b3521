"""What files about the server ask for: strangers, uploads, a full disk, real front servers."""

from __future__ import annotations

import getpass
import grp
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from django_cloudkey.client import CloudKey
from django_cloudkey.server.models import Account, Organisation, UploadSlot
from django_cloudkey.server.uploads.slots import open_slot, upload_url

from ..conftest import Cloud
from ..processes import ROOT, environment
from ..storages.conftest import free_port
from .places import write_asnum_file, write_country_file


@pytest.fixture
def no_failure(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail the test if the server failed at one of its requests."""
    yield
    # Records are kept per phase; those of now are of the teardown.
    failures = [
        record
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR
        and record.name.startswith(("django.request", "django_cloudkey"))
    ]
    assert failures == []


@pytest.fixture
def stranger(cloud: Cloud) -> CloudKey:
    """A client of another account of the same cloud."""
    other = Account.objects.create(name="stranger")
    return CloudKey(other.pk, other.api_key, cloud.base_url)


@pytest.fixture
def school(cloud: Cloud) -> Organisation:
    """An organisation; the account of *cloud* is not in it."""
    return Organisation.objects.create(name="school")


@pytest.fixture
def head(school: Organisation) -> Account:
    """Its manager."""
    return Account.objects.create(name="head", organisation=school, is_manager=True)


@pytest.fixture
def pupil(school: Organisation) -> Account:
    """An account of it that manages nothing."""
    return Account.objects.create(name="pupil", organisation=school)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A cloud behind a real web server."""

    cloud: Cloud
    port: int
    workers: tuple[int, ...]
    """Ids of the Python processes that answer."""

    @property
    def worker(self) -> int:
        """Id of the only one."""
        (worker,) = self.workers
        return worker

    def connect(self, source: str = "") -> socket.socket:
        """Return a connection, from the address *source* of this machine."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=30, source_address=(source, 0)
        )


@pytest.fixture
def start_gunicorn(cloud: Cloud, settings: Any) -> Iterator[Callable[..., Front]]:
    """Return a function that starts the cloud as the guide says, with settings of its own."""
    started: list[subprocess.Popen[bytes]] = []
    sockets = []

    def start(*, workers: int = 1, **keys: Any) -> Front:
        # The socket is there before the server: whoever is early waits in its queue.
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        sockets.append(listening)
        settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}
        number = listening.fileno()
        command = [
            *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{number}", "--log-level=warning"),
            *("--worker-class=gthread", f"--workers={workers}", "--threads=24"),
            *("--keep-alive=60", "--no-control-socket"),
            "django.core.wsgi:get_wsgi_application()",
        ]
        process = subprocess.Popen(command, cwd=ROOT, env=environment(settings), pass_fds=[number])
        started.append(process)
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=30) as first:
            first.sendall(b"GET /cloud/api HTTP/1.0\r\n\r\n")
            assert first.recv(12) == b"HTTP/1.0 405"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while len(found := children.read_text().split()) < workers:
            time.sleep(0.02)
        return Front(cloud=cloud, port=port, workers=tuple(map(int, found)))

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(15)
        finally:
            process.kill()
    for each in sockets:
        each.close()


GUIDE = ROOT / "docs" / "guide" / "cloud.rst"


@pytest.fixture
def start_nginx(
    start_gunicorn: Callable[..., Front], tmp_path: Path
) -> Iterator[Callable[..., Front]]:
    """Return a function that starts gunicorn and, before it, nginx as the guide configures it."""
    nginx = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    assert nginx, "the marker says it: these tests need Debian's nginx"
    found = re.search(r"\.\. code-block:: nginx\n\n((?:   .*\n|\n)+)", GUIDE.read_text())
    assert found
    started = []

    def start(**keys: Any) -> Front:
        gunicorn = start_gunicorn(**keys)
        port = free_port()
        locations = found[1].replace("127.0.0.1:8000", f"127.0.0.1:{gunicorn.port}")
        folders = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = tmp_path / "nginx.conf"
        config.write_text(
            f"user {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name};\n"
            f"daemon off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/errors;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; {folders}\n"
            f"server {{ listen 127.0.0.1:{port};\n{locations} }} }}\n"
        )
        command = [nginx, "-c", str(config), "-p", str(tmp_path), "-e", f"{tmp_path}/errors"]
        process = subprocess.Popen(command)
        started.append(process)
        _wait_for(port, process)
        return Front(cloud=gunicorn.cloud, port=port, workers=gunicorn.workers)

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(15)
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        assert process.poll() is None, "nginx ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError("nginx does not listen")


@pytest.fixture(scope="session")
def country_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("geography") / "country.mmdb"
    write_country_file(path)
    return path


@pytest.fixture(scope="session")
def asnum_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("geography") / "asnum.mmdb"
    write_asnum_file(path)
    return path


@pytest.fixture
def geography_files(settings: Any, country_file: Path, asnum_file: Path) -> None:
    """Tell the cloud where viewers are."""
    files = {"COUNTRY_FILE": str(country_file), "ASNUM_FILE": asnum_file}
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **files}


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
