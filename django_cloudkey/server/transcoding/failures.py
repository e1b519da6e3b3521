"""From the end of a process to the error an editor is shown; only here ffmpeg's words are read."""

from __future__ import annotations

import signal

from .errors import NoSpace, SourceTooLarge, TranscodingError

FULL_DISK = (
    "No space left on device",
    "Disk quota exceeded",
)  # strerror(3) of ENOSPC, EDQUOT
OVER_BUDGET = (
    "max_streams parameter",  # libavformat: too many streams
    "max pixel count",  # libavutil: -max_pixels
    "Cannot allocate memory",  # ENOMEM under glibc: RLIMIT_AS
    "Out of memory",  # ENOMEM under musl, which the wheel is built with
)


class ProcessFailed(Exception):
    """
    A program of :func:`.runner.run` ended with a status other than 0; internal to this package.

    Args:
        returncode: Exit status, or minus the number of the signal that ended it.
        stderr: The end of what it wrote to standard error.
    """

    def __init__(self, returncode: int, stderr: str) -> None:
        super().__init__(returncode, stderr)
        self.returncode = returncode
        self.stderr = stderr

    def __str__(self) -> str:
        # Escaped: titles and file contents of strangers may be in it.
        return f"exit status {self.returncode}: {self.stderr[-2000:]!a}"


def says_disk_full(stderr: str) -> bool:
    """Return whether *stderr* reports a full disk or quota."""
    return any(text in stderr for text in FULL_DISK)


def public_error(failure: ProcessFailed, otherwise: TranscodingError) -> TranscodingError:
    """Return the error that *failure* means, or *otherwise* when it names no known cause."""
    if says_disk_full(failure.stderr):
        return NoSpace()
    if failure.returncode == -signal.SIGXFSZ:
        return SourceTooLarge("The converted video would be larger than is accepted here.")
    if any(text in failure.stderr for text in OVER_BUDGET):
        return SourceTooLarge()
    return otherwise
