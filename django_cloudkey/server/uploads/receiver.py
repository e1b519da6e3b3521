"""
Receive one file: from the socket to the disk in pieces, hashed on the way.

Django's multipart parser feeds :class:`SlotHandler`; nothing else of the form is kept.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import time
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers, StopUpload
from django.db import Error
from django.http import HttpRequest

from .. import files
from ..conf import cloud
from ..models import UploadSlot, disconnect

logger = logging.getLogger(__name__)

MAX_NAME = 200  # characters of a display name
FORM_SIZE = 64 * 1024  # bytes that a form may add to its file
TELL_EVERY = 0.5  # seconds
FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Refused(Exception):
    """An upload that is not taken. *status* is the HTTP status, the text a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def too_large() -> Refused:
    return Refused(413, f"The file is longer than {cloud.max_upload_size} bytes.")


def no_space() -> Refused:
    return Refused(507, "The server has not enough free disk space.")


def check_space(size: int) -> None:
    """
    Raise :class:`Refused` unless a body of *size* bytes is allowed and leaves enough disk free.
    """
    if size > cloud.max_upload_size + FORM_SIZE:
        raise too_large()
    if files.free_space() - size < cloud.min_free_space:
        raise no_space()


class SlotHandler(FileUploadHandler):
    """
    Write the form's field ``file`` to the slot's partial file.

    Attributes:
        refused: Why receiving stopped, when it did.
        size: Bytes received; the slot's row follows, about twice a second.
    """

    chunk_size = 256 * 1024

    def __init__(self, request: HttpRequest, slot: UploadSlot) -> None:
        super().__init__(request)
        self.path = files.partial_path(slot.pk)
        self.refused: Refused | None = None
        self.is_complete = False
        self.size = 0
        self.name = ""
        self._slot_id = slot.pk
        self._told = time.monotonic()
        self._digest = hashlib.sha1(usedforsecurity=False)
        self._file: Any = None

    @property
    def sha1(self) -> str:
        return self._digest.hexdigest()

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name != "file" or self._file is not None:
            self._stop(Refused(400, "The form needs exactly one file, in the field 'file'."))
        self.name = file_name
        descriptor = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600
        )
        self._file = os.fdopen(descriptor, "wb")
        raise StopFutureHandlers

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.size += len(raw_data)
        if self.size > cloud.max_upload_size:
            self._stop(too_large())
        try:
            self._file.write(raw_data)
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            self._stop(no_space())
        self._digest.update(raw_data)
        if time.monotonic() - self._told >= TELL_EVERY:
            self._tell()

    def file_complete(self, file_size: int) -> None:
        # The answer promises that the file is safe: it has to survive a loss of power.
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            self._stop(no_space())
        self._file.close()
        self.is_complete = True

    def upload_interrupted(self) -> None:
        self.discard()

    def discard(self) -> None:
        """Close and remove the partial file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError:
                self.refused = self.refused or no_space()
        Path(self.path).unlink(missing_ok=True)

    def _tell(self) -> None:
        try:
            UploadSlot.objects.filter(pk=self._slot_id).update(received=self.size)
        except Error:
            # Nobody loses a file for the sake of a progress bar.
            logger.warning("Upload %s: its progress could not be noted", self._slot_id)
            disconnect()
        self._told = time.monotonic()

    def _stop(self, reason: Refused) -> None:
        self.refused = reason
        raise StopUpload(connection_reset=True)


_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def split_name(name: str) -> tuple[str, str]:
    """
    Return display name and extension of a file name that a stranger sent, path and all.

    Neither is ever part of a path: the file is stored under a random name.
    """
    base = PurePosixPath(_UNSAFE.sub("", name).replace("\\", "/")).name.strip()
    if base == "..":
        return "", ""
    stem, dot, extension = base.rpartition(".")
    if not dot or not stem or not re.fullmatch(r"[A-Za-z0-9]{1,10}", extension):
        return base[:MAX_NAME], ""
    return stem[:MAX_NAME], extension.lower()
