"""Make renditions of a source with one process, and hand out only what was verified."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .command import Output, build_command, plan_outputs
from .errors import EncodingFailed, NoSpace, SourceTooLarge
from .failures import ProcessFailed, public_error
from .presets import PRESETS
from .probe import Budget, Probe
from .runner import Limits, run
from .tools import Tools
from .verify import verify

logger = logging.getLogger(__name__)

FULL_DISK = 1024 * 1024  # bytes free; with less, a broken output is blamed on the disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One file that was made and verified."""

    name: str
    """Asset name, a key of ``PRESETS``."""

    path: Path
    """``<directory>/<name>.<extension>``."""

    probe: Probe
    """What it is."""


def transcode(
    tools: Tools,
    source: Path,
    probe: Probe,
    names: Iterable[str],
    directory: Path,
    *,
    limits: Limits,
    max_duration: float = Budget().max_duration,
    still_at: float | None = None,
    on_progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Rendition]:
    """
    Make every asset in *names* from *source* and return them by name; all or nothing.

    Call it from a thread that outlives it, see :func:`.runner.run`.

    Args:
        tools: From :func:`.tools.find_tools`.
        source: The file that *probe* describes.
        probe: From :func:`.probe.probe`, admitted by :func:`.probe.check_budget`.
        names: Keys of ``PRESETS``.
        directory: An existing folder of this attempt alone; what fails is removed from it.
        limits: What the process may use up.
        max_duration: Seconds that are allowed, whatever the source claimed.
        still_at: Second that thumbnails show, a tenth of the duration by default; past the end it
            is the first picture.
        on_progress: Called with a percentage that grows from 0 to 99.
        stop: Asked a few times a second; true ends it.

    Raises:
        SourceTooLarge: more memory or a larger file was needed than is allowed, or the source is
            longer than it said.
        EncodingFailed: ffmpeg failed, or what it made is not what was asked for.
        NoSpace: the disk of *directory* is full.
        TimedOut: wall clock or processor time ran out.
        Cancelled: *stop* said so.
        ToolMissing: ffmpeg has gone since.
    """
    outputs = plan_outputs(probe, {name: PRESETS[name] for name in names}, directory)
    if not outputs:
        return {}
    command = build_command(
        tools,
        source,
        probe,
        list(outputs.values()),
        max_duration=max_duration,
        still_at=still_at,
    )
    progress = _Progress(probe.duration, on_progress)
    try:
        _encode(command, limits, progress, stop)
        renditions = _collect(tools, outputs, probe, directory, stop)
        if any(made.probe.duration > max_duration for made in renditions.values()):
            raise SourceTooLarge("This video is longer than is accepted here.")
        return renditions
    except BaseException:
        for output in outputs.values():
            output.path.unlink(missing_ok=True)
        raise


def _encode(
    command: list[str],
    limits: Limits,
    progress: _Progress,
    stop: Callable[[], bool] | None,
) -> None:
    try:
        run(command, limits=limits, on_line=progress.read, stop=stop)
    except ProcessFailed as failure:
        logger.warning("ffmpeg: %s", failure)
        raise public_error(failure, EncodingFailed()) from failure


def _collect(
    tools: Tools,
    outputs: dict[str, Output],
    source: Probe,
    directory: Path,
    stop: Callable[[], bool] | None,
) -> dict[str, Rendition]:
    renditions = {}
    for name, output in outputs.items():
        try:
            made = verify(tools, output, source, stop=stop)
        except EncodingFailed as error:
            if shutil.disk_usage(directory).free < FULL_DISK:
                raise NoSpace() from error
            raise
        renditions[name] = Rendition(name=name, path=output.path, probe=made)
    return renditions


class _Progress:
    """
    Turns the lines of ``-progress`` into percentages.

    Source:
        ``out_time_us`` is in microseconds, and so is ``out_time_ms`` in spite of its name. ffmpeg
        8 writes ``N/A`` at first and, in the last report, the time of the output that ended first.
    """

    def __init__(self, duration: float, on_progress: Callable[[int], None] | None) -> None:
        self.duration = duration
        self.on_progress = on_progress
        self.percent = -1

    def read(self, line: str) -> None:
        key, _, value = line.partition("=")
        if key != "out_time_us" or not value.isdecimal():
            return
        if not self.duration or self.on_progress is None:
            return
        percent = min(99, int(int(value) / 1e6 / self.duration * 100))
        if percent > self.percent:
            self.percent = percent
            self.on_progress(percent)
