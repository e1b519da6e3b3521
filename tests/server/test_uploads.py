"""The upload endpoint over real sockets: one sealed address, one file, or a clear refusal."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from django_cloudkey.client import InvalidParameter, LimitExceeded, TransportException
from django_cloudkey.server import files
from django_cloudkey.server.models import Asset, UploadSlot
from django_cloudkey.server.uploads import receiver
from django_cloudkey.server.uploads.receiver import SlotHandler
from django_cloudkey.server.worker import tidy_up

from ..conftest import Cloud, cut_connection
from .uploading import (
    CONTENT,
    FILE,
    MULTIPART,
    Sender,
    configure,
    expire,
    form,
    partials,
    post,
    wait_for,
)

# What arrives


def test_answer_names_what_arrived(cloud: Cloud, slot: UploadSlot, url: str) -> None:
    answer = post(url)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"url", "seal", "hash", "name", "size"}
    assert body["url"] == f"{cloud.base_url}/files/{slot.pk}.mp4"
    assert body["hash"] == hashlib.sha1(CONTENT).hexdigest()
    assert body["name"] == "clip"
    assert body["size"] == len(CONTENT)
    assert len(body["seal"]) == 32


def test_file_is_stored_whole_under_the_slot(slot: UploadSlot, url: str) -> None:
    post(url)

    slot.refresh_from_db()
    assert (slot.state, slot.file) == ("done", f"uploads/{slot.pk}")
    with files.storage().open(slot.file) as stored:
        assert stored.read() == CONTENT
    assert partials() == []


def test_client_and_server_agree_on_an_upload(cloud: Cloud, clip: Path) -> None:
    answer = cloud.client.file.upload_file(clip)

    assert answer["hash"] == hashlib.sha1(clip.read_bytes()).hexdigest()
    assert answer["name"] == "clip"
    assert answer["url"].endswith(".mp4")


# Who may send


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_sends(slot: UploadSlot, url: str, method: str) -> None:
    answer = requests.request(method, url, data=form(FILE), headers=MULTIPART, timeout=10)

    slot.refresh_from_db()
    assert (answer.status_code, slot.state) == (405, "waiting")


# Limits


def test_client_raises_limit_exceeded_with_the_sentence(
    cloud: Cloud, settings: Any, tmp_path: Path
) -> None:
    configure(settings, MAX_UPLOAD_SIZE=1_000_000)
    path = tmp_path / "long.mp4"
    path.write_bytes(bytes(5_000_000))

    with pytest.raises(LimitExceeded) as caught:
        cloud.client.file.upload_file(path)

    assert caught.value.code == 1030
    assert caught.value.message == "The file is longer than 1000000 bytes."


def test_f12_connection_that_is_cut_while_a_file_arrives_costs_no_file(
    slot: UploadSlot, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "TELL_EVERY", 0)
    tell = SlotHandler._tell
    cuts: list[bool] = []

    def cut_and_tell(handler: SlotHandler) -> None:
        if not cuts:
            cuts.append(True)
            cut_connection()
        tell(handler)

    monkeypatch.setattr(SlotHandler, "_tell", cut_and_tell)

    assert post(url).status_code == 200

    assert cuts
    slot.refresh_from_db()
    assert (slot.state, slot.size) == ("done", len(CONTENT))


# What is never used


def test_expired_upload_and_its_file_are_removed(slot: UploadSlot, url: str) -> None:
    post(url)
    expire()

    tidy_up()
    tidy_up()

    assert not UploadSlot.objects.exists()
    assert list(files.names_under("uploads")) == []


def test_expired_partial_file_is_removed(slot: UploadSlot) -> None:
    files.partial_path(slot.pk).write_bytes(b"half")
    UploadSlot.objects.update(state="receiving")
    expire()

    tidy_up()

    assert partials() == []


def test_partial_file_of_a_killed_process_is_removed_after_its_lifetime(
    slot: UploadSlot, settings: Any
) -> None:
    configure(settings, UPLOAD_LIFETIME=100)
    old, young = files.partial_path("0" * 32), files.partial_path("1" * 32)
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - 200,) * 2)

    tidy_up()

    assert partials() == [young.name]


def test_live_upload_is_left_alone(slot: UploadSlot, url: str) -> None:
    post(url)

    tidy_up()

    slot.refresh_from_db()
    assert files.storage().exists(slot.file)


def test_source_of_a_media_outlives_its_upload(cloud: Cloud, slot: UploadSlot, url: str) -> None:
    media = cloud.client.media.create(url=post(url).json()["url"])["id"]
    expire()

    tidy_up()
    tidy_up()

    source = Asset.objects.get(media=media, name="source")
    assert not UploadSlot.objects.exists()
    assert files.storage().exists(source.file)


def test_upload_stays_as_long_as_a_media_is_made_of_it(
    cloud: Cloud, slot: UploadSlot, url: str
) -> None:
    address = post(url).json()["url"]
    first = cloud.client.media.create(url=address)["id"]
    second = cloud.client.media.create(url=address)["id"]

    cloud.client.media.delete(id=first)
    tidy_up()

    assert files.storage().exists(Asset.objects.get(media=second).file)


def test_upload_goes_with_the_last_media_made_of_it(
    cloud: Cloud, slot: UploadSlot, url: str
) -> None:
    address = post(url).json()["url"]
    media = cloud.client.media.create(url=address)["id"]

    cloud.client.media.delete(id=media)
    tidy_up()

    assert list(files.names_under("uploads")) == []
    with pytest.raises(InvalidParameter, match="url must be an address that an upload"):
        cloud.client.media.create(url=address)


def test_file_of_a_media_that_outlived_its_upload_goes_with_the_media(
    cloud: Cloud, slot: UploadSlot, url: str
) -> None:
    media = cloud.client.media.create(url=post(url).json()["url"])["id"]
    expire()
    tidy_up()

    cloud.client.media.delete(id=media)
    tidy_up()

    assert list(files.names_under("uploads")) == []


def test_upload_that_took_longer_than_its_slot_is_refused(slot: UploadSlot, url: str) -> None:
    sender = Sender(url, form(FILE), sent=200)
    wait_for(slot, "receiving")
    expire()
    tidy_up()

    with suppress(BrokenPipeError):
        assert sender.finish() == 403
    tidy_up()
    assert partials() == []
    assert list(files.names_under("uploads")) == []


def test_server_that_is_gone_is_a_transport_failure(cloud: Cloud, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = type(cloud.client)(cloud.account.pk, "k" * 40, f"http://127.0.0.1:{port}")
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)

    with pytest.raises(TransportException, match=f"No answer from http://127.0.0.1:{port}"):
        client.file.upload_file(path)
