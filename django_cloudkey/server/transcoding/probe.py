"""Find out what a file is, and whether it is small enough to work on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from .errors import EncodingFailed, NotAVideo, SourceTooLarge
from .failures import ProcessFailed, public_error
from .inputs import MAX_PIXELS, pinned_input
from .known_codecs import AAC_PROFILES, AUDIO_CODECS, VIDEO_CODECS, Codec, container_name
from .runner import Limits, run
from .sniff import HEAD_SIZE, sniff
from .tools import Tools

LIMITS = Limits(memory=2 * 1024**3, cpu=60, file_size=0, wall=30.0)
LONGEST = 1e9  # seconds; what claims more is a lie, and too long in any case
STRANGEST_ASPECT = 10  # width to height of one pixel; what claims more is taken as square
INTERLACED = frozenset({"tt", "bb", "tb", "bt"})  # ffprobe's field_order
SHOWN = ":".join(
    [
        "format=nb_streams,duration,bit_rate",
        "stream=index,codec_type,codec_name,profile,width,height,sample_aspect_ratio,field_order"
        ",r_frame_rate,avg_frame_rate,duration,bit_rate,channels,sample_rate",
        "stream_tags=DURATION,BPS",
        "stream_disposition=attached_pic",
        "stream_side_data=rotation",
    ]
)

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What ffprobe found in one file, in MediaInfo's words."""

    demuxer: str
    """ffmpeg's name of the demuxer that read it."""

    container: str
    """``MPEG-4``, ``QuickTime``, ``Matroska``, ``WebM``, ``AVI``, … or ``JPEG``."""

    size: int
    """Of the file, bytes."""

    duration: float
    """Of the longer of picture and sound, seconds; 0.0 when the file does not say."""

    bit_rate: int | None
    """Of the whole file, bit/s."""

    stream_count: int
    """Streams of every kind."""

    video_stream: int
    """Number of the stream that is shown, from 0."""

    video_codec: str
    """``AVC``, ``HEVC``, ``VP9``, …"""

    video_bit_rate: int | None
    """Bit/s, where the container tells it."""

    width: int
    """As displayed, after rotation and with square pixels."""

    height: int
    """Likewise."""

    rotation: int
    """What the player turns the coded picture by: degrees clockwise, 0 to 359."""

    interlaced: bool
    """Whether frames are made of two fields."""

    frame_rate: Fraction | None
    """Mean, frames per second."""

    nominal_frame_rate: Fraction | None
    """Lowest rate at which every frame falls on a tick; far above the mean where frames vary."""

    audio_stream: int | None
    """Number of the stream that is heard; None when silent."""

    audio_codec: str | None
    """``AAC LC``, ``MPEG Audio``, ``Opus``, …; None when silent."""

    audio_bit_rate: int | None
    """Bit/s, where the container tells it."""

    audio_channels: int | None
    """1 for mono, 2 for stereo."""

    audio_sample_rate: int | None
    """Hz."""

    @property
    def has_audio(self) -> bool:
        """Whether there is sound that can be decoded."""
        return self.audio_stream is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much one source may ask for."""

    max_pixels: int = MAX_PIXELS
    """Of one displayed picture."""

    max_duration: float = 12 * 3600.0
    """Seconds."""

    max_streams: int = 40
    """Streams of every kind."""

    max_frames: int = 12 * 3600 * 60
    """Duration times frame rate."""


def probe(tools: Tools, path: Path, *, stop: Callable[[], bool] | None = None) -> Probe:
    """
    Return what the file at *path* is.

    Args:
        tools: From :func:`.tools.find_tools`.
        path: The file; its name means nothing.
        stop: Asked a few times a second; true ends it.

    Raises:
        NotAVideo: unknown container, broken, or no picture that can be decoded.
        SourceTooLarge: so many streams or pixels that they were not read.
        EncodingFailed: ffprobe crashed.
        TimedOut: it took longer than 30 s.
        Cancelled: *stop* said so.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD_SIZE)
    return _probe_as(tools, path, sniff(head), head, stop)


def probe_jpeg(tools: Tools, path: Path, *, stop: Callable[[], bool] | None = None) -> Probe:
    """Return what the picture at *path* is; errors as of :func:`probe`."""
    picture = _probe_as(tools, path, "jpeg_pipe", b"", stop)
    # ffmpeg takes every JPEG for a frame of a video of 25 a second.
    return replace(picture, frame_rate=None, nominal_frame_rate=None)


def check_budget(found: Probe, budget: Budget) -> None:
    """
    Raise SourceTooLarge when *found* is beyond *budget*.

    A source that does not tell its duration passes: the limits of the process hold it.
    """
    if found.duration > budget.max_duration:
        raise SourceTooLarge(
            f"This video is {_spoken(found.duration)} long; "
            f"up to {_spoken(budget.max_duration)} are accepted here."
        )
    if found.width * found.height > budget.max_pixels:
        raise SourceTooLarge(
            f"This video has a picture of {found.width} × {found.height} pixels; "
            f"up to {budget.max_pixels / 1e6:.1f} million pixels are accepted here."
        )
    if found.stream_count > budget.max_streams:
        raise SourceTooLarge(
            f"This video has {found.stream_count} tracks; "
            f"up to {budget.max_streams} are accepted here."
        )
    frames = math.ceil(found.duration * (found.frame_rate or 0))
    if frames > budget.max_frames:
        raise SourceTooLarge(
            f"This video has {frames} frames; up to {budget.max_frames} are accepted here."
        )


