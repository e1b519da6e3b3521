"""The law: rendering, loading, validating, migrating, checking, saving an id ask no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..processes import ROOT


@pytest.mark.parametrize(
    ("transport", "attempts"),
    [("http", {"socket.connect", "socket.getaddrinfo"}), ("in-process", {"call in the process"})],
)
def test_nothing_but_a_remote_call_asks_the_cloud(
    tmp_path: Path, transport: str, attempts: set[str]
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TEST_POSTGRES"}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_SCRATCH": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.app.offline_site", transport],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["never"] == []
    assert report["pages"] == [200, 200, 200]
    assert report["queries"] == 0
    assert report["length"] > 1_000 * 5 * 100
    # What is watched is seen: the one remote call at the end, and its repetitions.
    assert report["remote"]
    assert set(report["remote"]) <= attempts
