"""Ids that sort by time, as the wire has them."""

from __future__ import annotations

import secrets
import time


def new_id() -> str:
    """Return 24 hexadecimal characters that sort by time, in the form of a MongoDB ObjectId."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"