def _spoken(duration: float) -> str:
    if duration < 120:
        return f"{duration:.0f} seconds"
    if duration < 7200:
        return f"{duration / 60:.0f} minutes"
    return f"{duration / 3600:.1f} hours"


def _probe_as(
    tools: Tools, path: Path, demuxer: str, head: bytes, stop: Callable[[], bool] | None
) -> Probe:
    command = [tools.ffprobe, "-v", "error", "-of", "json", "-show_entries", SHOWN]
    try:
        answer = run([*command, *pinned_input(path, demuxer)], limits=LIMITS, stop=stop)
    except ProcessFailed as failure:
        crashed = failure.returncode < 0
        otherwise = EncodingFailed("The video could not be read.") if crashed else NotAVideo()
        raise public_error(failure, otherwise) from failure
    try:
        described = json.loads(answer)
    except ValueError as error:
        raise NotAVideo() from error
    return _decode(described, demuxer, head, path.stat().st_size)


def _decode(answer: Json, demuxer: str, head: bytes, size: int) -> Probe:
    streams: list[Json] = answer.get("streams", [])
    form: Json = answer.get("format", {})
    video = _first(streams, "video", VIDEO_CODECS)
    if video is None:
        raise NotAVideo("There is no picture in this file that can be decoded here.")
    audio = _first(streams, "audio", AUDIO_CODECS)
    rotation = _rotation(video)
    width, height = _display_size(video, rotation)
    if not width or not height:
        raise NotAVideo("There is no picture in this file that can be decoded here.")
    shown = [video] if audio is None else [video, audio]
    # The container's own figure also counts subtitles and other tracks that are left out.
    duration = max(map(_duration, shown)) or _seconds(form.get("duration"))
    return Probe(
        demuxer=demuxer,
        container=container_name(demuxer, head),
        size=size,
        duration=duration,
        bit_rate=_whole(form.get("bit_rate")) or (int(size * 8 / duration) if duration else None),
        stream_count=_whole(form.get("nb_streams")) or len(streams),
        video_stream=video["index"],
        video_codec=VIDEO_CODECS[video["codec_name"]].label,
        video_bit_rate=_bit_rate(video),
        width=width,
        height=height,
        rotation=rotation,
        interlaced=video.get("field_order") in INTERLACED,
        frame_rate=_rate(video.get("avg_frame_rate")) or _rate(video.get("r_frame_rate")),
        nominal_frame_rate=_rate(video.get("r_frame_rate")),
        audio_stream=audio["index"] if audio else None,
        audio_codec=_audio_label(audio) if audio else None,
        audio_bit_rate=_bit_rate(audio) if audio else None,
        audio_channels=_whole(audio.get("channels")) if audio else None,
        audio_sample_rate=_whole(audio.get("sample_rate")) if audio else None,
    )


def _first(streams: list[Json], kind: str, known: Mapping[str, Codec]) -> Json | None:
    """Return the first stream of *kind* that can be decoded and is not a cover picture."""
    for stream in streams:
        is_cover = stream.get("disposition", {}).get("attached_pic")
        if stream.get("codec_type") == kind and stream.get("codec_name") in known and not is_cover:
            return stream
    return None


def _audio_label(stream: Json) -> str:
    if stream["codec_name"] == "aac":
        return AAC_PROFILES.get(stream.get("profile", ""), "AAC")
    return AUDIO_CODECS[stream["codec_name"]].label


def _display_size(stream: Json, rotation: int) -> tuple[int, int]:
    width, height = _whole(stream.get("width")) or 0, _whole(stream.get("height")) or 0
    aspect = _ratio(stream.get("sample_aspect_ratio"), ":") or Fraction(1)
    if Fraction(1, STRANGEST_ASPECT) <= aspect <= STRANGEST_ASPECT:
        width = round(width * aspect)
    return (height, width) if rotation in (90, 270) else (width, height)


def _rotation(stream: Json) -> int:
    # ffprobe counts against the clock, MediaInfo and the protocol with it.
    turns = [data["rotation"] for data in stream.get("side_data_list", []) if "rotation" in data]
    return round(-turns[0]) % 360 if turns else 0


def _duration(stream: Json) -> float:
    """Return what the container says of one stream; Matroska says it in a tag."""
    if duration := _seconds(stream.get("duration")):
        return duration
    hours, colon, rest = stream.get("tags", {}).get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    if not colon:
        return 0.0
    total = _seconds(hours) * 3600 + _seconds(minutes) * 60 + _seconds(seconds)
    return min(total, LONGEST)


def _bit_rate(stream: Json) -> int | None:
    return _whole(stream.get("bit_rate")) or _whole(stream.get("tags", {}).get("BPS"))


def _rate(text: object) -> Fraction | None:
    return _ratio(text, "/")


def _ratio(text: object, sign: str) -> Fraction | None:
    """Return ``30000/1001`` or ``16:15`` as a number above 0, None for ``0/0`` and ``N/A``."""
    above, _, below = str(text).partition(sign)
    if not above.isdecimal() or not below.isdecimal() or not int(above) or not int(below):
        return None
    return Fraction(int(above), int(below))


def _whole(value: object) -> int | None:
    """Return a whole number above 0, None for what is none."""
    text = str(value)
    return int(text) or None if text.isdecimal() and len(text) < 20 else None


def _seconds(value: object) -> float:
    """Return a positive number of seconds, 0.0 for what is none."""
    try:
        seconds = float(str(value))
    except ValueError:
        return 0.0
    return min(seconds, LONGEST) if seconds > 0 else 0.0
