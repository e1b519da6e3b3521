"""What a file is found to be, and what is refused before any work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from django_cloudkey.server.transcoding.errors import Cancelled, NotAVideo, SourceTooLarge
from django_cloudkey.server.transcoding.failures import ProcessFailed
from django_cloudkey.server.transcoding.inputs import pinned_input
from django_cloudkey.server.transcoding.probe import Budget, Probe, _decode, check_budget, probe
from django_cloudkey.server.transcoding.runner import Limits, run
from django_cloudkey.server.transcoding.tools import Tools

Clip = Callable[[str], Path]


@pytest.fixture
def found(tools: Tools, clip_named: Clip) -> Probe:
    return probe(tools, clip_named("sound.mp4"))


def test_all_facts_of_an_ordinary_clip(tools: Tools, clip_named: Clip, found: Probe) -> None:
    assert found.demuxer == "mov"
    assert found.container == "MPEG-4"
    assert found.size == clip_named("sound.mp4").stat().st_size
    assert found.duration == pytest.approx(2, abs=0.1)
    assert found.bit_rate == pytest.approx(found.size * 8 / found.duration, rel=0.01)
    assert found.stream_count == 2
    assert (found.video_stream, found.audio_stream) == (0, 1)
    assert found.video_codec == "AVC"
    assert (found.width, found.height) == (320, 180)
    assert found.rotation == 0
    assert not found.interlaced
    assert found.frame_rate == found.nominal_frame_rate == Fraction(25)
    assert found.has_audio
    assert found.audio_codec == "AAC LC"
    assert found.audio_channels == 1
    assert found.audio_sample_rate == 44100
    assert found.video_bit_rate is not None
    assert found.audio_bit_rate is not None
    assert found.video_bit_rate + found.audio_bit_rate == pytest.approx(found.bit_rate, rel=0.1)


@pytest.mark.parametrize(
    ("name", "container", "video", "audio"),
    [
        ("silent.mp4", "MPEG-4", "AVC", None),
        ("clip.mov", "QuickTime", "AVC", "PCM"),
        ("clip.webm", "WebM", "VP8", "Opus"),
        ("clip.mkv", "Matroska", "AVC", "FLAC"),
        ("tenbit.mkv", "Matroska", "HEVC", None),
        ("clip.avi", "AVI", "MPEG-4 Visual", "MPEG Audio"),
        ("clip.ts", "MPEG-TS", "AVC", "AAC LC"),
        ("clip.mpg", "MPEG-PS", "MPEG Video", "MPEG Audio"),
        ("clip.flv", "Flash Video", "Sorenson Spark", "MPEG Audio"),
        ("clip.wmv", "Windows Media", "WMV2", "WMA"),
    ],
)
def test_formats_have_the_names_of_mediainfo(
    tools: Tools, clip_named: Clip, name: str, container: str, video: str, audio: str | None
) -> None:
    found = probe(tools, clip_named(name))

    assert (found.container, found.video_codec, found.audio_codec) == (container, video, audio)
    assert found.has_audio is (audio is not None)
    assert found.duration == pytest.approx(2, abs=0.15)
    assert (found.width, found.height) == (320, 180)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("odd.mp4", (321, 181)),
        ("anamorphic.mp4", (640, 180)),
        ("needle.mp4", (64, 64)),  # 1:30000 is nobody's pixel
        ("dot.avi", (1, 1)),
    ],
)
def test_the_size_is_the_displayed_one(
    tools: Tools, clip_named: Clip, name: str, size: tuple[int, int]
) -> None:
    found = probe(tools, clip_named(name))

    assert (found.width, found.height) == size


def test_a_turned_clip_is_upright(tools: Tools, turned: Path) -> None:
    found = probe(tools, turned)

    assert found.rotation == 90
    assert (found.width, found.height) == (180, 320)


@pytest.mark.parametrize(
    ("claim", "duration"),
    [("10:00:00.5", 36000.5), ("9" * 300, 1e9), ("x", 1.0), ("1:x:nan", 3600.0), ("-1:0:0", 1.0)],
)
def test_matroska_says_durations_in_a_tag(claim: str, duration: float) -> None:
    stream = {"index": 0, "codec_type": "video", "codec_name": "vp9", "width": 2, "height": 2}
    claim = claim if ":" in claim else f"{claim}:0:0"

    found = _decode(
        {"streams": [{**stream, "tags": {"DURATION": claim}}], "format": {"duration": "1.0"}},
        "matroska",
        b"",
        100,
    )

    assert found.duration == duration


def test_fields_are_noticed(tools: Tools, clip_named: Clip) -> None:
    assert probe(tools, clip_named("interlaced.mp4")).interlaced


def test_an_unknown_duration_is_zero(tools: Tools, clip_named: Clip) -> None:
    found = probe(tools, clip_named("live.webm"))

    assert found.duration == 0.0
    assert found.bit_rate is None


def test_a_cover_picture_is_not_the_video(
    tools: Tools, clip_named: Clip, ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    cover = tmp_path / "cover.jpg"
    ffmpeg("-i", clip_named("sound.mp4"), "-frames:v", "1", cover)
    song, film = tmp_path / "song.m4a", tmp_path / "film.mp4"
    attached = ["-disposition:v:0", "attached_pic"]
    both = ["-map", "1:v", "-map", "0:a", "-c", "copy", *attached]
    ffmpeg("-i", clip_named("sound.mp4"), "-i", cover, *both, "-f", "mp4", song)
    ffmpeg("-i", clip_named("sound.mp4"), "-i", cover, *both, "-map", "0:v", film)

    with pytest.raises(NotAVideo, match="no picture"):
        probe(tools, song)
    found = probe(tools, film)
    assert (found.stream_count, found.video_codec) == (3, "AVC")


def test_subtitles_are_no_obstacle(
    tools: Tools, clip_named: Clip, ffmpeg: Callable[..., None], tmp_path: Path
) -> None:
    text = tmp_path / "text.srt"
    # Longer than the picture: that is no part of the duration.
    text.write_text("1\n00:00:00,000 --> 00:00:09,000\nHello\n")
    film = tmp_path / "film.mkv"
    ffmpeg("-i", clip_named("sound.mp4"), "-i", text, "-map", "0", "-map", "1", "-c", "copy", film)

    found = probe(tools, film)

    assert found.stream_count == 3
    assert found.duration == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", ["lossless.mkv", "sound_only.mp4"])
def test_what_has_no_picture_to_decode_is_not_a_video(
    tools: Tools, clip_named: Clip, name: str
) -> None:
    with pytest.raises(NotAVideo):
        probe(tools, clip_named(name))


@pytest.mark.parametrize("length", [0, 20, 1000])
def test_a_file_that_breaks_off_is_not_a_video(
    tools: Tools, clip_named: Clip, tmp_path: Path, length: int
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip_named("sound.mp4").read_bytes()[:length])

    with pytest.raises(NotAVideo):
        probe(tools, broken)


def test_a_missing_file_is_the_callers_error(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tools, tmp_path / "nothing")


def test_stop_is_obeyed(clip_named: Clip, program: Callable[..., str]) -> None:
    hanging = program("time.sleep(60)")

    with pytest.raises(Cancelled):
        probe(Tools(hanging, hanging, (5, 1)), clip_named("sound.mp4"), stop=lambda: True)


@pytest.mark.parametrize(
    "name", ["-y", "-i", "concat:a|b", "subfile,,start,0,end,9,,:x", "http:", "pic%03d.png", "a\nb"]
)
def test_names_mean_nothing(
    tools: Tools, clip_named: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(clip_named("silent.mp4").read_bytes())

    assert probe(tools, Path(name)).video_codec == "AVC"


# Texts that make an ffmpeg with nothing pinned open other files; SECRET stands for the path of a
# video of somebody else, {here} for the folder.
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n"
HOSTILE = {
    "playlist of an absolute path": PLAYLIST.format("SECRET"),
    "playlist of a file URL": PLAYLIST.format("file://SECRET"),
    "playlist of a sibling": PLAYLIST.format("secret.ts"),
    "playlist of the folder above": PLAYLIST.format("../upload/secret.ts"),
    "playlist of playlists": MASTER.format("child.m3u8"),
    "playlist of itself": MASTER.format("upload.mp4"),
    "playlist with a key": PLAYLIST.replace(
        "#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:9/"\n#EXTINF'
    ).format("secret.ts"),
    "playlist of concat": PLAYLIST.format("concat:SECRET|SECRET"),
    "playlist of subfile": PLAYLIST.format("subfile,,start,0,end,9999,,:SECRET"),
    "playlist of a text": PLAYLIST.format("/etc/passwd"),
    "ffconcat": "ffconcat version 1.0\nfile 'secret.ts'\n",
    "MPD": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        "<BaseURL>SECRET</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ),
    "SVG": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://SECRET"/></svg>',
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n",
}


@pytest.fixture
def upload(clip_named: Clip, tmp_path: Path) -> Path:
    """Where a stranger's file lies, beside a video that is not his."""
    folder = tmp_path / "upload"
    folder.mkdir()
    (folder / "secret.ts").write_bytes(clip_named("clip.ts").read_bytes())
    (folder / "child.m3u8").write_text(PLAYLIST.format("secret.ts"))
    return folder / "upload.mp4"


