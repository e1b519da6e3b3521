"""
What an upload costs the sender's processor and memory, against pycurl and requests-toolbelt.

Every upload is one process. Its processor time counts from the end of the imports to the answer,
and so does its memory: how far its resident set rises above what it was, at the peak. The source is
a sparse file: reading it costs no disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .rounds import Row, ratio
from .senders import SENDERS
from .sink import Sink

MIB = 1 << 20


def rows(*, tiny: bool = False) -> list[Row]:
    rounds, size, growth = (1, MIB, (MIB, 2 * MIB)) if tiny else (5, 512 * MIB, (1 << 30, 4 << 30))
    senders = tuple(SENDERS)
    with tempfile.TemporaryDirectory() as folder, Sink() as url:
        path = Path(folder) / "lesson.mp4"
        path.touch()
        os.truncate(path, size)
        taken = [{name: _send(name, url, path)[0] for name in senders} for _ in range(rounds)]
        peaks = []
        for size in growth:
            os.truncate(path, size)
            peaks.append(_send("cloudkey", url, path)[1])

    def against(one: str, other: str) -> float:
        return ratio((each[one], each[other]) for each in taken)

    return [
        Row("upload: without its SHA-1 / pycurl", against("cloudkey_unchecked", "pycurl"), 1.2),
        Row("upload: with its SHA-1 / pycurl without", against("cloudkey", "pycurl")),
        Row("upload: with its SHA-1 / pycurl with the same", against("cloudkey", "pycurl_sha1"), 2),
        Row("upload: with its SHA-1 / toolbelt with it", against("cloudkey", "toolbelt"), 0.7),
        Row("upload: memory for 4 GiB", peaks[1] / MIB, 40, unit="MiB"),
        Row("upload: more memory for 4 GiB than for 1", (peaks[1] - peaks[0]) / MIB, 2, unit="MiB"),
    ]


def _send(sender: str, url: str, path: Path) -> tuple[float, int]:
    """Return the seconds and the bytes of memory that an upload took in a fresh process."""
    program = [sys.executable, "-W", "ignore", "-m", f"{__package__}.senders"]
    done = subprocess.run(
        [*program, sender, url, str(path)], stdout=subprocess.PIPE, timeout=300, check=True
    )
    seconds, peak = json.loads(done.stdout)
    return seconds, peak
