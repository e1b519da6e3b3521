"""How a file of a stranger is given to ffmpeg and ffprobe; nothing else opens one."""

from __future__ import annotations

import os
from pathlib import Path

from .known_codecs import DECODERS

MAX_PIXELS = 8192 * 4320  # of one picture
MAX_STREAMS = 100  # more and the file is not even described; a Budget allows fewer

PROBE_BYTES = 20_000_000  # read at most to find and describe the streams
PROBE_TIME = 20_000_000  # microseconds of the streams, likewise


def pinned_input(path: Path, demuxer: str) -> list[str]:
    """
    Return the arguments that open *path* as *demuxer* and as nothing else.

    A protocol white list alone is not enough: ffmpeg 5.1 still follows local playlists. The
    demuxer is named, so nothing is guessed, and white-listed, so it can open no other one inside.
    The prefix ``file:`` takes the meaning from names such as ``-y``, ``concat:a|b``, ``http://…``.
    """
    return [
        *("-f", demuxer),
        *("-protocol_whitelist", "file"),
        *("-format_whitelist", demuxer),
        *("-codec_whitelist", ",".join(DECODERS)),
        *("-max_streams", str(MAX_STREAMS)),
        *("-max_pixels", str(MAX_PIXELS)),
        *("-probesize", str(PROBE_BYTES)),
        *("-analyzeduration", str(PROBE_TIME)),
        *("-i", file_url(path)),
    ]


def file_url(path: Path) -> str:
    """Return *path* as ffmpeg's name of that very file, for input and output alike."""
    return f"file:{os.path.abspath(path)}"
