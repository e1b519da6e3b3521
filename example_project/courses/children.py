"""Processes that live no longer than the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

PATIENCE = 10  # seconds from SIGTERM to SIGKILL
PR_SET_PDEATHSIG = 1  # prctl(2)


class Children:
    """
    Starts processes and, when the ``with`` block ends however it ends, stops them again.

    Each is in a session of its own, so that Ctrl-C in a terminal reaches them through us, once.
    """

    def __init__(self, *, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], *, log: Path | None = None) -> None:
        """Start *command*; what it prints goes to the file *log*, or where our own prints go."""
        with open(log or os.devnull, "wb") as file:
            self._processes[name] = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file if log else None,
                stderr=subprocess.STDOUT if log else None,
                start_new_session=True,
                preexec_fn=_follow_parent(),
            )

    def exit_code(self, name: str) -> int | None:
        """Return the exit code of the process *name*; None while it runs."""
        return self._processes[name].poll()

    def stop(self) -> None:
        """Ask all to end; kill those that have not after :data:`PATIENCE` seconds."""
        running = [each for each in self._processes.values() if each.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _follow_parent() -> Callable[[], None] | None:
    """Return what makes a child on Linux end with its parent, even with one that was killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # It ended before the line above.
            os._exit(1)

    return follow
