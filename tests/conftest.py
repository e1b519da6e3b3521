"""What every test may ask for: a running cloud with an account, a client of it, and clips."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from django_cloudkey.client import CloudKey
from django_cloudkey.server.transcoding.tools import find_tools

DATABASES = ["default", "cloud"]

# Started in the background by a shell, the tests and what they start would ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long something takes says what else the machine is doing; the benchmarks measure.
timeless = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile("default", timeless)
hypothesis_settings.register_profile("long", timeless, max_examples=4_000)
hypothesis_settings.load_profile("default")


@dataclass
class Cloud:
    """A cloud that answers on a port of this machine."""

    base_url: str
    account: Any
    client: CloudKey

    def work(self) -> None:
        """Work off everything that is due, as a worker of its own would."""
        call_command("cloudkey_worker", drain=True, verbosity=0)

    def upload(self, path: Path, assets: tuple[str, ...] = ("mp4_h264_aac",)) -> str:
        """Upload a file and return the id of the media made of it."""
        answer = self.client.file.upload_file(path)
        media = self.client.media.create(
            url=answer["url"], assets_names=list(assets), meta={"title": path.stem}
        )
        return str(media["id"])


@pytest.fixture(autouse=True)
def _storage_for_each_test(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": _files(tmp_path / "media"),
        "cloudkey": _files(tmp_path / "cloud"),
    }
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "WORK_DIR": tmp_path / "work"}


def _files(location: Path) -> dict[str, Any]:
    backend = "django.core.files.storage.FileSystemStorage"
    return {"BACKEND": backend, "OPTIONS": {"location": location}}


@pytest.fixture
def account(transactional_db: None) -> Any:
    from django_cloudkey.server.models import Account

    return Account.objects.create(name="demo")


@pytest.fixture
def cloud(account: Any, live_server: Any, settings: Any) -> Cloud:
    base_url = f"{live_server.url}/cloud"
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "BASE_URL": base_url}
    settings.CLOUDKEYS = {
        "default": {"USER_ID": account.pk, "API_KEY": account.api_key, "BASE_URL": base_url}
    }
    client = CloudKey(account.pk, account.api_key, base_url)
    return Cloud(base_url=base_url, account=account, client=client)


def cut_connection() -> None:
    """Break this thread's connection to the cloud's database, as a restart of it does."""
    connection = connections["cloud"]
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        connection.connection.close()
        return
    process = connection.connection.info.backend_pid
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [process])
    other.close()


@pytest.fixture(scope="session")
def draw_clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that draws a clip: name, seconds, size, with or without sound."""
    folder = tmp_path_factory.mktemp("clips")
    ffmpeg = find_tools().ffmpeg

    def draw(name: str, *, seconds: float = 2, size: str = "320x180", sound: bool = True) -> Path:
        path = folder / f"{seconds}s-{size}-{'sound' if sound else 'silent'}" / name
        if path.exists():
            return path
        path.parent.mkdir(exist_ok=True)
        audio = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"] if sound else []
        command = [
            *(ffmpeg, "-v", "error", "-nostdin", "-y", "-f", "lavfi"),
            *("-i", f"testsrc2=size={size}:rate=25:duration={seconds}", *audio),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)),
        ]
        subprocess.run(command, check=True, timeout=120)
        return path

    return draw


@pytest.fixture(scope="session")
def clip(draw_clip: Callable[..., Path]) -> Path:
    """Two seconds of picture and sound."""
    return draw_clip("clip.mp4")


def pytest_collection_finish() -> None:
    from .flushing import be_quick  # models, which need the settings

    be_quick()


@pytest.fixture(scope="session", autouse=True)
def _scratch_folder_goes() -> Iterator[None]:
    yield
    shutil.rmtree(django_settings.SCRATCH, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of rows may use both databases: the site's and the cloud's."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if {"account", "cloud", "live_server"} & set(names):
            item.add_marker(pytest.mark.django_db(transaction=True, databases=DATABASES))
