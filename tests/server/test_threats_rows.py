"""Threats to what the cloud keeps, its files and its rows, by their numbers: T236 and T245."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cloudkey.client import CloudKey, RPCException
from django_cloudkey.server import files
from django_cloudkey.server.models import Account
from django_cloudkey.server.uploads.slots import open_slot, upload_url

from ..conftest import Cloud
from .uploading import configure, post


@pytest.fixture
def umask() -> Any:
    """Let files be made as if nobody cared who may write them."""
    before = os.umask(0)
    yield
    os.umask(before)


# T236: what others put into the folders of the cloud


def test_t236_link_in_the_place_of_an_upload_is_not_followed(
    account: Account, cloud: Cloud, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("before")
    slot = open_slot(account)
    files.partial_path(slot.pk).symlink_to(precious)

    answer = post(upload_url(slot))

    assert answer.status_code >= 400
    assert precious.read_text() == "before"


def test_t236_nobody_else_reads_or_writes_what_arrives(
    cloud: Cloud, umask: None, tmp_path: Path, settings: Any
) -> None:
    configure(settings, WORK_DIR=tmp_path / "fresh" / "work")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"bytes")

    cloud.client.file.upload_file(clip)

    for folder in (files.work_dir(), files.work_dir() / "uploads"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in files.work_dir().rglob("*"):
        assert not path.is_file() or stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_t236_folder_that_others_may_write_is_refused(
    settings: Any, tmp_path: Path, mode: int
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(mode)
    configure(settings, WORK_DIR=work)

    with pytest.raises(ImproperlyConfigured, match="nobody else may write there"):
        files.work_dir()


def test_t236_names_are_the_clouds_own_and_differ_by_more_than_case(
    account: Account, cloud: Cloud
) -> None:
    """On a file system that knows no case two names are never one, and no user writes any."""
    names = {files.partial_path(open_slot(account).pk).name for _ in range(50)}

    assert len({name.lower() for name in names}) == 50
    assert names == {name.lower() for name in names}


# T245: text of callers in queries of the database

HOSTILE = [
    "title' OR '1'='1", 'title" OR 1=1 --', "title__startswith", "account__api_key", "account_id",
    "a')) = 'x' OR 1=1 --", "$.title", "title'] || (SELECT 1) || ['", "%s", "%(a)s", "{0}", "\\",
    "'", '"', "a.b", "0", "-1", "title\0",
]  # fmt: skip


@pytest.mark.usefixtures("no_failure")
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_t245_search_and_order_see_text_and_no_query(
    cloud: Cloud, stranger: CloudKey, text: str
) -> None:
    own = str(cloud.client.media.create(meta={"title": "Knots"})["id"])
    theirs = str(stranger.media.create(meta={"title": "Knots"})["id"])
    questions: list[dict[str, Any]] = [
        {"query": text},
        {"query": f"meta.{text}:Knots"},
        {"query": f"meta.title:{text}"},
        {"query": f"Knots sort:meta.{text}"},
        {"sort": [(f"meta.{text}", 1)]},
        {"sort": [(text, -1)]},
        {"filter": {f"meta.{text}": "Knots"}},
        {"fields": ["id", f"meta.{text}"]},
        {"fields": ["id", text]},
    ]

    for question in questions:
        question = {"fields": ["id"], **question}
        try:
            method = "media.search" if "query" in question else "media.list"
            found = cloud.client.call(method, **question)["list"]
        except RPCException:
            continue  # refused; that nothing failed inside says the log
        assert theirs not in {each["id"] for each in found}
        assert cloud.account.api_key not in str(found)
    assert cloud.client.media.info(id=own, fields=["id"]) == {"id": own}
    assert stranger.media.count() == 1
