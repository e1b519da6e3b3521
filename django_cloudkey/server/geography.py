"""
Where an address is: country and autonomous system, from local files in MaxMind's format.

The files are read into memory, so that one which is cut short under our hands cannot crash a
process, and read again when they were replaced.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .conf import cloud

logger = logging.getLogger(__name__)

LEVELS_BY_FILE = {"COUNTRY_FILE": "COUNTRY", "ASNUM_FILE": "ASNUM"}
"""Key of the settings → level that needs it."""
LOOK = 10.0  # seconds between two looks at whether a file was replaced


class Unusable(Exception):
    """A file that is missing, or not in MaxMind's format."""


class Atlas:
    """One file, open as long as it stays the same."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._looked = -LOOK
        self._stamp: tuple[int, int] | None = None
        self._told: tuple[int, int] | None = None
        self._reader: Any = None

    def find(self, ip: str) -> dict[str, Any]:
        """Return what the file knows of *ip*; nothing when it cannot be asked."""
        reader = self._current()
        try:
            found = reader.get(ip) if reader is not None else None
        except Exception as error:  # noqa: BLE001 - wrong bytes in a file may raise anything
            is_of_viewer = isinstance(error, ValueError)  # such as IPv6 in a file of IPv4
            if not is_of_viewer and self._told != self._stamp:
                self._told = self._stamp  # once, and not for each request
                logger.error("%s cannot be read: %s", self._path, error)
            return {}
        return found if isinstance(found, dict) else {}

    def _current(self) -> Any:
        if time.monotonic() - self._looked < LOOK:
            return self._reader
        # Whoever comes while it is read goes on with what there is, and waits if there is nothing.
        if self._lock.acquire(blocking=self._reader is None):
            try:
                if time.monotonic() - self._looked >= LOOK:
                    self._look()
                    self._looked = time.monotonic()
            finally:
                self._lock.release()
        return self._reader

    def _look(self) -> None:
        try:
            status = os.stat(self._path)
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                self._reader, self._stamp = open_file(self._path), stamp
        except (OSError, Unusable, ImproperlyConfigured) as error:
            # What was read before goes on: a file is often replaced in two steps.
            logger.error("%s cannot be read: %s", self._path, error)


def open_file(path: str, *, whole: bool = True) -> Any:
    """
    Return a reader of a file in MaxMind's format.

    Args:
        whole: Read it into memory; else only what tells whether it is one.

    Raises:
        Unusable: it is missing or broken.
        ImproperlyConfigured: the library is not installed.
    """
    try:
        import maxminddb
    except ImportError as error:
        raise ImproperlyConfigured(
            'Country and network files need pip install "django-cloudkey[geography]".'
        ) from error
    try:
        return maxminddb.open_database(
            path, maxminddb.MODE_MEMORY if whole else maxminddb.MODE_AUTO
        )
    except (OSError, ValueError, TypeError, maxminddb.InvalidDatabaseError) as error:
        raise Unusable(str(error)) from error


def country_of(ip: str) -> str:
    """Return the lower-case code of the country of *ip*; ``""`` when nobody knows."""
    found = _look_up(cloud.country_file, ip)
    country = found.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else found.get("country_code")
    code = str(code or "").lower()
    return code if _CODE.fullmatch(code) else ""


_CODE = re.compile(r"[a-z]{2}", re.ASCII)


def asnum_of(ip: str) -> str:
    """Return the autonomous system of *ip*, such as ``AS64496``; ``""`` when nobody knows."""
    number = _look_up(cloud.asnum_file, ip).get("autonomous_system_number")
    return f"AS{number}" if isinstance(number, int) else ""


_atlases: dict[str, Atlas] = {}


def _look_up(path: str | None, ip: str) -> dict[str, Any]:
    if path is None or not ip:
        return {}
    return _atlases.setdefault(path, Atlas(path)).find(ip)
