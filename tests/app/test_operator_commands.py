"""The client's commands as operators and scripts run them: processes, terminals, pipes, Ctrl-C."""

from __future__ import annotations

import http.client
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from django_cloudkey.client import NotFound, SecLevel
from django_cloudkey.protocol.signing import parse_auth

from ..conftest import Cloud
from ..processes import ROOT, environment

UNKNOWN = "4d0c0ffee0000000000000ff"


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def manage(cloud: Cloud, settings: Any) -> Any:
    """Return a function that runs a command in a process of its own."""

    def manage(*args: str, **how: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command_line(*args), env=environment(settings), cwd=ROOT, timeout=60,
            **{"capture_output": True, "text": True, **how},
        )  # fmt: skip

    return manage


def command_line(*args: str) -> list[str]:
    return [sys.executable, "-m", "django", *args]


def create(cloud: Cloud, title: str = "Knots") -> str:
    return str(cloud.client.media.create(meta={"title": title})["id"])


# One media


def test_info_shows_meta_and_assets(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip)
    cloud.work()

    lines = run("cloudkey_info", media).splitlines()
    (found,) = json.loads(run("cloudkey_info", media, "--json"))

    assert lines[0].startswith(media)
    assert "  title: clip" in lines
    assert any(re.match(r"mp4_h264_aac +ready +2 +\d+ +\d+x\d+$", line) for line in lines)
    assert found["assets"]["mp4_h264_aac"]["status"] == "ready"


def test_info_goes_on_after_one_that_is_missing(cloud: Cloud) -> None:
    media = create(cloud)
    out, err = io.StringIO(), io.StringIO()

    with pytest.raises(CommandError, match="1 media were not found"):
        call_command("cloudkey_info", UNKNOWN, media, stdout=out, stderr=err)

    assert media in out.getvalue()
    assert UNKNOWN in err.getvalue()


def test_meta_is_set_shown_and_removed(cloud: Cloud) -> None:
    media = create(cloud)

    assert run("cloudkey_meta", media, "author=Ann", "note=a=b").splitlines() == [
        "author=Ann", "note=a=b", "title=Knots",
    ]  # fmt: skip
    shown = json.loads(run("cloudkey_meta", media, "--remove", "note", "--json"))
    assert shown == {"author": "Ann", "title": "Knots"}


def test_assets_are_made_and_removed(cloud: Cloud, clip: Path) -> None:
    media = cloud.upload(clip)
    cloud.work()

    made = json.loads(run("cloudkey_assets", media, "--make", "jpeg_thumbnail_medium", "--json"))
    assert made["jpeg_thumbnail_medium"]["status"] == "pending"
    left = run("cloudkey_assets", media, "--remove", "mp4_h264_aac", "--no-input")
    assert "mp4_h264_aac" not in left


def test_embed_url_is_arithmetic(cloud: Cloud, settings: Any) -> None:
    settings.CLOUDKEYS = {
        "default": {**settings.CLOUDKEYS["default"], "BASE_URL": "http://192.0.2.1"}
    }

    url = run("cloudkey_embed_url", UNKNOWN, "--seclevel", "ip", "--ip", "203.0.113.4",
              "--lifetime", "60").strip()  # fmt: skip

    token = parse_auth(url.partition("?auth=")[2])
    assert url.startswith(f"http://192.0.2.1/embed/{cloud.account.pk}/{UNKNOWN}?")
    assert token.seclevel == SecLevel.IP
    assert 0 < token.expires - time.time() <= 60


# Many


def test_delete_asks_and_tells_what_was_missing(cloud: Cloud, manage: Any) -> None:
    kept, gone = create(cloud), create(cloud)

    asked = manage("cloudkey_delete", kept, stdin=subprocess.DEVNULL)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "--no-input" in asked.stderr

    done = manage("cloudkey_delete", gone, UNKNOWN, "--no-input", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"deleted": [gone], "missing": [UNKNOWN]}
    assert cloud.client.media.info(id=kept)
    with pytest.raises(NotFound):
        cloud.client.media.info(id=gone)


