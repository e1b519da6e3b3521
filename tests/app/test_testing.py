"""What users' tests get: a cloud in the process."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.test import Client, TestCase, TransactionTestCase

from django_cloudkey import NotFound, cloudkey, cloudkeys
from django_cloudkey.addresses import sign_for
from django_cloudkey.media_state import media_state
from django_cloudkey.testing import CLIP, Cloud, CloudMixin, use_cloud

from ..conftest import DATABASES
from ..testapp.models import Lesson

MARK = pytest.mark.django_db(databases=DATABASES)
FIELD: Any = Lesson._meta.get_field("video")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*args: object) -> None:
        raise AssertionError("a test of a cloud in the process asked the network")

    monkeypatch.setattr(socket.socket, "connect", connect)


@MARK
@pytest.mark.parametrize("state", ["processing", "ready", "error"])
def test_media_in_any_state_in_one_line(cloudkey_cloud: Cloud, state: Any) -> None:
    lesson = Lesson.objects.create(title="Knots", video=cloudkey_cloud.media(state, title="Knots"))

    found = media_state(FIELD, lesson.video.id)

    assert found["state"] == state
    assert lesson.video.info(fields=["meta.title"]) == {"meta": {"title": "Knots"}}
    if state == "error":
        assert found["reason"] == "The video could not be encoded; the file may be damaged."


@MARK
def test_a_media_that_is_missing(cloudkey_cloud: Cloud) -> None:
    with pytest.raises(NotFound):
        cloudkey.media.info(id=cloudkey_cloud.media("missing"))


@MARK
def test_t263_ready_media_play_without_network_worker_and_ffmpeg(
    cloudkey_cloud: Cloud, client: Client
) -> None:
    lesson = Lesson(video=cloudkey_cloud.media())

    page = client.get(lesson.video.embed_url())
    video: Any = client.get(lesson.video.stream_url())
    still: Any = client.get(lesson.video.thumbnail_url())

    assert b"<video" in page.content
    assert b"".join(video.streaming_content) == CLIP.read_bytes()
    assert still["Content-Type"] == "image/jpeg"
    assert b"".join(still.streaming_content)


@MARK
def test_a_media_comes_to_its_end(cloudkey_cloud: Cloud) -> None:
    media = cloudkey_cloud.media("processing")

    cloudkey_cloud.settle(media)

    assert media_state(FIELD, media)["state"] == "ready"


@MARK
def test_files_are_uploaded_inside_the_transaction_of_a_test(cloudkey_cloud: Cloud) -> None:
    lesson = Lesson(title="Knots")
    lesson.video = ContentFile(b"bytes", name="knots.mp4")

    lesson.save()

    assert media_state(FIELD, lesson.video.id)["state"] == "processing"


@MARK
def test_every_alias_has_an_account_of_its_own(settings: Any) -> None:
    account = settings.CLOUDKEYS["default"]
    settings.CLOUDKEYS = {"default": account, "archive": account}

    with use_cloud() as cloud:
        media = cloud.media(account="archive")
        assert cloudkeys["archive"].media.count() == 1
        assert cloudkey.media.count() == 0
        with pytest.raises(NotFound):
            cloudkey.media.info(id=media)

    assert settings.CLOUDKEYS["archive"] == account


@MARK
def test_accounts_are_of_the_scheme_of_the_site(settings: Any) -> None:
    old = settings.CLOUDKEYS["default"]
    new = {**old, "API_KEY": None, "SECRET": "A" * 43, "KID": "k9"}
    settings.CLOUDKEYS = {"default": new, "archive": old}

    with use_cloud() as cloud:
        urls = {
            alias: _player(cloud.media(account=alias), alias) for alias in ("default", "archive")
        }
        statuses = [Client().get(url).status_code for url in urls.values()]
        cloudkeys["default"].media.count()

    assert "?auth=ey" in urls["default"]
    assert "?auth=ey" not in urls["archive"]
    assert statuses == [200, 200]


def _player(media: str, alias: str) -> str:
    return sign_for(None, "get_embed_url", media, account=alias).removeprefix("http://testserver")


def test_what_is_missing_is_named(settings: Any) -> None:
    settings.ROOT_URLCONF = "django_cloudkey.urls"
    with pytest.raises(ImproperlyConfigured, match="URLconf of the tests"), use_cloud():
        pass
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "server" not in app]
    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"), use_cloud():
        pass


@MARK
def test_a_state_that_is_none_is_named(cloudkey_cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="'done' is no state; processing, ready, error, missing"):
        cloudkey_cloud.media("done")  # type: ignore[arg-type]


class Rolled(CloudMixin, TestCase):
    databases = {"default", "cloud"}

    def test_media(self) -> None:
        lesson = Lesson.objects.create(video=self.cloud.media(title="Knots"))
        assert lesson.video.assets()["mp4_h264_aac"]["status"] == "ready"

    def test_media_are_deleted_on_commit(self) -> None:
        media = self.cloud.media()
        cloudkey.media.delete(id=media)
        with pytest.raises(NotFound):
            cloudkey.media.info(id=media)


class Committed(CloudMixin, TransactionTestCase):
    databases = {"default", "cloud"}

    def test_media(self) -> None:
        lesson = Lesson.objects.create(video=self.cloud.media())
        assert lesson.video.assets()["mp4_h264_aac"]["status"] == "ready"


class Shared(TestCase):
    """A cloud for all tests of a class."""

    databases = set(DATABASES)
    media: ClassVar[str]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.media = cls.enterClassContext(use_cloud()).media(title="Knots")

    def test_media_is_there(self) -> None:
        assert cloudkey.media.get_meta(id=self.media) == {"title": "Knots"}

    def test_media_is_there_again_for_the_next(self) -> None:
        assert cloudkey.media.count() == 1
        cloudkey.media.delete(id=self.media)


def test_the_plugin_loads_neither_django_nor_requests() -> None:
    code = (
        "import sys, django_cloudkey.pytest_plugin; "
        "print([name for name in ('django', 'requests') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"


@MARK
def test_files_of_the_cloud_go_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with use_cloud() as cloud:
        cloud.media()
        assert list(tmp_path.rglob("clip*.mp4"))

    assert list(tmp_path.iterdir()) == []
