"""A site whose receivers of signals write down what they heard, each a line of JSON."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from django_cloudkey import signals  # noqa: E402 - with the apps loaded
from django_cloudkey.protocol.events import Event  # noqa: E402


def _write_down(*, media: str, event: Event, **kwargs: Any) -> None:
    time.sleep(float(os.environ["HEARING_TAKES"]))
    line = json.dumps([media, event.type, event.asset, event.sequence]) + "\n"
    file = os.open(os.environ["HEARD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


for _name in ("media_ready", "media_failed", "media_deleted", "asset_ready"):
    getattr(signals, _name).connect(_write_down)