def test_delete_reads_ids_from_a_pipe(cloud: Cloud, manage: Any) -> None:
    ids = [create(cloud) for _ in range(3)]

    done = manage("cloudkey_delete", "-", "--no-input", input="\n".join([*ids, ""]))

    assert (done.returncode, done.stdout.split()) == (0, ids)
    assert cloud.client.media.count() == 0


@pytest.mark.parametrize("text", ["-x", "; rm", "../x", "*", UNKNOWN.upper(), "\udcff"])
def test_t229_what_is_no_id_is_refused_before_anything_is_deleted(cloud: Cloud, text: str) -> None:
    media = create(cloud)

    with pytest.raises(CommandError):
        call_command("cloudkey_delete", text, media, "--no-input")

    assert cloud.client.media.info(id=media)


def test_t229_many_ids_are_read_as_they_are_needed(cloud: Cloud, manage: Any) -> None:
    """What is no id at the end of a long list stops nothing that came before."""
    media = create(cloud)

    done = manage("cloudkey_delete", "-", "--no-input", input=f"{media}\nno id\n")

    assert done.returncode == 1
    assert "“no id” is no media id" in done.stderr
    assert cloud.client.media.count() == 0


def test_list_searches(cloud: Cloud) -> None:
    create(cloud, "Knots")
    create(cloud, "Sails")

    page = json.loads(run("cloudkey_list", "--search", "knots", "--json"))

    assert [media["meta"]["title"] for media in page["list"]] == ["Knots"]


def test_a_reader_that_has_enough_is_no_failure(cloud: Cloud, manage: Any, settings: Any) -> None:
    for _ in range(60):
        create(cloud, "x" * 2000)
    command = " ".join(command_line("cloudkey_list", "--per-page", "100"))

    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1"], env=environment(settings), cwd=ROOT, timeout=60,
        capture_output=True, text=True,
    )  # fmt: skip

    assert (done.stdout.count("\n"), done.stderr) == (1, "")


# Uploads


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "videos"
    (root / "b").mkdir(parents=True)
    for name in ("2.mp4", "b/1.MOV", "b/10.mkv", "notes.txt", ".hidden.mp4"):
        (root / name).write_bytes(f"bytes of {name}".encode())
    return root


def titles(cloud: Cloud) -> list[str]:
    return sorted(each["meta"]["title"] for each in cloud.client.media.iterate(fields=["meta"]))


def test_a_folder_is_uploaded_once(cloud: Cloud, folder: Path) -> None:
    first = json.loads(run("cloudkey_upload", str(folder), "--json", "--jobs", "3"))
    assert sorted(each["file"] for each in first) == sorted(
        str(folder / name) for name in ("2.mp4", "b/1.MOV", "b/10.mkv")
    )
    assert titles(cloud) == ["1", "10", "2"]

    (folder / "2.mp4").write_bytes(b"other bytes")
    (folder / "new.webm").write_bytes(b"new bytes")
    (folder / "b/1.MOV").rename(folder / "b/renamed.mov")
    second = json.loads(run("cloudkey_upload", str(folder), "--json"))

    assert {Path(each["file"]).name: "skipped" in each for each in second} == {
        "2.mp4": False, "new.webm": False, "renamed.mov": True, "10.mkv": True,
    }  # fmt: skip
    assert titles(cloud) == ["1", "10", "2", "2", "new"]
    run("cloudkey_upload", str(folder / "new.webm"), "--again")
    assert titles(cloud).count("new") == 2


def test_t230_what_cannot_be_read_is_told_and_the_rest_goes_on(
    cloud: Cloud, folder: Path, manage: Any
) -> None:
    os.mkfifo(folder / "pipe.mp4")
    (folder / "empty.mp4").touch()
    (folder / "gone.mp4").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder)
    (folder / "line\nbreak.mp4").write_bytes(b"odd name")

    done = manage("cloudkey_upload", str(folder))

    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 4
    assert "line\\nbreak.mp4" in done.stdout
    told = done.stderr
    assert "pipe.mp4: not a file" in told
    assert "gone.mp4: No such file" in told
    assert "empty.mp4' is empty" in told
    assert told.splitlines()[-1] == "CommandError: 1 file failed."
    assert len(titles(cloud)) == 4


def test_a_missing_file_is_one_line(cloud: Cloud, manage: Any) -> None:
    done = manage("cloudkey_upload", "nowhere.mp4")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "nowhere.mp4: " in done.stderr


