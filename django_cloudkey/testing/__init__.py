"""
A whole cloud inside a test: media in any state, in one line, without network, worker or ffmpeg.

::

    class LessonTests(CloudMixin, TestCase):
        databases = {"default", "cloud"}

        def test_page(self):
            lesson = Lesson.objects.create(video=self.cloud.media("ready", title="Knots"))

The cloud is ``django_cloudkey.server``, called in the process through ``CLOUDKEYS``. It must be
among the ``INSTALLED_APPS`` of the tests, and its URLs among theirs. With pytest there is a
fixture, ``cloudkey_cloud``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.test import override_settings
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from .. import in_process
from ..conf import DEFAULT_ALIAS
from ..protocol.assets import SOURCE, is_thumbnail
from ..setting_values import IN_PROCESS
from ..uploads import DEFAULT_ASSETS

if TYPE_CHECKING:
    from ..server.models import Account

State = Literal["processing", "ready", "error", "missing"]
STATES = ("processing", "ready", "error", "missing")
HOST = "http://testserver"
CLIP, STILL = Path(__file__).with_name("clip.mp4"), Path(__file__).with_name("still.jpg")


class Cloud:
    """
    The cloud of a test.

    Attributes:
        base_url: Its address, on ``testserver``.
        accounts: Alias of ``CLOUDKEYS`` → its account, a row of ``django_cloudkey.server``.
    """

    def __init__(self, base_url: str, accounts: dict[str, Account]) -> None:
        self.base_url = base_url
        self.accounts = accounts

    def media(
        self,
        state: State = "ready",
        *,
        account: str = DEFAULT_ALIAS,
        assets: Sequence[str] = DEFAULT_ASSETS,
        error: str = "encoding_failed",
        **meta: str,
    ) -> str:
        """
        Make a media and return its id.

        Args:
            state: ``"processing"``, ``"ready"``, ``"error"``, or ``"missing"`` for an id that the
                cloud does not know.
            account: Alias.
            assets: Names of its assets. Those that are ready are a second of picture and sound, or
                a still, that plays in a browser.
            error: Code of the failure, for ``"error"``.
            meta: Such as ``title="Knots"``.

        Raises:
            ValueError: there is no such state.
        """
        from ..server.models import Media, new_id

        if state not in STATES:
            raise ValueError(f"{state!r} is no state; {', '.join(STATES)} are.")
        if state == "missing":
            return new_id()
        media = Media.objects.create(account=self.accounts[account], meta=meta)
        self._add(media, SOURCE, "error" if state == "error" else "ready", error)
        for name in assets:
            self._add(media, name, state, error)
        return media.pk

    def settle(self, media: str, state: State = "ready", *, error: str = "encoding_failed") -> None:
        """Bring a media that is processing to its end, ``"ready"`` or ``"error"``."""
        from ..server.models import Asset

        for asset in Asset.objects.filter(media=media).exclude(status="ready"):
            asset.delete()
            self._add(asset.media, asset.name, state, error)

    def _add(self, media: Any, name: str, state: str, error: str) -> None:
        from ..server import files
        from ..server.models import Asset

        asset = Asset(media=media, name=name, status=state)
        if state == "error":
            asset.error_code, asset.error_message = error, "This media failed in a test."
        if state == "ready":
            path = STILL if is_thumbnail(name) else CLIP
            asset.file = files.storage().save(
                f"media/{media.pk}/{path.name}", ContentFile(path.read_bytes())
            )
            asset.created = timezone.now()
            asset.duration = 1.0
            asset.facts = _facts(path)
        if state == "processing":
            asset.progress = 50
        asset.save()


def _facts(path: Path) -> dict[str, Any]:
    facts = {"file_extension": path.suffix[1:], "file_size": path.stat().st_size}
    if path == STILL:
        return {**facts, "container": "JPEG"}
    return {
        **facts,
        "container": "MPEG-4",
        "duration": 1,
        "video_width": 64,
        "video_height": 36,
    }


@contextmanager
def use_cloud() -> Iterator[Cloud]:
    """
    Run a cloud for the time of a ``with`` statement.

    Every alias of ``CLOUDKEYS``, and ``"default"`` in any case, gets an account of its own on it,
    with a secret of scheme 2 where the alias has a ``SECRET``. Files are in a folder that goes
    away; what may write is allowed inside the transaction of a test.

    Raises:
        ImproperlyConfigured: the app or its URLs are not installed.
    """
    base_url = _base_url()
    from ..server.models import Account

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cloudkey-test-"))
        stack.enter_context(override_settings(**_settings(base_url, folder)))
        aliases = {DEFAULT_ALIAS, *getattr(settings, "CLOUDKEYS", {})}
        accounts = {
            alias: Account.objects.create(name=f"test {alias}") for alias in sorted(aliases)
        }
        clients = {
            alias: {
                "USER_ID": account.pk,
                **_credentials(alias, account),
                "BASE_URL": base_url,
                "TRANSPORT": IN_PROCESS,
            }
            for alias, account in accounts.items()
        }
        stack.enter_context(override_settings(CLOUDKEYS=clients))
        # Its rollback is the test's, which is what the test wants.
        stack.enter_context(mock.patch.object(in_process, "refuse_in_transaction"))
        try:
            yield Cloud(base_url, accounts)
        finally:
            # Those of a TestCase are rolled back anyhow.
            Account.objects.filter(pk__in=[account.pk for account in accounts.values()]).delete()


def _base_url() -> str:
    if not apps.is_installed("django_cloudkey.server"):
        raise ImproperlyConfigured(
            'A cloud for tests needs "django_cloudkey.server" in the INSTALLED_APPS of the tests.'
        )
    try:
        return f"{HOST}{reverse('cloudkey_server:api').removesuffix('/api')}"
    except NoReverseMatch as error:
        raise ImproperlyConfigured(
            "A cloud for tests needs its URLs in the URLconf of the tests: "
            'path("cloud/", include("django_cloudkey.server.urls")).'
        ) from error


def _settings(base_url: str, folder: str) -> dict[str, Any]:
    own = {**getattr(settings, "CLOUDKEY_SERVER", {}), "BASE_URL": base_url, "WORK_DIR": folder}
    for name in ("CDN_URL", "STATIC_URL"):  # of the site's cloud, not of this one
        own.pop(name, None)
    alias = own.get("STORAGE") or "cloudkey"
    backend = "django.core.files.storage.FileSystemStorage"
    files = {"BACKEND": backend, "OPTIONS": {"location": f"{folder}/files"}}
    return {
        "CLOUDKEY_SERVER": own,
        "STORAGES": {**settings.STORAGES, alias: files},
        "ALLOWED_HOSTS": [*settings.ALLOWED_HOSTS, "testserver"],
    }


def _credentials(alias: str, account: Account) -> dict[str, str]:
    """Return what *account* signs with, by the scheme of the site's own *alias*."""
    from ..server import account_secrets

    given = getattr(settings, "CLOUDKEYS", {}).get(alias)
    if not (isinstance(given, dict) and given.get("SECRET")):
        return {"API_KEY": account.api_key}
    secret = account_secrets.add(account)
    return {"SECRET": secret.secret, "KID": secret.kid}


class CloudMixin:
    """
    Mix into a ``TestCase`` for ``self.cloud``, a :class:`Cloud` of each test's own.

    Its ``databases`` must name the cloud's, where that is another than ``"default"``.
    """

    cloud: Cloud

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.cloud = self.enterContext(use_cloud())  # type: ignore[attr-defined]
