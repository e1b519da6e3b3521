"""The client's commands: ids and JSON on stdout, one line and status 1 for a failure."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ..conftest import Cloud

ROOT = Path(__file__).parents[2]


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "first.mp4", tmp_path / "second.mp4"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [str(path) for path in paths]


def test_upload_writes_the_id(cloud: Cloud, clips: list[str]) -> None:
    media, _, file = run("cloudkey_upload", clips[0]).strip().partition("  ")

    assert file == clips[0]
    info = cloud.client.media.info(id=media, fields=["meta.title", "assets"])
    assert info["meta"]["title"] == "first"
    assert "mp4_h264_aac" in info["assets"]


def test_several_files_become_several_media(cloud: Cloud, clips: list[str]) -> None:
    uploaded = json.loads(run("cloudkey_upload", "--json", "--asset", "mp4_h264_aac_hd", *clips))

    assert [each["file"] for each in uploaded] == clips
    assert cloud.client.media.list()["total"] == 2
    info = cloud.client.media.info(id=uploaded[1]["id"], fields=["meta.title", "assets"])
    title, assets = info["meta"]["title"], set(info["assets"])
    assert (title, assets) == ("second", {"source", "mp4_h264_aac_hd"})


def test_list_is_a_table(cloud: Cloud) -> None:
    for title in ("first", "line\nbreak\x1b[2J"):
        cloud.client.media.create(meta={"title": title})

    lines = run("cloudkey_list").splitlines()

    assert lines[0].split() == ["ID", "CREATED", "SOURCE", "DURATION", "TITLE"]
    assert len(lines) == 4
    assert lines[1].endswith("line\\nbreak\\x1b[2J") or lines[2].endswith("line\\nbreak\\x1b[2J")


def test_list_pages_as_json(cloud: Cloud) -> None:
    for number in range(3):
        cloud.client.media.create(meta={"title": str(number)})

    page = json.loads(run("cloudkey_list", "--json", "--page", "2", "--per-page", "2"))

    assert (page["total"], len(page["list"]), page["page"]) == (3, 1, 2)


def test_call_sends_json_and_text(cloud: Cloud) -> None:
    meta = 'meta={"title": "A talk"}'
    media = json.loads(run("cloudkey_call", "media.create", meta))["id"]
    info = json.loads(run("cloudkey_call", "media.info", f"id={media}", 'fields=["meta.title"]'))

    assert info == {"meta": {"title": "A talk"}}
    assert json.loads(run("cloudkey_call", "media.list", "per_page=1"))["per_page"] == 1


@pytest.mark.parametrize("argument", ["fields", "=5", ""])
def test_call_explains_its_arguments(cloud: Cloud, argument: str) -> None:
    with pytest.raises(CommandError, match=f"Arguments are written key=value, got “{argument}”"):
        run("cloudkey_call", "media.list", argument)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["cloudkey_upload", "/nowhere/x.mp4"], "/nowhere/x.mp4: No such file or directory"),
        (["cloudkey_list", "--account", "nobody"], 'CLOUDKEYS["nobody"] is not configured.'),
        (["cloudkey_list"], "300: No answer from http://127.0.0.1:9"),
        (["cloudkey_call", "media.list", "page"], "Arguments are written key=value"),
    ],
)
def test_failure_is_one_line_and_status_1(args: list[str], line: str, tmp_path: Path) -> None:
    code = (
        "import sys, tests.settings as s; s.CLOUDKEYS['default']['BASE_URL'] = "
        "'http://127.0.0.1:9'; from django.core.management import execute_from_command_line; "
        "execute_from_command_line(['manage.py', *sys.argv[1:]])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_SCRATCH": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert line in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["media.info", "id=4d0c0ffee0000000000000aa"], "1010: Media not found"),
        (["nothing.there"], "610: "),
        (["media.list", "page=0"], "630: "),
    ],
)
def test_remote_failure_is_code_and_sentence(cloud: Cloud, args: list[str], line: str) -> None:
    with pytest.raises(CommandError) as caught:
        run("cloudkey_call", *args)

    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_wrong_key_is_a_failure(cloud: Cloud, settings: Any) -> None:
    settings.CLOUDKEYS = {"default": {**settings.CLOUDKEYS["default"], "API_KEY": "wrong"}}

    with pytest.raises(CommandError, match=r"^400: Authentication failed"):
        run("cloudkey_list")
