"""
``CloudKeyStorage``: a Django storage whose files are media.

::

    STORAGES = {
        "videos": {"BACKEND": "django_cloudkey.storage.CloudKeyStorage"},
        ...
    }

    class Clip(models.Model):
        file = models.FileField(storage=storages["videos"])

A file that is saved is uploaded and becomes a media; its name is then ``<media id>/<file name>``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.utils import validate_file_name
from django.utils import timezone
from django.utils.deconstruct import deconstructible
from storages.base import BaseStorage

from .addresses import sign_for
from .client import CloudKey
from .client.remote_file import PIECE, RemoteFile
from .conf import DEFAULT_ALIAS
from .connection import cloudkeys
from .protocol.assets import SOURCE
from .protocol.exceptions import NotFound
from .protocol.seclevel import SecLevel
from .protocol.urls import is_media_id
from .uploads import DEFAULT_ASSETS, title_of

_NAME = re.compile(r"([0-9a-f]{24})/([^/\\\0]{1,255})")
ID_LENGTH = 24
NAME_KEY, SIZE_KEY = "file_name", "file_size"  # in the meta of the media


@deconstructible
class CloudKeyStorage(BaseStorage):  # type: ignore[misc]
    """
    Args:
        account: Alias in ``CLOUDKEYS``.
        assets: Names of the assets that are made of each file.
        asset_name: What ``url()`` leads to, the file itself by default; ``"mp4_h264_aac"`` for what
            was made of it, once it is ready.
    """

    def get_default_settings(self) -> dict[str, Any]:
        return {"account": DEFAULT_ALIAS, "assets": DEFAULT_ASSETS, "asset_name": SOURCE}

    @property
    def client(self) -> CloudKey:
        return cloudkeys[self.account]

    # Names

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return *name* without its folders, which nothing is: an id makes it unique."""
        validate_file_name(name, allow_relative_path=True)
        base = PurePosixPath(name).name
        if max_length is None:
            return base
        room = max_length - ID_LENGTH - 1
        stem, suffix = PurePosixPath(base).stem, PurePosixPath(base).suffix
        if room <= len(suffix):
            raise SuspiciousFileOperation(
                f"No name for {base!r} has {max_length} characters or less; give the field a "
                "greater max_length."
            )
        return f"{stem[: room - len(suffix)]}{suffix}"

    # Files

    def _save(self, name: str, content: File[Any]) -> str:
        client = self.client
        if content.seekable():  # whoever looked into it may have left it anywhere
            content.seek(0)
        arrived = client.file.upload_file(content, name=name)
        meta = {"title": title_of(name)[:255], NAME_KEY: name, SIZE_KEY: str(arrived["size"])}
        media = client.media.create(url=arrived["url"], assets_names=list(self.assets), meta=meta)
        return f"{media['id']}/{name}"

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if mode not in ("r", "rb"):
            raise ValueError(f"A file on the cloud is opened to be read, mode 'rb'; got {mode!r}.")
        media, _base = _split(name)
        size = self.size(name)

        def fetch(start: int, length: int) -> bytes:
            # Signed anew for each piece: a file may be open for longer than an address is valid.
            # For nobody but this process, so that no level of a viewer's stands in the way.
            url = self._sign(media, SOURCE, seclevel=SecLevel.NONE)
            return self.client.fetch(url, start, length)

        return File(io.BufferedReader(RemoteFile(fetch, size), PIECE), name)

    def delete(self, name: str) -> None:
        media, _base = _split(name)
        try:
            self.client.media.delete(id=media)
        except NotFound:
            return  # as of any storage: what is not there is deleted

    def exists(self, name: str) -> bool:
        try:
            media, base = _split(name)
            return self._base_of(self._info(media, [f"meta.{NAME_KEY}"])) == base
        except (SuspiciousFileOperation, NotFound):
            return False

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Return the ids of all media as folders, or of one of these its file."""
        path = path.strip("/")
        if path in ("", "."):
            return [each["id"] for each in self.client.media.iterate(fields=["id"])], []
        if not is_media_id(path):
            raise FileNotFoundError(path)
        return [], [self._base_of(self._found(path, [f"meta.{NAME_KEY}"]))]

    def size(self, name: str) -> int:
        media, _base = _split(name)
        size = self._found(media, [f"meta.{SIZE_KEY}"]).get("meta", {}).get(SIZE_KEY, "")
        if not re.fullmatch(r"[0-9]{1,18}", str(size), re.ASCII):
            raise FileNotFoundError(name)  # a media that was made by other means
        return int(size)

    def url(
        self,
        name: str | None,
        parameters: Mapping[str, Any] | None = None,
        expire: float | None = None,
    ) -> str:
        """
        Return a signed address, computed here.

        Args:
            parameters: Further arguments of :meth:`.Media.get_stream_url`, such as ``download``.
            expire: Seconds that it is valid; as the account says by default.
        """
        if name is None:
            raise ValueError("There is no file.")
        media, _base = _split(name)
        options = dict(parameters or {})
        if expire is not None:
            options["expires"] = timezone.now().timestamp() + expire
        return self._sign(media, self.asset_name, **options)

    def get_created_time(self, name: str) -> datetime:
        media, _base = _split(name)
        created = datetime.fromtimestamp(self._found(media, ["created"])["created"], UTC)
        return created if timezone.is_aware(timezone.now()) else timezone.make_naive(created)

    get_modified_time = get_created_time
    """Nothing changes a file on the cloud."""

    def _sign(self, media: str, asset_name: str, **options: Any) -> str:
        return sign_for(
            None, "get_stream_url", media, account=self.account, asset_name=asset_name, **options
        )

    def _info(self, media: str, fields: list[str]) -> dict[str, Any]:
        return dict(self.client.media.info(id=media, fields=fields))

    def _found(self, media: str, fields: list[str]) -> dict[str, Any]:
        try:
            return self._info(media, fields)
        except NotFound as error:
            raise FileNotFoundError(media) from error

    @staticmethod
    def _base_of(info: dict[str, Any]) -> str:
        return str(info.get("meta", {}).get(NAME_KEY) or "file")


def _split(name: str) -> tuple[str, str]:
    """
    Return media id and file name.

    Raises:
        SuspiciousFileOperation: *name* is none of this storage.
    """
    match = _NAME.fullmatch(name)
    if match is None or match[2] in (".", ".."):
        raise SuspiciousFileOperation(f"{name!r} is no name of this storage: <media id>/<file>.")
    return match[1], match[2]
