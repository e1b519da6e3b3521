"""The law: rendering, loading, validating, migrating, checking, saving an id ask no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ..processes import ROOT


def test_nothing_but_a_remote_call_opens_a_socket(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TEST_POSTGRES"}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_SCRATCH": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.app.offline_site"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["never"] == []
    assert report["pages"] == [200, 200, 200]
    assert report["queries"] == 0
    assert report["length"] > 1_000 * 5 * 100
    # The hook sees what it should: the one remote call at the end, and its repetitions.
    assert set(report["remote"]) <= {"socket.connect", "socket.getaddrinfo"}
    assert report["remote"]
