"""The client's commands on a pseudo-terminal: bars, tables, colours, questions, Ctrl-C."""

from __future__ import annotations

import http.client
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from django_cloudkey.management import table

from ..conftest import Cloud
from ..processes import ROOT, environment
from .test_operator_commands import command_line, create, titles


class Terminal:
    """A command on a pseudo-terminal of *columns* characters."""

    def __init__(self, args: list[str], settings: Any, columns: int = 80) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command_line(*args), env={**environment(settings), "COLUMNS": str(columns)}, cwd=ROOT,
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.text = ""

    def read(self, until: str = "", seconds: float = 40) -> str:
        """Read until *until* is shown, or the command ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not (until and until in self.text):
            if not select.select([self.master], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                break
            if not piece:
                break
            self.text += piece.decode(errors="replace")
        return self.text

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def close(self) -> int:
        status = self.process.wait(timeout=60)
        os.close(self.master)
        return status


def screen(text: str) -> list[str]:
    """Return the lines that stay on a terminal that was written *text*."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = line.split("\x1b[K")[-1].rpartition("\r")[2]
        lines.append(re.sub(r"\x1b\[[0-9;]*m", "", shown))
    return [line for line in lines if line]


@dataclass
class Line:
    """How fast the bytes of an upload go."""

    pause: float = 0.0625
    """Seconds after each piece of 64 KiB."""


@pytest.fixture
def slow(cloud: Cloud, settings: Any) -> Iterator[Line]:
    """The cloud behind a line that takes a second for each megabyte of an upload."""
    line = Line()
    target = urlsplit(cloud.base_url)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = bytearray()
            while len(body) < length:
                piece = self.rfile.read(min(65536, length - len(body)))
                if not piece:
                    self.close_connection = True
                    return
                body += piece
                if length > 1024 * 1024:
                    time.sleep(line.pause)
            connection = http.client.HTTPConnection(target.hostname or "", target.port)
            connection.request("POST", self.path, bytes(body), dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}{target.path}"
        settings.CLOUDKEY_SERVER = {**settings.CLOUDKEY_SERVER, "BASE_URL": url}
        settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "BASE_URL": url}}
        yield line
        server.shutdown()


@pytest.mark.parametrize("columns", [80, 40])
def test_a_bar_is_as_wide_as_the_terminal_and_leaves_nothing(
    slow: Line, settings: Any, tmp_path: Path, columns: int
) -> None:
    slow.pause = 0.004  # seconds for each of 256 pieces
    big = tmp_path / "a film with quite a long name indeed, as films have.mp4"
    with open(big, "wb") as file:
        file.truncate(16 * 1024 * 1024)
    terminal = Terminal(["cloudkey_upload", str(big)], settings, columns)

    text = terminal.read()
    status = terminal.close()

    assert status == 0, text
    drawn = [each.split("\r")[0] for each in text.split("\x1b[K")[1:]]
    bars = [each for each in drawn if "━" in each]
    assert bars
    assert max(map(len, bars)) < columns
    (line,) = screen(text)
    assert re.fullmatch(rf"[0-9a-f]{{24}}  {re.escape(str(big))}", line)


def test_ctrl_c_in_the_middle_and_again(
    cloud: Cloud, slow: Line, settings: Any, tmp_path: Path
) -> None:
    small, big = tmp_path / "1.mp4", tmp_path / "2.mp4"
    small.write_bytes(b"small")
    with open(big, "wb") as file:
        file.truncate(32 * 1024 * 1024)
    args = ["cloudkey_upload", str(tmp_path)]

    terminal = Terminal(args, settings)
    terminal.read(until="2.mp4")
    terminal.interrupt()
    interrupted = time.monotonic()
    text = terminal.read()
    assert terminal.close() == 130
    assert time.monotonic() - interrupted < 10
    assert "Traceback" not in text
    assert screen(text)[-1].endswith("Interrupted. The same command goes on with the rest.")
    assert titles(cloud) == ["1"]

    big.write_bytes(b"not so big any more")
    terminal = Terminal(args, settings)
    text = terminal.read()
    assert terminal.close() == 0
    assert "(there already)" in text
    assert titles(cloud) == ["1", "2"]


def test_ctrl_c_waits_for_media_that_are_being_made_and_tells_them(
    cloud: Cloud, slow: Line, settings: Any, tmp_path: Path
) -> None:
    """Of four files at a time some are through when the terminal is interrupted."""
    for number in range(12):
        (tmp_path / f"{number:02}.mp4").write_bytes(b"%d" % number)
    (tmp_path / "zz.mp4").write_bytes(b"z" * 8 * 1024 * 1024)

    terminal = Terminal(["cloudkey_upload", "--jobs", "4", str(tmp_path)], settings)
    terminal.read(until=".mp4")
    terminal.interrupt()
    text = terminal.read()

    assert terminal.close() == 130
    assert "Traceback" not in text
    told = {line[:24] for line in screen(text) if re.match(r"[0-9a-f]{24}  ", line)}
    assert told == {media["id"] for media in cloud.client.media.iterate(fields=["id"])}
    assert 0 < len(told) < 13


