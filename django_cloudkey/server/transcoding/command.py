"""
Write the one command line that makes every rendition of a source.

One decode feeds them all through a split filter graph. Two videos and two thumbnails::

    [0:0]split=3[p0][p1][still];
    [p0]scale=320:180,setsar=1,format=yuv420p[o0];
    [p1]scale=512:288,setsar=1,format=yuv420p[o1];
    [still]select='…',split=2[p2][p3];
    [p2]scale=80:45,setsar=1,format=yuvj420p[o2];
    [p3]scale=160:90,setsar=1,format=yuvj420p[o3]

Only numbers and names of this package go into it, nothing that a user wrote.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .inputs import file_url, pinned_input
from .presets import Preset, ThumbnailPreset, VideoPreset
from .probe import Probe
from .tools import Tools

MAX_FRAME_RATE = 60  # frames per second
KEY_FRAME_INTERVAL = 2  # seconds; the same in every rendition, so that players may switch there
CUT_MARGIN = 2  # seconds
SAMPLE_RATE = 48_000  # Hz
STILL_POSITION = 0.1  # of the duration: past black and titles, before the end of the shortest clip
JPEG_QUALITY = 3  # ffmpeg's scale, 2 best to 31 worst
# x264 takes 1.5 threads per processor in each rendition; on a large machine their stacks alone
# would fill the address space that RLIMIT_AS allows.
THREADS = min(8, math.ceil(1.5 * (os.cpu_count() or 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One file to be made."""

    preset: Preset
    path: Path
    width: int
    """Pixels."""
    height: int
    """Pixels."""


def plan_outputs(found: Probe, presets: Mapping[str, Preset], directory: Path) -> dict[str, Output]:
    """Return what is made for each name, videos first: ffmpeg reports progress by the first."""
    ordered = sorted(presets, key=lambda name: isinstance(presets[name], ThumbnailPreset))
    outputs = {}
    for name in ordered:
        preset = presets[name]
        width, height = preset.size(found.width, found.height)
        path = directory / f"{name}.{preset.extension}"
        outputs[name] = Output(preset=preset, path=path, width=width, height=height)
    return outputs


def build_command(
    tools: Tools,
    source: Path,
    found: Probe,
    outputs: list[Output],
    *,
    max_duration: float,
    still_at: float | None = None,
) -> list[str]:
    """
    Return the argv of the one process that makes *outputs*.

    Args:
        source: The file that *found* describes.
        outputs: As planned by :func:`plan_outputs`.
        max_duration: Seconds of the source that are allowed; it is cut a little later, so that
            what was too long can be told by the renditions.
        still_at: Second that thumbnails show.
    """
    threads = str(THREADS)
    command = [
        *(tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-loglevel", "error"),
        *("-nostats", "-progress", "pipe:1"),
        *("-filter_complex_threads", threads),
        *("-threads", threads, "-t", f"{max_duration + CUT_MARGIN:.3f}"),
        *pinned_input(source, found.demuxer),
        *("-filter_complex", build_filters(found, outputs, still_at)),
    ]
    for number, output in enumerate(outputs):
        command += ["-map", f"[o{number}]"]
        if isinstance(output.preset, VideoPreset):
            command += _video_options(found, output.preset)
        else:
            command += _still_options()
        command.append(file_url(output.path))
    return command


def build_filters(found: Probe, outputs: list[Output], still_at: float | None = None) -> str:
    """Return the filter graph with one input and the labels ``[o0]``, ``[o1]``, … as outputs."""
    videos = [n for n, output in enumerate(outputs) if isinstance(output.preset, VideoPreset)]
    stills = [n for n, output in enumerate(outputs) if isinstance(output.preset, ThumbnailPreset)]
    branches = [f"p{n}" for n in videos] + (["still"] if stills else [])
    chains = [f"[0:{found.video_stream}]{_common_filters(found)}{_split(branches)}"]
    if stills:
        chains.append(
            f"[still]{_select_still(found, still_at)},{_split([f'p{n}' for n in stills])}"
        )
    for n, output in enumerate(outputs):
        pixels = "yuv420p" if n in videos else "yuvj420p"
        chains.append(f"[p{n}]scale={output.width}:{output.height},setsar=1,format={pixels}[o{n}]")
    return ";".join(chains)


def _split(labels: list[str]) -> str:
    return f"split={len(labels)}" + "".join(f"[{label}]" for label in labels)


def _common_filters(found: Probe) -> str:
    """Return the filters in front of the split, each with its comma; rotation is ffmpeg's own."""
    filters = ""
    if found.interlaced:
        filters += "yadif=deint=interlaced,"
    if (found.nominal_frame_rate or 0) > MAX_FRAME_RATE:
        # A recording of a screen or a call may tick at 1000 Hz and have 30 frames per second: the
        # mean counts, rounded up, and a constant rate costs few bits for pictures that repeat.
        rate = math.ceil(found.frame_rate or MAX_FRAME_RATE)
        filters += f"fps={min(rate, MAX_FRAME_RATE)},"
    return filters


def _select_still(found: Probe, still_at: float | None) -> str:
    """
    Return the filter that lets the first frame pass and the one at the wanted time.

    The second overwrites the first in the file; where there is no second, because the clip has one
    frame or ends earlier than it claims, the first stays.
    """
    at = f"{found.duration * STILL_POSITION if still_at is None else still_at:.3f}"
    return f"select='eq(n,0)+gte(t,{at})*lt(prev_selected_t,{at})'"


def _video_options(found: Probe, preset: VideoPreset) -> list[str]:
    rate = preset.video_bit_rate
    options = [
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-threads", str(THREADS)),
        *("-b:v", str(rate), "-maxrate", str(rate * 3 // 2), "-bufsize", str(rate * 2)),
        *("-force_key_frames", f"expr:gte(t,n_forced*{KEY_FRAME_INTERVAL})", "-sc_threshold", "0"),
        # vfr drops and never repeats: two frames a day apart stay two frames.
        *("-fps_mode", "vfr"),
    ]
    if found.audio_stream is not None:
        channels = min(2, found.audio_channels or 2)
        options += ["-map", f"0:{found.audio_stream}", "-c:a", "aac"]
        options += ["-b:a", str(preset.audio_bit_rate)]
        options += ["-ac", str(channels), "-ar", str(SAMPLE_RATE)]
    # Titles, chapters and places of recording are the uploader's and stay with the source.
    options += ["-map_metadata", "-1", "-map_chapters", "-1", "-dn", "-sn"]
    return [*options, "-movflags", "+faststart", "-f", "mp4"]


def _still_options() -> list[str]:
    # passthrough: image2 would otherwise fill the time between the two frames with copies.
    return [
        *("-c:v", "mjpeg", "-q:v", str(JPEG_QUALITY), "-threads", "1"),
        *("-fps_mode", "passthrough", "-frames:v", "2", "-map_metadata", "-1"),
        *("-f", "image2", "-update", "1"),
    ]
