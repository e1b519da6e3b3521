"""The table of presets, and how pictures fit into boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.server.transcoding.presets import PRESETS, VideoPreset, fit

SIDES = st.integers(min_value=1, max_value=20_000)


def test_the_bit_rates_are_those_of_the_protocol() -> None:
    rates = {
        name: (preset.video_bit_rate, preset.audio_bit_rate)
        for name, preset in PRESETS.items()
        if isinstance(preset, VideoPreset)
    }

    assert rates == {
        "mp4_h264_aac_ld": (180_000, 64_000),
        "mp4_h264_aac": (360_000, 96_000),
        "mp4_h264_aac_hq": (800_000, 128_000),
        "mp4_h264_aac_hd": (1_500_000, 128_000),
        "mp4_h264_aac_fhd": (6_000_000, 128_000),
    }


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("mp4_h264_aac_fhd", (3840, 2160), (1920, 1080)),
        ("mp4_h264_aac_hd", (1920, 1080), (1280, 720)),
        ("mp4_h264_aac_hd", (1080, 1920), (404, 720)),
        ("mp4_h264_aac_hq", (1280, 720), (848, 476)),
        ("mp4_h264_aac", (1920, 1080), (512, 288)),
        ("mp4_h264_aac_ld", (641, 481), (320, 240)),
        ("mp4_h264_aac_hd", (319, 239), (318, 238)),
        ("mp4_h264_aac_hd", (1, 1), (2, 2)),
        ("mp4_h264_aac_hd", (2, 16384), (2, 720)),
        ("jpeg_thumbnail_small", (1920, 1080), (80, 45)),
        ("jpeg_thumbnail_large", (640, 480), (320, 240)),
        ("jpeg_thumbnail_source", (1920, 1080), (848, 477)),
        ("jpeg_thumbnail_source", (319, 239), (319, 239)),
        ("jpeg_thumbnail_source", (1, 1), (1, 1)),
    ],
)
def test_sizes(name: str, source: tuple[int, int], expected: tuple[int, int]) -> None:
    assert PRESETS[name].size(*source) == expected


@given(SIDES, SIDES, st.sampled_from(sorted(PRESETS)))
def test_nothing_is_enlarged_or_leaves_its_box(width: int, height: int, name: str) -> None:
    preset = PRESETS[name]
    step = 2 if isinstance(preset, VideoPreset) else 1

    made = preset.size(width, height)

    limits = (preset.box[0], preset.box[1] or height)
    for side, source, limit in zip(made, (width, height), limits, strict=True):
        assert side % step == 0
        assert step <= side <= max(step, min(source, limit))


@given(SIDES, SIDES)
def test_the_ratio_is_kept_to_a_pixel(width: int, height: int) -> None:
    made_width, made_height = fit((640, 480), width, height)

    scale = min(1, 640 / width, 480 / height)
    assert abs(made_width - width * scale) < 1
    assert abs(made_height - height * scale) < 1
