"""Calls and uploads over HTTP, as they should go; ``test_threats`` is how they should not."""

from __future__ import annotations

import io
import json
import logging
import socket
import time

import pytest

from django_cloudkey.client import (
    CloudKey,
    NotFound,
)
from django_cloudkey.client.reply import MAX_ANSWER_SIZE
from django_cloudkey.client.transport import Timeout

from .behaviours import CHUNK, SEAL, sealed, ticket, upload_unread
from .conftest import API_KEY, USER_ID, HostileServer, Request, answer
from .test_threats import Failing


def test_an_answer_of_nearly_eight_mebibytes_is_read(
    server: HostileServer, client: CloudKey
) -> None:
    text = "x" * (MAX_ANSWER_SIZE - 100)
    server.answers(json.dumps({"result": text}).encode())

    assert client.media.list() == text


def test_error_of_the_protocol_is_read_whatever_the_status(
    server: HostileServer, client: CloudKey
) -> None:
    server.answers(b'{"error": {"code": 1010, "message": "gone"}}', status="404 Not Found")

    with pytest.raises(NotFound, match="1010: gone"):
        client.media.info(id="0" * 24)


def test_an_answer_may_be_compressed_and_chunked(server: HostileServer, client: CloudKey) -> None:
    def behave(connection: socket.socket, request: Request) -> bool:
        connection.sendall(CHUNK + b'8\r\n{"result\r\n7;x=y\r\n": [1]}\r\n0\r\n\r\n')
        return True

    server.does(behave)

    assert [client.media.list(), client.media.list()] == [[1], [1]]
    assert server.connections == 1


def test_connection_is_kept_and_a_closed_one_is_replaced(
    server: HostileServer, client: CloudKey
) -> None:
    last_words = answer(b'{"result": 2}', headers="Connection: close\r\n")
    server.does(answer(b'{"result": 1}'), last_words, answer(b'{"result": 3}'))

    assert [client.media.list() for _ in range(3)] == [1, 2, 3]
    assert server.connections == 2


# Uploads


def test_upload_sends_its_length_and_the_file(server: HostileServer, client: CloudKey) -> None:
    server.answers(ticket(sealed(server)), b'{"url": "http://x/files/1"}')

    client.file.upload_file(io.BytesIO(b"content"), name="a.mp4")

    upload = server.requests[1]
    assert upload.head.startswith(f"POST /upload?uuid=1&seal={SEAL} HTTP/1.1\r\n")
    assert int(upload.header("Content-Length")) == len(upload.body)
    assert upload.header("Transfer-Encoding") == ""
    boundary = upload.header("Content-Type").removeprefix("multipart/form-data; boundary=")
    assert (
        upload.body
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\ncontent\r\n--{boundary}--\r\n"
        ).encode()
    )


def test_server_that_pauses_while_it_takes_an_upload_is_waited_for(server: HostileServer) -> None:
    def pause_then_take(connection: socket.socket, request: Request) -> None:
        time.sleep(1)
        left = int(request.header("Content-Length")) - len(request.body)
        while left > 0:
            left -= len(connection.recv(1 << 20))
        answer(b'{"url": "x"}')(connection, request)

    client = CloudKey(USER_ID, API_KEY, server.url, timeout=Timeout(connect=0.3, read=5, total=30))
    server.does(answer(ticket(sealed(server))), pause_then_take)

    assert upload_unread(server, client, 32 << 20) == {"url": "x"}


def test_a_call_is_logged_with_its_outcome_and_nothing_else(
    server: HostileServer, client: CloudKey, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(b'{"result": 1}', b'{"error": {"code": 1010, "message": "no"}}')
    broken = CloudKey(USER_ID, API_KEY, server.url, transport=Failing())

    with caplog.at_level(logging.DEBUG, "django_cloudkey"):
        client.media.list()
        with pytest.raises(NotFound):
            client.media.info(id="0" * 24)
        with pytest.raises(ZeroDivisionError):
            broken.media.list()

    assert [message.split(" after ")[0] for message in caplog.messages] == [
        "media.list: ok",
        "media.info: 1010",
        "media.list: broken off",
    ]
