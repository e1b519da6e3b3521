"""
One upload in this process, and what it took: ``python -m tests.benchmarks.senders NAME URL PATH``.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pycurl
import requests
from requests_toolbelt import MultipartEncoder

from django_cloudkey.client import CloudKey, multipart

Sender = Callable[[str, str], object]


def cloudkey(url: str, path: str) -> None:
    with open(path, "rb") as file:
        body = multipart.MultipartBody(file, name="lesson.mp4", size=multipart.size_of(file))
        CloudKey("4c1a4d3edede832bfd000002", "0" * 40, url).send(f"{url}/upload", body)


class _Unchecked:
    """A digest that is never made."""

    def update(self, piece: object) -> None:
        pass

    def hexdigest(self) -> str:
        return ""


def cloudkey_unchecked(url: str, path: str) -> None:
    multipart.hashlib.sha1 = lambda **options: _Unchecked()  # type: ignore[attr-defined]
    cloudkey(url, path)


def with_pycurl(url: str, path: str) -> None:
    answer = io.BytesIO()
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"{url}/upload")
    curl.setopt(pycurl.HTTPHEADER, ["Expect:"])
    curl.setopt(pycurl.HTTPPOST, [("file", (pycurl.FORM_FILE, path))])
    curl.setopt(pycurl.WRITEFUNCTION, answer.write)
    curl.perform()
    curl.close()
    json.loads(answer.getvalue())


def with_pycurl_and_sha1(url: str, path: str) -> None:
    answer = io.BytesIO()
    with _Digesting(path) as file:
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, f"{url}/upload")
        curl.setopt(pycurl.HTTPHEADER, ["Expect:"])
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, Path(path).stat().st_size)
        curl.setopt(pycurl.READFUNCTION, file.read)
        curl.setopt(pycurl.WRITEFUNCTION, answer.write)
        curl.perform()
        curl.close()
        file.digest.hexdigest()
    json.loads(answer.getvalue())


class _Digesting(io.FileIO):
    """A file that makes the SHA-1 of what is read from it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.digest = hashlib.sha1(usedforsecurity=False)

    def read(self, size: int | None = -1, /) -> Any:
        piece = super().read(size)
        self.digest.update(piece or b"")
        return piece


def with_toolbelt(url: str, path: str) -> None:
    with _Digesting(path) as file:
        form = MultipartEncoder({"file": ("lesson.mp4", file, "application/octet-stream")})
        headers = {"Content-Type": form.content_type}
        requests.post(f"{url}/upload", data=form, headers=headers, timeout=300).json()
        file.digest.hexdigest()


SENDERS: dict[str, Sender] = {
    "cloudkey": cloudkey,
    "cloudkey_unchecked": cloudkey_unchecked,
    "pycurl": with_pycurl,
    "pycurl_sha1": with_pycurl_and_sha1,
    "toolbelt": with_toolbelt,
}


def main(name: str, url: str, path: str) -> None:
    import django_cloudkey.client.deadline  # noqa: F401  what the first call loads

    gc.collect()
    # Linux only. ru_maxrss would not do: it starts with the size of the process that started this.
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what it is now
    before = peak_memory()
    started = time.process_time()
    SENDERS[name](url, path)
    seconds = time.process_time() - started
    print(json.dumps([seconds, peak_memory() - before]))  # noqa: T201


def peak_memory() -> int:
    """Return the largest resident set of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
