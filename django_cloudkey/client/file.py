"""``file``: files on their way into the cloud."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any

from ..protocol.exceptions import SerializerError
from .multipart import MultipartBody, Progress, Readable, open_at_once, size_of
from .remote import JSON, RemoteObject, remote


class File(RemoteObject):
    """Files on their way into the cloud."""

    @remote
    def upload(
        self,
        *,
        target: str | None = None,
        status: bool | None = None,
        jsonp_cb: str | None = None,
    ) -> JSON:
        """
        Return ``{"url": …}``, an address that takes one file in the form field ``file``.

        Whoever has the address may send the file: put it into the form of a page.

        Args:
            target: Page that the browser is led to afterwards, with ``url``, ``name``, ``seal``,
                ``hash`` and ``size`` in its query; one of a site that the cloud knows.
            status: Answer ``status`` too, an address that says how far the upload is:
                ``{"state", "received", "size"}``, where the state is ``notfound``, ``uploading``,
                ``done`` or ``error``.
            jsonp_cb: Name of the JavaScript function that the status is handed to, or ``"?"``,
                which jQuery replaces.

        Raises:
            InvalidParameter: the cloud does not lead to such a *target*, or *jsonp_cb* is no name.
        """
        return self._call("upload", target=target, status=status, jsonp_cb=jsonp_cb)

    @remote
    def upload_file(
        self,
        file: str | os.PathLike[str] | Readable,
        progress: Progress | None = None,
        *,
        name: str | None = None,
    ) -> dict[str, Any]:
        """
        Send a file and return what the upload server says of it.

        Args:
            file: Its path, or anything with ``read()`` and a length.
            progress: Called with the bytes sent so far and the size; raising ends the upload.
            name: File name to announce; the base name of the path by default.

        Returns:
            ``{"url", "name", "size", "hash", "seal"}``; pass ``url`` to ``media.create``.

        Raises:
            OSError: the file is missing, empty or unreadable; nothing was sent.
            TypeError: it is open as text.
            TransportException: there was no answer. The file may have arrived, and was not sent
                twice.
            SerializerError: the answer is no upload answer, or the server has other bytes than
                were sent.
        """
        if isinstance(file, str | os.PathLike):
            with open(file, "rb", opener=open_at_once) as stream:
                return self.upload_file(stream, progress, name=name or PurePath(file).name)
        size = size_of(file)
        name = name or getattr(file, "name", "")
        # That of a temporary file is the number of its descriptor.
        name = PurePath(name).name if isinstance(name, str) else ""
        name = "file" if name in ("", "..") else name
        if size == 0:
            raise OSError(f"{name!r} is empty.")
        url = _url_in(self.upload())
        body = MultipartBody(file, name=name, size=size, progress=progress)
        return self._client.send(url, body)


def check_upload(answer: JSON, sha1: str) -> dict[str, Any]:
    """
    Return an upload server's answer.

    Args:
        sha1: Hexadecimal, of the bytes that were sent.

    Raises:
        SerializerError: it is none, or of other bytes.
    """
    _url_in(answer)
    upload: dict[str, Any] = answer
    if upload.get("hash", sha1) != sha1:
        raise SerializerError("The upload server received other bytes than were sent.")
    return upload


def _url_in(answer: JSON) -> str:
    if not isinstance(answer, dict) or not isinstance(answer.get("url"), str):
        raise SerializerError("The upload server's answer has no url.")
    return str(answer["url"])
