"""
The codecs that are decoded here, and what MediaInfo, whose words the protocol speaks, calls them.

Everything else ffmpeg can decode stays off: rare decoders are where its memory errors are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Codec:
    """One compression format under ffprobe's name for it."""

    label: str
    """MediaInfo's name."""

    decoders: tuple[str, ...]
    """ffmpeg's decoders of it; which of them exist depends on the build."""


VIDEO_CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "h264": Codec("AVC", ("h264",)),
        "hevc": Codec("HEVC", ("hevc",)),
        "vp8": Codec("VP8", ("vp8", "libvpx")),
        "vp9": Codec("VP9", ("vp9", "libvpx-vp9")),
        "av1": Codec("AV1", ("libdav1d", "libaom-av1", "av1")),
        "mpeg1video": Codec("MPEG Video", ("mpeg1video", "mpegvideo")),
        "mpeg2video": Codec("MPEG Video", ("mpeg2video",)),
        "mpeg4": Codec("MPEG-4 Visual", ("mpeg4",)),
        "msmpeg4v2": Codec("MPEG-4 Visual", ("msmpeg4v2",)),
        "msmpeg4v3": Codec("MPEG-4 Visual", ("msmpeg4",)),
        "wmv1": Codec("WMV1", ("wmv1",)),
        "wmv2": Codec("WMV2", ("wmv2",)),
        "wmv3": Codec("VC-1", ("wmv3",)),
        "vc1": Codec("VC-1", ("vc1",)),
        "flv1": Codec("Sorenson Spark", ("flv",)),
        "h263": Codec("H.263", ("h263",)),
        "vp6f": Codec("VP6", ("vp6f",)),
        "theora": Codec("Theora", ("theora",)),
        "mjpeg": Codec("JPEG", ("mjpeg",)),
        "prores": Codec("ProRes", ("prores",)),
        "dnxhd": Codec("VC-3", ("dnxhd",)),
        "dvvideo": Codec("DV", ("dvvideo",)),
    }
)

_PCM = (
    *("pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le"),
    *("pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be"),
    *("pcm_bluray", "pcm_dvd"),
)

AUDIO_CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "aac": Codec("AAC", ("aac",)),
        "mp1": Codec("MPEG Audio", ("mp1float", "mp1")),
        "mp2": Codec("MPEG Audio", ("mp2float", "mp2")),
        "mp3": Codec("MPEG Audio", ("mp3float", "mp3")),
        "opus": Codec("Opus", ("opus", "libopus")),
        "vorbis": Codec("Vorbis", ("vorbis", "libvorbis")),
        "flac": Codec("FLAC", ("flac",)),
        "alac": Codec("ALAC", ("alac",)),
        "ac3": Codec("AC-3", ("ac3",)),
        "eac3": Codec("E-AC-3", ("eac3",)),
        "dts": Codec("DTS", ("dca",)),
        "wmav1": Codec("WMA", ("wmav1",)),
        "wmav2": Codec("WMA", ("wmav2",)),
        "wmapro": Codec("WMA", ("wmapro",)),
        "amr_nb": Codec("AMR", ("amrnb",)),
        "amr_wb": Codec("AMR", ("amrwb",)),
        "nellymoser": Codec("Nellymoser", ("nellymoser",)),
        "speex": Codec("Speex", ("speex", "libspeex")),
        "adpcm_ms": Codec("ADPCM", ("adpcm_ms",)),
        "adpcm_swf": Codec("ADPCM", ("adpcm_swf",)),
        "adpcm_ima_qt": Codec("ADPCM", ("adpcm_ima_qt",)),
        "adpcm_ima_wav": Codec("ADPCM", ("adpcm_ima_wav",)),
        **{name: Codec("PCM", (name,)) for name in _PCM},
    }
)

# Never decoded into a rendition, but ffprobe 5.1 gives a file up when it may not open the decoder
# of any one of its streams, and subtitles and cover pictures are ordinary.
COMPANIONS = (
    *("ass", "ssa", "srt", "subrip", "webvtt", "mov_text", "text", "dvdsub", "dvbsub", "pgssub"),
    *("cc_dec", "png", "bmp", "gif"),
)

DECODERS: tuple[str, ...] = (
    *(name for codec in VIDEO_CODECS.values() for name in codec.decoders),
    *(name for codec in AUDIO_CODECS.values() for name in codec.decoders),
    *COMPANIONS,
)
"""All that ffmpeg and ffprobe may open."""

AAC_PROFILES: Mapping[str, str] = MappingProxyType(
    {"LC": "AAC LC", "HE-AAC": "AAC LC SBR", "HE-AACv2": "AAC LC SBR PS", "Main": "AAC Main"}
)
"""ffprobe's profile of an AAC stream to MediaInfo's name of the whole."""

_CONTAINERS: Mapping[str, str] = MappingProxyType(
    {
        "mov": "MPEG-4",
        "matroska": "Matroska",
        "avi": "AVI",
        "flv": "Flash Video",
        "ogg": "Ogg",
        "asf": "Windows Media",
        "mpegts": "MPEG-TS",
        "mpeg": "MPEG-PS",
        "jpeg_pipe": "JPEG",
    }
)


def container_name(demuxer: str, head: bytes) -> str:
    """
    Return MediaInfo's name of a container.

    Args:
        demuxer: As :func:`.sniff.sniff` tells it from *head*.
        head: The first bytes of the file.

    Source:
        RFC 8794 §11.2.4 for DocType; ISO/IEC 14496-12 §4.3 for the brand, which files older than
        the standard lack: those are QuickTime's.
    """
    if demuxer == "matroska" and b"\x42\x82\x84webm" in head:
        return "WebM"
    if demuxer == "mov":
        brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
        return {b"qt  ": "QuickTime", b"XAVC": "XAVC"}.get(brand, "MPEG-4")
    return _CONTAINERS[demuxer]
