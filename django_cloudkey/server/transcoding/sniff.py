"""
Tell a video container by its first bytes, never by its name.

ffmpeg's own guessing also knows playlists, and a playlist named ``.mp4`` makes it open the files
that the text names. So the demuxer is chosen here, from containers that hold their own data, and
pinned on every command line.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from .errors import NotAVideo

HEAD_SIZE = 4096  # bytes of the file that sniff() likes to see

MOV_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
ASF_GUID = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
TS_PACKET = 188  # bytes; ISO/IEC 13818-1
M2TS_PACKET = 192  # bytes: a time stamp of 4 bytes in front of each packet
TS_SYNC = 0x47


def sniff(head: bytes) -> str:
    """
    Return the name of ffmpeg's demuxer for a file that begins with *head*.

    Args:
        head: The first bytes of the file, ``HEAD_SIZE`` of them or the whole file.

    Raises:
        NotAVideo: it is none of the containers that are accepted.

    Source:
        ISO/IEC 14496-12 and the QuickTime file format (mov), RFC 8794 (EBML), RFC 3533 (Ogg),
        ISO/IEC 13818-1 (MPEG), Advanced Systems Format and RIFF (Microsoft), Flash Video file
        format (Adobe).
    """
    for demuxer, matches in SIGNATURES.items():
        if matches(head):
            return demuxer
    raise NotAVideo()


def _is_mov(head: bytes) -> bool:
    if len(head) < 8 or head[4:8] not in MOV_BOXES:
        return False
    (size,) = struct.unpack(">I", head[:4])
    # 1: a 64-bit size follows; 0: to the end of the file; else the header's 8 bytes are counted.
    return size in (0, 1) or size >= 8


def _is_mpegts(head: bytes) -> bool:
    return _has_sync(head, 0, TS_PACKET) or _has_sync(head, 4, M2TS_PACKET)


def _has_sync(head: bytes, start: int, packet: int) -> bool:
    positions = range(start, start + 3 * packet, packet)
    return len(head) > positions[-1] and all(head[position] == TS_SYNC for position in positions)


SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "mov": _is_mov,
    "matroska": lambda head: head.startswith(b"\x1aE\xdf\xa3"),
    "avi": lambda head: head.startswith(b"RIFF") and head[8:12] == b"AVI ",
    "flv": lambda head: head.startswith(b"FLV\x01"),
    "ogg": lambda head: head.startswith(b"OggS\x00"),
    "asf": lambda head: head.startswith(ASF_GUID),
    "mpegts": _is_mpegts,
    "mpeg": lambda head: head.startswith(b"\x00\x00\x01\xba"),
}