def test_second_ctrl_c_ends_at_once(
    cloud: Cloud, slow: Line, settings: Any, tmp_path: Path
) -> None:
    slow.pause = 30  # a server that does not read on: nothing ends by itself
    big = tmp_path / "big.mp4"
    with open(big, "wb") as file:
        file.truncate(32 * 1024 * 1024)
    terminal = Terminal(["cloudkey_upload", str(big)], settings)
    terminal.read(until="━")
    time.sleep(0.5)
    terminal.interrupt()
    time.sleep(1)
    assert terminal.process.poll() is None
    terminal.interrupt()
    started = time.monotonic()
    text = terminal.read()

    assert terminal.close() == 130
    assert time.monotonic() - started < 2
    assert "Traceback" not in text


def test_interrupted_upload_writes_its_json(
    cloud: Cloud, slow: Line, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "1.mp4").write_bytes(b"small")
    with open(tmp_path / "2.mp4", "wb") as file:
        file.truncate(32 * 1024 * 1024)
    process = subprocess.Popen(
        command_line("cloudkey_upload", str(tmp_path), "--json"), env=environment(settings),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not titles(cloud) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert [Path(each["file"]).name for each in json.loads(out)] == ["1.mp4"]
    assert err.splitlines() == ["CommandError: " + err.splitlines()[-1].partition(": ")[2]]


# Questions


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("yes\n", 0), ("\n", 1), ("\x04", 1)])
def test_delete_goes_on_with_a_yes_alone(
    cloud: Cloud, settings: Any, answer: str, status: int
) -> None:
    media = create(cloud)
    terminal = Terminal(["cloudkey_delete", media], settings)
    terminal.read(until="[y/N]")
    terminal.type(answer)
    text = terminal.read()

    assert terminal.close() == status
    assert "Traceback" not in text
    assert (cloud.client.media.count() == 0) is (status == 0)
    assert status == 0 or screen(text)[-1] == "CommandError: Nothing was done."


@pytest.mark.parametrize(
    ("answer", "status", "left"), [("y\n", 0, 0), ("\n", 3, 1), ("\x04", 3, 1)]
)
def test_reconcile_asks_as_the_others_do(
    cloud: Cloud, settings: Any, answer: str, status: int, left: int
) -> None:
    cloud.client.media.create(meta={"title": "Knots", "field": "testapp.lesson.video"})
    terminal = Terminal(["cloudkey_reconcile", "--delete", "--older-than", "0"], settings)
    terminal.read(until="[y/N]")
    terminal.type(answer)
    text = terminal.read()

    assert terminal.close() == status
    assert "Traceback" not in text
    assert re.search(r"orphan +[0-9a-f]{24}  testapp.lesson.video", text)
    assert cloud.client.media.count() == left


def test_ctrl_c_at_a_question_deletes_nothing(cloud: Cloud, settings: Any) -> None:
    media = create(cloud)
    terminal = Terminal(["cloudkey_delete", media], settings)
    terminal.read(until="[y/N]")
    time.sleep(0.5)  # from its prompt to its reading, Python itself does not feel the key
    terminal.interrupt()
    text = terminal.read()

    assert terminal.close() == 130
    assert "Traceback" not in text
    assert cloud.client.media.count() == 1


# Tables


def test_table_fits_the_terminal_and_shows_states_in_colour(cloud: Cloud, settings: Any) -> None:
    create(cloud, "A title that is much too long for the few columns that are left of this line")
    create(cloud, "航海結び" * 20)  # each letter takes two columns
    terminal = Terminal(["cloudkey_list"], settings, columns=80)
    text = terminal.read()

    assert terminal.close() == 0
    rows = [line for line in screen(text) if re.match(r"[0-9a-f]{24}  ", line)]
    assert [table.width(row) in (79, 80) for row in rows] == [True, True]
    assert all(row.endswith("…") for row in rows)
    assert "\x1b[36;1mID" in text


def test_table_aligns_what_is_wide_and_what_is_a_number() -> None:
    rows: list[list[object]] = [
        ["航海", table.State("ready"), table.duration(3_723.9), table.size(999)],
        ["e\u0301", table.State("error"), table.duration(None), table.size(999_950)],
        ["line\nbreak", table.State("pending"), table.duration(2), table.size(None)],
    ]

    lines = [
        table.GAP.join(text for text, _cell in line).rstrip()
        for line in table.lines(["TITLE", "STATUS", "DURATION", "SIZE"], rows)
    ]

    assert lines == [
        "TITLE        STATUS   DURATION    SIZE",
        "航海         ready     1:02:04   999 B",
        "e\u0301            error           -  1.0 MB",
        "line\\nbreak  pending      0:02       -",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (10**9, "1.0 GB"), (10**16, "10000.0 TB")],
)
def test_size_is_short(count: int, text: str) -> None:
    assert table.size(count) == text
