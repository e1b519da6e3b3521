"""Workers in processes of their own, which tests may kill."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..processes import ROOT, environment


@pytest.fixture
def start_worker(settings: Any) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts ``cloudkey_worker`` on the test's databases and files."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "django", "cloudkey_worker", "--verbosity=0", *arguments],
            cwd=ROOT,
            env=environment(settings),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)
