"""The recipes: which asset name is encoded how, and how large its picture becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import ClassVar, TypeAlias

Box: TypeAlias = tuple[int, int | None]
"""Largest width and height in pixels; None: the height follows from the width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPreset:
    """H.264 and AAC in an MP4."""

    box: Box
    """What the picture fits into."""

    video_bit_rate: int
    """Mean of the video stream, bit/s."""

    audio_bit_rate: int
    """Of the audio stream, bit/s."""

    extension: ClassVar[str] = "mp4"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the rendition: even, since 4:2:0 halves the colour planes."""
        return fit(self.box, width, height, step=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThumbnailPreset:
    """One frame as a JPEG."""

    box: Box
    """What the picture fits into."""

    extension: ClassVar[str] = "jpeg"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the thumbnail."""
        return fit(self.box, width, height)


Preset: TypeAlias = VideoPreset | ThumbnailPreset

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "mp4_h264_aac_ld": VideoPreset(
            box=(320, 240), video_bit_rate=180_000, audio_bit_rate=64_000
        ),
        "mp4_h264_aac": VideoPreset(box=(512, 384), video_bit_rate=360_000, audio_bit_rate=96_000),
        "mp4_h264_aac_hq": VideoPreset(
            box=(848, 480), video_bit_rate=800_000, audio_bit_rate=128_000
        ),
        "mp4_h264_aac_hd": VideoPreset(
            box=(1280, 720), video_bit_rate=1_500_000, audio_bit_rate=128_000
        ),
        "mp4_h264_aac_fhd": VideoPreset(
            box=(1920, 1080), video_bit_rate=6_000_000, audio_bit_rate=128_000
        ),
        "jpeg_thumbnail_small": ThumbnailPreset(box=(80, 60)),
        "jpeg_thumbnail_medium": ThumbnailPreset(box=(160, 120)),
        "jpeg_thumbnail_large": ThumbnailPreset(box=(320, 240)),
        "jpeg_thumbnail_source": ThumbnailPreset(box=(848, None)),
    }
)
"""
Every asset name that this package can make.

Source:
    The table of asset names in the protocol's reference; its "default sizes" are bounding boxes.
"""


def fit(box: Box, width: int, height: int, *, step: int = 1) -> tuple[int, int]:
    """
    Return the largest size in *box* that keeps the ratio of *width* to *height*, never enlarged.

    Args:
        box: Largest width and height, pixels.
        width: Of the source as it is displayed, pixels.
        height: Likewise.
        step: Both results are multiples of it, one step at least where the source is smaller.
    """
    box_width, box_height = box
    scale = min(Fraction(1), Fraction(box_width, width))
    if box_height is not None:
        scale = min(scale, Fraction(box_height, height))
    return _rounded(scale * width, step), _rounded(scale * height, step)


def _rounded(value: Fraction, step: int) -> int:
    """Return the multiple of *step* nearest to *value*; halves go down: an odd edge never grows."""
    lower = value // step
    steps = lower + 1 if value - lower * step > Fraction(step, 2) else lower
    return max(1, steps) * step