@pytest.mark.parametrize("prefix", [b"", b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_names_files_is_refused(
    tools: Tools, upload: Path, kind: str, prefix: bytes
) -> None:
    secret = str(upload.with_name("secret.ts"))
    upload.write_bytes(prefix + HOSTILE[kind].replace("SECRET", secret).encode())

    with pytest.raises(NotAVideo):
        probe(tools, upload)


@pytest.mark.parametrize("demuxer", ["mov", "mpeg", "mpegts"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_pinning_alone_reads_nobodys_file(
    tools: Tools, upload: Path, kind: str, demuxer: str
) -> None:
    secret = str(upload.with_name("secret.ts"))
    upload.write_text(HOSTILE[kind].replace("SECRET", secret))
    command = [tools.ffprobe, "-v", "error", "-of", "json", "-show_streams"]

    try:
        answer = run([*command, *pinned_input(upload, demuxer)], limits=Limits(wall=10))
    except ProcessFailed:
        return

    # Some demuxers look for a packet up to the end and find none.
    assert json.loads(answer).get("streams", []) == []


def test_the_wall_is_needed(tools: Tools, upload: Path) -> None:
    """With nothing pinned, a playlist does open the other file: the tests above mean something."""
    upload.with_suffix(".m3u8").write_text(PLAYLIST.format("secret.ts"))
    command = [tools.ffprobe, "-v", "error", "-of", "json", "-show_streams"]

    answer = run([*command, str(upload.with_suffix(".m3u8"))], limits=Limits(wall=10))

    assert len(json.loads(answer)["streams"]) == 2


def test_a_hundred_hours_in_two_frames_are_too_long(tools: Tools, clip_named: Clip) -> None:
    path = clip_named("century.mkv")
    assert path.stat().st_size < 4000

    with pytest.raises(SourceTooLarge, match=r"100\.0 hours long; up to 12\.0 hours"):
        check_budget(probe(tools, path), Budget())


def test_a_huge_picture_is_refused_before_it_is_decoded(tools: Tools, clip_named: Clip) -> None:
    path = clip_named("wall.mkv")

    # ffprobe says nothing more of a picture that it may not decode, not even its size.
    with pytest.raises((NotAVideo, SourceTooLarge)):
        check_budget(probe(tools, path), Budget())


@pytest.mark.parametrize("count", [60, 200])
def test_many_streams_are_refused(
    tools: Tools,
    clip_named: Clip,
    ffmpeg: Callable[..., None],
    tmp_path: Path,
    count: int,
) -> None:
    crowd = tmp_path / "crowd.mp4"
    ffmpeg("-i", clip_named("one_frame.mp4"), *["-map", "0:v"] * count, "-c", "copy", crowd)

    with pytest.raises(SourceTooLarge):
        check_budget(probe(tools, crowd), Budget())


def test_an_ordinary_clip_is_within_the_budget(found: Probe) -> None:
    check_budget(found, Budget())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"duration": 90_000.0}, "25.0 hours long; up to 12.0 hours are accepted"),
        ({"width": 16_000, "height": 16_000}, "16000 × 16000 pixels; up to 35.4 million pixels"),
        ({"stream_count": 41}, "41 tracks; up to 40"),
        ({"duration": 40_000.0, "frame_rate": Fraction(1000)}, "40000000 frames; up to 2592000"),
    ],
)
def test_the_refusal_says_what_and_how_much(
    found: Probe, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SourceTooLarge) as caught:
        check_budget(replace(found, **change), Budget())  # type: ignore[arg-type]

    assert sentence in str(caught.value)
    assert caught.value.is_permanent


def test_short_limits_are_spoken_in_minutes_and_seconds(found: Probe) -> None:
    with pytest.raises(SourceTooLarge, match="2 seconds long; up to 1 seconds"):
        check_budget(found, Budget(max_duration=1))
    with pytest.raises(SourceTooLarge, match="60 minutes long; up to 30 minutes"):
        check_budget(replace(found, duration=3600.0), Budget(max_duration=1800))
