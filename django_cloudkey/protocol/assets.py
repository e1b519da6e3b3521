"""The names of assets, and what each name says about the file behind it."""

from __future__ import annotations

from enum import StrEnum

SOURCE = "source"
DEFAULT = "mp4_h264_aac"

ASSET_NAMES = frozenset(
    {
        SOURCE,
        "flv_h263_mp3",
        "flv_h263_mp3_ld",
        "mp4_h264_aac_ld",
        "mp4_h264_aac",
        "mp4_h264_aac_hq",
        "mp4_h264_aac_hd",
        "mp4_h264_aac_fhd",
        "abs",
        "abs_fa",
        "abs_pr",
        "live",
        "jpeg_thumbnail_small",
        "jpeg_thumbnail_medium",
        "jpeg_thumbnail_large",
        "jpeg_thumbnail_source",
        "jpeg_thumbnail_auto",
    }
)
"""Every documented name. Source: protocol reference §6.4."""

PROTOCOLS = ("hls", "rtmp", "hps", "http", "ss", "hds", "dash")
"""What may stand between ``/route/`` and the user's id."""


class AssetStatus(StrEnum):
    """The life of an asset."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    ERROR = "error"


UNFINISHED = (AssetStatus.PENDING, AssetStatus.PROCESSING)
"""What an asset is as long as work on it may come."""


def is_thumbnail(asset_name: str) -> bool:
    """Say whether the asset is a still."""
    return asset_name.startswith("jpeg_thumbnail_")


def is_adaptive(asset_name: str) -> bool:
    """Say whether the asset is a set of streams among which a player chooses."""
    return asset_name.startswith("abs")


def is_file(asset_name: str) -> bool:
    """Say whether the asset is one video file, rather than stills, an adaptive set or a stream."""
    return not is_thumbnail(asset_name) and not is_adaptive(asset_name) and asset_name != "live"


def extension_of(asset_name: str) -> str:
    """
    Return the extension that the Python SDK writes after *asset_name*: what precedes the first
    underscore, hence ``source.source``; none for adaptive sets.
    """
    return "" if is_adaptive(asset_name) else asset_name.partition("_")[0]
