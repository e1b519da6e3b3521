"""Workers in processes of their own, which tests may kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def start_worker(settings: Any) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts ``cloudkey_worker`` on the test's databases and files."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        changes = {
            "DATABASES": {c.alias: str(c.settings_dict["NAME"]) for c in connections.all()},
            "CLOUDKEY_SERVER": settings.CLOUDKEY_SERVER,
            "STORAGES": settings.STORAGES,
        }
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.process_settings",
            "TEST_CHANGES": json.dumps(changes, default=str),
            "TEST_SCRATCH": str(settings.SCRATCH),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "django", "cloudkey_worker", "--verbosity=0", *arguments],
            cwd=ROOT,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)
