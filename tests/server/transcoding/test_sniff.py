"""Containers are told by their bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cloudkey.server.transcoding.errors import NotAVideo
from django_cloudkey.server.transcoding.sniff import HEAD_SIZE, SIGNATURES, sniff

FTYP = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
STARTS = [
    b"",
    FTYP,
    b"\x1aE\xdf\xa3",
    b"RIFF\x00\x00\x00\x00AVI ",
    b"FLV\x01",
    b"OggS\x00",
    b"G" + bytes(187),
    b"\x00\x00\x01\xba",
]


@pytest.mark.parametrize(
    ("name", "demuxer"),
    [
        ("sound.mp4", "mov"),
        ("clip.mov", "mov"),
        ("clip.webm", "matroska"),
        ("clip.mkv", "matroska"),
        ("clip.avi", "avi"),
        ("clip.ts", "mpegts"),
        ("clip.mpg", "mpeg"),
        ("clip.flv", "flv"),
        ("clip.wmv", "asf"),
    ],
)
def test_real_files_are_known(clip_named: Callable[[str], Path], name: str, demuxer: str) -> None:
    assert sniff(clip_named(name).read_bytes()[:HEAD_SIZE]) == demuxer


def test_ogg_is_known() -> None:
    assert sniff(b"OggS\x00\x02" + bytes(100)) == "ogg"


@pytest.mark.parametrize("kind", [b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"])
@pytest.mark.parametrize("size", [0, 1, 8, 4_000_000_000])
def test_quicktime_may_start_with_any_of_its_boxes(kind: bytes, size: int) -> None:
    assert sniff(size.to_bytes(4, "big") + kind) == "mov"


def test_m2ts_with_time_stamps_is_a_transport_stream() -> None:
    assert sniff((bytes(4) + b"G" + bytes(187)) * 3) == "mpegts"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile 'other.mp4'\n",
        b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'/>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"<!doctype html><video src=x>",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b"[playlist]\nFile1=http://127.0.0.1/\n",
        b"<asx version='3.0'>",
        b"PK\x03\x04\x14\x00",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"GIF89a\x01\x00\x01\x00",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"ID3\x04\x00",
        b"\x06\x0e\x2b\x34\x02\x05\x01\x01",  # MXF
        b"\x00\x00\x00\x02ftypisom",  # smaller than its own header
        b"G" + bytes(400),  # one sync byte is the letter G
    ],
)
def test_everything_else_is_refused(head: bytes) -> None:
    with pytest.raises(NotAVideo, match="not a video"):
        sniff(head)


@given(st.sampled_from(STARTS), st.binary(max_size=1000))
def test_any_bytes_give_a_known_demuxer_or_a_refusal(start: bytes, rest: bytes) -> None:
    with suppress(NotAVideo):
        assert sniff(start + rest) in SIGNATURES


@given(st.text(max_size=1000))
def test_no_text_is_a_video(text: str) -> None:
    # Control characters are what every signature has; a text has none but the three of layout.
    readable = "".join(c for c in text if c.isprintable() or c in "\t\r\n")

    with pytest.raises(NotAVideo):
        sniff(readable.encode("utf-16" if len(text) % 2 else "utf-8"))
