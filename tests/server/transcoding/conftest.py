"""Clips that the real ffmpeg draws, and programs that stand in for it and behave badly."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from django_cloudkey.server.transcoding.tools import Tools, find_tools

PICTURE = "testsrc2=size={size}:rate={rate}:duration={duration}"
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac"]


def picture(size: str = "320x180", rate: str = "25", duration: float = 2) -> list[str]:
    return ["-f", "lavfi", "-i", PICTURE.format(size=size, rate=rate, duration=duration)]


def tone(duration: float = 2) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine=frequency=440:duration={duration}"]


# Half red, half blue, to see which way it is turned.
HALVES = [
    *("-f", "lavfi", "-i", "color=red:size=160x180:rate=25:duration=1"),
    *("-f", "lavfi", "-i", "color=blue:size=160x180:rate=25:duration=1"),
    *("-filter_complex", "hstack"),
]

CLIPS: dict[str, list[str]] = {
    "sound.mp4": [*picture(), *tone(), *H264, *AAC],
    "long.mp4": [*picture("320x180", "25", 20), *tone(20), *H264, *AAC],
    "silent.mp4": [*picture(), *H264],
    "halves.mp4": [*HALVES, *H264],
    "odd.mp4": [*picture(), *H264, "-vf", "scale=321:181,setsar=1", "-pix_fmt", "yuv444p"],
    "tenbit.mkv": [
        *picture(),
        *("-c:v", "libx265", "-x265-params", "log-level=none", "-preset", "ultrafast"),
        *("-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020"),
        *("-color_trc", "smpte2084", "-colorspace", "bt2020nc"),
    ],
    "clip.webm": [
        *picture(),
        *tone(),
        *("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "500k", "-c:a", "libopus"),
    ],
    "live.webm": [
        *picture(),
        *("-c:v", "libvpx", "-deadline", "realtime", "-b:v", "500k", "-live", "1"),
    ],
    "clip.mkv": [*picture(), *tone(), *H264, "-c:a", "flac"],
    "clip.avi": [*picture(), *tone(), "-c:v", "mpeg4", "-c:a", "libmp3lame"],
    "clip.ts": [*picture(), *tone(), *H264, *AAC],
    "clip.mpg": [*picture(), *tone(), "-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"],
    "clip.flv": [*picture(), *tone(), "-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100"],
    "clip.wmv": [*picture(), *tone(), "-c:v", "wmv2", "-c:a", "wmav2", "-f", "asf"],
    "clip.mov": [*picture(), *tone(), *H264, "-c:a", "pcm_s16le"],
    "interlaced.mp4": [*picture(), *H264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"],
    "anamorphic.mp4": [*picture("320x180"), *H264, "-vf", "setsar=2/1"],
    "needle.mp4": [*picture("64x64"), *H264, "-vf", "setsar=1/30000"],
    "fast.mp4": [*picture(rate="120"), *H264],
    "one_frame.mp4": [*picture(), *H264, "-frames:v", "1"],
    "dot.avi": [*picture(), "-c:v", "mjpeg", "-vf", "scale=1:1,setsar=1,format=yuvj444p"],
    # More pixels than are accepted.
    "wall.mkv": [*picture("8192x4400", "1", 1), "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"],
    "lossless.mkv": [*picture(), "-c:v", "ffv1"],
    "sound_only.mp4": [*tone(), *AAC],
    # 2.4 kB, and 9 million frames at a constant 25 per second.
    "century.mkv": [
        *picture("64x64", "25", 0.08),
        *("-vf", "setpts=N*360000/TB", "-fps_mode", "passthrough", "-enc_time_base", "1/1000"),
        *("-c:v", "libx264", "-bf", "0"),
    ],
    "named.mp4": [
        *picture(),
        *tone(),
        *H264,
        *AAC,
        *("-metadata", "title=Secret\nTitle", "-metadata", "location=+48.8577+002.2950/"),
    ],
}


@pytest.fixture(scope="session")
def tools() -> Tools:
    return find_tools()


@pytest.fixture(scope="session")
def ffmpeg(tools: Tools) -> Callable[..., None]:
    """Runs the real ffmpeg as a test wishes, with nothing pinned."""

    def run(*arguments: str | Path) -> None:
        command = [tools.ffmpeg, "-v", "error", "-nostdin", "-y", *map(str, arguments)]
        subprocess.run(command, check=True, timeout=60)

    return run


@pytest.fixture(scope="session")
def clip_named(
    ffmpeg: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Returns the path of a clip of ``CLIPS``, drawn when first asked for."""
    directory = tmp_path_factory.mktemp("clips")
    drawn = set()

    def draw(name: str) -> Path:
        path = directory / name
        if name not in drawn:
            ffmpeg(*CLIPS[name], path)
            drawn.add(name)
        return path

    return draw


@pytest.fixture(scope="session")
def turned(clip_named: Callable[[str], Path]) -> Path:
    """A clip as a telephone held upright writes it: to be turned by 90 degrees clockwise."""
    data = clip_named("halves.mp4").read_bytes()
    one, minus_one, w = b"\x00\x01\x00\x00", b"\xff\xff\x00\x00", b"\x40\x00\x00\x00"
    zero = bytes(4)
    # ISO/IEC 14496-12 §6.2.2: {a, b, u, c, d, v, x, y, w}
    upright = b"".join([one, zero, zero, zero, one, zero, zero, zero, w])
    matrix = b"".join([zero, one, zero, minus_one, zero, zero, b"\x00\xb4\x00\x00", zero, w])
    track = data.index(b"tkhd")
    assert data.count(upright, track) == 1
    path = clip_named("halves.mp4").with_name("turned.mp4")
    path.write_bytes(data[:track] + data[track:].replace(upright, matrix))
    return path


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    """Writes a program in Python and returns its path."""

    def write(body: str, name: str = "program") -> str:
        path = tmp_path / name
        path.write_text(f"#!{sys.executable} -IS\nimport os, signal, sys, time\n{body}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder where no rendition fits: a small tmpfs, or for ordinary users /dev/full."""
    directory = tmp_path / "full"
    directory.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=128k", "none", str(directory)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0:
        yield directory
        subprocess.run(["/bin/umount", str(directory)], check=True)
    else:
        (directory / "mp4_h264_aac_hd.mp4").symlink_to("/dev/full")
        yield directory


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Tells whether a process runs, after giving the kernel a second to end it."""

    def look(pid: int) -> bool:
        for _ in range(100):
            try:
                os.kill(pid, 0)
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (ProcessLookupError, FileNotFoundError):
                return False
            if state == "Z":  # ended, and its parent has not looked yet
                return False
            time.sleep(0.01)
        return True

    return look
