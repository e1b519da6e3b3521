"""
Become another program that has limits, no network and no life after its parent.

Run as a script, never imported by the package::

    python -I -S launcher.py '{"parent": 4711, "memory": 4294967296, ...}' /usr/bin/ffmpeg -i ...

A script of its own, because ``preexec_fn`` of :mod:`subprocess` may deadlock in a program with
threads: after a fork only one thread goes on, and locks that the others held stay locked. Here the
process is new and has one thread.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
CLONE_NEWUSER = 0x10000000  # unshare(2)
CLONE_NEWNET = 0x40000000  # unshare(2)

CPU_GRACE = 2  # seconds between SIGXCPU, which ffmpeg handles, and SIGKILL, which nobody does
NOT_STARTED = 127  # exit status, as in a shell


def main(limits_json: str, argv: list[str]) -> None:
    """Apply the limits and exec *argv*; return only by exiting."""
    limits: dict[str, int] = json.loads(limits_json)
    if sys.platform == "linux":
        leave_network()
        die_with_parent(limits["parent"])
    set_limits(limits)
    # Python ignores these two, and exec would hand that on: going over the file size must end the
    # process and not be one more error that it may overlook.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execv(argv[0], argv)  # noqa: S606 - what runner.py chose, and never a shell
    except OSError as error:
        sys.stderr.write(f"cannot start the program: {error.strerror}\n")
        sys.exit(NOT_STARTED)


def leave_network() -> None:
    """Move to a network namespace that has not even loopback, where the kernel allows it."""
    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNET) == 0:
        return
    # An ordinary user needs a user namespace around it. Root without the right to unshare would
    # lose there the right to read other users' files, so root stays as it is.
    if os.geteuid() != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when the thread that started this ends, and refuse setuid programs."""
    # After unshare(): a change of credentials clears the wish (prctl(2)).
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # It died before the wish was heard.
        os.kill(os.getpid(), signal.SIGKILL)


def set_limits(limits: dict[str, int]) -> None:
    """Set the resource limits that this system knows, never above what is inherited."""
    wanted = {
        "RLIMIT_AS": (limits["memory"], limits["memory"]),
        "RLIMIT_CPU": (limits["cpu"], limits["cpu"] + CPU_GRACE),
        "RLIMIT_FSIZE": (limits["file_size"], limits["file_size"]),
        "RLIMIT_NOFILE": (limits["open_files"], limits["open_files"]),
        "RLIMIT_CORE": (0, 0),
    }
    for name, (soft, hard) in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it.
            continue


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
