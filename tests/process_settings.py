"""The suite's settings as a process of its own needs them: with what a running test changed."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from django.utils import timezone

from .settings import *  # noqa: F403
from .settings import CLOUDKEY_SERVER, DATABASES, STORAGES

_changes = json.loads(os.environ["TEST_CHANGES"])
for _alias, _name in _changes["DATABASES"].items():
    DATABASES[_alias]["NAME"] = _name
CLOUDKEY_SERVER.update(_changes["CLOUDKEY_SERVER"])
STORAGES.update(_changes["STORAGES"])
CLOUDKEYS = _changes["CLOUDKEYS"]
CACHES = _changes["CACHES"]

if "TEST_CLOCK" in os.environ:  # a file that says by how many seconds this process's clock is wrong
    _clock, _right_time = Path(os.environ["TEST_CLOCK"]), time.time
    time.time = lambda: _right_time() + float(_clock.read_text())
    timezone.now = lambda: datetime.fromtimestamp(time.time(), UTC)
