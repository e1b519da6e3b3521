"""Sending files as a hostile sender would: forms by hand, and pauses."""

from __future__ import annotations

import shutil
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from django.utils import timezone

from django_cloudkey.client import CloudKey
from django_cloudkey.server import files
from django_cloudkey.server.models import UploadSlot

CONTENT = b"a clip" * 1000


BOUNDARY = "b0und4ry"


MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def configure(settings: Any, **keys: object) -> None:
    settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, **keys}


def part(disposition: str, content: bytes = CONTENT) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FILE = part('name="file"; filename="clip.mp4"')


def post(url: str, body: bytes = form(FILE), headers: dict[str, str] = MULTIPART) -> Any:
    return requests.post(url, data=body, headers=headers, timeout=20)


def partials() -> list[str]:
    return [path.name for path in (files.work_dir() / "uploads").glob("*")]


def wait_for(slot: UploadSlot, state: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        slot.refresh_from_db()
        if slot.state == state:
            return
        time.sleep(0.02)
    raise AssertionError(f"the slot is {slot.state}, not {state}")


class Sender:
    """A sender who pauses: the head and a piece of the form now, the rest when told."""

    def __init__(self, url: str, body: bytes, sent: int) -> None:
        parts = urlsplit(url)
        self._body, self._sent = body, sent
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=20)
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: {MULTIPART['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body[:sent])

    def finish(self) -> int:
        """Send the rest and return the status of the answer."""
        self.socket.sendall(self._body[self._sent :])
        return self.status()

    def status(self) -> int:
        with self.socket, self.socket.makefile("rb") as answer:
            return int(answer.readline().split()[1])


def fill(folder: Path, *, leave: int) -> Path:
    """Write a file that leaves *leave* bytes of the file system free."""
    path = folder / "ballast"
    path.write_bytes(b"x" * (shutil.disk_usage(folder).free - leave))
    return path


def expire(**which: object) -> None:
    past = timezone.now() - timedelta(seconds=1)
    UploadSlot.objects.filter(**which).update(expires=past)


SITE = "https://www.example.org"


def opened(client: CloudKey, **options: Any) -> dict[str, str]:
    answer: dict[str, str] = client.file.upload(**options)
    return answer


def status_of(url: str, **options: Any) -> Any:
    return requests.get(url, timeout=10, **options)
