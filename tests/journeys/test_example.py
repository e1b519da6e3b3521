"""The example site's own tests, which run in its own project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_example_site_passes_its_tests(tmp_path: Path) -> None:
    environment = {**os.environ, "EXAMPLE_DATA": str(tmp_path)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    run = subprocess.run(
        [sys.executable, "example_project/manage.py", "test", "courses"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert "OK" in run.stderr
