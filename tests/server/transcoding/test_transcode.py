"""Renditions are what was asked for, or they are not handed out."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from django_cloudkey.server.transcoding.errors import (
    Cancelled,
    EncodingFailed,
    NoSpace,
    SourceTooLarge,
    TimedOut,
)
from django_cloudkey.server.transcoding.presets import PRESETS
from django_cloudkey.server.transcoding.probe import probe
from django_cloudkey.server.transcoding.runner import Limits
from django_cloudkey.server.transcoding.tools import Tools
from django_cloudkey.server.transcoding.transcode import Rendition, transcode
from django_cloudkey.server.transcoding.verify import is_complete, starts_fast

Clip = Callable[[str], Path]
Make = Callable[..., dict[str, Rendition]]

HD = "mp4_h264_aac_hd"
PAIR = [HD, "jpeg_thumbnail_source"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "out %03d of this: attempt"
    path.mkdir()
    return path


@pytest.fixture
def make(tools: Tools, directory: Path) -> Make:
    """Probes with the real tools and transcodes, with the ones given if any."""

    def run(source: Path, names: list[str] = PAIR, **options: object) -> dict[str, Rendition]:
        used = options.pop("tools", tools)
        options.setdefault("limits", Limits(wall=60))
        found = probe(tools, source)
        return transcode(used, source, found, names, directory, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def wrapped(tools: Tools, program: Callable[..., str]) -> Callable[[str], Tools]:
    """Returns tools whose ffmpeg is a program; in it, REAL is the real one."""

    def write(body: str) -> Tools:
        return replace(tools, ffmpeg=program(f"REAL = {tools.ffmpeg!r}\n{body}"))

    return write


def key_frames(tools: Tools, path: Path) -> list[float]:
    command = [tools.ffprobe, "-v", "error", "-select_streams", "v", "-of", "csv=p=0"]
    entries = ["-show_entries", "packet=pts_time,flags", str(path)]
    answer = subprocess.run([*command, *entries], check=True, capture_output=True, text=True)
    rows = [line.split(",") for line in answer.stdout.splitlines()]
    return [float(row[0]) for row in rows if "K" in row[1]]


def pixel(tools: Tools, path: Path, place: str) -> tuple[int, ...]:
    """Return red, green and blue of one pixel of the first frame; *place* is ``x:y``."""
    # By a pipe, since ffmpeg takes the %03d in the path of a picture for a number.
    command = [tools.ffmpeg, "-v", "error", "-i", "-", "-frames:v", "1"]
    filters = ["-vf", f"format=rgb24,crop=1:1:{place}", "-f", "rawvideo", "-"]
    data = path.read_bytes()
    answer = subprocess.run([*command, *filters], check=True, input=data, capture_output=True)
    return tuple(answer.stdout)


def test_every_asset_is_made_in_one_go(tools: Tools, clip_named: Clip, make: Make) -> None:
    made = make(clip_named("sound.mp4"), list(PRESETS))

    assert {name: (r.probe.width, r.probe.height) for name, r in made.items()} == {
        "mp4_h264_aac_ld": (320, 180),
        "mp4_h264_aac": (320, 180),
        "mp4_h264_aac_hq": (320, 180),
        "mp4_h264_aac_hd": (320, 180),
        "mp4_h264_aac_fhd": (320, 180),
        "jpeg_thumbnail_small": (80, 45),
        "jpeg_thumbnail_medium": (160, 90),
        "jpeg_thumbnail_large": (320, 180),
        "jpeg_thumbnail_source": (320, 180),
    }
    for name, rendition in made.items():
        assert rendition.name == name
        assert rendition.path.name == f"{name}.{PRESETS[name].extension}"
        assert rendition.probe.size == rendition.path.stat().st_size
    film, still = made[HD].probe, made["jpeg_thumbnail_source"].probe
    assert (film.container, film.video_codec, film.audio_codec) == ("MPEG-4", "AVC", "AAC LC")
    assert film.duration == pytest.approx(2, abs=0.1)
    assert film.frame_rate == 25
    assert starts_fast(made[HD].path)
    assert (still.container, still.video_codec, still.frame_rate) == ("JPEG", "JPEG", None)


def test_one_process_makes_them_all(
    clip_named: Clip, make: Make, wrapped: Callable[[str], Tools], tmp_path: Path
) -> None:
    log = tmp_path / "starts"
    counting = wrapped(
        f"open({str(log)!r}, 'a').write('started\\n'); os.execv(REAL, [REAL, *sys.argv[1:]])"
    )

    make(clip_named("sound.mp4"), list(PRESETS), tools=counting)

    assert log.read_text() == "started\n"


def test_nothing_asked_is_nothing_made(clip_named: Clip, make: Make, directory: Path) -> None:
    assert make(clip_named("sound.mp4"), []) == {}
    assert list(directory.iterdir()) == []


def test_an_unknown_name_is_the_callers_error(clip_named: Clip, make: Make) -> None:
    with pytest.raises(KeyError):
        make(clip_named("sound.mp4"), ["mp4_h265"])


def test_thumbnails_alone(clip_named: Clip, make: Make) -> None:
    assert set(make(clip_named("clip.ts"), ["jpeg_thumbnail_small"])) == {"jpeg_thumbnail_small"}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("silent.mp4", (320, 180)),
        ("odd.mp4", (320, 180)),
        ("tenbit.mkv", (320, 180)),
        ("clip.webm", (320, 180)),
        ("live.webm", (320, 180)),
        ("clip.mkv", (320, 180)),
        ("clip.avi", (320, 180)),
        ("clip.ts", (320, 180)),
        ("clip.mpg", (320, 180)),
        ("clip.flv", (320, 180)),
        ("clip.wmv", (320, 180)),
        ("clip.mov", (320, 180)),
        ("interlaced.mp4", (320, 180)),
        ("anamorphic.mp4", (640, 180)),
        ("needle.mp4", (64, 64)),
        ("fast.mp4", (320, 180)),
        ("one_frame.mp4", (320, 180)),
        ("dot.avi", (2, 2)),
    ],
)
def test_every_kind_of_source_becomes_the_same_kind_of_film(
    tools: Tools, clip_named: Clip, make: Make, name: str, size: tuple[int, int]
) -> None:
    source = probe(tools, clip_named(name))

    film = make(clip_named(name))[HD].probe

    assert (film.width, film.height) == size
    assert film.has_audio == source.has_audio
    assert not film.interlaced
    assert film.frame_rate is not None
    assert film.frame_rate <= 60


def test_a_turned_clip_is_turned_for_good(tools: Tools, turned: Path, make: Make) -> None:
    made = make(turned)

    for rendition in made.values():
        assert (rendition.probe.width, rendition.probe.height) == (180, 320)
        assert rendition.probe.rotation == 0
        red, _, blue = pixel(tools, rendition.path, "90:40")  # what was on the left is above
        assert red > 200 > 60 > blue
        red, _, blue = pixel(tools, rendition.path, "90:280")
        assert blue > 200 > 60 > red


def test_pixels_are_of_the_common_format(tools: Tools, clip_named: Clip, make: Make) -> None:
    path = make(clip_named("tenbit.mkv"))[HD].path

    command = [tools.ffprobe, "-v", "error", "-show_entries", "stream=pix_fmt,profile", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "pix_fmt=yuv420p\n" in answer
    assert "profile=Main\n" in answer


def test_the_thumbnail_is_of_a_tenth_of_the_duration(
    tools: Tools, ffmpeg: Callable[..., None], make: Make, tmp_path: Path
) -> None:
    # One black second, then nine red ones.
    clip = tmp_path / "black.mp4"
    black = "color=black:size=64x64:rate=25:duration=0.9"
    red = "color=red:size=64x64:rate=25:duration=9"
    ffmpeg("-f", "lavfi", "-i", black, "-f", "lavfi", "-i", red, "-filter_complex", "concat", clip)

    made = make(clip)

    assert pixel(tools, made["jpeg_thumbnail_source"].path, "32:32")[0] > 200


def test_key_frames_are_two_seconds_apart_in_every_rendition(
    tools: Tools, clip_named: Clip, make: Make
) -> None:
    made = make(clip_named("long.mp4"), ["mp4_h264_aac_ld", HD])

    for rendition in made.values():
        times = key_frames(tools, rendition.path)
        assert times == pytest.approx([float(second) for second in range(0, 20, 2)], abs=0.01)


def test_progress_grows_up_to_99(clip_named: Clip, make: Make) -> None:
    percentages: list[int] = []

    make(clip_named("long.mp4"), on_progress=percentages.append)

    assert percentages == sorted(set(percentages))
    assert percentages[0] >= 0
    assert 50 < percentages[-1] <= 99


def test_nothing_of_the_uploader_is_in_the_renditions(clip_named: Clip, make: Make) -> None:
    source = clip_named("named.mp4").read_bytes()
    assert b"Secret" in source
    assert b"loci" in source

    for rendition in make(clip_named("named.mp4")).values():
        data = rendition.path.read_bytes()
        assert b"Secret" not in data
        assert b"loci" not in data


@pytest.mark.parametrize("name", ["-y", "concat:a|b", "pic%03d.png", "it's;a\n[0:v]"])
def test_names_mean_nothing(clip_named: Clip, make: Make, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(clip_named("silent.mp4").read_bytes())

    assert set(make(source)) == set(PAIR)


def test_earlier_files_of_the_attempt_are_replaced(
    clip_named: Clip, make: Make, directory: Path
) -> None:
    (directory / f"{HD}.mp4").write_bytes(b"rest of an attempt that was killed")

    assert make(clip_named("silent.mp4"))[HD].probe.video_codec == "AVC"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "missing"),
        ("sys.exit(255)", "could not be converted"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "could not be converted"),
        ("open(sys.argv[-1][5:], 'w').close()", "missing"),
        ("open(sys.argv[-1][5:], 'w').write('#EXTM3U')", "cannot be read"),
        (  # the source is cut, and the status says nothing of it
            "os.execv(REAL, [REAL, *[a if a != '43202.000' else '5' for a in sys.argv[1:]]])",
            "shorter",
        ),
        ("os.execv(REAL, [REAL, *[a for a in sys.argv[1:] if a != '+faststart']])", None),
        (
            "os.execv(REAL, [REAL, *[a.replace('=320:', '=318:') for a in sys.argv[1:]]])",
            "another size",
        ),
    ],
)
def test_what_is_not_verified_is_not_handed_out(
    clip_named: Clip,
    make: Make,
    wrapped: Callable[[str], Tools],
    directory: Path,
    body: str,
    sentence: str | None,
) -> None:
    with pytest.raises(EncodingFailed, match=sentence) as caught:
        make(clip_named("long.mp4"), [HD], tools=wrapped(body))

    assert not caught.value.is_permanent
    assert str(directory) not in str(caught.value)
    assert list(directory.iterdir()) == []


def test_a_source_that_breaks_off_is_not_ready(
    clip_named: Clip, ffmpeg: Callable[..., None], make: Make, tmp_path: Path
) -> None:
    whole, half = tmp_path / "whole.mp4", tmp_path / "half.mp4"
    ffmpeg("-i", clip_named("long.mp4"), "-c", "copy", "-movflags", "+faststart", whole)
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    with pytest.raises(EncodingFailed, match="shorter than the original"):
        make(half)


def test_two_frames_a_hundred_hours_apart_end_soon(clip_named: Clip, make: Make) -> None:
    begun = time.monotonic()

    with pytest.raises(EncodingFailed):
        make(clip_named("century.mkv"))

    assert time.monotonic() - begun < 20


def test_a_source_that_is_longer_than_it_says_is_refused(
    clip_named: Clip, make: Make, directory: Path
) -> None:
    with pytest.raises(SourceTooLarge, match="longer than is accepted"):
        make(clip_named("long.mp4"), max_duration=19.0)

    assert list(directory.iterdir()) == []


def test_a_full_disk_is_told(tools: Tools, clip_named: Clip, full_disk: Path) -> None:
    source = clip_named("long.mp4")

    with pytest.raises(NoSpace, match="no room left"):
        transcode(tools, source, probe(tools, source), [HD], full_disk, limits=Limits(wall=60))

    assert list(full_disk.iterdir()) == []


def test_a_file_beyond_the_limit_ends_it(clip_named: Clip, make: Make) -> None:
    with pytest.raises(SourceTooLarge, match="larger than is accepted"):
        make(clip_named("long.mp4"), limits=Limits(file_size=50_000))


def test_memory_beyond_the_limit_ends_it(clip_named: Clip, make: Make, directory: Path) -> None:
    # It may also fail to start a thread, which does not tell why.
    with pytest.raises((SourceTooLarge, EncodingFailed)):
        make(clip_named("long.mp4"), list(PRESETS), limits=Limits(memory=150 * 1024**2))

    assert list(directory.iterdir()) == []


def test_a_lack_of_memory_is_told(
    clip_named: Clip, make: Make, wrapped: Callable[[str], Tools]
) -> None:
    body = "sys.stderr.write('x: Cannot allocate memory\\n'); sys.exit(1)"

    with pytest.raises(SourceTooLarge, match="larger than is accepted"):
        make(clip_named("silent.mp4"), tools=wrapped(body))


def test_stop_ends_it_and_removes_the_files(clip_named: Clip, make: Make, directory: Path) -> None:
    begun = time.monotonic()

    with pytest.raises(Cancelled):
        make(clip_named("long.mp4"), stop=lambda: any(directory.iterdir()))

    assert time.monotonic() - begun < 5
    assert list(directory.iterdir()) == []


def test_time_runs_out(clip_named: Clip, make: Make, directory: Path) -> None:
    with pytest.raises(TimedOut):
        make(clip_named("long.mp4"), list(PRESETS), limits=Limits(wall=0.3))

    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    ("duration", "expected", "is_enough"),
    [
        (10.0, 10.0, True),
        (95.0, 100.0, True),
        (94.9, 100.0, False),
        (0.04, 1.0, True),
        (3.0, 4.5, False),
        (7.0, 0.0, True),
    ],
)
def test_how_much_of_the_source_is_enough(
    duration: float, expected: float, is_enough: bool
) -> None:
    assert is_complete(duration, expected) is is_enough
