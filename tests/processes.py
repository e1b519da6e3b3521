"""Processes that tests start: on the databases and files of the running test."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.db import connections

ROOT = Path(__file__).parent.parent


def environment(settings: Any) -> dict[str, str]:
    """Return the environment of a process that shall see what the running test sees."""
    changes = {
        "DATABASES": {c.alias: str(c.settings_dict["NAME"]) for c in connections.all()},
        "CLOUDKEY_SERVER": settings.CLOUDKEY_SERVER,
        "STORAGES": settings.STORAGES,
        "CLOUDKEYS": settings.CLOUDKEYS,
        "CACHES": settings.CACHES,
    }
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.process_settings",
        "TEST_CHANGES": json.dumps(changes, default=str),
        "TEST_SCRATCH": str(settings.SCRATCH),
    }