def test_title_is_for_one_file(folder: Path) -> None:
    with pytest.raises(CommandError, match="for one file"):
        run("cloudkey_upload", "--title", "T", str(folder))


def test_waiting_tells_what_became_of_the_media(
    cloud: Cloud, clip: Path, tmp_path: Path, manage: Any
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.2):
            cloud.work()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        good = manage("cloudkey_upload", str(clip), "--wait", "--json")
        bad = manage("cloudkey_upload", str(broken), "--wait")
    finally:
        ended.set()
        worker.join()

    assert (good.returncode, json.loads(good.stdout)[0]["status"]) == (0, "ready")
    assert bad.returncode == 1
    assert "broken.mp4: the cloud could not prepare it" in bad.stderr


# Terminals


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

    def close(self) -> int:
        status = self.process.wait(timeout=20)
        os.close(self.master)
        return status


def screen(text: str) -> list[str]:
    """Return the lines that stay on a terminal that was written *text*."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        shown = line.split("\x1b[K")[-1].rpartition("\r")[2]
        lines.append(re.sub(r"\x1b\[[0-9;]*m", "", shown))
    return [line for line in lines if line]


@pytest.mark.parametrize("columns", [80, 40])
def test_a_bar_is_as_wide_as_the_terminal_and_leaves_nothing(
    cloud: Cloud, settings: Any, tmp_path: Path, columns: int
) -> None:
    big = tmp_path / "a film with quite a long name indeed, as films have.mp4"
    with open(big, "wb") as file:
        file.truncate(48 * 1024 * 1024)
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


def test_without_a_terminal_there_is_no_bar(cloud: Cloud, manage: Any, folder: Path) -> None:
    done = manage("cloudkey_upload", str(folder))

    assert (done.returncode, done.stderr) == (0, "")
    assert all(re.match(r"[0-9a-f]{24}  /", line) for line in done.stdout.splitlines())


@pytest.fixture
def slow(cloud: Cloud, settings: Any) -> Iterator[None]:
    """The cloud behind a line that takes a second for each megabyte of an upload."""
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
                    time.sleep(0.0625)
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
        yield
        server.shutdown()


def test_ctrl_c_in_the_middle_and_again(
    cloud: Cloud, slow: None, settings: Any, tmp_path: Path
) -> None:
    small, big = tmp_path / "1.mp4", tmp_path / "2.mp4"
    small.write_bytes(b"small")
    with open(big, "wb") as file:
        file.truncate(32 * 1024 * 1024)
    args = ["cloudkey_upload", str(tmp_path)]

    terminal = Terminal(args, settings)
    terminal.read(until="2.mp4")
    os.killpg(terminal.process.pid, signal.SIGINT)
    interrupted = time.monotonic()
    text = terminal.read()
    assert terminal.close() == 130
    assert time.monotonic() - interrupted < 10
    assert "Traceback" not in text
    assert screen(text)[-1].endswith("Interrupted.")
    assert titles(cloud) == ["1"]

    big.write_bytes(b"not so big any more")
    terminal = Terminal(args, settings)
    text = terminal.read()
    assert terminal.close() == 0
    assert "(there already)" in text
    assert titles(cloud) == ["1", "2"]


def test_t232_two_copies_at_once_do_no_harm(cloud: Cloud, folder: Path, settings: Any) -> None:
    processes = [
        subprocess.Popen(
            command_line("cloudkey_upload", str(folder), "--json"), env=environment(settings),
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    made = {each["id"] for answer in answers for each in answer if "skipped" not in each}
    assert made == {media["id"] for media in cloud.client.media.iterate(fields=["id"])}
    assert set(titles(cloud)) == {"1", "10", "2"}


def test_t241_what_the_cloud_says_cannot_steer_a_terminal(cloud: Cloud, manage: Any) -> None:
    media = create(cloud, "\x1b[2J\x07line\nbreak")

    for args in (["cloudkey_info", media], ["cloudkey_meta", media], ["cloudkey_list"]):
        done = manage(*args)
        assert done.returncode == 0
        assert "\x1b[2J" not in done.stdout
        assert "\\x1b[2J\\x07line\\nbreak" in done.stdout
