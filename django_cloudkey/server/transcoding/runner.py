"""
Run one program under limits and leave nothing of it behind; the only module that starts processes.

The program is started by ``launcher.py`` in a session of its own, and its whole process group is
killed on every way out.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import Cancelled, NoSpace, TimedOut, ToolMissing
from .failures import ProcessFailed, says_disk_full

LAUNCHER = Path(__file__).with_name("launcher.py")
# No PATH and nothing of ours: settings often live in the environment. Arenas are limited because
# each one of glibc takes 64 MiB of the address space that RLIMIT_AS counts.
ENVIRONMENT = {"LC_ALL": "C", "MALLOC_ARENA_MAX": "4"}

CHUNK = 64 * 1024  # bytes per read; the size of a Linux pipe
STDERR_TAIL = 64 * 1024  # bytes kept
OUTPUT_CAP = 8 * 1024 * 1024  # bytes collected when nobody reads lines
LINE_CAP = 64 * 1024  # bytes of a line without an end
CPU_SHARE = 0.95  # of the limit; the kernel counts roughly
POLL = 0.2  # seconds between two looks at stop(), the clock and the process


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process may use up; the kernel enforces all but ``wall``."""

    memory: int = 4 * 1024**3
    """Address space, bytes (RLIMIT_AS)."""

    cpu: int = 24 * 3600
    """Processor time over all threads, seconds (RLIMIT_CPU)."""

    file_size: int = 32 * 1024**3
    """Largest file it may write, bytes (RLIMIT_FSIZE)."""

    open_files: int = 256
    """File descriptors (RLIMIT_NOFILE)."""

    wall: float = 6 * 3600.0
    """Time from start to end, seconds."""


def run(
    argv: Sequence[str],
    *,
    limits: Limits,
    on_line: Callable[[str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> bytes:
    """
    Run *argv* to its end and return its standard output, which is empty when *on_line* received it.

    Call it from a thread that lives at least as long: on Linux the kernel kills the program when
    the *thread* that started it ends (PR_SET_PDEATHSIG, prctl(2)). So it cannot outlive a worker
    that was killed.

    Args:
        argv: Absolute path of the program and its arguments.
        limits: What it may use up.
        on_line: Called with each line of standard output as it comes, without its end.
        stop: Asked a few times a second; true means kill.

    Raises:
        ProcessFailed: it ended with a status other than 0, or wrote more than ``OUTPUT_CAP``.
        NoSpace: it reported a full disk, whatever its status: ffmpeg's may be 0.
        TimedOut: the wall clock or the processor time ran out.
        Cancelled: *stop* said so.
        ToolMissing: there is no such program.
    """
    if not os.access(argv[0], os.X_OK):
        raise ToolMissing()
    deadline = time.monotonic() + limits.wall
    process = _start(argv, limits)
    reader = _Reader(on_line)
    try:
        _watch(process, reader, deadline=deadline, stop=stop)
    finally:
        cpu_time = _end(process)
    stderr = reader.stderr.decode("utf-8", "replace")
    if says_disk_full(stderr):
        raise NoSpace() from ProcessFailed(process.returncode, stderr)
    if process.returncode and _ran_out(process.returncode, cpu_time, limits):
        raise TimedOut() from ProcessFailed(process.returncode, stderr)
    if process.returncode or reader.is_overfull:
        raise ProcessFailed(process.returncode, stderr)
    return bytes(reader.output)


def _ran_out(returncode: int, cpu_time: float, limits: Limits) -> bool:
    # ffmpeg catches SIGXCPU and ends as if interrupted, so its status does not tell.
    return returncode == -signal.SIGXCPU or cpu_time >= limits.cpu * CPU_SHARE


def _start(argv: Sequence[str], limits: Limits) -> subprocess.Popen[bytes]:
    terms = {
        "parent": os.getpid(),
        "memory": limits.memory,
        "cpu": limits.cpu,
        "file_size": limits.file_size,
        "open_files": limits.open_files,
    }
    return subprocess.Popen(  # noqa: S603 - a list, no shell, and no word of a user in it
        [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(terms), *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd="/",
        env=ENVIRONMENT,
        start_new_session=True,
    )


def _watch(
    process: subprocess.Popen[bytes],
    reader: _Reader,
    *,
    deadline: float,
    stop: Callable[[], bool] | None,
) -> None:
    """Read both pipes until the process ends by itself, or raise what ends it."""
    next_look = 0.0
    with selectors.DefaultSelector() as selector:
        for pipe, take in (
            (process.stdout, reader.take_stdout),
            (process.stderr, reader.take_stderr),
        ):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, take)
        while not reader.is_overfull:
            is_open = bool(selector.get_map())
            for key, _ in selector.select(POLL if is_open else POLL / 20):
                if chunk := os.read(key.fd, CHUNK):
                    key.data(chunk)
                else:
                    selector.unregister(key.fileobj)
            # Mostly it closes both pipes by ending; that is seen at once, all else at each look.
            if not is_open and _has_ended(process):
                break
            if time.monotonic() < next_look:
                continue
            next_look = time.monotonic() + POLL
            if time.monotonic() > deadline:
                raise TimedOut()
            if stop is not None and stop():
                raise Cancelled()
            if _has_ended(process):
                break
        # Whoever it left behind may hold the pipes open for ever.
        _kill_group(process)
        for key in list(selector.get_map().values()):
            _drain(key.fd, key.data)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    # WNOWAIT leaves the zombie and so the number of its group: once that is free, killpg could hit
    # a stranger.
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _drain(descriptor: int, take: Callable[[bytes], None]) -> None:
    """Take what is left in a pipe that may still have a writer outside the group."""
    os.set_blocking(descriptor, False)
    for _ in range(16):  # 1 MiB, the largest pipe an ordinary user may have (pipe(7))
        try:
            chunk = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            return
        take(chunk)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # macOS answers EPERM for a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> float:
    """Kill the group, reap its leader, close the pipes; return the seconds of processor time."""
    _kill_group(process)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return usage.ru_utime + usage.ru_stime


class _Reader:
    """Takes the chunks of both pipes: lines or collected output, and the end of stderr."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.on_line = on_line
        self.output = bytearray()
        self.line = bytearray()
        self.stderr = bytearray()
        self.is_overfull = False

    def take_stdout(self, chunk: bytes) -> None:
        if self.on_line is None:
            self.output += chunk
            self.is_overfull = len(self.output) > OUTPUT_CAP
            return
        self.line += chunk
        *lines, self.line = self.line.split(b"\n")
        for line in lines:
            self.on_line(line.decode("utf-8", "replace"))
        if len(self.line) > LINE_CAP:
            self.line.clear()

    def take_stderr(self, chunk: bytes) -> None:
        self.stderr += chunk
        del self.stderr[:-STDERR_TAIL]
