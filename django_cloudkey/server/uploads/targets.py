"""
What a page that uploads may choose: where it goes afterwards, and which function hears of it.

Both end up where a browser acts on them, so they are matched against what is allowed, not searched
for what is not.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from ..conf import cloud

MAX_TARGET = 2048  # characters

# Printable ASCII but the backslash, which browsers read as a slash.
_TARGET = re.compile(r"((?i:https?)://[A-Za-z0-9.:\[\]-]+)(?:[/?#][!-\[\]-~]*)?", re.ASCII)
_WORD = r"[A-Za-z_$][\w$]{0,63}"
_CALLBACK = re.compile(rf"{_WORD}(?:\.{_WORD}){{0,4}}", re.ASCII)


def is_target(url: str) -> bool:
    """Say whether *url* is a page of one of ``UPLOAD_ORIGINS``."""
    match = _TARGET.fullmatch(url) if len(url) <= MAX_TARGET else None
    origins = {origin.lower() for origin in cloud.upload_origins}
    return match is not None and match[1].lower() in origins


def with_query(url: str, values: dict[str, Any]) -> str:
    """Return *url* with *values* added to its query and without its fragment."""
    url = url.partition("#")[0]
    joint = "?" if "?" not in url else "" if url[-1] in "?&" else "&"
    return f"{url}{joint}{urlencode(values)}"


def is_callback(name: str) -> bool:
    """Say whether *name* names a JavaScript function: up to five words with dots between."""
    return _CALLBACK.fullmatch(name) is not None
