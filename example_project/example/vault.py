"""``secrets.json``: what only the owner of the data folder may read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

NAME = "secrets.json"


def read_secrets(data: Path) -> dict[str, str]:
    """Return the secrets kept in the folder *data*; none if there is no file yet."""
    try:
        text = (data / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {str(key): str(value) for key, value in json.loads(text).items()}


def add_secrets(data: Path, **values: str) -> None:
    """Keep *values* next to those that are there, in a file that is whole at every moment."""
    text = json.dumps({**read_secrets(data), **values}, indent=2) + "\n"
    # mkstemp creates with O_EXCL and mode 0600: the file never exists with wider permissions.
    descriptor, name = tempfile.mkstemp(prefix=f".{NAME}.", dir=data)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, data / NAME)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
