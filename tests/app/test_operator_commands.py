"""The client's commands as operators and scripts run them: processes, terminals, pipes, Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

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
    row = r"mp4_h264_aac +ready +0:02 +[\d.]+ kB +\d+x\d+$"
    assert any(re.match(row, line) for line in lines)
    assert found["assets"]["mp4_h264_aac"]["status"] == "ready"


def test_info_goes_on_after_one_that_is_missing(cloud: Cloud) -> None:
    media = create(cloud)
    out, err = io.StringIO(), io.StringIO()

    with pytest.raises(CommandError, match="1 media was not found"):
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


def test_embed_url_for_a_viewer_names_the_options_that_say_who_it_is(cloud: Cloud) -> None:
    with pytest.raises(CommandError, match="--ip, --user-agent"):
        run("cloudkey_embed_url", UNKNOWN, "--seclevel", "ip")


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


@pytest.mark.parametrize("args", [["--", "--help"], ["--", "-x"], ["--", "; rm -rf /"]])
def test_t229_what_looks_like_an_option_is_an_id_that_is_none(manage: Any, args: list[str]) -> None:
    done = manage("cloudkey_delete", "--no-input", *args)

    assert (done.returncode, done.stdout) == (1, "")
    assert "is no media id" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("sent", [b"\xff\xfe\n", b"caf\xe9\n", b"\0\n", b"a" * 1_000_000])
def test_t229_bytes_on_stdin_that_are_no_id_are_one_short_line(manage: Any, sent: bytes) -> None:
    done = manage("cloudkey_info", "-", input=sent, text=False)

    assert (done.returncode, done.stdout) == (1, b"")
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 500
    assert b"Traceback" not in done.stderr


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
        connections.close_all()

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


def test_without_a_terminal_there_is_no_bar(cloud: Cloud, manage: Any, folder: Path) -> None:
    done = manage("cloudkey_upload", str(folder))

    assert (done.returncode, done.stderr) == (0, "")
    assert all(re.match(r"[0-9a-f]{24}  /", line) for line in done.stdout.splitlines())


# Threats


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
