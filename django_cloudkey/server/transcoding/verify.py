"""
Believe a rendition only after looking at it.

ffmpeg's exit status 0 says little: it is also that of a full disk, of a source that broke off
half-way and of a filter that let no frame pass.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from .command import Output
from .errors import EncodingFailed, NotAVideo, SourceTooLarge
from .presets import ThumbnailPreset
from .probe import Probe, probe, probe_jpeg
from .tools import Tools

LEAST_SHARE = 0.95  # of the source's duration
LARGEST_GAP = 1.0  # seconds; enough where the share is finer than a frame or a packet


def verify(
    tools: Tools, output: Output, source: Probe, *, stop: Callable[[], bool] | None = None
) -> Probe:
    """
    Return what was made at *output*, after comparing it with what was asked for.

    Raises:
        EncodingFailed: it is missing, broken, cut off, silent, or of another size or codec.
    """
    if not output.path.is_file() or not output.path.stat().st_size:
        raise EncodingFailed("The converted video is missing.")
    is_still = isinstance(output.preset, ThumbnailPreset)
    look = probe_jpeg if is_still else probe
    try:
        made = look(tools, output.path, stop=stop)
    except (NotAVideo, SourceTooLarge) as error:
        raise EncodingFailed("The converted video cannot be read.") from error
    _require(made.video_codec == ("JPEG" if is_still else "AVC"), "is of another kind")
    _require((made.width, made.height) == (output.width, output.height), "has another size")
    _require(made.rotation == 0, "is turned")
    if is_still:
        return made
    _require(made.container == "MPEG-4", "is of another kind")
    _require(is_complete(made.duration, source.duration), "is shorter than the original")
    _require(made.has_audio == source.has_audio, "has lost its sound")
    _require(starts_fast(output.path), "cannot be played while it is loading")
    return made


def is_complete(duration: float, expected: float) -> bool:
    """Return whether *duration* is enough where *expected* seconds were, 0.0 if unknown."""
    return duration >= expected * LEAST_SHARE or expected - duration <= LARGEST_GAP


def starts_fast(path: Path) -> bool:
    """
    Return whether the index of an MP4 comes before its data, so that it plays from the first bytes.

    Source:
        ISO/IEC 14496-12 §4.2: a box is a size, a type and its contents.
    """
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", header)
            if kind in (b"moov", b"mdat"):
                return bool(kind == b"moov")
            if size < 8:  # 64-bit or open-ended: only data is that large.
                return False
            file.seek(size - 8, 1)
    return False


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise EncodingFailed(f"The converted video {otherwise}.")
